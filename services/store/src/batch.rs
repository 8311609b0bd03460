//! Batches: the records of one interval on their way to an anchor.

use alloy_primitives::{Address, B256, Bytes};
use chartseal_record::{Compartment, ContentHash, state::RecordState};
use sqlx::{Sqlite, Transaction, sqlite::SqliteRow};

use crate::{
    Error, Lease, Store,
    cell::{Cells, int},
    engine::exists,
    error::one_moved,
    lease::hold,
};

/// A batch's number in this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

impl std::fmt::Display for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A record that waits for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRecord {
    /// Order of arrival.
    pub seq: i64,
    /// SHA-256 of the sealed bytes.
    pub content_hash: ContentHash,
    /// Patient × scope.
    pub compartment: Compartment,
    /// Epoch the bytes are sealed to.
    pub epoch: u32,
    /// Merkle leaf.
    pub leaf: B256,
    /// Bytes it brings out of the outbox: its own and those of its small attachments.
    pub outbox_bytes: u64,
    /// Unix seconds.
    pub received_at: u64,
}

/// A batch whose manifest is pinned.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// The organisation that anchors it.
    pub org: Address,
    /// The batch takes all of the organisation's waiting records up to and including this `seq`…
    pub through: i64,
    /// …of which there are so many.
    pub count: u32,
    /// Merkle root of their leaves.
    pub root: B256,
    /// SHA-256 of the manifest.
    pub manifest: B256,
    /// Unix seconds.
    pub created_at: u64,
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
    fn read(row: &SqliteRow) -> Result<Self, Error> {
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
    /// The organisation's records that wait for a batch, in order of arrival.
    pub async fn waiting_records(&self, org: Address, limit: u32) -> Result<Vec<WaitingRecord>, Error> {
        sqlx::query(
            "-- records_waiting
             SELECT r.seq, r.content_hash, r.compartment, r.epoch, r.leaf, r.received_at,
                 r.sealed_size + CAST(COALESCE((SELECT SUM(a.sealed_size) FROM attachment a WHERE a.record = r.seq AND a.place = 'outbox'), 0)
                     AS BIGINT) AS outbox_bytes
             FROM record r
             WHERE r.org = $1 AND r.batch IS NULL ORDER BY r.seq LIMIT $2",
        )
        .bind(org.as_slice())
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| {
            let cells = Cells { table: "record", row };
            Ok(WaitingRecord {
                seq: cells.int("seq")?,
                content_hash: ContentHash(cells.word("content_hash")?),
                compartment: Compartment(cells.word("compartment")?),
                epoch: cells.number("epoch")?,
                leaf: cells.word("leaf")?,
                outbox_bytes: cells.number("outbox_bytes")?,
                received_at: cells.number("received_at")?,
            })
        })
        .collect()
    }

    /// Stored → batched, for every waiting record up to `through`. Its manifest MUST be pinned by now. Leaves get their index in ascending order.
    pub async fn create_batch(&self, new: &NewBatch, lease: &Lease) -> Result<BatchId, Error> {
        let mut tx = self.write().await?;
        hold(&mut tx, lease).await?;
        let id: i64 = sqlx::query_scalar(
            "-- batch_insert
             INSERT INTO batch (org, root, count, manifest, state, created_at) VALUES ($1, $2, $3, $4, 'batched', $5) RETURNING id",
        )
        .bind(new.org.as_slice())
        .bind(new.root.as_slice())
        .bind(i64::from(new.count))
        .bind(new.manifest.as_slice())
        .bind(int(new.created_at)?)
        .fetch_one(&mut *tx)
        .await
        .map_err(|e| exists(e, "batch", new.root))?;
        let moved = sqlx::query(
            "-- records_batched
             UPDATE record SET batch = $1, leaf_index = ranked.place
             FROM (SELECT seq, ROW_NUMBER() OVER (ORDER BY leaf) - 1 AS place FROM record
                   WHERE org = $2 AND batch IS NULL AND seq <= $3) AS ranked
             WHERE record.seq = ranked.seq",
        )
        .bind(id)
        .bind(new.org.as_slice())
        .bind(new.through)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if moved != u64::from(new.count) {
            return Err(Error::Moved {
                table: "record",
                key: format!("up to {}", new.through),
                expected: "waiting as when they were read",
            });
        }
        tx.commit().await?;
        Ok(BatchId(id))
    }

    /// Batched → submitted: the signed transaction, committed before it is sent.
    pub async fn batch_submitted(&self, id: BatchId, sent: &SentTransaction) -> Result<(), Error> {
        let tx = self.write().await?;
        write_sent(
            tx,
            id,
            sent,
            "-- batch_submitted
             UPDATE batch SET state = 'submitted', publisher = $1, nonce = $2, tx_hash = $3, raw_tx = $4
             WHERE id = $5 AND state = 'batched'",
            "batched",
        )
        .await
    }

    /// Puts another transaction of the same nonce (a higher fee) in the place of one that is stuck.
    pub async fn batch_replaced(&self, id: BatchId, sent: &SentTransaction) -> Result<(), Error> {
        let tx = self.write().await?;
        write_sent(
            tx,
            id,
            sent,
            "-- batch_replaced
             UPDATE batch SET publisher = $1, nonce = $2, tx_hash = $3, raw_tx = $4
             WHERE id = $5 AND state = 'submitted' AND publisher = $1 AND nonce = $2",
            "submitted with this nonce",
        )
        .await
    }

    /// Batched or submitted → anchored. `tx_hash` is the transaction that got through, if it is known. The outbox may be cleared from now on.
    pub async fn batch_anchored(
        &self,
        id: BatchId,
        tx_hash: Option<B256>,
        mined: Mined,
        now: u64,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
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
        .execute(&mut *tx)
        .await?;
        one_moved(done.rows_affected(), "batch", id, "batched or submitted")?;
        Ok(tx.commit().await?)
    }

    /// Submitted or anchored → batched: the anchor is on no chain any more, or its transaction never can be.
    pub async fn batch_back(&self, id: BatchId) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "-- batch_back
             UPDATE batch SET state = 'batched', publisher = NULL, nonce = NULL, tx_hash = NULL, raw_tx = NULL, block = NULL,
                 block_hash = NULL, gas_used = NULL, anchored_at = NULL
             WHERE id = $1 AND state IN ('submitted', 'anchored')",
        )
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        one_moved(done.rows_affected(), "batch", id, "submitted or anchored")?;
        Ok(tx.commit().await?)
    }

    /// One batch.
    pub async fn batch(&self, id: BatchId) -> Result<Option<Batch>, Error> {
        sqlx::query(select_batches!("batch_get", "WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(self.reader())
            .await?
            .map(|row| Batch::read(&row))
            .transpose()
    }

    /// The organisation's batches that are not anchored, oldest first.
    pub async fn open_batches(&self, org: Address) -> Result<Vec<Batch>, Error> {
        sqlx::query(select_batches!(
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

    /// The organisation's anchored batches whose anchor stands in this block or a later one: those a re-org may take back.
    pub async fn batches_anchored_from(&self, org: Address, block: u64) -> Result<Vec<Batch>, Error> {
        sqlx::query(select_batches!(
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
        sqlx::query("-- batch_leaves\nSELECT leaf FROM record WHERE batch = $1 ORDER BY leaf_index")
            .bind(id.0)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| Cells { table: "record", row }.word("leaf"))
            .collect()
    }
}

async fn write_sent(
    mut tx: Transaction<'_, Sqlite>,
    id: BatchId,
    sent: &SentTransaction,
    statement: &'static str,
    expected: &'static str,
) -> Result<(), Error> {
    let done = sqlx::query(statement)
        .bind(sent.signer.as_slice())
        .bind(int(sent.nonce)?)
        .bind(sent.hash.as_slice())
        .bind(sent.raw.as_ref())
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
    one_moved(done.rows_affected(), "batch", id, expected)?;
    Ok(tx.commit().await?)
}
