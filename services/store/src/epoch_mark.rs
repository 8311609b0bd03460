//! The highest epoch number ever used for a compartment.

use chartseal_record::Compartment;

use crate::{
    Error, Store,
    cell::Cells,
    engine::{Locks, On, Tx, query},
};

impl Store {
    /// The highest number used so far; 0 if none.
    pub async fn epoch_mark(&self, compartment: Compartment) -> Result<u32, Error> {
        get(self.reader(), compartment).await
    }

    /// Raises the mark to `epoch`. `false` if it stands there or higher already: then the number is used, and the
    /// caller must not use it.
    pub async fn raise_epoch_mark(&self, compartment: Compartment, epoch: u32) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        tx.lock(Locks::default().epochs(compartment, true)).await?;
        let raised = raise(&mut tx, compartment, epoch).await?;
        tx.commit().await?;
        Ok(raised)
    }

    /// Takes the next unused number above both the mark and `at_least` (the chain's epoch), durably. No two callers get
    /// the same.
    pub async fn next_epoch(&self, compartment: Compartment, at_least: u32) -> Result<u32, Error> {
        let mut tx = self.write().await?;
        tx.lock(Locks::default().epochs(compartment, true)).await?;
        let next: i64 = query(
            "-- epoch_mark_next
             INSERT INTO epoch_mark (compartment, highest) VALUES ($1, $2 + 1)
             ON CONFLICT (compartment) DO UPDATE SET highest = CASE WHEN epoch_mark.highest > $2 THEN epoch_mark.highest + 1 ELSE $2 + 1 END
             RETURNING highest",
        )
        .bind(compartment.0.as_slice())
        .bind(i64::from(at_least))
        .fetch_value(&mut tx)
        .await?;
        tx.commit().await?;
        u32::try_from(next).map_err(|_| Error::TooLarge(next as u64))
    }
}

pub(crate) async fn get(on: impl Into<On<'_>>, compartment: Compartment) -> Result<u32, Error> {
    let table = "epoch_mark";
    query("-- epoch_mark_get\nSELECT highest FROM epoch_mark WHERE compartment = $1")
        .bind(compartment.0.as_slice())
        .fetch_optional(on)
        .await?
        .map_or(Ok(0), |row| Cells { table, row: &row }.number("highest"))
}

pub(crate) async fn raise(tx: &mut Tx<'_>, compartment: Compartment, epoch: u32) -> Result<bool, Error> {
    let done = query(
        "-- epoch_mark_raise
         INSERT INTO epoch_mark (compartment, highest) VALUES ($1, $2)
         ON CONFLICT (compartment) DO UPDATE SET highest = excluded.highest WHERE epoch_mark.highest < excluded.highest",
    )
    .bind(compartment.0.as_slice())
    .bind(i64::from(epoch))
    .execute(tx)
    .await?;
    Ok(done == 1)
}
