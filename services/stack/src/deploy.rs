//! `chartseal deploy`: puts the three contracts on a chain, once, and writes down where they are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    eips::BlockId,
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, ensure};
use chartseal_chain::{Client, Error, deployment};
use chartseal_record::Contracts;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::stack_json::write_private;

/// How long a deployment may wait for its blocks.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often the chain is asked while they are awaited.
const PACE: Duration = Duration::from_millis(200);

/// Where a deployment is: what gateways, submitters and readers are configured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Chain id and addresses.
    #[serde(flatten)]
    pub contracts: Contracts,
    /// The first block that may hold an event of theirs.
    pub block: u64,
    /// Hash of block 0: another chain with the same id is not this one.
    pub genesis: B256,
    /// First registrar, who names further ones.
    pub registrar: Address,
}

impl Deployment {
    /// Reads a deployment; `None` if there is no such file.
    pub fn read(file: &Path) -> Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let read = serde_json::from_slice(&bytes);
        Ok(Some(read.with_context(|| {
            format!("{} is not what `chartseal deploy` writes", file.display())
        })?))
    }

    /// Checks that `rpc` serves this chain, not reset since, and that the code on it is this program's.
    pub async fn check(&self, rpc: &str) -> Result<()> {
        let client = Client::connect(rpc, self.contracts).await?;
        let reset = "chain was reset; run chartseal up --fresh";
        let genesis = client.genesis().await?;
        ensure!(
            genesis == self.genesis,
            "{reset} (block 0 is {genesis}, the deployment was on {})",
            self.genesis
        );
        match client.check_contracts().await {
            Err(gone @ Error::NoCode { .. }) => Err(gone).context(reset),
            other => Ok(other?),
        }
    }
}

/// What became of a deployment.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    /// The contracts are new.
    Made(Deployment),
    /// They were there already, and are this program's.
    Found(Deployment),
}

impl Outcome {
    /// Where the contracts are.
    pub fn deployment(&self) -> Deployment {
        match self {
            Self::Made(deployment) | Self::Found(deployment) => *deployment,
        }
    }
}

/// A deployment about to be sent: the addresses follow from key and nonce, so they are known and written down before the
/// first transaction. A run that died in between is taken up where it stopped.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Plan {
    deployer: Address,
    /// Of the first of the three transactions.
    nonce: u64,
    deployment: Deployment,
}

impl Plan {
    /// Beside the file the deployment is written to.
    fn place(out: &Path) -> PathBuf {
        out.with_extension("planned.json")
    }

    fn read(out: &Path) -> Result<Option<Self>> {
        let file = Self::place(out);
        if !file.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let read = serde_json::from_slice(&bytes);
        Ok(Some(read.with_context(|| {
            format!("{} is not what `chartseal deploy` writes; remove it", file.display())
        })?))
    }

    /// The next three contracts of `deployer`.
    async fn make(provider: &DynProvider, chain_id: u64, deployer: Address, registrar: Address) -> Result<Self> {
        let genesis = genesis(provider).await?;
        let nonce = provider
            .get_transaction_count(deployer)
            .pending()
            .await
            .map_err(silent)?;
        let block = provider.get_block_number().await.map_err(silent)? + 1;
        let contracts = Contracts {
            chain_id,
            directory: deployer.create(nonce),
            consent: deployer.create(nonce + 1),
            anchors: deployer.create(nonce + 2),
        };
        let deployment = Deployment {
            contracts,
            block,
            genesis,
            registrar,
        };
        Ok(Self {
            deployer,
            nonce,
            deployment,
        })
    }

