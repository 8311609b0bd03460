use std::{io, path::PathBuf, time::Duration};

use cid::Cid;

/// What can go wrong with content. CIDs are boxed because each is 96 bytes, in every `Result`, for the rare error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes held under a CID hash to something else, or end early: a damaged disk or a lying node.
    #[error(
        "the bytes of {cid} in {place} are damaged: they do not hash to their CID; restore them from another node or a backup"
    )]
    Corrupt { cid: Box<Cid>, place: String },
    /// A CID of another version, hash or codec.
    #[error("CID {cid} is not one this store speaks; expected CIDv1 with sha2-256 and raw, dag-pb or dag-cbor")]
    Unsupported { cid: Box<Cid> },
    /// A block larger than any IPFS node exchanges.
    #[error("block {cid} is {size} bytes; a block is at most {limit} bytes", limit = crate::BLOCK_LIMIT)]
    BlockTooLarge { cid: Box<Cid>, size: u64 },
    /// A tree names a block which is not to be had.
    #[error("block {cid}, which {root} leads to, is missing in {place}; import it with the rest, or restore it")]
    MissingBlock {
        root: Box<Cid>,
        cid: Box<Cid>,
        place: String,
    },
    /// An import was asked to pin what it was not given.
    #[error("root {cid} is not among the blocks of the import; pass every root's block")]
    MissingRoot { cid: Box<Cid> },
    /// An import without a root would be unreachable.
    #[error("an import needs at least one root, and at most {limit}; got {got}", limit = crate::car::ROOT_LIMIT)]
    RootCount { got: usize },
    /// A tree which the profile `unixfs-v1-2025` cannot have produced, or a hostile one.
    #[error("{cid} is not a file of the profile unixfs-v1-2025: {reason}")]
    NotAFile { cid: Box<Cid>, reason: &'static str },
    /// A block that ought to be DAG-CBOR.
    #[error("{cid} is not DAG-CBOR, though its CID says so")]
    Malformed { cid: Box<Cid> },
    /// Bytes were asked for beyond the end.
    #[error("bytes {start}..{end} of {cid} were asked for, but the file has {size} bytes")]
    OutOfRange {
        cid: Box<Cid>,
        start: u64,
        end: u64,
        size: u64,
    },
    /// A CAR file that does not follow CARv1 within the limits of this crate.
    #[error("malformed CAR at byte {at}: {reason}")]
    MalformedCar { at: u64, reason: &'static str },
    /// A gateway cannot be written to.
    #[error("{place} can only be read; write to a folder or to Kubo (kubo+http://…)")]
    ReadOnly { place: String },
    /// A place that names no store.
    #[error(
        "content place \"{given}\" is not understood: {reason}; expected a folder, kubo+http://HOST:PORT or http(s)://HOST"
    )]
    Location { given: String, reason: &'static str },
    /// A writer was used again after it had failed.
    #[error("this file writer has failed before; start the file again")]
    WriterFailed,
    /// The disk refused.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Disk {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The node or gateway did not answer in time.
    #[error("{place} did not answer {call} within {limit:?}; it may be overloaded or away")]
    Timeout {
        place: String,
        call: &'static str,
        limit: Duration,
    },
    /// The node or gateway could not be reached, or the connection broke.
    #[error("cannot reach {place} for {call}: {reason}")]
    Unreachable {
        place: String,
        call: &'static str,
        reason: String,
    },
    /// The node or gateway answered with a refusal.
    #[error("{place} refused {call}: {reason}")]
    Refused {
        place: String,
        call: &'static str,
        reason: String,
    },
}

impl Error {
    /// Whether the same call may succeed later with nothing mended but time: the place is away or out of breath.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. } | Self::Unreachable { .. } | Self::Disk { .. }
        )
    }

    /// Turns an I/O error into one that names what was being done, and to what.
    pub(crate) fn disk(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { doing, path, source }
    }
}
