//! CARv1: a header naming roots, then blocks, each preceded by its length and CID.
//!
//! ```text
//! file    = varint(len) ‖ dag-cbor {"roots": [CID …], "version": 1}   { varint(36 + n) ‖ CID ‖ n bytes }*
//! ```
//!
//! Every CID here is 36 bytes long, so a header's length depends on the number of roots alone, and a writer that
//! learns its root last writes the header again in place.

mod read;
mod write;

pub use read::Reader;
pub use write::Writer;
pub(crate) use write::{head, section};

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    block::{BLOCK_LIMIT, CID_LENGTH, Key},
};

/// Roots in a CAR: a manifest of 8192 records and what hangs on them.
pub const ROOT_LIMIT: usize = 65_536;

/// Bytes in a header: 41 for each root, and the frame.
const HEADER_LIMIT: u64 = ROOT_LIMIT as u64 * 41 + 64;

const SECTION_LIMIT: u64 = (CID_LENGTH + BLOCK_LIMIT) as u64;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

/// Where a block's bytes lie in its CAR.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    pub key: Key,
    /// Of the block's first byte, after its CID.
    pub offset: u64,
    pub length: u32,
}

fn check_roots(roots: &[Cid]) -> Result<(), Error> {
    if roots.is_empty() || roots.len() > ROOT_LIMIT {
        return Err(Error::RootCount { got: roots.len() });
    }
    roots.iter().try_for_each(|root| Key::of(root).map(drop))
}
