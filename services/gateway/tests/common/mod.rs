//! A whole gateway in this process, on a chain of its own; only the submitter is played by [`World::relay`].
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

pub mod contract;
pub mod device;
pub mod fhir;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    consensus::Transaction,
    dyn_abi::TypedData,
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes},
    providers::{DynProvider, Provider, ProviderBuilder, ext::AnvilApi},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
};
use chartseal_gateway::{App, Config, serve};
use chartseal_record::clock::SystemClock;
pub use chartseal_stage::key as wallet;
use chartseal_stage::{Anvil, deploy};
use chartseal_store::{Mined, SentTransaction};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub const CONFIRMATIONS: u64 = 2;

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub struct World {
    pub app: App,
    pub base: String,
    pub http: reqwest::Client,
    pub provider: DynProvider,
    pub stop: CancellationToken,
    _anvil: Anvil,
    pub folder: TempDir,
}

/// Accounts of the mnemonic.
pub const ADMIN: u32 = 0;
pub const RELAYER: u32 = 1;
pub const HOSPITAL: u32 = 2;
pub const INSURER: u32 = 3;
pub const DOCTOR: u32 = 4;
pub const ALICE: u32 = 5;
pub const STRANGER: u32 = 6;

impl World {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// With more lines in `[chain]`.
    pub async fn with(chain: &str) -> Self {
        let (anvil, admin) = (Anvil::start(&[]), wallet(ADMIN));
        let rpc = anvil.url.clone();
        let signer = EthereumWallet::from(admin.clone());
        let provider = ProviderBuilder::new()
            .wallet(signer)
            .connect(&rpc)
            .await
            .unwrap()
            .erased();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let contracts = deploy(&provider, admin.address()).await;
        let mut deployed = json!(contracts);
        deployed["block"] = json!(0);
        deployed["registrar"] = json!(admin.address());
        let deployment = file("deployment.json", &deployed.to_string());
        let master = file("master.key", &"5a".repeat(32));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let text = format!(
            "listen = \"127.0.0.1:0\"\npublic_url = \"{base}\"\nmaster_key_file = \"{master}\"\n\
             [database]\nurl = \"sqlite:{folder}/gateway.db\"\n[content]\nlocation = \"{folder}/content\"\n\
             [chain]\nrpc = \"{rpc}\"\ndeployment = \"{deployment}\"\nconfirmations = {CONFIRMATIONS}\n{chain}\n\
             [[organisations]]\naccount = \"{hospital}\"\nname = \"Hospital\"\n\
             [[organisations]]\naccount = \"{insurer}\"\nname = \"Insurer\"\n",
            folder = folder.path().display(),
            hospital = wallet(HOSPITAL).address(),
            insurer = wallet(INSURER).address(),
        );
        let app = App::open(Config::from_toml(&text).unwrap(), Arc::new(SystemClock))
            .await
            .unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve::serve(app.clone(), listener, None, stop.clone()));
        let world = Self {
            app,
            base,
            http: reqwest::Client::new(),
            provider,
            stop,
            _anvil: anvil,
            folder,
        };
        world.settle().await;
        world
    }

    /// Mines until everything before counts, and waits until the gateway has followed.
    pub async fn settle(&self) {
        self.provider.anvil_mine(Some(CONFIRMATIONS), None).await.unwrap();
        let head = self.provider.get_block_number().await.unwrap();
        let reached = tokio::time::timeout(Duration::from_secs(30), self.app.index.reached(head)).await;
        reached.expect("the gateway follows the chain");
    }

    /// A re-org takes the newest block that has a transaction, and all upon it. Gives the transaction.
    pub async fn forget_last_transaction(&self) -> TransactionRequest {
        let head = self.provider.get_block_number().await.unwrap();
        for number in (0..=head).rev() {
            let block = self.provider.get_block(number.into()).full().await.unwrap().unwrap();
            let Some(last) = block.transactions.into_transactions().last() else {
                continue;
            };
            let sent = TransactionRequest::default()
                .with_to(last.to().unwrap())
                .with_input(last.input().clone())
                .with_nonce(last.nonce());
            let gone = head - number + 1;
            self.provider.anvil_rollback(Some(gone)).await.unwrap();
            self.provider.anvil_mine(Some(gone + 2), None).await.unwrap();
            self.settle().await;
            return sent;
        }
        unreachable!("a chain with contracts has transactions")
    }

    /// Sends every decision that is ready, in order, and waits until all count. Gives what the chain refused.
    pub async fn relay(&self) -> Vec<String> {
        let mut refused = Vec::new();
        for _ in 0..10 {
            let mut any = false;
            for org in self.app.config.organisations.clone() {
                for intent in self.app.store.relayable_intents(org.account, 100).await.unwrap() {
                    any = true;
                    refused.extend(self.send(intent).await);
                }
            }
            self.settle().await;
            if !any {
                break;
            }
        }
        refused
    }

    async fn send(&self, intent: chartseal_store::Intent) -> Option<String> {
        let (store, now) = (&self.app.store, now());
        let (target, data) = intent.call.clone().unwrap();
        let request = TransactionRequest::default().with_to(target).with_input(data);
        let pending = match self.provider.send_transaction(request).await {
            Ok(pending) => pending,
            Err(error) => {
                store.intent_failed(&intent.id, &error.to_string(), now).await.unwrap();
                return Some(format!("{}: {error}", intent.kind));
            }
        };
        let receipt = pending.get_receipt().await.unwrap();
        let sent = SentTransaction {
            signer: wallet(ADMIN).address(),
            nonce: receipt.block_number.unwrap(),
            hash: receipt.transaction_hash,
            raw: Bytes::from_static(b"sent by the test"),
        };
        let mined = Mined {
            block: receipt.block_number.unwrap(),
            block_hash: receipt.block_hash.unwrap(),
            gas_used: receipt.gas_used,
        };
        store.intent_submitted(&intent.id, &sent, now).await.unwrap();
        store.intent_mined(&intent.id, sent.hash, mined, now).await.unwrap();
        self.settle().await;
        store.intent_confirmed(&intent.id, now).await.unwrap();
        None
    }

    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let media = answer
            .headers()
            .get("content-type")
            .map(|media| media.to_str().unwrap().to_owned());
        let body = answer.json().await.unwrap_or(Value::Null);
        contract::check(&method, path, status, &media.unwrap_or_default(), &body);
        (status, body)
    }

    /// The text a wallet signs to get in.
    pub async fn message(&self, address: Address) -> String {
        let (_, nonce) = self.call(Method::GET, "/v1/sessions/nonce", None, None).await;
        let issued = time::OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let issued = issued.format(&time::format_description::well_known::Rfc3339).unwrap();
        let domain = self.base.trim_start_matches("http://");
        format!(
            "{domain} wants you to sign in with your Ethereum account:\n{address}\n\nSign in to Chartseal.\n\nURI: {}\n\
             Version: 1\nChain ID: 31337\nNonce: {}\nIssued At: {issued}",
            self.base,
            nonce["nonce"].as_str().unwrap()
        )
    }

    pub async fn sign_in(&self, place: u32) -> Person<'_> {
        let wallet = wallet(place);
        let message = self.message(wallet.address()).await;
        let signature = Bytes::from(
            wallet
                .sign_message_sync(message.as_bytes())
                .unwrap()
                .as_bytes()
                .to_vec(),
        );
        let body = json!({ "message": message, "signature": signature });
        let (status, answer) = self.call(Method::POST, "/v1/sessions", None, Some(&body)).await;
        assert_eq!(status, 201, "{answer}");
        Person {
            world: self,
            wallet,
            token: answer["token"].as_str().unwrap().to_owned(),
        }
    }

    /// Hospital (with a statement key), insurer, doctor and Alice, registered; Alice in gateway custody of the hospital.
    pub async fn people(&self) -> People<'_> {
        let people = People {
            admin: self.sign_in(ADMIN).await,
            hospital: self.sign_in(HOSPITAL).await,
            insurer: self.sign_in(INSURER).await,
            doctor: self.sign_in(DOCTOR).await,
            alice: self.sign_in(ALICE).await,
        };
        for (who, role) in [
            (&people.hospital, "hospital"),
            (&people.insurer, "insurer"),
            (&people.doctor, "doctor"),
        ] {
            let mut params = json!({ "role": role, "custody": "gateway" });
            params["credential"] = json!(B256::repeat_byte(7));
            params["credentialExpiry"] = json!(now() + 86_400 * 365);
            people.register(who, params).await;
        }
        people
            .register(
                &people.alice,
                json!({ "role": "patient", "custodian": people.hospital.address(), "custodyMode": "gateway" }),
            )
            .await;
        people
            .hospital
            .decide("statementKey", json!({ "generate": true }))
            .await;
        people
    }
}

