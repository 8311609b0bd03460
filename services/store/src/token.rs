//! Access tokens of clients.

use alloy_primitives::{Address, B256};

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{exists, query},
};

/// An access token. The bearer secret itself is never stored, only its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// SHA-256 of the token.
    pub token_hash: B256,
    /// The client it was given to.
    pub client_id: String,
    /// The organisation the client is registered with. Ignored on insert.
    pub org: Address,
    /// The account the client acts for. Ignored on insert.
    pub account: Address,
    /// Scopes granted, separated by blanks.
    pub scopes: String,
    /// Unix seconds.
    pub expires_at: u64,
}

impl Store {
    /// Keeps a token.
    pub async fn insert_token(&self, token: &AccessToken) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query("-- token_insert\nINSERT INTO token (token_hash, client_id, scopes, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(token.token_hash.as_slice())
            .bind(&token.client_id)
            .bind(&token.scopes)
            .bind(int(token.expires_at)?)
            .execute(&mut tx)
            .await
            .map_err(|e| exists(e, "token", token.token_hash))?;
        tx.commit().await
    }

    /// The token, unless it has expired or its client is disabled.
    pub async fn token(&self, token_hash: B256, now: u64) -> Result<Option<AccessToken>, Error> {
        query(
            "-- token_get
             SELECT t.client_id, c.org, c.account, t.scopes, t.expires_at FROM token t JOIN client c ON c.client_id = t.client_id
             WHERE t.token_hash = $1 AND t.expires_at > $2 AND c.disabled_at IS NULL",
        )
        .bind(token_hash.as_slice())
        .bind(int(now)?)
        .fetch_optional(self.reader())
        .await?
        .map(|row| {
            let cells = Cells { table: "token", row: &row };
            Ok(AccessToken {
                token_hash,
                client_id: cells.text("client_id")?,
                org: cells.address("org")?,
                account: cells.address("account")?,
                scopes: cells.text("scopes")?,
                expires_at: cells.number("expires_at")?,
            })
        })
        .transpose()
    }
}
