//! What came with a registration beside its signatures, and a registrar's refusal of it.

use alloy_primitives::{Address, Bytes};

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{exists, query},
    error::one_moved,
};

/// What is known of an application beside its intent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Application {
    /// Whether papers are here.
    pub papers: bool,
    /// Set once a registrar has refused.
    pub refusal: Option<Refusal>,
}

/// A registrar's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Sealed by the gateway.
    pub reason: Bytes,
    /// The registrar's address.
    pub by: Address,
    /// Unix seconds.
    pub at: u64,
}

impl Store {
    /// Keeps the papers of a prepared registration, once.
    pub async fn put_papers(&self, intent: &str, papers: &[u8], now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let open = query(
            "-- papers_wanted\nUPDATE intent SET changed_at = $1 WHERE id = $2 AND state = 'prepared' AND expires_at > $1",
        )
        .bind(int(now)?)
        .bind(intent)
        .execute(&mut tx)
        .await?;
        one_moved(open, "intent", intent, "prepared and unexpired")?;
        query("-- papers_put\nINSERT INTO application (intent, papers) VALUES ($1, $2)")
            .bind(intent)
            .bind(papers)
            .execute(&mut tx)
            .await
            .map_err(|e| exists(e, "application", intent))?;
        tx.commit().await
    }

    /// The papers, while the registration waits.
    pub async fn papers(&self, intent: &str) -> Result<Option<Bytes>, Error> {
        let row = query("-- papers_get\nSELECT papers FROM application WHERE intent = $1")
            .bind(intent)
            .fetch_optional(self.reader())
            .await?;
        let table = "application";
        row.map_or(Ok(None), |row| Cells { table, row: &row }.bytes_or_none("papers"))
    }

    /// What is known of an application beside its intent.
    pub async fn application(&self, intent: &str) -> Result<Application, Error> {
        let row = query(
            "-- application_get
             SELECT CAST(CASE WHEN papers IS NULL THEN 0 ELSE 1 END AS BIGINT) AS papers, reason, refused_by, refused_at
             FROM application WHERE intent = $1",
        )
        .bind(intent)
        .fetch_optional(self.reader())
        .await?;
        let Some(row) = row else {
            return Ok(Application::default());
        };
        let table = "application";
        let cells = Cells { table, row: &row };
        let refusal = match cells.bytes_or_none("reason")? {
            None => None,
            Some(reason) => Some(Refusal {
                reason,
                by: cells.address("refused_by")?,
                at: cells.number("refused_at")?,
            }),
        };
        Ok(Application {
            papers: cells.int("papers")? == 1,
            refusal,
        })
    }

    /// Prepared → failed, with the registrar's reason. The papers go at once.
    pub async fn refuse_application(&self, intent: &str, refusal: &Refusal) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- application_refused
             UPDATE intent SET state = 'failed', error = 'a registrar refused the registration', changed_at = $1
             WHERE id = $2 AND state = 'prepared'",
        )
        .bind(int(refusal.at)?)
        .bind(intent)
        .execute(&mut tx)
        .await?;
        one_moved(done, "intent", intent, "prepared")?;
        query(
            "-- application_refuse
             INSERT INTO application (intent, reason, refused_by, refused_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (intent) DO UPDATE SET
                 papers = NULL, reason = excluded.reason, refused_by = excluded.refused_by, refused_at = excluded.refused_at",
        )
        .bind(intent)
        .bind(refusal.reason.as_ref())
        .bind(refusal.by.as_slice())
        .bind(int(refusal.at)?)
        .execute(&mut tx)
        .await?;
        tx.commit().await
    }
}
