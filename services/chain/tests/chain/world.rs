//! An anvil of one's own, the three contracts on it, and people who sign.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes, keccak256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::{
        SignerSync,
        local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
    },
    sol_types::SolStruct,
};
use chartseal_chain::{Client, Mined, calls, deployment};
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
    pub port: u16,
}

impl Anvil {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(anvil_program())
            .args(["--host", "127.0.0.1", "--port", "0", "--mnemonic", MNEMONIC])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil; run `make build` once");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.starts_with("Listening on"))
            .unwrap();
        let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
        // Somebody has to read on, or anvil stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
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

pub fn sign<T: SolStruct>(key: &PrivateKeySigner, value: &T, domain: &alloy::sol_types::Eip712Domain) -> Bytes {
    key.sign_hash_sync(&typed::digest(value, domain))
        .unwrap()
        .as_bytes()
        .into()
}

/// A chain that mines each transaction at once, with the contracts deployed by account 0, who is the registrar.
pub struct World {
    pub anvil: Anvil,
    pub node: DynProvider,
    pub client: Client,
    pub contracts: Contracts,
    pub admin: PrivateKeySigner,
    pub first_block: u64,
}

impl World {
    pub async fn start() -> Self {
        let anvil = Anvil::start(&[]);
        let admin = key(0);
        let node = ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(EthereumWallet::from(admin.clone()))
            .connect_http(anvil.url().parse().unwrap())
            .erased();
        let directory = create(&node, deployment::directory_initcode(admin.address())).await;
        let consent = create(&node, deployment::consent_initcode(directory)).await;
        let anchors = create(&node, deployment::anchors_initcode(directory)).await;
        let contracts = Contracts {
            chain_id: 31337,
            directory,
            consent,
            anchors,
        };
        let client = Client::connect(&anvil.url(), contracts).await.unwrap();
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
        let receipt = self
            .node
            .send_transaction(request)
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        self.client.mined(receipt.transaction_hash).await.unwrap().unwrap()
    }

    /// Sends as account 0; it must succeed.
    pub async fn send(&self, to: Address, data: Bytes) -> Mined {
        if let Err(error) = self
            .client
            .simulate(self.admin.address(), to, &data, Default::default())
            .await
        {
            panic!("{error}");
        }
        let mined = self.try_send(to, data).await;
        assert!(mined.success);
        mined
    }

    pub async fn anvil<T: serde::Serialize>(&self, method: &'static str, parameters: T) {
        let parameters = serde_json::value::to_raw_value(&parameters).unwrap();
        self.node.raw_request_dyn(method.into(), &parameters).await.unwrap();
    }

    pub async fn mine(&self, blocks: u64) {
        self.anvil("anvil_mine", [blocks]).await;
    }

    pub fn registration(&self, who: Address, role: u8, custodian: Option<Address>) -> typed::Register {
        let professional = role != 1;
        typed::Register {
            who,
            role,
            suite: typed::SUITE_X25519,
            encryptionKey: Bytes::from(keccak256(who).to_vec()),
            custodian: custodian.unwrap_or_default(),
            custody: if custodian.is_some() { 2 } else { 0 },
            credential: if professional { keccak256("papers") } else { B256::ZERO },
            credentialExpiry: if professional { FAR } else { 0 },
            endpoint: if role >= 3 {
                "https://records.example".into()
            } else {
                String::new()
            },
            deadline: FAR,
        }
    }

    pub fn registration_call(&self, who: &PrivateKeySigner, register: &typed::Register) -> Bytes {
        let domain = self.contracts.directory_domain();
        let countersign = typed::Countersign {
            registration: register.eip712_hash_struct(),
            registrar: self.admin.address(),
        };
        calls::register(
            register,
            sign(who, register, &domain),
            &countersign,
            sign(&self.admin, &countersign, &domain),
        )
    }

    /// Registers `who`; patients with `custodian` in custody mode gateway.
    pub async fn register(&self, who: &PrivateKeySigner, role: u8, custodian: Option<Address>) -> Mined {
        let register = self.registration(who.address(), role, custodian);
        self.send(self.contracts.directory, self.registration_call(who, &register))
            .await
    }

    /// Lists `statement` as a statement key of `org`, from the next block on.
    pub async fn statement_key(&self, org: &PrivateKeySigner, statement: Address) -> Mined {
        let signed = typed::StatementKey {
            who: org.address(),
            key: statement,
            from: 0,
            until: u64::MAX,
            nonce: self.nonce(org.address()).await,
            deadline: FAR,
        };
        let signature = sign(org, &signed, &self.contracts.directory_domain());
        self.send(self.contracts.directory, calls::set_statement_key(&signed, signature))
            .await
    }

    /// Lists `publisher` for `org`.
    pub async fn publisher(&self, org: &PrivateKeySigner, publisher: &PrivateKeySigner) -> Mined {
        let domain = self.contracts.directory_domain();
        let signed = typed::Publisher {
            org: org.address(),
            publisher: publisher.address(),
            listed: true,
            nonce: self.nonce(org.address()).await,
            deadline: FAR,
        };
        let accept = typed::PublisherAccept {
            org: org.address(),
            publisher: publisher.address(),
        };
        let call = calls::set_publisher(&signed, sign(org, &signed, &domain), sign(publisher, &accept, &domain));
        self.send(self.contracts.directory, call).await
    }

    pub async fn nonce(&self, who: Address) -> alloy::primitives::U256 {
        alloy::primitives::U256::from(self.client.nonce_of(who).await.unwrap())
    }
}

async fn create(node: &DynProvider, initcode: Bytes) -> Address {
    let request = TransactionRequest::default().with_deploy_code(initcode);
    let receipt = node
        .send_transaction(request)
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap();
    receipt.contract_address.unwrap()
}
