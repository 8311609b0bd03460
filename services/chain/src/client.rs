//! A reading connection to one node, about one deployment.

use std::{future::IntoFuture, time::Duration};

use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes},
    providers::{DynProvider, Provider, ProviderBuilder, WsConnect},
    rpc::{client::ClientBuilder, types::TransactionRequest},
    sol_types::SolCall,
    transports::TransportResult,
};
use chartseal_record::Contracts;

use crate::{error::Error, head::Head, revert::Revert};

/// How long a node may take to answer one call.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads one deployment through one node. Cheap to clone. It holds no key and cannot sign; the only thing it can
/// change is to hand a transaction somebody else signed to the node ([`Client::send_raw`]).
#[derive(Clone, Debug)]
pub struct Client {
    provider: DynProvider,
    contracts: Contracts,
    timeout: Duration,
}

impl Client {
    /// Connects to `url`, http(s) or ws(s). HTTP connects at the first call; a WebSocket connects here and comes back
    /// by itself after the node was away.
    pub async fn connect(url: &str, contracts: Contracts) -> Result<Self, Error> {
        let parsed = url
            .parse::<alloy::transports::http::reqwest::Url>()
            .map_err(|_| Error::BadUrl)?;
        let builder = ProviderBuilder::new().disable_recommended_fillers();
        let provider = match parsed.scheme() {
            "http" | "https" => builder.connect_client(ClientBuilder::default().http(parsed)).erased(),
            "ws" | "wss" => {
                let ws = WsConnect::new(url)
                    .with_max_retries(u32::MAX)
                    .with_retry_interval(Duration::from_secs(1));
                let connecting = tokio::time::timeout(TIMEOUT, builder.connect_ws(ws));
                let connected = connecting.await.map_err(|_| Error::Timeout { after: TIMEOUT })?;
                connected
                    .map_err(|e| Error::of(e, |_| Revert::Unknown(Bytes::new())))?
                    .erased()
            }
            _ => return Err(Error::BadUrl),
        };
        Ok(Self {
            provider,
            contracts,
            timeout: TIMEOUT,
        })
    }

    /// The same connection with another limit per call.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The deployment this client reads.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// The node's chain id.
    pub async fn chain_id(&self) -> Result<u64, Error> {
        self.ask(self.provider.get_chain_id()).await
    }

    /// Hash of block 0: two chains with one chain id differ in it.
    pub async fn genesis(&self) -> Result<B256, Error> {
        match self.block(BlockId::number(0)).await? {
            Some(head) => Ok(head.hash),
            None => Err(Error::Unreadable {
                what: "block 0",
                reason: "the node does not have it".into(),
            }),
        }
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Head, Error> {
        match self.block(BlockId::latest()).await? {
            Some(head) => Ok(head),
            None => Err(Error::Unreadable {
                what: "the newest block",
                reason: "the node has none".into(),
            }),
        }
    }

    /// One block's head; `None` if the node's chain has no such block (now).
    pub async fn block(&self, id: BlockId) -> Result<Option<Head>, Error> {
        Ok(self
            .ask(self.provider.get_block(id))
            .await?
            .map(|block| Head::of(&block.header)))
    }

    /// Asks a view of the contract at `to`, at the newest block.
    pub async fn view<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return, Error> {
        self.view_at(to, call, BlockId::latest()).await
    }

    /// Asks a view at a block.
    pub async fn view_at<C: SolCall>(&self, to: Address, call: C, at: BlockId) -> Result<C::Return, Error> {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let data = self.ask_of(to, self.provider.call(request).block(at)).await?;
        C::abi_decode_returns(&data).map_err(|e| Error::Unreadable {
            what: "a contract's answer",
            reason: e.to_string(),
        })
    }

    /// Whether there is code at the address, at the newest block.
    pub async fn has_code(&self, address: Address) -> Result<bool, Error> {
        Ok(!self.ask(self.provider.get_code_at(address)).await?.is_empty())
    }

    pub(crate) fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// Bounds a call in time and types its failure.
    pub(crate) async fn ask<T>(&self, call: impl IntoFuture<Output = TransportResult<T>>) -> Result<T, Error> {
        self.bounded(None, call).await
    }

    /// The same for a call to one of the contracts, whose refusals are read by whom they come from.
    pub(crate) async fn ask_of<T>(
        &self,
        to: Address,
        call: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<T, Error> {
        self.bounded(Some(to), call).await
    }

    async fn bounded<T>(
        &self,
        to: Option<Address>,
        call: impl IntoFuture<Output = TransportResult<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, call.into_future()).await {
            Ok(answer) => answer.map_err(|e| Error::of(e, |data| Revert::decode(Some(&self.contracts), to, data))),
            Err(_) => Err(Error::Timeout { after: self.timeout }),
        }
    }
}
