//! `chartseal-gateway backup`: what the chain and IPFS cannot give back, in one sealed file.
//!
//! ```text
//! chartseal-backup/1\n
//! JSON, sealed by the master key as the vault's rows are (organisation zero, kind "backup", place "chartseal-backup/1")
//! ```
//! The keys inside are the vault's rows as they lie there, sealed once more with the rest, so that no refusal can be taken
//! out of the list and no client added. Hazard: the file holds release keys. Until it is destroyed, its owner together with
//! the master key's owner has them back, whatever was revoked since: `backup_days` in every revocation receipt promises when.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use alloy::primitives::{Address, Bytes};
use anyhow::{Context, ensure};
use chartseal_record::{
    Compartment, Contracts, Slot,
    clock::{Clock, SystemClock},
};
use chartseal_store::{Client, Snapshot, Tombstone, VaultEntry, VaultKey};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    config::Config,
    problem::Failure,
    vault::{Kind, Vault},
};

/// The format, and the place the file is sealed to.
const FORMAT: &str = "chartseal-backup/1";

/// Writes what the vault holds into one file, sealed by the master key: patients' roots, release keys, encryption and
/// statement keys, refusals, the epoch numbers used, and the registered systems. The gateway may run meanwhile: the file
/// shows one moment. It is written aside, synced and renamed; an older file of that name is replaced.
///
/// With it, the chain and IPFS, `rebuild` makes the database again. The master key is not in it: keep that elsewhere. Destroy
/// the file before `backup_days` are over, as revocation receipts promise.
///
/// Example: chartseal-gateway --config gateway.toml backup --out /backup/vault-2026-11-26
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Backup {
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What is in it, as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// A backup, opened.
#[derive(Debug)]
pub struct Opened {
    pub contracts: Contracts,
    /// Unix seconds.
    pub made_at: u64,
    pub snapshot: Snapshot,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    contracts: Contracts,
    made_at: u64,
    vault: Vec<(Address, String, String, Bytes, u64)>,
    refusals: Vec<(Slot, Address, u64, u64, Value)>,
    epochs: Vec<(Compartment, u32)>,
    clients: Vec<Registered>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Registered {
    client_id: String,
    org: Address,
    account: Address,
    name: String,
    jwks: Option<String>,
    jwks_uri: Option<String>,
    scopes: String,
    created_at: u64,
    disabled_at: Option<u64>,
}

impl Backup {
    /// Needs the database and the master key; neither chain nor content store.
    pub async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let vault = Vault::new(&*config.master_key()?);
        let contracts = config.deployment()?.contracts;
        let store = config.database.open().await?;
        ensure!(
            !store.is_being_rebuilt().await?,
            "the database is being rebuilt: a backup of it would lack what is still to come; finish the rebuild first"
        );
        let snapshot = store.snapshot().await?;
        store.close().await;
        let counts = json!({
            "file": self.out, "keys": snapshot.vault.len(), "refusals": snapshot.tombstones.len(),
            "compartments": snapshot.epoch_marks.len(), "clients": snapshot.clients.len(),
        });
        let sealed = seal(&vault, contracts, SystemClock.seconds(), snapshot)?;
        write(&self.out, &sealed).with_context(|| format!("{} cannot be written", self.out.display()))?;
        if self.json {
            println!("{counts}");
        } else {
            println!(
                "{} holds {} keys, {} refusals, the epoch numbers of {} compartments and {} clients",
                self.out.display(),
                counts["keys"],
                counts["refusals"],
                counts["compartments"],
                counts["clients"]
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads and opens a backup of this master key.
pub fn read(file: &Path, vault: &Vault) -> anyhow::Result<Opened> {
    let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let sealed = bytes
        .strip_prefix(FORMAT.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"\n"));
    let sealed = sealed.with_context(|| {
        format!(
            "{} is not a backup of this version: expected it to begin with {FORMAT}",
            file.display()
        )
    })?;
    let json = vault.open(Address::ZERO, Kind::Backup, FORMAT, sealed).map_err(|_| {
        anyhow::anyhow!(
            "{} does not open: it is damaged, or was sealed by another master key",
            file.display()
        )
    })?;
    let body: Body = serde_json::from_slice(&json).context("the backup opens, but its contents do not read")?;
    let vault = body
        .vault
        .into_iter()
        .map(|(org, kind, place, sealed, created_at)| VaultEntry {
            key: VaultKey::new(org, kind, place),
            sealed,
            created_at,
        });
    let refusals = body.refusals.into_iter();
    let tombstones = refusals.map(|(slot, org, serial, refused_at, receipt)| Tombstone {
        slot,
        org,
        serial,
        refused_at,
        receipt,
    });
    Ok(Opened {
        contracts: body.contracts,
        made_at: body.made_at,
        snapshot: Snapshot {
            vault: vault.collect(),
            tombstones: tombstones.collect(),
            epoch_marks: body.epochs,
            clients: body.clients.into_iter().map(Client::from).collect(),
        },
    })
}

fn seal(vault: &Vault, contracts: Contracts, made_at: u64, snapshot: Snapshot) -> Result<Vec<u8>, Failure> {
    let keys = snapshot.vault.into_iter();
    let refusals = snapshot.tombstones.into_iter();
    let body = Body {
        contracts,
        made_at,
        vault: keys
            .map(|e| (e.key.org, e.key.kind, e.key.place, e.sealed, e.created_at))
            .collect(),
        refusals: refusals
            .map(|t| (t.slot, t.org, t.serial, t.refused_at, t.receipt))
            .collect(),
        epochs: snapshot.epoch_marks,
        clients: snapshot.clients.into_iter().map(Registered::from).collect(),
    };
    let json = serde_json::to_vec(&body).map_err(|_| Failure::Broken("a backup is not JSON"))?;
    let sealed = vault.seal(Address::ZERO, Kind::Backup, FORMAT, &json)?;
    Ok([FORMAT.as_bytes(), b"\n", &sealed].concat())
}

/// A reader sees the old file or the new one, whole, and so does who comes after a power cut.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut aside = name.to_owned();
    aside.push(".new");
    let aside = file.with_file_name(aside);
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&aside, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

impl From<Client> for Registered {
    fn from(client: Client) -> Self {
        let Client {
            client_id,
            org,
            account,
            name,
            jwks,
            jwks_uri,
            scopes,
            created_at,
            disabled_at,
        } = client;
        Self {
            client_id,
            org,
            account,
            name,
            jwks,
            jwks_uri,
            scopes,
            created_at,
            disabled_at,
        }
    }
}

impl From<Registered> for Client {
    fn from(client: Registered) -> Self {
        let Registered {
            client_id,
            org,
            account,
            name,
            jwks,
            jwks_uri,
            scopes,
            created_at,
            disabled_at,
        } = client;
        Self {
            client_id,
            org,
            account,
            name,
            jwks,
            jwks_uri,
            scopes,
            created_at,
            disabled_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    fn contracts() -> Contracts {
        Contracts {
            chain_id: 31337,
            directory: Address::repeat_byte(1),
            consent: Address::repeat_byte(2),
            anchors: Address::repeat_byte(3),
        }
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            vault: vec![VaultEntry {
                key: VaultKey::new(Address::repeat_byte(7), "root", "0xaa"),
                sealed: vec![1, 2, 3].into(),
                created_at: 4,
            }],
            tombstones: vec![Tombstone {
                slot: Slot(B256::repeat_byte(9)),
                org: Address::repeat_byte(7),
                serial: 2,
                refused_at: 5,
                receipt: json!({ "serial": 2 }),
            }],
            epoch_marks: vec![(Compartment(B256::repeat_byte(8)), 3)],
            clients: vec![],
        }
    }

    #[test]
    fn a_backup_comes_back_as_it_was_and_only_to_its_master_key() {
        let folder = tempfile::tempdir().unwrap();
        let (file, vault) = (folder.path().join("backup"), Vault::new(&[7; 32]));
        write(&file, b"an older one, longer than nothing").unwrap();
        write(&file, &seal(&vault, contracts(), 1, snapshot()).unwrap()).unwrap();
        let opened = read(&file, &vault).unwrap();
        assert_eq!(
            (opened.contracts, opened.made_at, opened.snapshot),
            (contracts(), 1, snapshot())
        );
        assert!(read(&file, &Vault::new(&[8; 32])).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn a_changed_or_shortened_backup_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, vault) = (folder.path().join("backup"), Vault::new(&[7; 32]));
        let good = seal(&vault, contracts(), 1, snapshot()).unwrap();
        for cut in [0, 5, FORMAT.len() + 1, good.len() - 1] {
            fs::write(&file, &good[..cut]).unwrap();
            assert!(read(&file, &vault).is_err(), "cut at {cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).unwrap();
            assert!(read(&file, &vault).is_err(), "byte {at}");
        }
    }
}
