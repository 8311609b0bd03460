//! Intents: decisions signed by people, on their way to the chain.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes};
use chartseal_record::{Compartment, state::IntentState};

use crate::{
    Error, Mined, SentTransaction, Store,
    cell::{Cells, int},
    engine::{Locks, Query, Row, Tx, exists, query},
    epoch_mark,
    error::one_moved,
};

/// A decision that waits for signatures.
#[derive(Debug, Clone)]
pub struct NewIntent {
    /// UUID as text.
    pub id: String,
    /// The organisation whose relayer pays.
    pub org: Address,
    /// `register`, `grant`, `revoke`, …
    pub kind: String,
    /// The account the decision is about.
    pub account: Address,
    /// Terms and typed data. No name, no reason, no secret.
    pub payload: serde_json::Value,
    /// The intent of which this is one step.
    pub parent: Option<String>,
    /// The intent that must be mined before this one is sent.
    pub after: Option<String>,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds; unsigned by then, it expires.
    pub expires_at: u64,
}

/// An intent as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Order of creation; the cursor of pages.
    pub seq: i64,
    /// UUID as text.
    pub id: String,
    /// The organisation whose relayer pays.
    pub org: Address,
    /// `register`, `grant`, `revoke`, …
    pub kind: String,
    /// The account the decision is about.
    pub account: Address,
    /// Terms and typed data.
    pub payload: serde_json::Value,
    /// How far it has come.
    pub state: IntentState,
    /// The intent of which this is one step.
    pub parent: Option<String>,
    /// The intent that must be mined before this one is sent.
    pub after: Option<String>,
    /// Contract and calldata, from `signed` on. None for decisions that never reach the chain.
    pub call: Option<(Address, Bytes)>,
    /// The relayer's signed transaction, from `submitted` on.
    pub sent: Option<SentTransaction>,
    /// Where it was mined.
    pub mined: Option<Mined>,
    /// Why it failed.
    pub error: Option<String>,
    /// How often a transaction of it was mined without effect or lost its nonce to another.
    pub attempts: u32,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub expires_at: u64,
    /// Unix seconds of the last change.
    pub changed_at: u64,
    /// Signatures by part: `account`, `registrar`, `grant:0`, …
    pub signatures: BTreeMap<String, Bytes>,
}

/// Which intents. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct IntentFilter {
    /// Paid by this organisation.
    pub org: Option<Address>,
    /// About this account.
    pub account: Option<Address>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this state.
    pub state: Option<IntentState>,
    /// Steps of this intent.
    pub parent: Option<String>,
    /// Only intents created before the one with this `seq`.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

macro_rules! select_intents {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ", $name, "\nSELECT i.seq, i.id, i.org, i.kind, i.account, i.payload, i.state, i.parent, i.after_intent, i.target, i.calldata,
             i.relayer, i.nonce, i.tx_hash, i.raw_tx, i.block, i.block_hash, i.gas_used, i.error, i.attempts, i.created_at, i.expires_at, i.changed_at
             FROM intent i ",
            $rest
        )
    };
}
pub(crate) use select_intents;

impl Intent {
    /// Reads all but the signatures, which are rows of their own.
    pub(crate) fn read(row: &Row) -> Result<Self, Error> {
        let cells = Cells { table: "intent", row };
        Ok(Self {
            seq: cells.int("seq")?,
            id: cells.text("id")?,
            org: cells.address("org")?,
            kind: cells.text("kind")?,
            account: cells.address("account")?,
            payload: cells.json("payload")?,
            state: cells.parsed("state")?,
            parent: cells.text_or_none("parent")?,
            after: cells.text_or_none("after_intent")?,
            call: match cells.address_or_none("target")? {
                Some(target) => Some((target, cells.bytes("calldata")?)),
                None => None,
            },
            sent: cells.sent("relayer")?,
            mined: cells.mined()?,
            error: cells.text_or_none("error")?,
            attempts: cells.number("attempts")?,
            created_at: cells.number("created_at")?,
            expires_at: cells.number("expires_at")?,
            changed_at: cells.number("changed_at")?,
            signatures: BTreeMap::new(),
        })
    }
}

