//! What the browser of a patient does who keeps the keys.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use chartseal_envelope::{
    age,
    key::{EpochSecret, PublicKey, ReleaseKey, Root},
    link, record, record_wrap, tree, wrap,
};
use chartseal_gateway::custody::epochs;
use chartseal_record::{Compartment, ContentHash, Scope, Slot, Target};
use reqwest::Method;
use serde_json::{Value, json};

use super::{People, World, fhir::send};

pub struct Device<'a> {
    pub world: &'a World,
    pub people: &'a People<'a>,
    pub root: Root,
}

impl Device<'_> {
    pub fn alice(&self) -> Address {
        self.people.alice.address()
    }

    pub fn place(&self, scope: &str) -> Compartment {
        Compartment::of(self.alice(), &Scope::new(scope).unwrap())
    }

    pub fn secret(&self, scope: &str, epoch: u32) -> EpochSecret {
        tree::epoch_secret(&self.root, &self.world.app.contracts, self.place(scope), epoch)
    }

    pub async fn rows(&self) -> BTreeMap<String, Value> {
        let (status, rows) = self.people.alice.get("/v1/epochs").await;
        assert_eq!(status, 200, "{rows}");
        let rows = rows.as_array().unwrap().iter().cloned();
        rows.map(|row| (row["scope"].as_str().unwrap().to_owned(), row))
            .collect()
    }

    pub async fn wrap(&self, grantee: Address, scope: &str, serial: u64, epoch: u32) -> Value {
        let listed = self.world.app.index.account(grantee).unwrap().encryption_key;
        let at = wrap::Place {
            contracts: self.world.app.contracts,
            slot: epochs::slot(self.alice(), grantee, &Scope::new(scope).unwrap()),
            serial,
            epoch,
        };
        let key = ReleaseKey::generate().unwrap();
        let recipient = PublicKey::try_from(&listed[..]).unwrap();
        let wrap = wrap::seal(&at, &recipient, &key, &self.secret(scope, epoch)).unwrap();
        json!({
            "grantee": grantee, "serial": serial,
            "wrap": Bytes::from(wrap.to_vec()), "releaseKey": B256::from_slice(key.as_bytes()),
        })
    }

    /// An epoch for everybody the gateway says may read.
    pub async fn epoch(&self, scope: &str, epoch: u32) -> Value {
        let (_, grants) = self
            .people
            .alice
            .get(&format!("/v1/grants?patient={}", self.alice()))
            .await;
        let mut wraps = Vec::new();
        for grant in grants.as_array().unwrap() {
            let reads = grant["permission"].as_u64().unwrap() & 1 == 1 && grant["live"] == true;
            if reads && grant["scope"] == scope {
                let grantee = grant["grantee"].as_str().unwrap().parse().unwrap();
                wraps.push(
                    self.wrap(grantee, scope, grant["serial"].as_u64().unwrap(), epoch)
                        .await,
                );
            }
        }
        let key = Bytes::copy_from_slice(self.secret(scope, epoch).public_key().as_bytes());
        json!({ "scope": scope, "epoch": epoch, "key": key, "wraps": wraps })
    }

    pub async fn epochs(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (scope, row) in self.rows().await {
            if row["kept"] == true {
                all.push(self.epoch(&scope, number(&row["next"])).await);
            }
        }
        all
    }

    /// The next epoch of a scope whose newest is ours.
    pub async fn advance(&self, scope: &str) -> Value {
        let row = &self.rows().await[scope];
        let (previous, epoch) = (number(&row["epoch"]), number(&row["next"]));
        let mut made = self.epoch(scope, epoch).await;
        let step = link::Step {
            contracts: self.world.app.contracts,
            compartment: self.place(scope),
            previous,
            epoch,
        };
        let key = *self.secret(scope, epoch).public_key();
        let link = link::seal(&step, &key, &self.secret(scope, previous)).unwrap();
        made["link"] = json!(Bytes::from(link.to_vec()));
        made
    }

    /// The newest versions of these records, each opened and its key sealed to the grantee.
    pub async fn own(&self, grantee: Address, ids: &[&str]) -> Value {
        let alice = &self.people.alice;
        let (_, rows) = alice.get("/v1/records?newest=true").await;
        let key = self.world.app.index.account(grantee).unwrap().encryption_key;
        let recipient = PublicKey::try_from(&key[..]).unwrap();
        let mut records = Vec::new();
        for id in ids {
            let row = rows
                .as_array()
                .unwrap()
                .iter()
                .find(|row| row["recordId"] == *id)
                .unwrap();
            let (scope, epoch) = (row["scope"].as_str().unwrap(), number(&row["epoch"]));
            let cid = row["cid"].as_str().unwrap();
            let sealed = send(alice, Method::GET, &format!("{}/ipfs/{cid}", self.world.base), &[], "")
                .await
                .bytes;
            let file_key = age::file_key(self.secret(scope, epoch).identity(), &sealed).unwrap();
            let opened = record::open_with_file_key(&file_key, self.place(scope), &sealed).unwrap();
            let salt = B256::from_slice(ReleaseKey::generate().unwrap().as_bytes());
            let target = Target::record(opened.header.statement.digest(&self.world.app.contracts), salt);
            let at = wrap::Place {
                contracts: self.world.app.contracts,
                slot: Slot::of(self.alice(), grantee, &target),
                serial: 1,
                epoch,
            };
            let key = ReleaseKey::generate().unwrap();
            let wrap = record_wrap::seal(&at, ContentHash::of(&sealed), &recipient, &key, &file_key).unwrap();
            records.push(json!({
                "cid": cid, "salt": salt, "wrap": Bytes::from(wrap.to_vec()), "releaseKey": B256::from_slice(key.as_bytes()),
            }));
        }
        json!({ "recipientKeyHash": keccak256(&key), "records": records })
    }
}

pub fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}
