//! Uploads that do not hang on a record yet.

use alloy_primitives::{Address, Bytes};

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Tx, exists, query},
    error::one_moved,
};

/// A staged upload. Its bytes are sealed and lie elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// UUID as text.
    pub id: String,
    /// The organisation.
    pub org: Address,
    /// Who uploaded it.
    pub account: Address,
    /// File name below the gateway's staging folder, or a CID.
    pub path: String,
    /// Bytes, sealed.
    pub sealed_size: u64,
    /// Content type, file key, hash: sealed by the gateway.
    pub details: Bytes,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub expires_at: u64,
}

impl Store {
    /// Keeps a staged upload.
    pub async fn insert_staged(&self, staged: &Staged) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query(
            "-- staged_insert
             INSERT INTO staged (id, org, account, path, sealed_size, details, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&staged.id)
        .bind(staged.org.as_slice())
        .bind(staged.account.as_slice())
        .bind(&staged.path)
        .bind(int(staged.sealed_size)?)
        .bind(staged.details.as_ref())
        .bind(int(staged.created_at)?)
        .bind(int(staged.expires_at)?)
        .execute(&mut tx)
        .await
        .map_err(|e| exists(e, "staged", &staged.id))?;
        tx.commit().await
    }

    /// The staged upload of this account, unless it has expired. It is used up by committing a record with it
    /// ([`crate::RecordCommit::staged`]).
    pub async fn staged(&self, id: &str, account: Address, now: u64) -> Result<Option<Staged>, Error> {
        query(
            "-- staged_get
             SELECT org, path, sealed_size, details, created_at, expires_at FROM staged WHERE id = $1 AND account = $2 AND expires_at > $3",
        )
        .bind(id)
        .bind(account.as_slice())
        .bind(int(now)?)
        .fetch_optional(self.reader())
        .await?
        .map(|row| {
            let cells = Cells { table: "staged", row: &row };
            Ok(Staged {
                id: id.to_owned(),
                org: cells.address("org")?,
                account,
                path: cells.text("path")?,
                sealed_size: cells.number("sealed_size")?,
                details: cells.bytes("details")?,
                created_at: cells.number("created_at")?,
                expires_at: cells.number("expires_at")?,
            })
        })
        .transpose()
    }
}

/// Uses a staged upload up, once.
pub(crate) async fn take(tx: &mut Tx<'_>, id: &str, account: Address) -> Result<(), Error> {
    let done = query("-- staged_take\nDELETE FROM staged WHERE id = $1 AND account = $2")
        .bind(id)
        .bind(account.as_slice())
        .execute(tx)
        .await?;
    one_moved(done, "staged", id, "an unused upload of this account")
}