impl Store {
    /// Inserts intents, all or none, each in state `prepared`. A dependency or parent must come before the intent that
    /// names it.
    pub async fn insert_intents(&self, intents: &[NewIntent]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        for intent in intents {
            insert(&mut tx, intent).await?;
        }
        tx.commit().await
    }

    /// One intent with its signatures.
    pub async fn intent(&self, id: &str) -> Result<Option<Intent>, Error> {
        let row = query(select_intents!("intent_get", "WHERE i.id = $1"))
            .bind(id)
            .fetch_optional(self.reader())
            .await?;
        match row {
            Some(row) => self.with_signatures(Intent::read(&row)?).await.map(Some),
            None => Ok(None),
        }
    }

    /// A page of intents with their signatures, newest first. Ask for the next with `before` = the last intent's `seq`.
    pub async fn find_intents(&self, filter: &IntentFilter) -> Result<Vec<Intent>, Error> {
        let mut intents = Vec::new();
        for row in sentence(filter).fetch_all(self.reader()).await? {
            intents.push(self.with_signatures(Intent::read(&row)?).await?);
        }
        Ok(intents)
    }

    /// Keeps a signature of a prepared intent. The same signature again changes nothing; another under the same part is
    /// refused.
    pub async fn sign_intent(&self, id: &str, part: &str, signature: &[u8], now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        sign(&mut tx, id, part, signature, now).await?;
        tx.commit().await
    }

    /// An advance to `epoch` of a compartment, signed: inserted ready to relay, all at once, and only while `epoch` is
    /// the highest number used there. `false` if another number has been taken since; then nothing is inserted.
    ///
    /// Whoever took the number and looked at the queue afterwards has seen every advance that a link must not pass over:
    /// what has a smaller number is in the queue by then, or is refused here.
    pub async fn insert_advance(
        &self,
        advance: &NewIntent,
        (compartment, epoch): (Compartment, u32),
        signature: &[u8],
        (target, calldata): (Address, &[u8]),
    ) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        tx.lock(Locks::default().epochs(compartment, true)).await?;
        if epoch_mark::get(&mut tx, compartment).await? != epoch {
            return Ok(false);
        }
        insert(&mut tx, advance).await?;
        sign(&mut tx, &advance.id, "account", signature, advance.created_at).await?;
        signed(&mut tx, &advance.id, target, calldata, advance.created_at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Replaces the payload of a prepared intent (for example when the epoch it names has moved on).
    pub async fn set_intent_payload(&self, id: &str, payload: &serde_json::Value, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_payload\nUPDATE intent SET payload = $1, changed_at = $2 WHERE id = $3 AND state = 'prepared'",
        )
        .bind(payload.to_string())
        .bind(int(now)?)
        .bind(id)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "prepared")?;
        tx.commit().await
    }

    /// Prepared → signed: every signature is here, this is the call to relay.
    pub async fn intent_signed(&self, id: &str, target: Address, calldata: &[u8], now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        signed(&mut tx, id, target, calldata, now).await?;
        tx.commit().await
    }

    /// Prepared → confirmed, for decisions that never reach the chain (decline, withdraw, an intent whose steps are
    /// intents themselves).
    pub async fn intent_decided(&self, id: &str, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query("-- intent_decided\nUPDATE intent SET state = 'confirmed', changed_at = $1 WHERE id = $2 AND state = 'prepared'")
            .bind(int(now)?)
            .bind(id)
            .execute(&mut tx)
            .await?;
        one_moved(done, "intent", id, "prepared")?;
        tx.commit().await
    }

    /// Prepared → expired, for all whose time has passed. Returns how many.
    pub async fn expire_intents(&self, now: u64) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intents_expire\nUPDATE intent SET state = 'expired', changed_at = $1 WHERE state = 'prepared' AND expires_at <= $1",
        )
        .bind(int(now)?)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(done)
    }

    pub(crate) async fn with_signatures(&self, mut intent: Intent) -> Result<Intent, Error> {
        let rows =
            query("-- intent_signatures\nSELECT part, signature FROM intent_signature WHERE intent = $1 ORDER BY part")
                .bind(&intent.id)
                .fetch_all(self.reader())
                .await?;
        for row in &rows {
            let cells = Cells {
                table: "intent_signature",
                row,
            };
            intent.signatures.insert(cells.text("part")?, cells.bytes("signature")?);
        }
        Ok(intent)
    }
}

