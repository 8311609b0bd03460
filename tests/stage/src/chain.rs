use alloy::{
    eips::BlockId,
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{Filter, TransactionRequest},
    signers::local::PrivateKeySigner,
};
use chartseal_chain::{Client, Mined, deployment};
use chartseal_record::Contracts;

use crate::{Anvil, key};

/// A chain that mines each transaction at once; account 0 deployed the contracts and is the registrar.
pub struct Chain {
    pub anvil: Anvil,
    pub node: DynProvider,
    pub client: Client,
    pub contracts: Contracts,
    pub admin: PrivateKeySigner,
    /// The block of the first contract.
    pub first_block: u64,
}

impl Chain {
    pub async fn start() -> Self {
        let (anvil, admin) = (Anvil::start(&[]), key(0));
        let node = ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(EthereumWallet::from(admin.clone()))
            .connect_http(anvil.url.parse().unwrap())
            .erased();
        let contracts = deploy(&node, admin.address()).await;
        let client = Client::connect(&anvil.url, contracts).await.unwrap();
        Self {
            anvil,
            node,
            client,
            contracts,
            admin,
            first_block: 1,
        }
    }

    /// Sends as account 0, whatever comes of it.
    pub async fn try_send(&self, to: Address, data: Bytes) -> Mined {
        let request = TransactionRequest::default()
            .with_to(to)
            .with_input(data)
            .with_gas_limit(5_000_000);
        let pending = self.node.send_transaction(request).await.unwrap();
        let receipt = pending.get_receipt().await.unwrap();
        self.client.mined(receipt.transaction_hash).await.unwrap().unwrap()
    }

    /// Sends as account 0; it must succeed.
    pub async fn send(&self, to: Address, data: Bytes) -> Mined {
        let from = self.admin.address();
        if let Err(error) = self.client.simulate(from, to, &data, Default::default()).await {
            panic!("{error}");
        }
        let mined = self.try_send(to, data).await;
        assert!(mined.success);
        mined
    }

    /// One of anvil's own methods.
    pub async fn anvil<T: serde::Serialize>(&self, method: &'static str, parameters: T) -> serde_json::Value {
        let parameters = serde_json::value::to_raw_value(&parameters).unwrap();
        let answer = self.node.raw_request_dyn(method.into(), &parameters).await.unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    pub async fn mine(&self, blocks: u64) {
        self.anvil("anvil_mine", [blocks]).await;
    }

    /// Drops the newest blocks; what was in them is forgotten.
    pub async fn rollback(&self, blocks: u64) {
        self.anvil("anvil_rollback", [blocks]).await;
    }

    /// Off where a test counts blocks: anvil answers a send before it has mined it.
    pub async fn automine(&self, on: bool) {
        self.anvil("evm_setAutomine", [on]).await;
    }

    /// Roots on the chain, of all organisations.
    pub async fn anchors(&self) -> Vec<B256> {
        let filter = Filter::new().address(self.contracts.anchors).from_block(0);
        let logs = self.node.get_logs(&filter).await.unwrap();
        logs.iter().map(|log| log.topics()[2]).collect()
    }

    /// Transactions of `sender` on the chain.
    pub async fn used(&self, sender: Address) -> u64 {
        self.client.transaction_count(sender, BlockId::latest()).await.unwrap()
    }

    /// Sets the next block's base fee, wei per gas.
    pub async fn base_fee(&self, wei: u128) {
        self.anvil("anvil_setNextBlockBaseFeePerGas", [format!("{wei:#x}")])
            .await;
    }
}

/// The three contracts, with `admin` as registrar.
pub async fn deploy(node: &DynProvider, admin: Address) -> Contracts {
    let directory = create(node, deployment::directory_initcode(admin)).await;
    Contracts {
        chain_id: 31337,
        directory,
        consent: create(node, deployment::consent_initcode(directory)).await,
        anchors: create(node, deployment::anchors_initcode(directory)).await,
    }
}

async fn create(node: &DynProvider, initcode: Bytes) -> Address {
    let request = TransactionRequest::default().with_deploy_code(initcode);
    let pending = node.send_transaction(request).await.unwrap();
    pending.get_receipt().await.unwrap().contract_address.unwrap()
}
