//! Chain, database and content folder of one test, and workers that can be lost and made anew.

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, B256, Bytes, keccak256};
use chartseal_chain::Client;
use chartseal_ipfs::Content;
use chartseal_record::{
    Compartment, ContentHash, Scope,
    clock::{Clock, ManualClock},
    merkle,
    state::{IntentState, RecordState},
};
use chartseal_stage::Chain;
use chartseal_store::{
    AttachmentPlace, Batch, BatchId, Intent, NewAttachment, NewIntent, NewRecord, RecordCommit, Store,
};
use chartseal_submitter::{LEASE_SECONDS, Publisher, Relayer, Rules, Signer, Worker};
use tempfile::TempDir;

use crate::people::{self, hospital, patient, publisher, relayer};

/// Confirmations of every test.
pub const K: u64 = 3;

pub struct Stage {
    pub chain: Chain,
    pub folder: TempDir,
    pub store: Store,
    pub content: Content,
    pub clock: Arc<ManualClock>,
}

impl Stage {
    pub async fn open() -> Self {
        let (chain, folder) = (people::chain().await, tempfile::tempdir().unwrap());
        let store = Store::open(folder.path().join("chartseal.db")).await.unwrap();
        let content = Content::open(folder.path().join("content").to_str().unwrap())
            .await
            .unwrap();
        let clock = Arc::new(ManualClock::at(1_800_000_000));
        Self {
            chain,
            folder,
            store,
            content,
            clock,
        }
    }

    /// As after kill -9: the database and the content store are opened anew, and the dead worker's lease runs out.
    pub async fn restart(self) -> Self {
        self.store.close().await;
        self.clock.advance(Duration::from_secs(LEASE_SECONDS));
        let store = Store::open(self.folder.path().join("chartseal.db")).await.unwrap();
        let content = Content::open(self.folder.path().join("content").to_str().unwrap())
            .await
            .unwrap();
        Self { store, content, ..self }
    }

    pub fn publisher(&self) -> Publisher {
        self.publisher_at(self.chain.client.clone())
    }

    /// One that sees the chain through another node.
    pub fn publisher_at(&self, client: Client) -> Publisher {
        let signer = Signer::new(publisher(), client.clone(), self.store.clone());
        let rules = Rules {
            interval: Duration::ZERO,
            records: 8192,
            confirmations: K,
        };
        let (store, content) = (self.store.clone(), self.content.clone());
        Publisher::new(
            hospital().address(),
            signer,
            store,
            content,
            client,
            self.clock.clone(),
            rules,
        )
    }

    pub fn relayer(&self) -> Relayer {
        let client = self.chain.client.clone();
        let signer = Signer::new(relayer(), client.clone(), self.store.clone());
        Relayer::new(
            vec![hospital().address()],
            signer,
            self.store.clone(),
            client,
            self.clock.clone(),
            K,
        )
    }

    /// Stores a record with a small attachment.
    pub async fn record(&self, seed: u32) -> RecordCommit {
        let sealed: Bytes = format!("sealed {seed}").repeat(50).into_bytes().into();
        let attached: Bytes = format!("attached {seed}").repeat(50).into_bytes().into();
        let scope = Scope::clinical();
        let (compartment, content_hash) = (Compartment::of(patient().address(), &scope), ContentHash::of(&sealed));
        let commit = RecordCommit {
            record: NewRecord {
                org: hospital().address(),
                patient: patient().address(),
                scope,
                compartment,
                epoch: 1,
                content_hash,
                record_id: keccak256(format!("id {seed}")),
                version: 1,
                previous: B256::ZERO,
                digest: keccak256(format!("digest {seed}")),
                author: hospital().address(),
                authored_at: self.clock.seconds(),
                resource_type: "DocumentReference".into(),
                leaf: merkle::leaf(compartment, 1, content_hash),
                received_at: self.clock.seconds(),
            },
            attachments: vec![NewAttachment {
                cid: ContentHash::of(&attached).to_string(),
                sealed_size: attached.len() as u64,
                place: AttachmentPlace::Outbox(attached),
            }],
            sealed,
            index: vec![],
            answer: None,
            staged: vec![],
            audit: vec![],
            sealing: None,
            standing: None,
            condition: None,
        };
        self.store.commit_record(commit.clone()).await.unwrap();
        commit
    }

    /// The only batch there is.
    pub async fn batch(&self) -> Batch {
        self.store.batch(BatchId(1)).await.unwrap().unwrap()
    }

    /// Takes turns, a block each, until the batch is anchored.
    pub async fn anchored(&self, publisher: &mut Publisher) -> Batch {
        for _ in 0..20 {
            publisher.turn().await.unwrap();
            let batch = self.batch().await;
            if batch.state == RecordState::Anchored {
                return batch;
            }
            self.chain.mine(1).await;
        }
        panic!("not anchored: {:?}", self.batch().await);
    }

    /// Keeps a decision with all its signatures.
    pub async fn signed(&self, id: &str, kind: &str, target: Address, calldata: Bytes, after: Option<&str>) {
        let now = self.clock.seconds();
        let new = NewIntent {
            id: id.into(),
            org: hospital().address(),
            kind: kind.into(),
            account: patient().address(),
            payload: serde_json::json!({}),
            parent: None,
            after: after.map(Into::into),
            created_at: now,
            expires_at: now + 3600,
        };
        self.store.insert_intents(&[new]).await.unwrap();
        self.store.intent_signed(id, target, &calldata, now).await.unwrap();
    }

    pub async fn intent(&self, id: &str) -> Intent {
        self.store.intent(id).await.unwrap().unwrap()
    }

    pub async fn state(&self, id: &str) -> IntentState {
        self.intent(id).await.state
    }

    /// Takes turns, a block each, until the intent is decided.
    pub async fn decided(&self, relayer: &mut Relayer, id: &str) -> Intent {
        for _ in 0..30 {
            relayer.turn().await.unwrap();
            let intent = self.intent(id).await;
            if matches!(intent.state, IntentState::Confirmed | IntentState::Failed) {
                return intent;
            }
            self.chain.mine(1).await;
        }
        panic!("not decided: {:?}", self.intent(id).await);
    }
}