pub struct People<'a> {
    pub admin: Person<'a>,
    pub hospital: Person<'a>,
    pub insurer: Person<'a>,
    pub doctor: Person<'a>,
    pub alice: Person<'a>,
}

impl People<'_> {
    pub async fn register(&self, who: &Person<'_>, params: Value) {
        let intent = who.lay_out("register", params).await;
        who.sign(&intent).await;
        let id = intent["id"].as_str().unwrap();
        let (_, shown) = self.admin.get(&format!("/v1/intents/{id}")).await;
        self.admin.sign(&shown).await;
        assert_eq!(who.world.relay().await, Vec::<String>::new());
        let (_, done) = who.get(&format!("/v1/intents/{id}")).await;
        assert_eq!(done["state"], "confirmed", "{done}");
    }

    /// Alice opens `clinical` and `claims`, and the hospital may write both.
    pub async fn enrol(&self) -> Value {
        let grants: Vec<Value> = ["clinical", "claims"]
            .map(|scope| terms(self.hospital.address(), scope, 3))
            .into();
        let params = json!({ "scopes": ["clinical", "claims"], "grants": grants });
        self.alice.decide("enrol", params).await
    }
}

pub fn terms(grantee: Address, scope: &str, permission: u8) -> Value {
    json!({ "grantee": grantee, "scope": scope, "permission": permission, "until": now() + 86_400, "purpose": "TREAT" })
}

