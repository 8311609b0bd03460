use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use cid::Cid;

/// Bytes that are kept; then all are forgotten and read again. 8 MiB are the inner nodes of about 150 GiB of files.
const MOST: usize = 8 << 20;
/// What an entry takes beside its bytes, about.
const ENTRY: usize = 200;

/// Inner nodes of files that were read before. A block was found equal to its CID when it came, so what is kept never
/// goes stale; that it is still stored is another question, which its leaves answer. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct Nodes(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    blocks: HashMap<Cid, Bytes>,
    bytes: usize,
}

impl Nodes {
    pub(super) fn get(&self, cid: &Cid) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.blocks.get(cid).cloned()
    }

    pub(super) fn keep(&self, cid: &Cid, block: &Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = block.len() + ENTRY;
        if kept.bytes + size > MOST {
            *kept = Kept::default();
        }
        if kept.blocks.insert(*cid, block.clone()).is_none() {
            kept.bytes += size;
        }
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nodes(…)")
    }
}
