//! Rows whose time has passed.

use crate::{
    Error, Staged, Store,
    cell::{Cells, int},
    engine::query,
};

/// What a sweep took away.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Sessions, tokens, replay values, kept answers, conditions met, and the papers of registrations that wait for nobody.
    pub rows: u64,
    /// Staged uploads nobody used: (path, sealed size). Their bytes are the caller's to delete.
    pub staged: Vec<Staged>,
}

impl Store {
    /// Deletes what has expired or is not needed any more, and moves unsigned intents to `expired`.
    pub async fn sweep(&self, now: u64) -> Result<Swept, Error> {
        let expired = self.expire_intents(now).await?;
        if expired > 0 {
            tracing::info!(intents = expired, "intents expired unsigned");
        }
        let mut tx = self.write().await?;
        let mut swept = Swept::default();
        for statement in [
            "-- session_sweep\nDELETE FROM session WHERE expires_at <= $1",
            "-- token_sweep\nDELETE FROM token WHERE expires_at <= $1",
            "-- replay_sweep\nDELETE FROM replay WHERE expires_at <= $1",
            "-- idempotency_sweep\nDELETE FROM idempotency WHERE expires_at <= $1",
            "-- condition_sweep\nDELETE FROM condition_met WHERE expires_at <= $1",
        ] {
            swept.rows += query(statement).bind(int(now)?).execute(&mut tx).await?;
        }
        swept.rows += query(
            "-- papers_sweep
             UPDATE application SET papers = NULL
             WHERE papers IS NOT NULL AND intent IN (SELECT id FROM intent WHERE kind = 'register' AND state <> 'prepared')",
        )
        .execute(&mut tx)
        .await?;
        let staged = query(
            "-- staged_sweep
             DELETE FROM staged WHERE expires_at <= $1
             RETURNING id, org, account, path, sealed_size, details, created_at, expires_at",
        )
        .bind(int(now)?)
        .fetch_all(&mut tx)
        .await?;
        for row in &staged {
            let cells = Cells { table: "staged", row };
            swept.staged.push(Staged {
                id: cells.text("id")?,
                org: cells.address("org")?,
                account: cells.address("account")?,
                path: cells.text("path")?,
                sealed_size: cells.number("sealed_size")?,
                details: cells.bytes("details")?,
                created_at: cells.number("created_at")?,
                expires_at: cells.number("expires_at")?,
            });
        }
        tx.commit().await?;
        Ok(swept)
    }
}
