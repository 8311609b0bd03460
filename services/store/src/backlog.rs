//! How much waits, for who watches the system.

use crate::{Error, Store, cell::Cells, engine::query};

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Records without a batch.
    pub records: u64,
    /// Unix seconds of the oldest of them.
    pub oldest_record: Option<u64>,
    /// Batches that are not anchored.
    pub batches: u64,
    /// Decisions signed or sent, and not confirmed.
    pub decisions: u64,
    /// Registrations that wait for signatures.
    pub registrations: u64,
}

impl Store {
    /// Counts them, each by an index of what is open.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        let row = query(
            "-- backlog
             SELECT (SELECT COUNT(*) FROM record WHERE batch IS NULL) AS records,
                 (SELECT MIN(received_at) FROM record WHERE batch IS NULL) AS oldest_record,
                 (SELECT COUNT(*) FROM batch WHERE state <> 'anchored') AS batches,
                 (SELECT COUNT(*) FROM intent WHERE state IN ('signed', 'submitted')) AS decisions,
                 (SELECT COUNT(*) FROM intent WHERE kind = 'register' AND state = 'prepared') AS registrations",
        )
        .fetch_optional(self.reader())
        .await?;
        let row = row.ok_or(Error::Database(sqlx::Error::RowNotFound))?;
        let table = "record";
        let cells = Cells { table, row: &row };
        Ok(Backlog {
            records: cells.number("records")?,
            oldest_record: cells.number_or_none("oldest_record")?,
            batches: cells.number("batches")?,
            decisions: cells.number("decisions")?,
            registrations: cells.number("registrations")?,
        })
    }
}
