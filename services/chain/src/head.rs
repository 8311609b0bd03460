//! Blocks, as far as we need them.

use alloy::{primitives::B256, rpc::types::Header};
use serde::{Deserialize, Serialize};

/// A block's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Hash of the block before it.
    pub parent: B256,
    /// Unix seconds, as the block says.
    pub timestamp: u64,
}

/// Enough of a block to find it again: what a follower resumes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
}

impl Head {
    pub(crate) fn of(header: &Header) -> Self {
        Self {
            number: header.inner.number,
            hash: header.hash,
            parent: header.inner.parent_hash,
            timestamp: header.inner.timestamp,
        }
    }

    /// The block's number and hash.
    pub fn place(&self) -> BlockRef {
        BlockRef {
            number: self.number,
            hash: self.hash,
        }
    }

    /// The newest block on which so many stand, itself included; 0 if there is none yet.
    pub fn settled(&self, confirmations: u64) -> u64 {
        (self.number + 1).saturating_sub(confirmations)
    }

    /// How many blocks, itself included, stand on `block`: 1 when it is this head, 0 when it lies above.
    pub fn confirmations(&self, block: u64) -> u64 {
        (self.number + 1).saturating_sub(block)
    }
}
