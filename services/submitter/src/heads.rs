//! Noticing that the chain changed below its head.

use std::collections::VecDeque;

use alloy::eips::BlockId;
use chartseal_chain::{BlockRef, Client, Head};

use crate::Error;

/// Blocks a re-org may reach back without being called another chain. Ethereum finalises within 64 to 96 blocks; chains
/// that promise less are not for anchors.
pub const DEPTH: u64 = 96;

/// The heads seen so far.
#[derive(Debug, Default)]
pub struct Heads {
    seen: VecDeque<BlockRef>,
}

/// One look at the chain.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The newest block.
    pub head: Head,
    /// What stood in this block or above must be looked up again; `None` if nothing seen before has changed.
    pub changed_from: Option<u64>,
}

impl Heads {
    /// Looks at the head. The first look after a start takes everything within [`DEPTH`] as changed, since nobody
    /// watched in between.
    pub async fn look(&mut self, client: &Client) -> Result<Look, Error> {
        let head = client.head().await?;
        let changed_from = match self.seen.back() {
            None => Some(head.number.saturating_sub(DEPTH)),
            Some(last) if last.hash == head.hash || last.hash == head.parent => None,
            Some(_) => self.forget_changed(client, &head).await?,
        };
        if self.seen.back() != Some(&head.place()) {
            self.seen.push_back(head.place());
        }
        while self.seen.len() > DEPTH as usize {
            self.seen.pop_front();
        }
        Ok(Look { head, changed_from })
    }

    /// Drops the heads that are no longer on the chain and returns the lowest block that may differ.
    async fn forget_changed(&mut self, client: &Client, head: &Head) -> Result<Option<u64>, Error> {
        let mut changed = false;
        while let Some(last) = self.seen.back().copied() {
            let now = client.block(BlockId::number(last.number)).await?;
            if now.is_some_and(|block| block.hash == last.hash) {
                return Ok(changed.then_some(last.number + 1));
            }
            changed = true;
            self.seen.pop_back();
        }
        tracing::warn!(
            head = head.number,
            "the chain changed below every block seen since the start"
        );
        Ok(Some(0))
    }
}
