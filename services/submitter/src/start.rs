//! From a configuration to running workers.

use std::{sync::Arc, time::Duration};

use chartseal_chain::Client;
use chartseal_ipfs::Content;
use chartseal_record::{Contracts, clock::SystemClock};
use chartseal_store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Error, Publisher, Relayer, Rules, Signer,
    work::{Ailment, work},
};

/// Checks that database, chain and configuration belong together: the node serves the configured chain, the contracts
/// are this program's, and the database was filled from the same genesis. (An older state of the same chain is a
/// re-org, not another chain.)
pub async fn same_chain(store: &Store, client: &Client, contracts: &Contracts) -> Result<(), Error> {
    client.check_contracts().await?;
    let found = [
        (
            "chain.genesis",
            "the genesis block",
            client.genesis().await?.to_string(),
        ),
        ("chain.id", "the chain id", contracts.chain_id.to_string()),
        ("contract.directory", "Directory", contracts.directory.to_string()),
        ("contract.consent", "Consent", contracts.consent.to_string()),
        ("contract.anchors", "Anchors", contracts.anchors.to_string()),
    ];
    for (key, what, found) in found {
        let kept = store.meta_pin(key, &found).await?;
        if kept != found {
            return Err(Error::OtherChain { what, kept, found });
        }
    }
    Ok(())
}

/// Waits for a chain that is away, and refuses another chain. `false` if told to stop meanwhile.
async fn reached(
    store: &Store,
    client: &Client,
    contracts: &Contracts,
    poll: Duration,
    stop: &CancellationToken,
) -> Result<bool, Error> {
    let mut reaching = Ailment::new("reaching the chain");
    loop {
        let result = same_chain(store, client, contracts).await;
        match result {
            Ok(()) => return Ok(true),
            Err(away @ Error::Chain(_)) if away.kind() == "chain-away" => reaching.note::<()>(Err(away)),
            Err(other) => return Err(other),
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(reaching.pause(poll)) => {}
        }
    }
}

/// Runs until `stop`, then gives the leases back.
pub async fn run(config: &Config, stop: CancellationToken) -> anyhow::Result<()> {
    let (relayer, publishers) = config.keys()?;
    let contracts = config.deployment()?.contracts;
    let store = config.database.open().await?;
    let content = Content::open(&config.content.location).await?;
    let client = Client::connect(&config.chain.rpc.0, contracts).await?;
    if !reached(&store, &client, &contracts, config.poll(), &stop).await? {
        return Ok(());
    }

    let clock = Arc::new(SystemClock);
    let confirmations = config.chain.confirmations;
    let rules = Rules {
        interval: config.interval(),
        records: config.batch.records,
        confirmations,
    };
    let mut workers = JoinSet::new();
    let orgs = publishers.iter().map(|(org, _)| *org).collect();
    let signer = Signer::new(relayer, client.clone(), store.clone());
    tracing::info!(relayer = %signer.address(), "relaying for {} organisations", publishers.len());
    let relayer = Relayer::new(
        orgs,
        signer,
        store.clone(),
        client.clone(),
        clock.clone(),
        confirmations,
    );
    workers.spawn(work(relayer, config.poll(), stop.clone()));
    for (org, key) in publishers {
        let signer = Signer::new(key, client.clone(), store.clone());
        tracing::info!(%org, publisher = %signer.address(), "anchoring for {org}");
        let publisher = Publisher::new(
            org,
            signer,
            store.clone(),
            content.clone(),
            client.clone(),
            clock.clone(),
            rules,
        );
        workers.spawn(work(publisher, config.poll(), stop.clone()));
    }
    // A worker ends only when told to; one that panicked takes the process down, and the supervisor starts it anew from
    // the rows.
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    store.close().await;
    Ok(())
}
