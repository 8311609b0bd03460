//! What people of a development system decide: they register, list keys, enrol, grant. Each is laid out by the
//! gateway, signed by a wallet, and waited for until the chain has it.

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result};
use serde_json::{Value, json};

use chartseal_record::contracts::Contracts;
use chartseal_record::typed;

use crate::client::{Gateway, text};
use crate::session::{Confirmed, Session};
use crate::wallet::Wallet;

/// Every scope a sample patient opens.
pub const SCOPES: [&str; 8] = [
    "demographics",
    "clinical",
    "laboratory",
    "imaging",
    "medication",
    "claims",
    "emergency",
    "audit",
];

/// 1 January 2030: until when the samples' grants last, in unix seconds.
pub const UNTIL: u64 = 1_893_456_000;

pub const READ: u8 = 1;
pub const WRITE: u8 = 2;

/// What a registering account says about itself.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    Patient { custodian: Address },
    Doctor,
    Hospital,
    Insurer,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Patient { .. } => "patient",
            Self::Doctor => "doctor",
            Self::Hospital => "hospital",
            Self::Insurer => "insurer",
        }
    }
}

/// The parameters of a `register` intent. `key` is an encryption key of the account's own; without it the gateway
/// makes one and keeps it.
pub fn registration(role: Role, key: Option<&str>) -> Result<Value> {
    let mut parameters = json!({ "role": role.name() });
    match (role, key) {
        // A patient reads through the custodian in gateway mode; no credential, no endpoint.
        (Role::Patient { custodian }, _) => {
            parameters["custodian"] = json!(custodian);
            parameters["custodyMode"] = json!("gateway");
        }
        (_, Some(key)) => parameters["encryptionKey"] = json!(key),
        (_, None) => parameters["custody"] = json!("gateway"),
    }
    if !matches!(role, Role::Patient { .. }) {
        // Only a salted commitment of the papers goes on chain; the registrar saw the papers themselves.
        let mut credential = [0u8; 32];
        getrandom::fill(&mut credential).context("the operating system gave no randomness")?;
        parameters["credential"] = json!(B256::from(credential));
        parameters["credentialExpiry"] = json!(UNTIL);
    }
    if matches!(role, Role::Hospital | Role::Insurer) {
        parameters["endpoint"] = json!("");
    }
    Ok(parameters)
}

/// An account signs its registration, a registrar countersigns, the chain confirms.
pub async fn register(admin: &Session, who: &Session, parameters: Value) -> Result<Confirmed> {
    let intent = who.propose("register", parameters).await?;
    let id = text(&intent, "id")?;
    admin.countersign(&id).await?;
    who.confirmed(&id)
        .await
        .with_context(|| format!("{} registers", who.wallet.name))
}

/// What an organisation does once: a statement key made by the gateway, and the address that may publish for it.
pub async fn equip(org: &Session, publisher: &Wallet) -> Result<[Confirmed; 2]> {
    // One after the other: the Directory counts an account's decisions.
    let key = org.decide("statementKey", json!({ "generate": true })).await?;
    let contracts = contracts(&org.gateway).await?;
    let acceptance = typed::PublisherAccept {
        org: org.account,
        publisher: publisher.address(),
    };
    let acceptance = publisher.sign_digest(typed::digest(&acceptance, &contracts.directory_domain()))?;
    let listing = json!({ "publisher": publisher.address(), "acceptance": acceptance });
    Ok([key, org.decide("publisher", listing).await?])
}

/// What a patient takes home from enrolling.
#[derive(Debug, Clone)]
pub struct Enrolled {
    pub confirmed: Confirmed,
    /// Base64 of the age file that holds the patient's root.
    pub backup_file: String,
    /// Opens it. Shown once.
    pub backup_passphrase: String,
}

/// One grant of an `enrol` intent, or the parameters of a `grant` intent.
pub fn grant_entry(grantee: Address, scope: &str, permission: u8, purpose: &str) -> Value {
    json!({
        "grantee": grantee,
        "scope": scope,
        "permission": permission,
        "until": UNTIL,
        "purpose": purpose,
    })
}

/// A patient opens scopes and grants the hospital that treats them.
pub async fn enrol(patient: &Session, hospital: Address, scopes: &[&str], permission: u8) -> Result<Enrolled> {
    let grants: Vec<Value> = scopes
        .iter()
        .map(|scope| grant_entry(hospital, scope, permission, "TREAT"))
        .collect();
    let intent = patient
        .lay_out("enrol", json!({ "scopes": SCOPES, "grants": grants }))
        .await?;
    let (backup_file, backup_passphrase) = (text(&intent, "backup/file")?, text(&intent, "backup/passphrase")?);
    let id = text(&intent, "id")?;
    patient.sign(intent).await?;
    Ok(Enrolled {
        confirmed: patient
            .confirmed(&id)
            .await
            .with_context(|| format!("{} enrols", patient.wallet.name))?,
        backup_file,
        backup_passphrase,
    })
}

/// The contracts the gateway works with.
pub async fn contracts(gateway: &Gateway) -> Result<Contracts> {
    let deployment = gateway.get("/v1/deployment").await?.expect(200)?;
    let address = |name: &str| -> Result<Address> {
        text(&deployment, &format!("contracts/{name}"))?
            .parse()
            .context("a contract's address")
    };
    Ok(Contracts {
        chain_id: deployment["chainId"]
            .as_u64()
            .context("GET /v1/deployment names no chain")?,
        directory: address("directory")?,
        consent: address("consent")?,
        anchors: address("anchors")?,
    })
}
