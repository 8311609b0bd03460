//! Following the chain: every new block with our contracts' events, and every block that is taken back.
//!
//! alloy's `watch_canonical_logs_from` was tried first; it tells only logs, and the store keeps the hash of each block
//! it has indexed. So this follower reads the heads itself and compares each block's parent with the block before it.

use std::{collections::VecDeque, time::Duration};

use alloy::{
    eips::BlockId,
    providers::Provider,
    rpc::types::{Filter, Log},
};
use chartseal_record::event::Logged;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::{
    client::Client,
    error::Error,
    events,
    head::{BlockRef, Head},
    step::{Pace, Step},
};

/// How many heads are asked for at once while catching up.
const HEADS_AT_ONCE: usize = 8;
/// The longest pause after failures in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Walks a chain block by block.
///
/// Each block near the head (at most [`Pace::depth`] below it) is told, with or without events. Blocks further below
/// are told only if they hold events, and so is the last one of each range: nothing can be taken back there.
///
/// A node that is merely behind (its head is a block we know, further below) is waited for, not believed to be a
/// re-org: the blocks above are taken back only when other blocks stand in their place.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    start: u64,
    pace: Pace,
    /// Ascending; the last is where we stand.
    known: VecDeque<BlockRef>,
    /// Steps found but not told yet.
    ready: VecDeque<Step>,
    range: u64,
    failures: u32,
    ended: bool,
}

impl Client {
    /// Follows the chain from block `start`, or goes on after the last of `known` (ascending; the newest
    /// [`Pace::depth`] of the blocks already indexed suffice).
    pub fn follow(&self, start: u64, known: impl IntoIterator<Item = BlockRef>, pace: Pace) -> Follower {
        let mut known: VecDeque<_> = known.into_iter().collect();
        while known.len() > pace.depth {
            known.pop_front();
        }
        Follower {
            client: self.clone(),
            start,
            pace,
            known,
            ready: VecDeque::new(),
            range: pace.range.max(1),
            failures: 0,
            ended: false,
        }
    }
}

