//! Decisions people signed: signed → submitted → confirmed or failed, and back. The relayer pays; it cannot change a
//! word of them.

use std::sync::Arc;

use alloy::{eips::BlockId, primitives::Address};
use chartseal_chain::{Client, Error as ChainError, Head};
use chartseal_record::clock::Clock;
use chartseal_store::{Intent, Lease, Mined, SentTransaction, Store};

use crate::{
    Error,
    heads::Heads,
    signer::{Call, Signer},
    verdict::{Verdict, verdict},
    work::{LEASE_SECONDS, Told, Worker},
};

/// Intents of one organisation relayed in one turn, so that none waits behind another's thousands.
const AT_ONCE: u32 = 64;

/// Transactions one intent may use up. Each costs gas; a call that succeeds in simulation and fails in a block five
/// times over is not going to work.
const ATTEMPTS: u32 = 5;

/// The worker that relays the intents of some organisations with one key.
pub struct Relayer {
    orgs: Vec<Address>,
    signer: Signer,
    store: Store,
    client: Client,
    clock: Arc<dyn Clock>,
    confirmations: u64,
    lease: Lease,
    heads: Heads,
    refused: Told,
}

impl Worker for Relayer {
    const WHAT: &'static str = "relaying intents";

    async fn turn(&mut self) -> Result<bool, Error> {
        if !self.hold().await? {
            return Ok(false);
        }
        self.settle().await?;
        let more = self.relay().await?;
        self.signer.fill_gaps().await?;
        Ok(more)
    }

    async fn release(&self) -> Result<(), Error> {
        Ok(self.store.release_lease(&self.lease).await?)
    }
}

impl Relayer {
    /// Sets a worker up.
    pub fn new(
        orgs: Vec<Address>,
        signer: Signer,
        store: Store,
        client: Client,
        clock: Arc<dyn Clock>,
        confirmations: u64,
    ) -> Self {
        let lease = Lease::new(format!("relayer:{}", signer.address()));
        Self {
            orgs,
            signer,
            store,
            client,
            clock,
            confirmations,
            lease,
            heads: Heads::default(),
            refused: Told::default(),
        }
    }

    /// Takes or prolongs the lease: one worker per key, in all processes.
    pub async fn hold(&self) -> Result<bool, Error> {
        Ok(self
            .store
            .take_lease(&self.lease, self.clock.seconds(), LEASE_SECONDS)
            .await?)
    }

    /// Looks what became of everything submitted, and of what a re-org may have moved.
    pub async fn settle(&mut self) -> Result<(), Error> {
        let look = self.heads.look(&self.client).await?;
        if let Some(from) = look.changed_from {
            self.recheck(from).await?;
        }
        for org in &self.orgs {
            for intent in self.store.submitted_intents(*org).await? {
                self.follow(&intent, &look.head).await?;
            }
        }
        Ok(())
    }

    /// Signed → submitted, in order of creation, for all whose dependency is mined.
    pub async fn relay(&self) -> Result<bool, Error> {
        let mut more = false;
        for org in &self.orgs {
            let intents = self.store.relayable_intents(*org, AT_ONCE).await?;
            let mut moved = false;
            for intent in &intents {
                if let Some(sent) = self.sign(intent).await? {
                    moved = true;
                    self.send(intent, &sent).await?;
                }
            }
            more |= moved && intents.len() == AT_ONCE as usize;
        }
        Ok(more)
    }

