//! Conditions under which a record is created: once, however many processes look at the same time.

use alloy_primitives::B256;
use chartseal_record::ContentHash;

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Tx, query},
};

/// A condition, and what had last been created under it before anybody searched. A commit that carries it is refused if
/// another came first since ([`Error::ConditionMet`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Keyed hash of what is searched for.
    pub hash: B256,
    /// Sealed bytes of the last record created under it, as far as that is remembered.
    pub last: Option<ContentHash>,
    /// Unix seconds until which the record this commit creates is remembered: longer than any request takes.
    pub expires_at: u64,
}

impl Store {
    /// What was last created under a condition. Ask before you search.
    pub async fn condition(&self, hash: B256, expires_at: u64) -> Result<Condition, Error> {
        let mut tx = self.reader().begin_reading().await?;
        let last = last(&mut tx, hash).await?;
        Ok(Condition { hash, last, expires_at })
    }
}

async fn last(tx: &mut Tx<'_>, hash: B256) -> Result<Option<ContentHash>, Error> {
    let row = query("-- condition_last\nSELECT record FROM condition_met WHERE condition = $1")
        .bind(hash.as_slice())
        .fetch_optional(&mut *tx)
        .await?;
    let table = "condition_met";
    let read = |row| Cells { table, row: &row }.word("record").map(ContentHash);
    row.map(read).transpose()
}

/// Writes down that `record` is created under the condition, which must stand as it was read. Inside a transaction that
/// has the condition to itself.
pub(crate) async fn meet(tx: &mut Tx<'_>, condition: &Condition, record: ContentHash) -> Result<(), Error> {
    if last(tx, condition.hash).await? != condition.last {
        return Err(Error::ConditionMet);
    }
    query(
        "-- condition_meet
         INSERT INTO condition_met (condition, record, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT (condition) DO UPDATE SET record = excluded.record, expires_at = excluded.expires_at",
    )
    .bind(condition.hash.as_slice())
    .bind(record.0.as_slice())
    .bind(int(condition.expires_at)?)
    .execute(tx)
    .await?;
    Ok(())
}
