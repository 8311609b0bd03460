//! Rows for the tests, each on a database file of its own.

use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes};
use chartseal_record::{Compartment, ContentHash, Scope, merkle};
use chartseal_store::{NewIntent, NewRecord, RecordCommit, Store};
use tempfile::TempDir;

pub const ORG: Address = Address::repeat_byte(0xaa);
pub const PATIENT: Address = Address::repeat_byte(0x11);
pub const NOW: u64 = 1_800_000_000;

pub struct Stage {
    pub folder: TempDir,
    pub store: Store,
}

impl Stage {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("chartseal.db")).await.unwrap();
        Self { folder, store }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("chartseal.db")
    }

    /// Ends this process's part of the database and begins again, as after a crash between two calls.
    pub async fn reopen(self) -> Self {
        self.store.close().await;
        let store = Store::open(self.path()).await.unwrap();
        Self { store, ..self }
    }
}

/// A record of the clinical scope whose sealed bytes are made from `seed`.
pub fn record(seed: u32) -> RecordCommit {
    let sealed: Bytes = format!("sealed {seed}").repeat(20).into_bytes().into();
    let scope = Scope::clinical();
    let compartment = Compartment::of(PATIENT, &scope);
    let content_hash = ContentHash::of(&sealed);
    RecordCommit {
        record: NewRecord {
            org: ORG,
            patient: PATIENT,
            scope,
            compartment,
            epoch: 1,
            content_hash,
            record_id: word("id", seed),
            version: 1,
            previous: B256::ZERO,
            digest: word("digest", seed),
            author: ORG,
            authored_at: NOW,
            resource_type: "DocumentReference".into(),
            leaf: merkle::leaf(compartment, 1, content_hash),
            received_at: NOW,
        },
        sealed,
        attachments: vec![],
        index: vec![],
        answer: None,
        staged: vec![],
        audit: vec![],
        standing: None,
    }
}

/// The version after `before`, with bytes of its own.
pub fn next_version(before: &RecordCommit, seed: u32) -> RecordCommit {
    let mut next = record(seed);
    next.record.record_id = before.record.record_id;
    next.record.version = before.record.version + 1;
    next.record.previous = before.record.digest;
    next
}

pub fn word(what: &str, seed: u32) -> B256 {
    alloy_primitives::keccak256(format!("{what} {seed}"))
}

pub fn intent(id: &str) -> NewIntent {
    NewIntent {
        id: id.into(),
        org: ORG,
        kind: "grant".into(),
        account: PATIENT,
        payload: serde_json::json!({ "scope": "clinical" }),
        parent: None,
        after: None,
        created_at: NOW,
        expires_at: NOW + 3600,
    }
}