    /// Sends what has not been sent yet and waits until all three are mined.
    async fn carry_out(&self, provider: &DynProvider) -> Result<()> {
        let directory = self.deployment.contracts.directory;
        let creations = [
            deployment::directory_initcode(self.deployment.registrar),
            deployment::consent_initcode(directory),
            deployment::anchors_initcode(directory),
        ];
        let sent = provider.get_transaction_count(self.deployer).pending().await;
        let sent = sent.map_err(silent)?.saturating_sub(self.nonce);
        for (nonce, initcode) in (self.nonce..).zip(creations).skip(sent.try_into().unwrap_or(3)) {
            let request = TransactionRequest::default()
                .with_deploy_code(initcode)
                .with_nonce(nonce);
            // Consent and Anchors look at the Directory when they are called, not when they are made, so the estimate
            // of a later creation does not need the earlier one mined.
            let sent = provider.send_transaction(request).await;
            drop(
                sent.map_err(silent)
                    .context("a contract cannot be deployed; has the key enough to pay?")?,
            );
        }
        // By the count, not by receipts: an earlier run may have sent some of them.
        let mined = async {
            while provider.get_transaction_count(self.deployer).await.map_err(silent)? < self.nonce + 3 {
                tokio::time::sleep(PACE).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, mined)
            .await
            .context("the deployment is not mined yet; run the command again later, it goes on from here")?
    }
}

/// Deploys to the chain behind `rpc` unless `out` names a deployment on it; that one is checked instead.
///
/// `signer` pays. The registrar (or the payer, if none is named) becomes administrator of `Directory`; it may be a
/// contract. The plan is written beside `out` first: after a run that died the next one deploys only what is missing.
pub async fn deploy(
    rpc: &str,
    signer: PrivateKeySigner,
    registrar: Option<Address>,
    out: Option<&Path>,
) -> Result<(Outcome, PathBuf)> {
    ensure!(registrar != Some(Address::ZERO), "nobody can sign as registrar 0x0");
    let deployer = signer.address();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(signer))
        .connect(rpc)
        .await
        .map_err(|_| anyhow::anyhow!("the chain's node cannot be reached; check --rpc"))?
        .erased();
    let chain_id = provider.get_chain_id().await.map_err(silent)?;
    let out = out.map_or_else(
        || PathBuf::from(format!("deployments/{chain_id}.json")),
        Path::to_path_buf,
    );
    if let Some(there) = Deployment::read(&out)? {
        there
            .check(rpc)
            .await
            .with_context(|| format!("the deployment in {} is not usable", out.display()))?;
        ensure!(
            registrar.is_none_or(|named| named == there.registrar),
            "the deployment in {} was made for the registrar {}; roles are moved in the Directory, not by deploying",
            out.display(),
            there.registrar
        );
        return Ok((Outcome::Found(there), out));
    }
    let registrar = registrar.unwrap_or(deployer);
    let planned = match Plan::read(&out)? {
        // A plan for another chain, payer or registrar was never carried out here.
        Some(plan)
            if (plan.deployer, plan.deployment.registrar) == (deployer, registrar)
                && plan.deployment.contracts.chain_id == chain_id
                && plan.deployment.genesis == genesis(&provider).await? =>
        {
            plan
        }
        _ => Plan::make(&provider, chain_id, deployer, registrar).await?,
    };
    let place = Plan::place(&out);
    write(&place, &planned)?;
    planned.carry_out(&provider).await?;
    let made = planned.deployment;
    if let Err(error) = made.check(rpc).await {
        fs::remove_file(&place).with_context(|| format!("{} cannot be removed", place.display()))?;
        return Err(error).context(
            "the contracts just deployed do not check (another transaction of the same key may have come between); \
             run the command again to deploy others",
        );
    }
    write(&out, &made)?;
    fs::remove_file(&place).with_context(|| format!("{} cannot be removed", place.display()))?;
    Ok((Outcome::Made(made), out))
}

async fn genesis(provider: &DynProvider) -> Result<B256> {
    let block = provider.get_block(BlockId::number(0)).await.map_err(silent)?;
    Ok(block.context("the node has no block 0")?.header.hash)
}

/// Writes JSON to a file, making its folder.
fn write(file: &Path, value: &impl Serialize) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    write_private(file, &serde_json::to_vec_pretty(value).context("a deployment")?)
}

/// A node's error without the URL it was asked at, which may carry a key.
fn silent(error: alloy::transports::TransportError) -> anyhow::Error {
    match error.as_error_resp() {
        Some(answer) => anyhow::anyhow!("the chain's node refused: {}", answer.message),
        None => anyhow::anyhow!("the chain's node does not answer"),
    }
}

/// Reads a secp256k1 key: 64 hex digits, with or without 0x.
pub fn read_key(file: &Path) -> Result<PrivateKeySigner> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let text = Zeroizing::new(text);
    let parsed = text.trim().trim_start_matches("0x").parse();
    parsed.map_err(|_| anyhow::anyhow!("{} does not hold a key: expected 64 hex digits", file.display()))
}
