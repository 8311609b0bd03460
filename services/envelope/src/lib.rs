//! This crate holds everything that is encrypted: age files (records, attachments, root backups), the key
//! tree, and the HPKE capsules by which keys travel (wraps, links, releases).
//!
//! It is pure: bytes in, bytes out, no I/O of its own, no async; the only thing it takes from outside is the operating
//! system's randomness. It must not know who may read, where bytes are stored, or what is on chain: callers
//! bring the place a key belongs to and the public key it must yield.
//!
//! | what | bytes | made of | source |
//! |---|---|---|---|
//! | [`age`] file | 184 + plaintext + 16 for every 64 KiB begun | X25519, HKDF-SHA256, HMAC-SHA256, ChaCha20-Poly1305 | [C2SP age.md](https://c2sp.org/age) |
//! | sealed [`record`] | ≤ 1,048,576 | an age file; plaintext padded by Padmé | PURBs, PETS 2019 |
//! | epoch secret ([`tree`]) | 32 | HKDF-SHA256 of the root and the place | RFC 5869 |
//! | [`wrap`] | 80 | HPKE, PSK mode | RFC 9180 §5.1.2 |
//! | [`record_wrap`] | 64 | HPKE, PSK mode | RFC 9180 §5.1.2 |
//! | [`link`], [`release`] | 80 | HPKE, base mode | RFC 9180 §5.1.1 |
//! | root [`backup`] | about 440 | an age file under a passphrase (scrypt) | C2SP age.md, RFC 7914 |
//!
//! `docs/format.md` writes down every byte; `tests/vectors/envelope.json` holds one of each, read by this crate and by
//! other people's TypeScript; `tests/vectors/rfc9180.json` and `tests/testkit` are the authors' own.
//!
//! **What it promises.** Nothing leaves that was not authenticated. One header, one plaintext of a record, one text of a
//! key has one spelling; every other is refused. An opened wrap or link yields the public key it must, or is refused.
//! Secrets are wiped when dropped, compared in constant time, and print nothing ([`key`]).
//!
//! **What it does not.** An age file says nothing of who wrote it: that is the statement's signature, which takes the
//! chain to check. Copies that a compiler makes on the stack are not wiped. A reader who kept a key keeps what it opened.
//!
//! **On how many cores.** [`age::seal_through`] and [`age::open_through`] take whole files through any number of threads;
//! [`age::Sealer`] and [`age::Opener`] spread large pushes over as many as [`age::Sealer::threads`] allows; [`age::Ranges`]
//! reads any part of a file. Bytes and refusals do not depend on it.
#![warn(missing_docs)]

pub mod age;
pub mod backup;
mod capsule;
mod cipher;
mod curve;
mod error;
pub mod key;
pub mod link;
pub mod record;
pub mod record_wrap;
pub mod release;
mod secret;
pub mod tree;
#[cfg(test)]
mod vectors;
pub mod wrap;

pub use capsule::CAPSULE;
pub use error::{Broken, Error, Result};
