//! `chartseal deploy`: puts the three contracts on a chain, once, and writes down where they are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    eips::BlockId,
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, bail, ensure};
use chartseal_chain::{Client, Error, deployment};
use chartseal_record::Contracts;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::stack_json::write_private;

/// How long a deployment may wait for its blocks.
const PATIENCE: Duration = Duration::from_secs(300);

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

    fn write(&self, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        write_private(file, &serde_json::to_vec_pretty(self).context("a deployment")?)
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

/// Deploys to the chain behind `rpc` unless `out` names a deployment on it; that one is checked instead.
///
/// `signer` pays. The registrar (or the payer, if none is named) becomes administrator of `Directory`. A run that
/// dies before `out` is written leaves contracts nobody uses: the next run deploys others.
pub async fn deploy(
    rpc: &str,
    signer: PrivateKeySigner,
    registrar: Option<Address>,
    out: Option<&Path>,
) -> Result<(Outcome, PathBuf)> {
    let registrar = registrar.unwrap_or(signer.address());
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(signer.clone()))
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
        return Ok((Outcome::Found(there), out));
    }
    let genesis = provider
        .get_block(BlockId::number(0))
        .await
        .map_err(silent)?
        .context("the node has no block 0")?;
    let nonce = provider.get_transaction_count(signer.address()).await.map_err(silent)?;
    let directory = signer.address().create(nonce);
    let creations = [
        deployment::directory_initcode(registrar),
        deployment::consent_initcode(directory),
        deployment::anchors_initcode(directory),
    ];
    let (addresses, block) = create(&provider, &creations).await?;
    let [directory_found, consent, anchors] = addresses;
    ensure!(
        directory_found == directory,
        "another transaction of the same key came between; run the command again"
    );
    let made = Deployment {
        contracts: Contracts {
            chain_id,
            directory,
            consent,
            anchors,
        },
        block,
        genesis: genesis.header.hash,
        registrar,
    };
    made.check(rpc)
        .await
        .context("the contracts just deployed do not check")?;
    made.write(&out)?;
    Ok((Outcome::Made(made), out))
}

/// Sends the three creations one after the other and waits for them together; the addresses and the first block.
async fn create(provider: &DynProvider, creations: &[Bytes; 3]) -> Result<([Address; 3], u64)> {
    let mut pending = Vec::new();
    for initcode in creations {
        let request = TransactionRequest::default().with_deploy_code(initcode.clone());
        // Consent and Anchors look at the Directory when they are called, not when they are made, so the estimate of
        // a later creation does not need the earlier one mined.
        let sent = provider.send_transaction(request).await;
        pending.push(
            sent.map_err(silent)
                .context("a contract cannot be deployed; has the key enough to pay?")?,
        );
    }
    let mut addresses = [Address::ZERO; 3];
    let mut first = u64::MAX;
    for (place, sent) in addresses.iter_mut().zip(pending) {
        let receipt = sent
            .with_timeout(Some(PATIENCE))
            .get_receipt()
            .await
            .context("a deployment was not mined")?;
        let Some(address) = receipt.contract_address.filter(|_| receipt.status()) else {
            bail!("the creation {} failed on chain", receipt.transaction_hash);
        };
        *place = address;
        first = first.min(receipt.block_number.unwrap_or(u64::MAX));
    }
    Ok((addresses, first))
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
