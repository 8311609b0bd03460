//! The submitter's half of an intent's life: from `signed` to `confirmed` or `failed`, and back after a re-org.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use crate::{
    Error, Intent, Mined, SentTransaction, Store,
    cell::{Cells, int},
    engine::query,
    error::one_moved,
    intent::select_intents,
};

impl Store {
    /// The organisation's oldest signed intents whose dependency, if any, is mined. (Not merely sent: the call is
    /// simulated first, and that sees only mined state.) Signatures are not read.
    pub async fn relayable_intents(&self, org: Address, limit: u32) -> Result<Vec<Intent>, Error> {
        query(select_intents!(
            "intents_relayable",
            "LEFT JOIN intent d ON d.id = i.after_intent
             WHERE i.org = $1 AND i.state = 'signed'
               AND (d.id IS NULL OR d.state = 'confirmed' OR (d.state = 'submitted' AND d.block IS NOT NULL))
             ORDER BY i.seq LIMIT CAST($2 AS BIGINT)"
        ))
        .bind(org.as_slice())
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Intent::read)
        .collect()
    }

    /// The organisation's submitted intents in order of their nonces. Signatures are not read.
    pub async fn submitted_intents(&self, org: Address) -> Result<Vec<Intent>, Error> {
        query(select_intents!(
            "intents_submitted",
            "WHERE i.org = $1 AND i.state = 'submitted' ORDER BY i.nonce"
        ))
        .bind(org.as_slice())
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Intent::read)
        .collect()
    }

    /// The organisation's confirmed intents mined in this block or a later one: those a deep re-org may take back.
    pub async fn intents_confirmed_from(&self, org: Address, block: u64) -> Result<Vec<Intent>, Error> {
        query(select_intents!(
            "intents_confirmed_from",
            "WHERE i.block >= $1 AND i.state = 'confirmed' AND i.org = $2 ORDER BY i.nonce"
        ))
        .bind(int(block)?)
        .bind(org.as_slice())
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Intent::read)
        .collect()
    }

    /// Signed → submitted: the relayer's signed transaction, committed before it is sent.
    pub async fn intent_submitted(&self, id: &str, sent: &SentTransaction, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_submitted
             UPDATE intent SET state = 'submitted', relayer = $1, nonce = $2, tx_hash = $3, raw_tx = $4, block = NULL,
                 block_hash = NULL, gas_used = NULL, changed_at = $5
             WHERE id = $6 AND state = 'signed'",
        )
        .bind(sent.signer.as_slice())
        .bind(int(sent.nonce)?)
        .bind(sent.hash.as_slice())
        .bind(sent.raw.as_ref())
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "signed")?;
        tx.commit().await
    }

    /// Submitted, seen in a block. Intents that depend on it may go now.
    pub async fn intent_mined(&self, id: &str, tx_hash: B256, mined: Mined, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_mined
             UPDATE intent SET block = $1, block_hash = $2, gas_used = $3, changed_at = $4
             WHERE id = $5 AND state = 'submitted' AND tx_hash = $6",
        )
        .bind(int(mined.block)?)
        .bind(mined.block_hash.as_slice())
        .bind(int(mined.gas_used)?)
        .bind(int(now)?)
        .bind(id)
        .bind(tx_hash.as_slice())
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "submitted with this transaction")?;
        tx.commit().await
    }

    /// Submitted and mined → confirmed.
    pub async fn intent_confirmed(&self, id: &str, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_confirmed
             UPDATE intent SET state = 'confirmed', changed_at = $1 WHERE id = $2 AND state = 'submitted' AND block IS NOT NULL",
        )
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "submitted and mined")?;
        tx.commit().await
    }

    /// Signed → confirmed without a transaction: what it decides was in force at this block already.
    pub async fn intent_in_force(&self, id: &str, at: Mined, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_in_force
             UPDATE intent SET state = 'confirmed', block = $1, block_hash = $2, gas_used = $3, changed_at = $4
             WHERE id = $5 AND state = 'signed'",
        )
        .bind(int(at.block)?)
        .bind(at.block_hash.as_slice())
        .bind(int(at.gas_used)?)
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "signed")?;
        tx.commit().await
    }

    /// Confirmed without a transaction → signed: a re-org took the block at which it was in force.
    pub async fn intent_lapsed(&self, id: &str, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_lapsed
             UPDATE intent SET state = 'signed', block = NULL, block_hash = NULL, gas_used = NULL, changed_at = $1
             WHERE id = $2 AND state = 'confirmed' AND raw_tx IS NULL",
        )
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "confirmed without a transaction")?;
        tx.commit().await
    }

    /// Submitted or confirmed → submitted and in no block: a re-org dropped it. The identical bytes are sent again.
    pub async fn intent_dropped(&self, id: &str, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_dropped
             UPDATE intent SET state = 'submitted', block = NULL, block_hash = NULL, gas_used = NULL, changed_at = $1
             WHERE id = $2 AND state IN ('submitted', 'confirmed') AND raw_tx IS NOT NULL",
        )
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "submitted or confirmed with a transaction")?;
        tx.commit().await
    }

    /// Submitted → signed: its transaction can never be mined (its nonce was used by another).
    pub async fn intent_back(&self, id: &str, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_back
             UPDATE intent SET state = 'signed', relayer = NULL, nonce = NULL, tx_hash = NULL, raw_tx = NULL, block = NULL, block_hash = NULL,
                 gas_used = NULL, attempts = attempts + 1, changed_at = $1
             WHERE id = $2 AND state = 'submitted'",
        )
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "submitted")?;
        tx.commit().await
    }

    /// Signed or submitted → failed, and with it everything that waits for it. Returns how many failed.
    pub async fn intent_failed(&self, id: &str, error: &str, now: u64) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_failed
             UPDATE intent SET state = 'failed', error = $1, changed_at = $2 WHERE id = $3 AND state IN ('signed', 'submitted')",
        )
        .bind(error)
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "signed or submitted")?;
        let mut failed = 1;
        // One round per link of the chain of dependencies; an intent names only earlier ones, so the rounds end.
        loop {
            let followers = query(
                "-- intent_followers_failed
                 UPDATE intent SET state = 'failed', error = 'the step before it failed', changed_at = $1
                 WHERE state IN ('prepared', 'signed')
                   AND after_intent IN (SELECT f.id FROM intent f WHERE f.state = 'failed')",
            )
            .bind(int(now)?)
            .execute(&mut tx)
            .await?;
            if followers == 0 {
                break;
            }
            failed += followers;
        }
        tx.commit().await?;
        Ok(failed)
    }

    /// The nonces of this signer, from `from` on, that stand in rows. Those of `submitted` rows belong to them, whether the
    /// chain knows them yet or not. Those of confirmed intents stay theirs when a re-org has taken them from the chain and
    /// nobody has seen it yet: what would take one of them would be mined before what it needs.
    pub async fn nonces_taken(&self, signer: Address, from: u64) -> Result<BTreeSet<u64>, Error> {
        query(
            "-- nonces_taken
             SELECT nonce FROM intent WHERE relayer = $1 AND nonce >= $2 AND state IN ('submitted', 'confirmed')
             UNION SELECT nonce FROM batch WHERE publisher = $1 AND nonce >= $2 AND state = 'submitted'",
        )
        .bind(signer.as_slice())
        .bind(int(from)?)
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| Cells { table: "intent", row }.number("nonce"))
        .collect()
    }
}
