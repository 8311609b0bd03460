//! Files as balanced trees of blocks, by the profile `unixfs-v1-2025` (IPIP-0499): CIDv1, sha2-256, raw leaves,
//! chunks of 1 MiB, at most 1024 links in a node, all leaves at one depth. A file of at most one chunk is its leaf.

mod builder;
mod node;
mod nodes;
mod reader;

pub use builder::{FileBuilder, Finished};
pub(crate) use node::links;
pub use nodes::Nodes;
pub use reader::file_cid;
pub(crate) use reader::{read_file, size};

/// Bytes in a leaf; only a file's last leaf is shorter.
pub const CHUNK: usize = 1024 * 1024;
/// Links in a node.
pub const LINKS: usize = 1024;
/// Nodes between a root and its leaves: 1024³ leaves of 1 MiB are an exbibyte.
pub(crate) const DEPTH_LIMIT: usize = 3;