async fn sign(tx: &mut Tx<'_>, id: &str, part: &str, signature: &[u8], now: u64) -> Result<(), Error> {
    let touched = query(
        "-- intent_touch\nUPDATE intent SET changed_at = $1 WHERE id = $2 AND state = 'prepared' AND expires_at > $1",
    )
    .bind(int(now)?)
    .bind(id)
    .execute(&mut *tx)
    .await?;
    one_moved(touched, "intent", id, "prepared and unexpired")?;
    query(
        "-- intent_signature_insert
         INSERT INTO intent_signature (intent, part, signature, signed_at) VALUES ($1, $2, $3, $4) ON CONFLICT (intent, part) DO NOTHING",
    )
    .bind(id)
    .bind(part)
    .bind(signature)
    .bind(int(now)?)
    .execute(&mut *tx)
    .await?;
    let kept: Vec<u8> =
        query("-- intent_signature_get\nSELECT signature FROM intent_signature WHERE intent = $1 AND part = $2")
            .bind(id)
            .bind(part)
            .fetch_value(tx)
            .await?;
    if kept != signature {
        return Err(Error::Exists {
            table: "intent_signature",
            key: format!("{id}/{part}"),
        });
    }
    Ok(())
}

async fn signed(tx: &mut Tx<'_>, id: &str, target: Address, calldata: &[u8], now: u64) -> Result<(), Error> {
    let done = query(
        "-- intent_signed
         UPDATE intent SET state = 'signed', target = $1, calldata = $2, changed_at = $3 WHERE id = $4 AND state = 'prepared'",
    )
    .bind(target.as_slice())
    .bind(calldata)
    .bind(int(now)?)
    .bind(id)
    .execute(tx)
    .await?;
    one_moved(done, "intent", id, "prepared")
}

async fn insert(tx: &mut Tx<'_>, intent: &NewIntent) -> Result<(), Error> {
    query(
        "-- intent_insert
         INSERT INTO intent (id, org, kind, account, payload, state, parent, after_intent, created_at, expires_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, 'prepared', $6, $7, $8, $9, $8)",
    )
    .bind(&intent.id)
    .bind(intent.org.as_slice())
    .bind(&intent.kind)
    .bind(intent.account.as_slice())
    .bind(intent.payload.to_string())
    .bind(&intent.parent)
    .bind(&intent.after)
    .bind(int(intent.created_at)?)
    .bind(int(intent.expires_at)?)
    .execute(tx)
    .await
    .map_err(|e| exists(e, "intent", &intent.id))?;
    Ok(())
}

fn sentence(filter: &IntentFilter) -> Query<'_> {
    let mut sql = query(select_intents!("intents_find", "WHERE TRUE"));
    if let Some(org) = filter.org {
        sql.push(" AND i.org = ").push_bind(org.to_vec());
    }
    if let Some(account) = filter.account {
        sql.push(" AND i.account = ").push_bind(account.to_vec());
    }
    if let Some(kind) = &filter.kind {
        sql.push(" AND i.kind = ").push_bind(kind.clone());
    }
    if let Some(state) = filter.state {
        sql.push(" AND i.state = ").push_bind(state.as_str());
    }
    if let Some(parent) = &filter.parent {
        sql.push(" AND i.parent = ").push_bind(parent.clone());
    }
    if let Some(before) = filter.before {
        sql.push(" AND i.seq < ").push_bind(before);
    }
    sql.push(" ORDER BY i.seq DESC").push_limit(filter.limit);
    sql
}
