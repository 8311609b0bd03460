//! Batches: the records of one interval on their way to an anchor.

use alloy_primitives::{Address, B256, Bytes};
use chartseal_record::state::RecordState;

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Row, query},
    error::one_moved,
};

/// A batch's number in this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

impl std::fmt::Display for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A signed transaction, committed before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTransaction {
    /// The address that signed and pays.
    pub signer: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Transaction hash.
    pub hash: B256,
    /// The exact bytes.
    pub raw: Bytes,
}

/// Where a transaction was mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// Block number.
    pub block: u64,
    /// Block hash.
    pub block_hash: B256,
    /// Gas used. Zero where the receipt is not known (the anchor was found by its event alone).
    pub gas_used: u64,
}

/// A batch as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
    /// The organisation that anchors it.
    pub org: Address,
    /// Merkle root.
    pub root: B256,
    /// Number of records.
    pub count: u32,
    /// SHA-256 of the manifest.
    pub manifest: B256,
    /// `batched`, `submitted` or `anchored`.
    pub state: RecordState,
    /// Unix seconds.
    pub created_at: u64,
    /// Hash of the transaction that carries (or carried) the anchor.
    pub tx_hash: Option<B256>,
    /// The signed transaction of ours, from `submitted` on.
    pub sent: Option<SentTransaction>,
    /// Where the anchor is, once `anchored`.
    pub mined: Option<Mined>,
    /// Unix seconds.
    pub anchored_at: Option<u64>,
}

macro_rules! select_batches {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT id, org, root, count, manifest, state, created_at, publisher, nonce, tx_hash, raw_tx, block,
             block_hash, gas_used, anchored_at FROM batch ",
            $rest
        )
    };
}

impl Batch {
    fn read(row: &Row) -> Result<Self, Error> {
        let cells = Cells { table: "batch", row };
        let tx_hash = cells.word_or_none("tx_hash")?;
        Ok(Self {
            id: BatchId(cells.int("id")?),
            org: cells.address("org")?,
            root: cells.word("root")?,
            count: cells.number("count")?,
            manifest: cells.word("manifest")?,
            state: cells.parsed("state")?,
            created_at: cells.number("created_at")?,
            tx_hash,
            sent: cells.sent("publisher")?,
            mined: cells.mined()?,
            anchored_at: cells.number_or_none("anchored_at")?,
        })
    }
}

impl Cells<'_> {
    /// The columns of a signed transaction; `signer` is the column of the address that signed.
    pub(crate) fn sent(&self, signer: &'static str) -> Result<Option<SentTransaction>, Error> {
        let Some(raw) = self.bytes_or_none("raw_tx")? else {
            return Ok(None);
        };
        Ok(Some(SentTransaction {
            signer: self.address(signer)?,
            nonce: self.number("nonce")?,
            hash: self.word("tx_hash")?,
            raw,
        }))
    }

    /// The columns of a mined transaction.
    pub(crate) fn mined(&self) -> Result<Option<Mined>, Error> {
        let Some(block) = self.number_or_none("block")? else {
            return Ok(None);
        };
        Ok(Some(Mined {
            block,
            block_hash: self.word("block_hash")?,
            gas_used: self.number_or_none("gas_used")?.unwrap_or(0),
        }))
    }
}

impl Store {
    /// Batched → submitted: the signed transaction, committed before it is sent.
    pub async fn batch_submitted(&self, id: BatchId, sent: &SentTransaction) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- batch_submitted
             UPDATE batch SET state = 'submitted', publisher = $1, nonce = $2, tx_hash = $3, raw_tx = $4
             WHERE id = $5 AND state = 'batched'",
        )
        .bind(sent.signer.as_slice())
        .bind(int(sent.nonce)?)
        .bind(sent.hash.as_slice())
        .bind(sent.raw.as_ref())
        .bind(id.0)
        .execute(&mut tx)
        .await?;
        one_moved(done, "batch", id, "batched")?;
        tx.commit().await
    }

    /// Batched or submitted → anchored. `tx_hash` is the transaction that got through, if it is known. The outbox may
    /// be cleared from now on.
    pub async fn batch_anchored(
        &self,
        id: BatchId,
        tx_hash: Option<B256>,
        mined: Mined,
        now: u64,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- batch_anchored
             UPDATE batch SET state = 'anchored', tx_hash = COALESCE($1, tx_hash), block = $2, block_hash = $3, gas_used = $4,
                 anchored_at = $5
             WHERE id = $6 AND state IN ('batched', 'submitted')",
        )
        .bind(tx_hash.as_ref().map(|hash| hash.as_slice()))
        .bind(int(mined.block)?)
        .bind(mined.block_hash.as_slice())
        .bind(int(mined.gas_used)?)
        .bind(int(now)?)
        .bind(id.0)
        .execute(&mut tx)
        .await?;
        one_moved(done, "batch", id, "batched or submitted")?;
        tx.commit().await
    }

    /// Submitted or anchored → batched: the anchor is on no chain any more, or its transaction never can be.
    pub async fn batch_back(&self, id: BatchId) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- batch_back
             UPDATE batch SET state = 'batched', publisher = NULL, nonce = NULL, tx_hash = NULL, raw_tx = NULL, block = NULL,
                 block_hash = NULL, gas_used = NULL, anchored_at = NULL
             WHERE id = $1 AND state IN ('submitted', 'anchored')",
        )
        .bind(id.0)
        .execute(&mut tx)
        .await?;
        one_moved(done, "batch", id, "submitted or anchored")?;
        tx.commit().await
    }

    /// One batch.
    pub async fn batch(&self, id: BatchId) -> Result<Option<Batch>, Error> {
        query(select_batches!("batch_get", "WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(self.reader())
            .await?
            .map(|row| Batch::read(&row))
            .transpose()
    }

    /// Every batch, oldest first.
    pub async fn batches(&self) -> Result<Vec<Batch>, Error> {
        query(select_batches!("batches_all", "ORDER BY id"))
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(Batch::read)
            .collect()
    }

    /// The organisation's batches that are not anchored, oldest first.
    pub async fn open_batches(&self, org: Address) -> Result<Vec<Batch>, Error> {
        query(select_batches!(
            "batches_open",
            "WHERE state <> 'anchored' AND org = $1 ORDER BY id"
        ))
        .bind(org.as_slice())
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Batch::read)
        .collect()
    }

    /// The organisation's anchored batches whose anchor stands in this block or a later one: those a re-org may take
    /// back.
    pub async fn batches_anchored_from(&self, org: Address, block: u64) -> Result<Vec<Batch>, Error> {
        query(select_batches!(
            "batches_anchored_from",
            "WHERE block >= $1 AND state = 'anchored' AND org = $2 ORDER BY id"
        ))
        .bind(int(block)?)
        .bind(org.as_slice())
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Batch::read)
        .collect()
    }

    /// The batch's leaves, ascending: what a proof is made from. A record's own place is its `leaf_index`.
    pub async fn batch_leaves(&self, id: BatchId) -> Result<Vec<B256>, Error> {
        query("-- batch_leaves\nSELECT leaf FROM record WHERE batch = $1 ORDER BY leaf_index")
            .bind(id.0)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| Cells { table: "record", row }.word("leaf"))
            .collect()
    }
}