    /// Simulates, signs and commits one intent. `None` if the contract refuses it now; then it waits, has failed, or
    /// was in force already.
    pub async fn sign(&self, intent: &Intent) -> Result<Option<SentTransaction>, Error> {
        let now = self.clock.seconds();
        let Some((to, data)) = intent.call.clone() else {
            return Ok(None);
        };
        let contracts = self.client.contracts();
        if to != contracts.directory && to != contracts.consent {
            self.fail(intent, "its target is neither Directory nor Consent").await?;
            return Ok(None);
        }
        // Pending state: what is sent but not mined counts, so a grant may follow the revocation of its slot within one
        // block.
        let gas = match self
            .client
            .estimate(self.signer.address(), to, &data, BlockId::pending())
            .await
        {
            Ok(gas) => gas,
            Err(ChainError::Reverted(revert)) => {
                let in_flight = !self.store.submitted_intents(intent.org).await?.is_empty();
                match verdict(
                    &self.client,
                    &revert,
                    &data,
                    now.saturating_sub(intent.changed_at),
                    in_flight,
                )
                .await?
                {
                    Verdict::InForce(block) => {
                        let at = Mined {
                            block: block.number,
                            block_hash: block.hash,
                            gas_used: 0,
                        };
                        self.store.intent_in_force(&intent.id, at, now).await?;
                        tracing::info!(intent = %intent.id, kind = %intent.kind, "intent {} is in force already", intent.id);
                    }
                    Verdict::Later => {
                        tracing::debug!(intent = %intent.id, refusal = revert.name(), "intent {} waits: {}", intent.id, revert.name());
                    }
                    Verdict::Final => self.fail(intent, &revert.to_string()).await?,
                }
                return Ok(None);
            }
            // The node's own refusal (no balance, limits) is of this call: those behind it must not wait for it.
            Err(ChainError::Refused { code, message }) => {
                if self.refused.first(&intent.id) {
                    tracing::warn!(intent = %intent.id, code, message, "the node does not simulate intent {}", intent.id);
                }
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let sent = self.signer.sign(&Call { to, data, gas }).await?;
        self.store.intent_submitted(&intent.id, &sent, now).await?;
        Ok(Some(sent))
    }

    /// Hands the signed bytes to the node, for the first time or again.
    pub async fn send(&self, intent: &Intent, sent: &SentTransaction) -> Result<(), Error> {
        match self.client.send_raw(&sent.raw).await {
            Ok(_) => {
                tracing::info!(intent = %intent.id, kind = %intent.kind, transaction = %sent.hash, "intent {} is sent as {}", intent.id, sent.hash);
            }
            Err(ChainError::Refused { code, message }) => {
                if self.refused.first(sent.hash) {
                    tracing::warn!(intent = %intent.id, nonce = sent.nonce, code, message, "the node does not take intent {} now", intent.id);
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Submitted → confirmed, failed, sent again, or back.
    pub async fn follow(&self, intent: &Intent, head: &Head) -> Result<(), Error> {
        let Some(sent) = &intent.sent else { return Ok(()) };
        let now = self.clock.seconds();
        let settled = self.signer.settled(sent, head, self.confirmations).await?;
        let Some(mined) = self.client.mined(sent.hash).await? else {
            return self.missing(intent, sent, settled).await;
        };
        let deep = head.confirmations(mined.block) >= self.confirmations;
        if mined.success {
            let place = Mined {
                block: mined.block,
                block_hash: mined.block_hash,
                gas_used: mined.gas_used,
            };
            if intent.mined != Some(place) {
                self.store.intent_mined(&intent.id, sent.hash, place, now).await?;
            }
            if deep {
                self.store.intent_confirmed(&intent.id, now).await?;
                metrics::counter!("chartseal_intents_confirmed_total", "kind" => intent.kind.clone()).increment(1);
                metrics::histogram!("chartseal_intent_gas", "kind" => intent.kind.clone())
                    .record(mined.gas_used as f64);
                tracing::info!(intent = %intent.id, kind = %intent.kind, block = mined.block, "intent {} is confirmed", intent.id);
            }
        } else if deep {
            // Only now: a re-org could still have mined it in time.
            self.again(intent, "its transaction was mined but refused").await?;
        }
        Ok(())
    }

    /// A transaction that is in no block.
    async fn missing(&self, intent: &Intent, sent: &SentTransaction, settled: u64) -> Result<(), Error> {
        if intent.mined.is_some() {
            tracing::warn!(intent = %intent.id, "a re-org dropped intent {}; its bytes are sent again", intent.id);
            metrics::counter!("chartseal_reorged_total", "what" => "intent").increment(1);
            self.store.intent_dropped(&intent.id, self.clock.seconds()).await?;
        }
        for earlier in self.store.replaced_of_intent(&intent.id).await? {
            if earlier.hash != sent.hash && self.client.mined(earlier.hash).await?.is_some() {
                // A block took the one that was outbid: it is the intent's transaction from now on.
                return Ok(self
                    .store
                    .intent_replaced(&intent.id, sent, &earlier, self.clock.seconds())
                    .await?);
            }
        }
        if Signer::lost_nonce(settled, sent) {
            return self.again(intent, "another transaction took its nonce").await;
        }
        if let Some(dearer) = self.signer.outbid(sent).await? {
            tracing::info!(intent = %intent.id, transaction = %dearer.hash, "intent {} is sent with a higher fee", intent.id);
            self.store
                .intent_replaced(&intent.id, sent, &dearer, self.clock.seconds())
                .await?;
            return self.send(intent, &dearer).await;
        }
        if self.client.transaction(sent.hash).await?.is_none() {
            self.send(intent, sent).await?;
        }
        Ok(())
    }

    /// Submitted → signed. The next simulation learns why, and whether what it decides is in force by now.
    async fn again(&self, intent: &Intent, why: &str) -> Result<(), Error> {
        if intent.attempts + 1 >= ATTEMPTS {
            return self
                .fail(intent, &format!("given up after {ATTEMPTS} transactions: {why}"))
                .await;
        }
        tracing::warn!(intent = %intent.id, kind = %intent.kind, "intent {}: {why}", intent.id);
        Ok(self.store.intent_back(&intent.id, self.clock.seconds()).await?)
    }

    async fn fail(&self, intent: &Intent, why: &str) -> Result<(), Error> {
        let failed = self.store.intent_failed(&intent.id, why, self.clock.seconds()).await?;
        metrics::counter!("chartseal_intents_failed_total", "kind" => intent.kind.clone()).increment(failed);
        tracing::warn!(intent = %intent.id, kind = %intent.kind, error = why, failed, "intent {} failed", intent.id);
        Ok(())
    }

    /// Confirmed → submitted, for transactions that are no longer where they were; the identical bytes are sent again
    /// at the next look. What was in force without a transaction of ours goes back to signed.
    async fn recheck(&self, from: u64) -> Result<(), Error> {
        for org in &self.orgs {
            for intent in self.store.intents_confirmed_from(*org, from).await? {
                let Some(place) = intent.mined else { continue };
                let now = self.client.block(BlockId::number(place.block)).await?;
                if now.is_some_and(|block| block.hash == place.block_hash) {
                    continue;
                }
                tracing::warn!(intent = %intent.id, block = place.block, "a re-org dropped intent {}", intent.id);
                metrics::counter!("chartseal_reorged_total", "what" => "intent").increment(1);
                let seconds = self.clock.seconds();
                match intent.sent {
                    Some(_) => self.store.intent_dropped(&intent.id, seconds).await?,
                    None => self.store.intent_lapsed(&intent.id, seconds).await?,
                }
            }
        }
        Ok(())
    }
}
