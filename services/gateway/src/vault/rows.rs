//! Vault rows in the database: sealed on the way in, opened on the way out.

use alloy::primitives::Address;
use chartseal_store::{Error, VaultKey};
use zeroize::Zeroizing;

use super::Kind;
use crate::{app::App, problem::Failure};

/// The secret at a place.
pub async fn get(app: &App, org: Address, kind: Kind, place: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    match app.store.vault_get(&key(org, kind, place)).await? {
        Some(sealed) => app.vault.open(org, kind, place, &sealed).map(Some),
        None => Ok(None),
    }
}

/// Keeps a secret at a place that is free. `false` if it is not: nothing is ever overwritten.
pub async fn put(app: &App, org: Address, kind: Kind, place: &str, secret: &[u8]) -> Result<bool, Failure> {
    let sealed = app.vault.seal(org, kind, place, secret)?;
    match app
        .store
        .vault_put(&key(org, kind, place), &sealed, app.clock.seconds())
        .await
    {
        Ok(()) => Ok(true),
        Err(Error::Exists { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The places of a kind that begin with `prefix`, which ends with `|`.
pub async fn places(app: &App, org: Address, kind: Kind, prefix: &str) -> Result<Vec<VaultKey>, Failure> {
    Ok(app.store.vault_places(org, kind.as_str(), prefix).await?)
}

fn key(org: Address, kind: Kind, place: &str) -> VaultKey {
    VaultKey::new(org, kind.as_str(), place)
}
