//! One organisation's batches: batched → submitted → anchored, and back.

use std::{sync::Arc, time::Duration};

use alloy::{eips::BlockId, primitives::Address};
use chartseal_chain::{Client, Head, Revert, bindings::AnchorsErrors, calls};
use chartseal_ipfs::Content;
use chartseal_record::{clock::Clock, state::RecordState};
use chartseal_store::{Batch, Lease, Mined, SentTransaction, Store};
use tokio::time::Instant;

use crate::{
    Error,
    assemble::{Assembled, assemble},
    heads::Heads,
    signer::{Call, Signer},
    work::{Ailment, LEASE_SECONDS, Told, Worker},
};

/// Outbox rows deleted in one transaction.
const CLEAR: u32 = 256;

/// When records become a batch, and when a batch is done.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Records wait at most so long.
    pub interval: Duration,
    /// Records in one batch.
    pub records: u32,
    /// Blocks, its own included, until an anchor is final enough.
    pub confirmations: u64,
}

/// The worker that anchors for one organisation with one key.
pub struct Publisher {
    pub(crate) org: Address,
    signer: Signer,
    pub(crate) store: Store,
    content: Content,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: Rules,
    lease: Lease,
    heads: Heads,
    assembled_at: Option<Instant>,
    assembling: Ailment,
    refused: Told,
}

impl Worker for Publisher {
    const WHAT: &'static str = "anchoring batches";

    /// A batch is made even while the chain is away, and open batches go on while the content store is away.
    async fn turn(&mut self) -> Result<bool, Error> {
        if !self.hold().await? {
            return Ok(false);
        }
        let more = self.assemble_when_due().await;
        self.settle().await?;
        self.signer.fill_gaps().await?;
        while self.store.clear_outbox(CLEAR).await? == u64::from(CLEAR) {}
        Ok(more)
    }

    async fn release(&self) -> Result<(), Error> {
        Ok(self.store.release_lease(&self.lease).await?)
    }
}

impl Publisher {
    /// Sets a worker up. `signer` must be a publisher of `org`.
    pub fn new(
        org: Address,
        signer: Signer,
        store: Store,
        content: Content,
        client: Client,
        clock: Arc<dyn Clock>,
        rules: Rules,
    ) -> Self {
        let lease = Lease::new(format!("publisher:{org}"));
        Self {
            org,
            signer,
            store,
            content,
            client,
            clock,
            rules,
            lease,
            heads: Heads::default(),
            assembled_at: None,
            assembling: Ailment::new("assembling a batch"),
            refused: Told::default(),
        }
    }

    /// Takes or prolongs the lease: one worker per organisation, in all processes.
    pub async fn hold(&self) -> Result<bool, Error> {
        Ok(self
            .store
            .take_lease(&self.lease, self.clock.seconds(), LEASE_SECONDS)
            .await?)
    }

    async fn assemble_when_due(&mut self) -> bool {
        if self
            .assembled_at
            .is_some_and(|last| last.elapsed() < self.rules.interval)
        {
            return false;
        }
        self.assembled_at = Some(Instant::now());
        let result = self.assemble().await;
        let assembled = self.assembling.note(result).flatten();
        if assembled.is_some_and(|a| a.more) {
            self.assembled_at = None;
            return true;
        }
        false
    }

    /// Stored → batched, for what waits now.
    pub async fn assemble(&self) -> Result<Option<Assembled>, Error> {
        let now = self.clock.seconds();
        let assembled = assemble(
            &self.store,
            &self.content,
            self.org,
            self.rules.records,
            &self.lease,
            now,
        )
        .await?;
        if let Some(assembled) = assembled {
            metrics::counter!("chartseal_batches_total").increment(1);
            metrics::histogram!("chartseal_batch_records").record(f64::from(assembled.records));
        }
        Ok(assembled)
    }

    /// Takes every open batch one step on, and looks again at anchors a re-org may have moved.
    pub async fn settle(&mut self) -> Result<(), Error> {
        let look = self.heads.look(&self.client).await?;
        if let Some(from) = look.changed_from {
            self.recheck(from).await?;
        }
        let open = self.store.open_batches(self.org).await?;
        metrics::gauge!("chartseal_batches_open", "org" => self.org.to_string()).set(open.len() as f64);
        for batch in open {
            match batch.state {
                RecordState::Batched => {
                    if let Some(sent) = self.sign(&batch, &look.head).await? {
                        self.send(&batch, &sent).await?;
                    }
                }
                _ => self.follow(&batch, &look.head).await?,
            }
        }
        Ok(())
    }

