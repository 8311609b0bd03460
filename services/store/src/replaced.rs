//! Transactions of one nonce that took each other's place for a higher fee.

use crate::{
    BatchId, Error, SentTransaction, Store,
    cell::{Cells, int},
    engine::{Row, Tx, query},
    error::one_moved,
};

impl Store {
    /// Puts `new` in the place of `old` in a submitted intent that is in no block, and keeps `old`: either may be
    /// mined.
    pub async fn intent_replaced(
        &self,
        id: &str,
        old: &SentTransaction,
        new: &SentTransaction,
        now: u64,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- intent_replaced
             UPDATE intent SET relayer = $1, nonce = $2, tx_hash = $3, raw_tx = $4, changed_at = $5
             WHERE id = $6 AND state = 'submitted' AND block IS NULL AND tx_hash = $7",
        )
        .bind(new.signer.as_slice())
        .bind(int(new.nonce)?)
        .bind(new.hash.as_slice())
        .bind(new.raw.as_ref())
        .bind(int(now)?)
        .bind(id)
        .bind(old.hash.as_slice())
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", id, "submitted with this transaction and in no block")?;
        keep(&mut tx, Some(id), None, old).await?;
        tx.commit().await
    }

    /// The same for a submitted batch.
    pub async fn batch_replaced(&self, id: BatchId, old: &SentTransaction, new: &SentTransaction) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- batch_replaced
             UPDATE batch SET publisher = $1, nonce = $2, tx_hash = $3, raw_tx = $4
             WHERE id = $5 AND state = 'submitted' AND tx_hash = $6",
        )
        .bind(new.signer.as_slice())
        .bind(int(new.nonce)?)
        .bind(new.hash.as_slice())
        .bind(new.raw.as_ref())
        .bind(id.0)
        .bind(old.hash.as_slice())
        .execute(&mut tx)
        .await?;
        one_moved(done, "batch", id, "submitted with this transaction")?;
        keep(&mut tx, None, Some(id), old).await?;
        tx.commit().await
    }

    /// The transactions an intent had before (and, where one of them was mined after all, the one it has now).
    pub async fn replaced_of_intent(&self, id: &str) -> Result<Vec<SentTransaction>, Error> {
        query("-- replaced_of_intent\nSELECT signer, nonce, tx_hash, raw_tx FROM replaced WHERE intent = $1")
            .bind(id)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// The same for a batch.
    pub async fn replaced_of_batch(&self, id: BatchId) -> Result<Vec<SentTransaction>, Error> {
        query("-- replaced_of_batch\nSELECT signer, nonce, tx_hash, raw_tx FROM replaced WHERE batch = $1")
            .bind(id.0)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(read)
            .collect()
    }
}

fn read(row: &Row) -> Result<SentTransaction, Error> {
    let cells = Cells { table: "replaced", row };
    Ok(SentTransaction {
        signer: cells.address("signer")?,
        nonce: cells.number("nonce")?,
        hash: cells.word("tx_hash")?,
        raw: cells.bytes("raw_tx")?,
    })
}

async fn keep(
    tx: &mut Tx<'_>,
    intent: Option<&str>,
    batch: Option<BatchId>,
    old: &SentTransaction,
) -> Result<(), Error> {
    query(
        "-- replaced_insert
         INSERT INTO replaced (tx_hash, intent, batch, signer, nonce, raw_tx) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tx_hash) DO NOTHING",
    )
    .bind(old.hash.as_slice())
    .bind(intent)
    .bind(batch.map(|id| id.0))
    .bind(old.signer.as_slice())
    .bind(int(old.nonce)?)
    .bind(old.raw.as_ref())
    .execute(&mut *tx)
    .await?;
    Ok(())
}
