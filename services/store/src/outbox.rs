//! Sealed bytes that wait for the content store.

use alloy_primitives::{Address, Bytes};

use crate::{
    BatchId, Error, Store,
    cell::Cells,
    engine::{Tx, pieces, query},
};

/// One block that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxBlock {
    /// CIDv1 raw sha2-256, as text.
    pub cid: String,
    /// The sealed bytes.
    pub bytes: Bytes,
}

impl Store {
    /// The bytes of a block that is not in the content store yet.
    pub async fn outbox(&self, cid: &str) -> Result<Option<Bytes>, Error> {
        query("-- outbox_get\nSELECT bytes FROM outbox WHERE cid = $1")
            .bind(cid)
            .fetch_optional(self.reader())
            .await?
            .map(|row| {
                Cells {
                    table: "outbox",
                    row: &row,
                }
                .bytes("bytes")
            })
            .transpose()
    }

    /// All blocks a record brought: its own bytes and those of its small attachments.
    pub async fn outbox_of_record(&self, seq: i64) -> Result<Vec<OutboxBlock>, Error> {
        query("-- outbox_of_record\nSELECT cid, bytes FROM outbox WHERE record = $1 ORDER BY cid")
            .bind(seq)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let cells = Cells { table: "outbox", row };
                Ok(OutboxBlock {
                    cid: cells.text("cid")?,
                    bytes: cells.bytes("bytes")?,
                })
            })
            .collect()
    }

    /// Deletes up to `limit` blocks whose batch is anchored (so they are pinned). Returns how many went; call again
    /// while it is `limit`. In pieces, because a large batch in one transaction would keep uploads waiting.
    pub async fn clear_outbox(&self, limit: u32) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- outbox_clear
             DELETE FROM outbox WHERE cid IN (
                 SELECT o.cid FROM outbox o JOIN record r ON r.seq = o.record JOIN batch b ON b.id = r.batch
                 WHERE b.state = 'anchored' LIMIT CAST($1 AS BIGINT))",
        )
        .bind(i64::from(limit))
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Bytes and blocks of a batch that are still in the outbox.
    pub async fn outbox_left(&self, batch: BatchId) -> Result<u64, Error> {
        let left: i64 =
            query("-- outbox_left\nSELECT COUNT(*) FROM outbox o JOIN record r ON r.seq = o.record WHERE r.batch = $1")
                .bind(batch.0)
                .fetch_value(self.reader())
                .await?;
        Ok(left as u64)
    }
}

/// A block to keep until its batch is anchored.
pub(crate) struct NewBlock<'a> {
    pub cid: String,
    pub org: Address,
    pub record: i64,
    pub bytes: &'a [u8],
}

/// A block that waits already (the same attachment on a newer version) stays as it is: equal CID, equal bytes.
pub(crate) async fn insert(tx: &mut Tx<'_>, blocks: &[NewBlock<'_>]) -> Result<(), Error> {
    for piece in pieces(blocks, 4) {
        let mut insert = query("-- outbox_insert\nINSERT INTO outbox (cid, org, record, bytes) VALUES ");
        for (i, block) in piece.iter().enumerate() {
            let org = block.org.as_slice().into();
            insert.push_row(
                i > 0,
                [(&block.cid).into(), org, block.record.into(), block.bytes.into()],
            );
        }
        insert.push(" ON CONFLICT (cid) DO NOTHING");
        insert.execute(&mut *tx).await?;
    }
    Ok(())
}
