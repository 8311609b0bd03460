//! `<data>/stack.json`: everything a test, a script or a curious person needs to use a development system. It holds
//! private keys, all of them published ones.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    seed::{ClientEntry, Seeded},
    supervise::Process,
};

/// The file's contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackJson {
    /// Origin of the gateway, no slash at the end; so all URLs.
    pub gateway: String,
    /// FHIR base.
    pub fhir: String,
    /// Token endpoint.
    pub token: String,
    /// Prometheus text of the gateway.
    pub metrics: String,
    /// JSON-RPC of the chain.
    pub rpc: String,
    /// Origin of a trustless gateway: ciphertext at /ipfs/<CID>?format=raw, to authorised readers.
    pub ipfs: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The data folder, absolute.
    pub data: PathBuf,
    /// The block from which the contracts exist.
    pub published: u64,
    /// Their addresses.
    pub contracts: Addresses,
    /// Process ids; `null` while one is down.
    pub processes: Processes,
    /// Sample accounts, clients and patients.
    #[serde(flatten)]
    pub samples: Seeded,
}

/// Addresses of the contracts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Addresses {
    pub directory: Address,
    pub consent: Address,
    pub anchors: Address,
}

/// Process ids.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Processes {
    pub gateway: Option<u32>,
    pub submitter: Option<u32>,
    pub anvil: Option<u32>,
}

impl Processes {
    /// Writes one down.
    pub fn set(&mut self, process: Process, pid: Option<u32>) {
        match process {
            Process::Anvil => self.anvil = pid,
            Process::Gateway => self.gateway = pid,
            Process::Submitter => self.submitter = pid,
        }
    }
}

impl StackJson {
    /// Reads the file of a data folder.
    pub fn read(data: &Path) -> Result<Self> {
        let file = place(data);
        let bytes = fs::read(&file).with_context(|| {
            format!(
                "{} is not there; start a system with `chartseal up` first",
                file.display()
            )
        })?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} is not what `chartseal up` writes", file.display()))
    }

    /// Writes the file whole or not at all, readable by its owner only.
    pub fn write(&self) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self).context("stack.json")?;
        write_private(&place(&self.data), &bytes)
    }

    /// The client whose name is `name`, or begins with it.
    pub fn client(&self, name: &str) -> Result<&ClientEntry> {
        let clients = &self.samples.clients;
        match clients.iter().find(|client| client.name.starts_with(name)) {
            Some(client) => Ok(client),
            None => {
                let names: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
                bail!("no client is called '{name}'; there are: {}", names.join(", "))
            }
        }
    }
}

fn place(data: &Path) -> PathBuf {
    data.join("stack.json")
}

/// Writes beside the file, then renames: a reader sees the old file or the new one.
pub fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let fresh = file.with_extension("new");
    let failed = || format!("{} cannot be written", file.display());
    let mut open = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(failed)?;
    open.write_all(bytes)
        .and_then(|()| open.sync_all())
        .with_context(failed)?;
    fs::rename(&fresh, file).with_context(failed)
}