impl Follower {
    /// The next step; waits until there is one. Dropping the future loses nothing.
    ///
    /// After an error ask again: the follower stands where it stood and pauses by itself, longer each time, at most
    /// 10 s. Only [`Error::ReorgTooDeep`] is final.
    pub async fn next(&mut self) -> Result<Step, Error> {
        if self.failures > 0 {
            let pause = self.pace.poll * 2u32.saturating_pow(self.failures.min(8));
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Ok(step);
            }
            match self.look().await {
                Ok(true) => self.failures = 0,
                Ok(false) => {
                    self.failures = 0;
                    tokio::time::sleep(self.pace.poll).await;
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    self.ended |= matches!(error, Error::ReorgTooDeep { .. });
                    return Err(error);
                }
            }
        }
    }

    /// The steps as a stream. It ends after [`Error::ReorgTooDeep`], and goes on after any other error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Step, Error>> + Send {
        stream::unfold(self, |mut follower| async move {
            if follower.ended {
                return None;
            }
            let step = follower.next().await;
            Some((step, follower))
        })
        .boxed()
    }

    /// Where the follower stands: the last block told or about to be told.
    pub fn tip(&self) -> Option<BlockRef> {
        self.known.back().copied()
    }

    /// Looks once; true if there are steps to tell. Nothing is changed before the last question is answered.
    async fn look(&mut self) -> Result<bool, Error> {
        let head = self.client.head().await?;
        let Some(tip) = self.tip() else {
            return if head.number < self.start {
                Ok(false)
            } else {
                self.go_on(self.start, &head).await
            };
        };
        if head.hash == tip.hash {
            return Ok(false);
        }
        if head.number > tip.number {
            return self.go_on(tip.number + 1, &head).await;
        }
        // Either the head moved on between two questions, or the node is behind.
        let oldest = self.known.front().map_or(0, |block| block.number);
        if self.known.contains(&head.place()) || head.number < oldest {
            return Ok(false);
        }
        self.take_back().await
    }

    /// Adds blocks from `next` towards `head`, or takes back if `next` does not stand on the tip.
    async fn go_on(&mut self, next: u64, head: &Head) -> Result<bool, Error> {
        let settled = head.number.saturating_sub(self.pace.depth as u64);
        if next <= settled {
            return self.catch_up(next, settled).await;
        }
        let last = head.number.min(next + HEADS_AT_ONCE as u64 - 1);
        let client = &self.client;
        let blocks: Vec<Option<Head>> = stream::iter(next..=last)
            .map(|number| client.block(BlockId::number(number)))
            .buffered(HEADS_AT_ONCE)
            .try_collect()
            .await?;
        let mut parent = self.tip().map(|tip| tip.hash);
        // The chain may change between two answers: what fits together is taken, the rest is asked for again.
        let mut fitting = Vec::new();
        for block in blocks.into_iter().flatten() {
            if parent.is_some_and(|hash| hash != block.parent) {
                break;
            }
            parent = Some(block.hash);
            fitting.push(block);
        }
        if fitting.is_empty() {
            return self.take_back().await;
        }
        let told: Vec<(Head, Vec<Logged>)> = stream::iter(fitting)
            .map(|block| async move {
                let filter = Self::filter(client).at_block_hash(block.hash);
                let logs = client.ask(client.provider().get_logs(&filter)).await?;
                let events = events::decode_all(client.contracts(), &block, &logs)?;
                Ok::<_, Error>((block, events))
            })
            .buffered(HEADS_AT_ONCE)
            .try_collect()
            .await?;
        self.tell(told);
        Ok(true)
    }

    /// Reads a range below what can still change, as much of it as the node answers at once.
    async fn catch_up(&mut self, next: u64, settled: u64) -> Result<bool, Error> {
        if let Some(tip) = self.tip()
            && !self.is_canonical(tip).await?
        {
            return self.take_back().await;
        }
        let last = settled.min(next + self.range - 1);
        let logs = match self.logs(next, last).await {
            Ok(logs) => logs,
            // Too many blocks or too many logs at once: every node has its own limit and its own words for it.
            Err(Error::Refused { .. } | Error::Timeout { .. }) if last > next => {
                self.range = (last - next).div_ceil(2);
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let mut numbers: Vec<u64> = logs.iter().filter_map(|log| log.block_number).collect();
        numbers.push(last);
        numbers.sort_unstable();
        numbers.dedup();
        let client = &self.client;
        let blocks: Vec<Option<Head>> = stream::iter(numbers)
            .map(|number| client.block(BlockId::number(number)))
            .buffered(HEADS_AT_ONCE)
            .try_collect()
            .await?;
        let mut told = Vec::new();
        for block in blocks {
            let Some(block) = block else { return Ok(false) };
            let own: Vec<Log> = logs
                .iter()
                .filter(|log| log.block_number == Some(block.number))
                .cloned()
                .collect();
            if own.iter().any(|log| log.block_hash != Some(block.hash)) {
                return Ok(false);
            }
            let events = events::decode_all(client.contracts(), &block, &own)?;
            told.push((block, events));
        }
        // A quarter more each time: near a node's limit, one question in a few is refused, not every second one.
        self.range = (self.range + self.range / 4 + 1).min(self.pace.range.max(1));
        self.tell(told);
        Ok(true)
    }

    /// Finds the newest block that is still on the chain and takes back what stood above it.
    async fn take_back(&mut self) -> Result<bool, Error> {
        let mut kept = self.known.len();
        while kept > 0 && !self.is_canonical(self.known[kept - 1]).await? {
            kept -= 1;
        }
        let from = match kept {
            all if all == self.known.len() => return Ok(false),
            0 => {
                let oldest = self.known.front().map_or(self.start, |block| block.number);
                if oldest > self.start {
                    return Err(Error::ReorgTooDeep {
                        oldest,
                        depth: self.pace.depth,
                    });
                }
                self.start
            }
            some => self.known[some - 1].number + 1,
        };
        let lost = self.known[kept];
        self.known.truncate(kept);
        self.ready.push_back(Step::Removed { from, lost });
        Ok(true)
    }

    fn tell(&mut self, blocks: Vec<(Head, Vec<Logged>)>) {
        for (block, events) in blocks {
            let after = self.tip();
            self.known.push_back(block.place());
            if self.known.len() > self.pace.depth {
                self.known.pop_front();
            }
            self.ready.push_back(Step::Added { block, events, after });
        }
    }

    async fn is_canonical(&self, block: BlockRef) -> Result<bool, Error> {
        let found = self.client.block(BlockId::number(block.number)).await?;
        Ok(found.is_some_and(|there| there.hash == block.hash))
    }

    async fn logs(&self, from: u64, to: u64) -> Result<Vec<Log>, Error> {
        let filter = Self::filter(&self.client).from_block(from).to_block(to);
        self.client.ask(self.client.provider().get_logs(&filter)).await
    }

    fn filter(client: &Client) -> Filter {
        let c = client.contracts();
        Filter::new().address(vec![c.directory, c.consent, c.anchors])
    }
}
