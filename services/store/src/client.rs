//! Systems registered with an organisation.

use alloy_primitives::Address;

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Row, Tx, exists, query},
    error::one_moved,
};

/// A SMART Backend Services client, bound to exactly one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// The organisation it was registered with.
    pub org: Address,
    /// The account it acts for.
    pub account: Address,
    /// What the organisation calls it.
    pub name: String,
    /// Its public keys as a JSON Web Key Set; exactly one of this and `jwks_uri`.
    pub jwks: Option<String>,
    /// Where its public keys are fetched from.
    pub jwks_uri: Option<String>,
    /// SMART scopes it may ask for, separated by blanks.
    pub scopes: String,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds; `None` while it may ask for tokens.
    pub disabled_at: Option<u64>,
}

macro_rules! select_clients {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT client_id, org, account, name, jwks, jwks_uri, scopes, created_at, disabled_at FROM client ",
            $rest
        )
    };
}

impl Client {
    fn read(row: &Row) -> Result<Self, Error> {
        let cells = Cells { table: "client", row };
        Ok(Self {
            client_id: cells.text("client_id")?,
            org: cells.address("org")?,
            account: cells.address("account")?,
            name: cells.text("name")?,
            jwks: cells.text_or_none("jwks")?,
            jwks_uri: cells.text_or_none("jwks_uri")?,
            scopes: cells.text("scopes")?,
            created_at: cells.number("created_at")?,
            disabled_at: cells.number_or_none("disabled_at")?,
        })
    }
}

/// Every client, for a snapshot.
pub(crate) async fn all(tx: &mut Tx<'_>) -> Result<Vec<Client>, Error> {
    query(select_clients!("clients_all", "ORDER BY client_id"))
        .fetch_all(tx)
        .await?
        .iter()
        .map(Client::read)
        .collect()
}

/// A client out of a snapshot, disabled if it was; one that is here stays as it is.
pub(crate) async fn restore(tx: &mut Tx<'_>, client: &Client) -> Result<(), Error> {
    query(
        "-- client_restore
         INSERT INTO client (client_id, org, account, name, jwks, jwks_uri, scopes, created_at, disabled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(&client.client_id)
    .bind(client.org.as_slice())
    .bind(client.account.as_slice())
    .bind(&client.name)
    .bind(&client.jwks)
    .bind(&client.jwks_uri)
    .bind(&client.scopes)
    .bind(int(client.created_at)?)
    .bind(client.disabled_at.map(int).transpose()?)
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// Registers a client.
    pub async fn insert_client(&self, client: &Client) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query(
            "-- client_insert
             INSERT INTO client (client_id, org, account, name, jwks, jwks_uri, scopes, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&client.client_id)
        .bind(client.org.as_slice())
        .bind(client.account.as_slice())
        .bind(&client.name)
        .bind(&client.jwks)
        .bind(&client.jwks_uri)
        .bind(&client.scopes)
        .bind(int(client.created_at)?)
        .execute(&mut tx)
        .await
        .map_err(|e| exists(e, "client", &client.client_id))?;
        tx.commit().await
    }

    /// One client, disabled or not.
    pub async fn client(&self, client_id: &str) -> Result<Option<Client>, Error> {
        query(select_clients!("client_get", "WHERE client_id = $1"))
            .bind(client_id)
            .fetch_optional(self.reader())
            .await?
            .map(|row| Client::read(&row))
            .transpose()
    }

    /// The organisation's clients, by id.
    pub async fn clients(&self, org: Address) -> Result<Vec<Client>, Error> {
        query(select_clients!("clients_of_org", "WHERE org = $1 ORDER BY client_id"))
            .bind(org.as_slice())
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(Client::read)
            .collect()
    }

    /// Disables a client and drops its tokens.
    pub async fn disable_client(&self, client_id: &str, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done =
            query("-- client_disable\nUPDATE client SET disabled_at = $1 WHERE client_id = $2 AND disabled_at IS NULL")
                .bind(int(now)?)
                .bind(client_id)
                .execute(&mut tx)
                .await?;
        one_moved(done, "client", client_id, "enabled")?;
        query("-- client_tokens_drop\nDELETE FROM token WHERE client_id = $1")
            .bind(client_id)
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }
}