pub struct Person<'a> {
    pub world: &'a World,
    pub wallet: PrivateKeySigner,
    pub token: String,
}

impl Person<'_> {
    pub fn address(&self) -> Address {
        self.wallet.address()
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.world.call(Method::GET, path, Some(&self.token), None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.world
            .call(Method::POST, path, Some(&self.token), Some(&body))
            .await
    }

    pub async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.world.call(Method::PUT, path, Some(&self.token), Some(&body)).await
    }

    pub fn sign_typed(&self, typed: &Value) -> Bytes {
        let data: TypedData = serde_json::from_value(typed.clone()).unwrap();
        self.sign_digest(data.eip712_signing_hash().unwrap())
    }

    pub fn sign_digest(&self, digest: B256) -> Bytes {
        Bytes::from(self.wallet.sign_hash_sync(&digest).unwrap().as_bytes().to_vec())
    }

    /// POST /v1/intents, whatever it answers.
    pub async fn ask(&self, kind: &str, params: Value) -> (u16, Value) {
        let mut body = params;
        body["kind"] = json!(kind);
        self.post("/v1/intents", body).await
    }

    pub async fn lay_out(&self, kind: &str, params: Value) -> Value {
        let (status, intent) = self.ask(kind, params).await;
        assert_eq!(status, 201, "{kind}: {intent}");
        intent
    }

    /// Signs every part that names this wallet.
    pub async fn sign(&self, intent: &Value) -> Value {
        let mut shown = intent.clone();
        for part in intent["sign"].as_array().unwrap() {
            if part["signer"].as_str().unwrap().parse() == Ok(self.address()) {
                let body = json!({ "as": part["as"], "signature": self.sign_typed(&part["typedData"]) });
                let path = format!("/v1/intents/{}/signatures", intent["id"].as_str().unwrap());
                let (status, answer) = self.put(&path, body).await;
                assert_eq!(status, 200, "{answer}");
                shown = answer;
            }
        }
        shown
    }

    /// Lays out, signs, relays; gives the intent as laid out.
    pub async fn decide(&self, kind: &str, params: Value) -> Value {
        let intent = self.lay_out(kind, params).await;
        self.sign(&intent).await;
        assert_eq!(self.world.relay().await, Vec::<String>::new(), "{kind}");
        let (_, done) = self
            .get(&format!("/v1/intents/{}", intent["id"].as_str().unwrap()))
            .await;
        assert_eq!(done["state"], "confirmed", "{done}");
        intent
    }
}
