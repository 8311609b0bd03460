//! This crate holds everything that is encrypted: age files (records, attachments, root backups), the key
//! tree, and the HPKE capsules by which keys travel (wraps, links, releases).
//!
//! It is pure: bytes in, bytes out, no I/O, no async; the only thing it takes from outside is the operating
//! system's randomness. It must not know who may read, where bytes are stored, or what is on chain: callers
//! bring the place a key belongs to and the public key it must yield. `docs/format.md` writes down every
//! byte; `tests/vectors/envelope.json` holds one of each.
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
pub mod release;
mod secret;
pub mod tree;
#[cfg(test)]
mod vectors;
pub mod wrap;

pub use capsule::CAPSULE;
pub use error::{Broken, Error, Result};