    /// Batched → submitted: asks the chain for the anchor first, then signs and commits. `None` if the anchor is there
    /// already, or refused.
    pub async fn sign(&self, batch: &Batch, head: &Head) -> Result<Option<SentTransaction>, Error> {
        if self.is_anchored(batch, head).await? {
            return Ok(None);
        }
        let to = self.client.contracts().anchors;
        let data = calls::anchor(self.org, batch.root, batch.count, batch.manifest);
        let gas = match self
            .client
            .estimate(self.signer.address(), to, &data, BlockId::pending())
            .await
        {
            Ok(gas) => gas,
            // An earlier send of it waits in the node's pool: the next look finds it mined.
            Err(chartseal_chain::Error::Reverted(Revert::Anchors(AnchorsErrors::AlreadyAnchored(_)))) => {
                return Ok(None);
            }
            // Not listed as publisher (yet), or the organisation is suspended: nothing is lost by waiting for the
            // operator.
            Err(error) => return Err(error.into()),
        };
        let sent = self.signer.sign(&Call { to, data, gas }).await?;
        self.store.batch_submitted(batch.id, &sent).await?;
        Ok(Some(sent))
    }

    /// Hands the signed bytes to the node, for the first time or again.
    pub async fn send(&self, batch: &Batch, sent: &SentTransaction) -> Result<(), Error> {
        match self.client.send_raw(&sent.raw).await {
            Ok(_) => {
                tracing::info!(batch = batch.id.0, transaction = %sent.hash, "batch {} is sent as {}", batch.id, sent.hash)
            }
            Err(chartseal_chain::Error::Refused { code, message }) => {
                if self.refused.first(sent.hash) {
                    tracing::warn!(
                        batch = batch.id.0,
                        nonce = sent.nonce,
                        code,
                        message,
                        "the node does not take batch {} now",
                        batch.id
                    );
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Submitted → anchored, sent again, or back.
    pub async fn follow(&self, batch: &Batch, head: &Head) -> Result<(), Error> {
        let Some(sent) = &batch.sent else { return Ok(()) };
        let settled = self.signer.settled(sent, head, self.rules.confirmations).await?;
        match self.client.mined(sent.hash).await? {
            Some(mined) if mined.success => {
                if head.confirmations(mined.block) >= self.rules.confirmations {
                    let place = Mined {
                        block: mined.block,
                        block_hash: mined.block_hash,
                        gas_used: mined.gas_used,
                    };
                    self.anchored(batch, Some(sent.hash), place).await?;
                }
            }
            Some(refused) => {
                if !self.is_anchored(batch, head).await?
                    && head.confirmations(refused.block) >= self.rules.confirmations
                {
                    tracing::warn!(batch = batch.id.0, transaction = %sent.hash, "the anchor of batch {} was refused in block {}", batch.id, refused.block);
                    self.store.batch_back(batch.id).await?;
                }
            }
            None if self.is_anchored(batch, head).await? => {}
            None if Signer::lost_nonce(settled, sent) => {
                tracing::warn!(
                    batch = batch.id.0,
                    nonce = sent.nonce,
                    "another transaction took nonce {} of batch {}",
                    sent.nonce,
                    batch.id
                );
                self.store.batch_back(batch.id).await?;
            }
            None => {
                if let Some(dearer) = self.signer.outbid(sent).await? {
                    tracing::info!(batch = batch.id.0, transaction = %dearer.hash, "batch {} is sent with a higher fee", batch.id);
                    self.store.batch_replaced(batch.id, sent, &dearer).await?;
                    self.send(batch, &dearer).await?;
                } else if self.client.transaction(sent.hash).await?.is_none() {
                    self.send(batch, sent).await?;
                }
            }
        }
        Ok(())
    }

    /// Anchored → batched, for anchors that are no longer where they were.
    async fn recheck(&self, from: u64) -> Result<(), Error> {
        for batch in self.store.batches_anchored_from(self.org, from).await? {
            let Some(place) = batch.mined else { continue };
            let now = self.client.block(BlockId::number(place.block)).await?;
            if now.is_none_or(|block| block.hash != place.block_hash) {
                tracing::warn!(
                    batch = batch.id.0,
                    block = place.block,
                    "a re-org dropped the anchor of batch {}",
                    batch.id
                );
                metrics::counter!("chartseal_reorged_total", "what" => "batch").increment(1);
                self.store.batch_back(batch.id).await?;
            }
        }
        Ok(())
    }
}
