//! What every handler is given: configuration, database, content, chain, vault, clock, index. Cheap to clone.

use std::{
    ops::Deref,
    sync::{Arc, atomic::AtomicBool},
};

use chartseal_chain::Client;
use chartseal_ipfs::Content;
use chartseal_record::{Contracts, clock::Clock};
use chartseal_store::Store;
use tokio::sync::Semaphore;

use crate::{
    auth::{nonce::Nonces, verified::Verified},
    config::{Config, ConfigError, Deployment},
    custody::{epochs::Pending, mend::Mend},
    idempotency::AtWork,
    index::Index,
    peers::Peers,
    portal::{Portal, PortalError},
    problem::Failure,
    rate::Rates,
    read::stretch::Known,
    statement::Keys,
    vault::Vault,
};

/// One gateway.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts, each usable on its own.
pub struct Parts {
    pub config: Config,
    pub deployment: Deployment,
    pub contracts: Contracts,
    pub store: Store,
    pub content: Content,
    /// What was read of large documents' files before.
    pub known: Known,
    pub chain: Client,
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub index: Index,
    pub nonces: Nonces,
    pub verified: Verified,
    pub pending: Pending,
    pub keys: Keys,
    /// Idempotency keys whose first request is not answered yet.
    pub at_work: AtWork,
    /// Places for requests at work.
    pub places: Semaphore,
    /// Places for requests that need no token.
    pub strangers: Semaphore,
    /// Room for large bodies, in KiB.
    pub room: Arc<Semaphore>,
    /// Whose requests are at work.
    pub peers: Peers,
    /// How often clients may ask.
    pub rates: Rates,
    /// Patients whose grants may lack a wrap.
    pub mend: Mend,
    /// The web app served at `/`, if there is one.
    pub portal: Option<Portal>,
    /// Set when the process is asked to stop.
    pub draining: AtomicBool,
    /// Fetches the key sets of clients that registered a URL.
    pub http: reqwest::Client,
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Portal(#[from] PortalError),
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(
        "the database is being rebuilt and not whole: run chartseal-gateway rebuild again with the same backup, it goes on where it stopped"
    )]
    BeingRebuilt,
    #[error("the HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
    #[error(
        "chain was reset; run chartseal up --fresh, or give this gateway a new database: {what} was {kept} when the database was made and is {found}"
    )]
    OtherChain {
        what: &'static str,
        kept: String,
        found: String,
    },
}

macro_rules! failures {
    ($($error:ty),*) => { $(
        impl From<$error> for StartError {
            fn from(error: $error) -> Self { Self::Failure(error.into()) }
        }
    )* };
}
failures!(chartseal_store::Error, chartseal_chain::Error, chartseal_ipfs::Error);

impl App {
    /// Opens everything and checks that chain and database belong together. Follows nothing yet. Refuses a database that
    /// is half rebuilt: refusals may still be missing from it.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let app = Self::open_unfinished(config, clock).await?;
        match app.store.is_being_rebuilt().await? {
            false => Ok(app),
            true => Err(StartError::BeingRebuilt),
        }
    }

    /// The same for whoever rebuilds it.
    pub async fn open_unfinished(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let deployment = config.deployment()?;
        let contracts = deployment.contracts;
        let vault = Vault::new(&*config.master_key()?);
        let keys = Keys::load(&config)?;
        let portal = config.portal.as_ref().map(Portal::read).transpose()?;
        let store = config.database.open().await?;
        let content = Content::open(&config.content.location).await?;
        let chain = Client::connect(config.chain.rpc.0.as_str(), contracts).await?;
        same_chain(&store, &chain, &contracts).await?;
        let index = Index::load(&store).await?;
        let pending = Pending::load(&store).await?;
        let nonces = Nonces::new(vault.subkey("sign-in-nonce", config.organisations[0].account));
        let places = Semaphore::new(config.limits.concurrent_requests);
        let room = Arc::new(Semaphore::new(config.limits.large_bodies_kib() as usize));
        let strangers = Semaphore::new(config.limits.stranger_requests);
        let rates = Rates::new(&config.limits);
        let http = crate::auth::fetch::client(config.development)?;
        Ok(Self(Arc::new(Parts {
            config,
            deployment,
            contracts,
            store,
            content,
            known: Known::default(),
            chain,
            vault,
            clock,
            index,
            nonces,
            verified: Verified::default(),
            pending,
            keys,
            at_work: AtWork::default(),
            places,
            strangers,
            room,
            peers: Peers::default(),
            rates,
            mend: Mend::default(),
            portal,
            draining: AtomicBool::new(false),
            http,
        })))
    }
}

/// A database belongs to one chain and one deployment. An older state of the same chain is a re-org; another chain is refused.
async fn same_chain(store: &Store, chain: &Client, contracts: &Contracts) -> Result<(), StartError> {
    chain.check_contracts().await?;
    let found = [
        ("chain.genesis", "the genesis block", chain.genesis().await?.to_string()),
        ("chain.id", "the chain id", contracts.chain_id.to_string()),
        ("contract.directory", "Directory", contracts.directory.to_string()),
        ("contract.consent", "Consent", contracts.consent.to_string()),
        ("contract.anchors", "Anchors", contracts.anchors.to_string()),
    ];
    for (key, what, found) in found {
        let kept = store.meta_pin(key, &found).await?;
        if kept != found {
            return Err(StartError::OtherChain { what, kept, found });
        }
    }
    Ok(())
}
