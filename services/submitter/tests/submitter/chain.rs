//! An anvil of one's own with the three contracts, a registered hospital and its publisher, statement key and patient.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{Filter, TransactionRequest},
    signers::{
        SignerSync,
        local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
    },
    sol_types::{Eip712Domain, SolStruct},
};
use chartseal_chain::{Client, calls, deployment};
use chartseal_record::{Contracts, typed};

const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// 2100: later than any test.
pub const FAR: u64 = 4_102_444_800;

fn anvil_program() -> PathBuf {
    if let Some(named) = std::env::var_os("CHARTSEAL_ANVIL") {
        return named.into();
    }
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/@foundry-rs");
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let found = packages.join(format!("anvil-linux-{machine}/bin/anvil"));
    if found.is_file() { found } else { "anvil".into() }
}

pub struct Anvil {
    child: Child,
    pub url: String,
}

impl Anvil {
    fn start() -> Self {
        let mut child = Command::new(anvil_program())
            .args(["--host", "127.0.0.1", "--port", "0", "--mnemonic", MNEMONIC])
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil; run `make build` once");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.starts_with("Listening on"))
            .unwrap();
        let url = format!("http://{}", line.trim_start_matches("Listening on ").trim());
        // Somebody has to read on, or anvil stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn key(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::<English>::default()
        .phrase(MNEMONIC)
        .index(index)
        .unwrap()
        .build()
        .unwrap()
}

/// The people of every test.
pub fn hospital() -> PrivateKeySigner {
    key(1)
}
pub fn publisher() -> PrivateKeySigner {
    key(2)
}
pub fn relayer() -> PrivateKeySigner {
    key(3)
}
pub fn statement() -> PrivateKeySigner {
    key(4)
}
pub fn patient() -> PrivateKeySigner {
    key(5)
}

pub fn sign<T: SolStruct>(key: &PrivateKeySigner, value: &T, domain: &Eip712Domain) -> Bytes {
    key.sign_hash_sync(&typed::digest(value, domain))
        .unwrap()
        .as_bytes()
        .into()
}

/// A chain that mines each transaction at once; account 0 deployed the contracts and is the registrar.
pub struct Chain {
    pub anvil: Anvil,
    pub node: DynProvider,
    pub client: Client,
    pub contracts: Contracts,
}

impl Chain {
    /// With the hospital registered, its publisher and its statement key listed.
    pub async fn start() -> Self {
        let anvil = Anvil::start();
        let node = ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(EthereumWallet::from(key(0)))
            .connect_http(anvil.url.parse().unwrap())
            .erased();
        let directory = create(&node, deployment::directory_initcode(key(0).address())).await;
        let contracts = Contracts {
            chain_id: 31337,
            directory,
            consent: create(&node, deployment::consent_initcode(directory)).await,
            anchors: create(&node, deployment::anchors_initcode(directory)).await,
        };
        let client = Client::connect(&anvil.url, contracts).await.unwrap();
        let chain = Self {
            anvil,
            node,
            client,
            contracts,
        };
        chain.send(directory, chain.registration(&hospital(), 3)).await;
        chain.list_statement_key().await;
        chain.list_publisher().await;
        chain
    }

    /// Sends as account 0; it must succeed.
    pub async fn send(&self, to: Address, data: Bytes) {
        let request = TransactionRequest::default()
            .with_to(to)
            .with_input(data)
            .with_gas_limit(5_000_000);
        let receipt = self
            .node
            .send_transaction(request)
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        assert!(receipt.status(), "a call of the stage was refused");
    }

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

    /// Sets the next block's base fee, wei per gas.
    pub async fn base_fee(&self, wei: u128) {
        self.anvil("anvil_setNextBlockBaseFeePerGas", [format!("{wei:#x}")])
            .await;
    }

    /// Anchors on the chain, all organisations.
    pub async fn anchors(&self) -> Vec<B256> {
        let filter = Filter::new().address(self.contracts.anchors).from_block(0);
        let logs = self.node.get_logs(&filter).await.unwrap();
        logs.iter().map(|log| log.topics()[2]).collect()
    }

