//! A patient's root in the custodian's vault.

use alloy::primitives::Address;
use chartseal_envelope::{
    backup::{self, RootBackup},
    key::Root,
};
use chartseal_store::VaultKey;
use zeroize::Zeroizing;

use super::Patient;
use crate::{
    app::App,
    problem::{Failure, Problem},
    vault::{Kind, rows},
};

/// log2 of scrypt's N for a passphrase of 130 random bits: it needs no stretching, only the format does.
const WORK_FACTOR: u8 = 15;

/// A backup that is shown once.
pub struct Backup {
    /// An age file: any age program opens it.
    pub file: Vec<u8>,
    pub passphrase: Zeroizing<String>,
}

/// The patient's root; none before enrolment.
pub async fn get(app: &App, patient: &Patient) -> Result<Option<Root>, Failure> {
    match rows::get(app, patient.custodian, Kind::Root, &place(patient.id())).await? {
        Some(secret) => Ok(Some(Root::try_from(&secret[..])?)),
        None => Ok(None),
    }
}

/// The root, and if it had to be made, its backup. A root is never replaced: everything sealed hangs on it.
pub async fn get_or_make(app: &App, patient: &Patient) -> Result<(Root, Option<Backup>), Problem> {
    if let Some(root) = get(app, patient).await? {
        return Ok((root, None));
    }
    let root = Root::generate()?;
    let backup = back_up(app, patient.id(), &root).await?;
    if rows::put(
        app,
        patient.custodian,
        Kind::Root,
        &place(patient.id()),
        root.as_bytes(),
    )
    .await?
    {
        return Ok((root, Some(backup)));
    }
    // Somebody was faster: theirs is the root.
    let root = get(app, patient)
        .await?
        .ok_or(Failure::Broken("a root that was just made is gone"))?;
    Ok((root, None))
}

async fn back_up(app: &App, patient: Address, root: &Root) -> Result<Backup, Failure> {
    let kept = RootBackup {
        chain_id: app.contracts.chain_id,
        consent: app.contracts.consent,
        patient,
        root: root.clone(),
    };
    let passphrase = backup::passphrase()?;
    let phrase = passphrase.clone();
    // scrypt takes a tenth of a second of one core: not on a thread that serves others.
    let file = tokio::task::spawn_blocking(move || backup::seal(&kept, &phrase, WORK_FACTOR))
        .await
        .map_err(|_| Failure::Broken("sealing the backup of a root panicked"))??;
    Ok(Backup { file, passphrase })
}

/// Where a custodian keeps a patient's root.
pub fn key(custodian: Address, patient: Address) -> VaultKey {
    VaultKey::new(custodian, Kind::Root.as_str(), place(patient))
}

fn place(patient: Address) -> String {
    patient.to_string()
}
