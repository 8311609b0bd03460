//! Work that one process does at a time.

use crate::{
    Error, Store,
    cell::int,
    engine::{Tx, query},
    error::one_moved,
};

/// A right to do some work until a time. The token fences: who lost the lease cannot commit under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    token: [u8; 16],
}

impl Lease {
    /// A lease not yet taken, with a fresh token. Keep it for the life of the worker.
    pub fn new(name: impl Into<String>) -> Self {
        let mut token = [0; 16];
        getrandom::fill(&mut token)
            .expect("the operating system's random source does not fail once the process has started");
        Self {
            name: name.into(),
            token,
        }
    }
}

impl Store {
    /// Takes the lease, or prolongs it if it is held by the same token. `false` while another holds it.
    pub async fn take_lease(&self, lease: &Lease, now: u64, seconds: u64) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- lease_take
             INSERT INTO lease (name, token, until) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET token = excluded.token, until = excluded.until
             WHERE lease.until <= $4 OR lease.token = excluded.token",
        )
        .bind(&lease.name)
        .bind(lease.token.as_slice())
        .bind(int(now.saturating_add(seconds))?)
        .bind(int(now)?)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(done == 1)
    }

    /// Gives the lease back, if it is still held.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query("-- lease_release\nDELETE FROM lease WHERE name = $1 AND token = $2")
            .bind(&lease.name)
            .bind(lease.token.as_slice())
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }
}

/// Checks inside a transaction that the lease is still held. The holder's clock may be late, which only makes it lose a
/// lease nobody took. An update that changes nothing keeps the row until the transaction ends, on both engines: whoever
/// takes the lease meanwhile does so after this transaction, never beside it.
pub(crate) async fn hold(tx: &mut Tx<'_>, lease: &Lease) -> Result<(), Error> {
    let held = query("-- lease_hold\nUPDATE lease SET token = token WHERE name = $1 AND token = $2")
        .bind(&lease.name)
        .bind(lease.token.as_slice())
        .execute(tx)
        .await?;
    one_moved(held, "lease", &lease.name, "held by this worker")
}
