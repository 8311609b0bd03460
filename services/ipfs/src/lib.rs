//! This crate holds content by CID: a folder of CAR files, a Kubo node, and reading over HTTP from a trustless gateway.
//!
//! Whatever the place, bytes leave this crate only after they have been hashed and found equal to the CID that was
//! asked for, so a disk, a node or a gateway may be broken or hostile and still not put a byte into a record.
//! It must not know what the bytes mean: no keys, no patients, no chain.
//!
//! One kind of CID is spoken: version 1, sha2-256, with the codecs raw, dag-pb (files) and dag-cbor (manifests).
//! Files follow the profile `unixfs-v1-2025`, built here and never by a node, so a CID depends on nobody's settings.

mod block;
pub mod car;
mod content;
mod copy;
mod error;
mod http;
mod incoming;
mod kubo;
pub mod local;
pub mod unixfs;
mod writer;

pub use block::{BLOCK_LIMIT, Block, dag_cbor_cid, raw_cid};
pub use bytes::Bytes;
pub use cid::Cid;
pub use content::Content;
pub use copy::Copied;
pub use error::Error;
pub use http::{Bearer, Http};
pub use kubo::Kubo;
pub use local::Local;
pub use writer::{Added, FileWriter};
