//! Stored → batched: the records that wait, and the batch that takes them.

use alloy_primitives::{Address, B256};
use chartseal_record::{Compartment, ContentHash};

use crate::{
    BatchId, Error, Lease, Store,
    cell::{Cells, int},
    engine::{Locks, exists, query},
    lease::hold,
};

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

impl Store {
    /// The organisation's records that wait for a batch, in order of arrival: all there are up to the last of them, none
    /// of which arrives later.
    pub async fn waiting_records(&self, org: Address, limit: u32) -> Result<Vec<WaitingRecord>, Error> {
        // A batch takes all up to a number, so those under way have to be in.
        let mut tx = self.write().await?;
        tx.lock(Locks::default().arrival(true)).await?;
        query(
            "-- records_waiting
             SELECT r.seq, r.content_hash, r.compartment, r.epoch, r.leaf, r.received_at,
                 r.sealed_size + CAST(COALESCE((SELECT SUM(a.sealed_size) FROM attachment a WHERE a.record = r.seq AND a.place = 'outbox'), 0)
                     AS BIGINT) AS outbox_bytes
             FROM record r
             WHERE r.org = $1 AND r.batch IS NULL ORDER BY r.seq LIMIT CAST($2 AS BIGINT)",
        )
        .bind(org.as_slice())
        .bind(i64::from(limit))
        .fetch_all(&mut tx)
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

    /// Stored → batched, for every waiting record up to `through`. Its manifest MUST be pinned by now. Leaves get their
    /// index in ascending order.
    pub async fn create_batch(&self, new: &NewBatch, lease: &Lease) -> Result<BatchId, Error> {
        let mut tx = self.write().await?;
        hold(&mut tx, lease).await?;
        let id: i64 = query(
            "-- batch_insert
             INSERT INTO batch (org, root, count, manifest, state, created_at) VALUES ($1, $2, $3, $4, 'batched', $5) RETURNING id",
        )
        .bind(new.org.as_slice())
        .bind(new.root.as_slice())
        .bind(i64::from(new.count))
        .bind(new.manifest.as_slice())
        .bind(int(new.created_at)?)
        .fetch_value(&mut tx)
        .await
        .map_err(|e| exists(e, "batch", new.root))?;
        let moved = query(
            "-- records_batched
             UPDATE record SET batch = $1, leaf_index = ranked.place
             FROM (SELECT seq, ROW_NUMBER() OVER (ORDER BY leaf) - 1 AS place FROM record
                   WHERE org = $2 AND batch IS NULL AND seq <= $3) AS ranked
             WHERE record.seq = ranked.seq",
        )
        .bind(id)
        .bind(new.org.as_slice())
        .bind(new.through)
        .execute(&mut tx)
        .await?;
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
}