    /// Transactions of `sender` on the chain.
    pub async fn used(&self, sender: Address) -> u64 {
        self.client.transaction_count(sender, false).await.unwrap()
    }

    /// Calldata that registers `who`; patients with the hospital as custodian in gateway mode.
    pub fn registration(&self, who: &PrivateKeySigner, role: u8) -> Bytes {
        let professional = role != 1;
        let domain = self.contracts.directory_domain();
        let register = typed::Register {
            who: who.address(),
            role,
            suite: typed::SUITE_X25519,
            encryptionKey: keccak256(who.address()).to_vec().into(),
            custodian: if professional {
                Address::ZERO
            } else {
                hospital().address()
            },
            custody: if professional { 0 } else { 2 },
            credential: if professional { keccak256("papers") } else { B256::ZERO },
            credentialExpiry: if professional { FAR } else { 0 },
            endpoint: if role >= 3 {
                "https://records.example".into()
            } else {
                String::new()
            },
            deadline: FAR,
        };
        let countersign = typed::Countersign {
            registration: register.eip712_hash_struct(),
            registrar: key(0).address(),
        };
        calls::register(
            &register,
            sign(who, &register, &domain),
            &countersign,
            sign(&key(0), &countersign, &domain),
        )
    }

    /// Calldata of the patient's permission for the hospital to write.
    pub fn grant(&self, scope: &str, serial: u64) -> Bytes {
        let grant = typed::Grant {
            patient: patient().address(),
            grantee: hospital().address(),
            scope: scope.into(),
            record: B256::ZERO,
            serial,
            permission: typed::WRITE,
            until: FAR,
            purpose: "TREAT".into(),
            epoch: 0,
            suite: 0,
            recipientKeyHash: B256::ZERO,
            wrapHash: B256::ZERO,
        };
        let signature = sign(&patient(), &grant, &self.contracts.consent_domain());
        calls::grant(&grant, Bytes::new(), signature)
    }

    /// Calldata that opens an epoch with a key made from `seed`, signed by the custodian's statement key.
    pub fn advance(&self, scope: &str, epoch: u32, seed: u8) -> Bytes {
        let advance = typed::Advance {
            patient: patient().address(),
            scope: scope.into(),
            epoch,
            suite: typed::SUITE_X25519,
            key: vec![seed; 32].into(),
            link: Bytes::new(),
            wraps: calls::wraps_hash(&[]),
            by: hospital().address(),
        };
        let signature = sign(&statement(), &advance, &self.contracts.consent_domain());
        calls::advance(&advance, vec![], signature)
    }

    async fn list_statement_key(&self) {
        let signed = typed::StatementKey {
            who: hospital().address(),
            key: statement().address(),
            from: 0,
            until: u64::MAX,
            nonce: self.nonce().await,
            deadline: FAR,
        };
        let signature = sign(&hospital(), &signed, &self.contracts.directory_domain());
        self.send(self.contracts.directory, calls::set_statement_key(&signed, signature))
            .await;
    }

    async fn list_publisher(&self) {
        let domain = self.contracts.directory_domain();
        let (org, publisher) = (hospital().address(), publisher());
        let signed = typed::Publisher {
            org,
            publisher: publisher.address(),
            listed: true,
            nonce: self.nonce().await,
            deadline: FAR,
        };
        let accept = typed::PublisherAccept {
            org,
            publisher: publisher.address(),
        };
        let call = calls::set_publisher(
            &signed,
            sign(&hospital(), &signed, &domain),
            sign(&publisher, &accept, &domain),
        );
        self.send(self.contracts.directory, call).await;
    }

    async fn nonce(&self) -> U256 {
        U256::from(self.client.nonce_of(hospital().address()).await.unwrap())
    }
}

async fn create(node: &DynProvider, initcode: Bytes) -> Address {
    let request = TransactionRequest::default().with_deploy_code(initcode);
    node.send_transaction(request)
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap()
        .contract_address
        .unwrap()
}
