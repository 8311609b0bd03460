//! Statement keys: what an organisation signs records, releases, advances and receipts with.
//!
//! A key comes from the configured file or was made here and lies in the vault. It is used only while the Directory
//! lists it, so a key that leaked ends by one listing.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use alloy::{
    primitives::{Address, B256, Bytes},
    signers::{SignerSync, local::PrivateKeySigner},
};

use crate::{
    app::App,
    config::{Config, ConfigError},
    problem::{Code, Failure, Problem},
    vault::{Kind, rows},
};

/// The signers of every organisation, by the address of the key.
#[derive(Default)]
pub struct Keys(RwLock<HashMap<Address, Arc<PrivateKeySigner>>>);

impl Keys {
    /// Reads the configured keys. Those in the vault are read when they are first needed.
    pub fn load(config: &Config) -> Result<Self, ConfigError> {
        let keys = Self::default();
        for org in &config.organisations {
            if let Some(signer) = org.statement_key()? {
                keys.add(signer);
            }
        }
        Ok(keys)
    }

    fn add(&self, signer: PrivateKeySigner) -> Arc<PrivateKeySigner> {
        let signer = Arc::new(signer);
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(signer.address(), signer.clone());
        signer
    }

    fn get(&self, key: Address) -> Option<Arc<PrivateKeySigner>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }
}

/// Signs for an organisation served here, with a key the Directory lists for it now.
pub async fn sign(app: &App, org: Address, digest: B256) -> Result<Bytes, Problem> {
    let signer = signer(app, org).await?;
    let signature = signer
        .sign_hash_sync(&digest)
        .map_err(|_| Failure::Broken("a statement key did not sign"))?;
    Ok(Bytes::from(signature.as_bytes().to_vec()))
}

/// The key that [`sign`] signs with now.
pub async fn key(app: &App, org: Address) -> Result<Address, Problem> {
    Ok(signer(app, org).await?.address())
}

/// The key must count in the newest block and in the next one, where what it signs is mined.
async fn signer(app: &App, org: Address) -> Result<Arc<PrivateKeySigner>, Problem> {
    let head = app.index.head().map_or(0, |h| h.number);
    let account = app.index.account(org);
    for listed in account.iter().flat_map(|a| &a.statement_keys) {
        if !(listed.from..listed.until).contains(&head) || !(listed.from..listed.until).contains(&(head + 1)) {
            continue;
        }
        if let Some(signer) = held(app, org, listed.key).await? {
            return Ok(signer);
        }
    }
    Err(Problem::new(
        Code::Unavailable,
        "the organisation has no statement key that the Directory lists now; list one (POST /v1/intents, kind statementKey)",
    ))
}

async fn held(app: &App, org: Address, key: Address) -> Result<Option<Arc<PrivateKeySigner>>, Failure> {
    if let Some(signer) = app.keys.get(key) {
        return Ok(Some(signer));
    }
    let Some(secret) = rows::get(app, org, Kind::StatementKey, &place(org, key)).await? else {
        return Ok(None);
    };
    let signer = PrivateKeySigner::from_slice(&secret).map_err(|_| Failure::Vault(Kind::StatementKey.as_str()))?;
    Ok(Some(app.keys.add(signer)))
}

/// Makes a key for an organisation and keeps it in the vault. It counts once the Directory lists it.
pub async fn generate(app: &App, org: Address) -> Result<Address, Problem> {
    let signer = loop {
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut secret[..]).map_err(|_| Failure::Random)?;
        // Zero and numbers above the curve's order are no keys; one draw in 2^127 is.
        if let Ok(signer) = PrivateKeySigner::from_slice(&secret[..]) {
            rows::put(app, org, Kind::StatementKey, &place(org, signer.address()), &secret[..]).await?;
            break signer;
        }
    };
    Ok(app.keys.add(signer).address())
}

fn place(org: Address, key: Address) -> String {
    format!("{org}|{key}")
}
