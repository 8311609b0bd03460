//! What a follower tells, and how fast it goes.

use std::time::Duration;

use chartseal_record::event::Logged;

use crate::head::{BlockRef, Head};

/// One step along the chain.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A block joined the chain.
    Added {
        /// The block.
        block: Head,
        /// Its events, in log order; often none.
        events: Vec<Logged>,
        /// The block told before it, or resumed from: it stands on that one. `None` for the first of all.
        after: Option<BlockRef>,
    },
    /// Every block from this number on left the chain; the blocks that replace them follow as `Added`.
    Removed {
        /// The lowest number that is gone.
        from: u64,
        /// The lowest of the blocks told before that is gone.
        lost: BlockRef,
    },
}

/// How a chain is followed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often the head is asked for when nothing is new.
    pub poll: Duration,
    /// How many blocks are remembered: a re-org that reaches below them ends the follower.
    pub depth: usize,
    /// How many blocks one log query covers at most while catching up. Halved whenever the node refuses.
    pub range: u64,
}

impl Default for Pace {
    /// A quarter of a second, 64 blocks (two epochs of a public chain's finality), 2,000 blocks.
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            depth: 64,
            range: 2_000,
        }
    }
}
