//! People signed in with a wallet.

use alloy_primitives::{Address, B256};

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{exists, query},
};

/// A session. The bearer token itself is never stored, only its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the token.
    pub token_hash: B256,
    /// Who signed in.
    pub account: Address,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub expires_at: u64,
}

impl Store {
    /// Keeps a session.
    pub async fn insert_session(&self, session: &Session) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query("-- session_insert\nINSERT INTO session (token_hash, account, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(session.token_hash.as_slice())
            .bind(session.account.as_slice())
            .bind(int(session.created_at)?)
            .bind(int(session.expires_at)?)
            .execute(&mut tx)
            .await
            .map_err(|e| exists(e, "session", session.token_hash))?;
        tx.commit().await
    }

    /// The session of a token, unless it has expired.
    pub async fn session(&self, token_hash: B256, now: u64) -> Result<Option<Session>, Error> {
        query("-- session_get\nSELECT account, created_at, expires_at FROM session WHERE token_hash = $1 AND expires_at > $2")
            .bind(token_hash.as_slice())
            .bind(int(now)?)
            .fetch_optional(self.reader())
            .await?
            .map(|row| {
                let cells = Cells { table: "session", row: &row };
                Ok(Session {
                    token_hash,
                    account: cells.address("account")?,
                    created_at: cells.number("created_at")?,
                    expires_at: cells.number("expires_at")?,
                })
            })
            .transpose()
    }

    /// Ends a session. Ending it twice is fine.
    pub async fn delete_session(&self, token_hash: B256) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query("-- session_delete\nDELETE FROM session WHERE token_hash = $1")
            .bind(token_hash.as_slice())
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }
}
