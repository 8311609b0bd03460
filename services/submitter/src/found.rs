//! An anchor on the chain, found by its key or by its transaction, becomes `anchored` in the database.

use alloy::{eips::BlockId, primitives::B256};
use chartseal_chain::Head;
use chartseal_record::{event::Event, receipt::anchor_key};
use chartseal_store::{Batch, Mined};

use crate::{Error, Publisher};

impl Publisher {
    /// Whether the chain holds the batch's anchor, from whatever transaction; once it is deep enough the batch is
    /// `anchored`.
    pub(crate) async fn is_anchored(&self, batch: &Batch, head: &Head) -> Result<bool, Error> {
        let key = anchor_key(batch.org, batch.root, batch.count, batch.manifest);
        let Some(block) = self.client.anchored_at(key).await? else {
            return Ok(false);
        };
        if head.confirmations(block) < self.rules.confirmations {
            return Ok(true);
        }
        if let Some((transaction, place)) = self.place_of(batch, block).await? {
            self.anchored(batch, transaction, place).await?;
        }
        Ok(true)
    }

    /// Block and, as far as it can be learnt, transaction of an anchor found by its key. The transactions of ours are
    /// asked first, then the gateway's index of events.
    async fn place_of(&self, batch: &Batch, block: u64) -> Result<Option<(Option<B256>, Mined)>, Error> {
        let earlier = self.store.replaced_of_batch(batch.id).await?;
        for hash in batch.tx_hash.into_iter().chain(earlier.iter().map(|sent| sent.hash)) {
            if let Some(mined) = self.client.mined(hash).await?
                && mined.success
            {
                let place = Mined {
                    block: mined.block,
                    block_hash: mined.block_hash,
                    gas_used: mined.gas_used,
                };
                return Ok(Some((Some(hash), place)));
            }
        }
        let Some(head) = self.client.block(BlockId::number(block)).await? else {
            return Ok(None);
        };
        let events = self.store.events_of(batch.root).await?;
        let ours = events.iter().find(|logged| {
            let Event::Anchored {
                org, count, manifest, ..
            } = &logged.event
            else {
                return false;
            };
            logged.block == block && (*org, *count, *manifest) == (batch.org, batch.count, batch.manifest)
        });
        let place = Mined {
            block,
            block_hash: head.hash,
            gas_used: 0,
        };
        Ok(Some((ours.map(|logged| logged.transaction), place)))
    }

    pub(crate) async fn anchored(&self, batch: &Batch, transaction: Option<B256>, place: Mined) -> Result<(), Error> {
        let now = self.clock.seconds();
        self.store.batch_anchored(batch.id, transaction, place, now).await?;
        metrics::counter!("chartseal_records_anchored_total").increment(u64::from(batch.count));
        metrics::histogram!("chartseal_anchor_seconds").record(now.saturating_sub(batch.created_at) as f64);
        metrics::histogram!("chartseal_anchor_gas").record(place.gas_used as f64);
        tracing::info!(
            batch = batch.id.0,
            block = place.block,
            records = batch.count,
            "batch {} is anchored in block {}",
            batch.id,
            place.block
        );
        Ok(())
    }
}
