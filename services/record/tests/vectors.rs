//! `tests/vectors/record.json`: one of each thing this crate makes, byte for byte.
//!
//! `CHARTSEAL_WRITE_VECTORS=1 cargo test --workspace --test vectors` writes the file anew; the diff is then
//! a change of format and is reviewed as one.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be built is the failure")]

use std::{fs, path::PathBuf};

use chartseal_record::{
    Address, B256, Bytes, Compartment, ContentHash, Contracts, Scope, Slot, Target,
    account::Role,
    audit::{self, Action, Recorded, Subject},
    hex,
    manifest::{Entry, Manifest},
    merkle, padding,
    receipt::{Addresses, FORMAT, Receipt, manifest_name},
    statement::Statement,
    typed,
};
use serde_json::{Value, json};

fn patient() -> Address {
    Address::repeat_byte(0xa1)
}

fn doctor() -> Address {
    Address::repeat_byte(0xd0)
}

fn contracts() -> Contracts {
    Contracts {
        chain_id: 31337,
        directory: Address::repeat_byte(0x11),
        consent: Address::repeat_byte(0x22),
        anchors: Address::repeat_byte(0x33),
    }
}

fn places() -> Value {
    let one = Target::Record(B256::repeat_byte(0x77));
    json!({
        "patient": patient(), "grantee": doctor(), "scope": "clinical",
        "compartment": Compartment::of(patient(), &Scope::clinical()),
        "slot_of_scope": Slot::of(patient(), doctor(), &Target::Scope(Scope::clinical())),
        "record_commitment": B256::repeat_byte(0x77),
        "slot_of_record": Slot::of(patient(), doctor(), &one),
    })
}

fn statement() -> Statement {
    Statement {
        compartment: Compartment::of(patient(), &Scope::clinical()),
        id: B256::repeat_byte(0x55),
        version: 2,
        previous: B256::repeat_byte(0x44),
        resource: ContentHash::of(br#"{"resourceType":"DocumentReference"}"#).0,
        author: doctor(),
        authored_at: 1_763_800_000,
    }
}

fn signed() -> Value {
    let consent = contracts().consent_domain();
    let directory = contracts().directory_domain();
    let grant = typed::Grant {
        patient: patient(),
        grantee: doctor(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: 1,
        permission: 3,
        until: 1_800_000_000,
        purpose: "TREAT".into(),
        epoch: 1,
        suite: 1,
        recipientKeyHash: B256::repeat_byte(0x66),
        wrapHash: B256::repeat_byte(0x67),
    };
    let revoke = typed::Revoke {
        patient: patient(),
        grantee: doctor(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: u64::MAX,
    };
    let register = typed::Register {
        who: doctor(),
        role: 2,
        suite: 1,
        encryptionKey: Bytes::from(vec![0x99; 32]),
        custodian: Address::ZERO,
        custody: 0,
        credential: B256::repeat_byte(0x12),
        credentialExpiry: 1_900_000_000,
        endpoint: String::new(),
        deadline: 1_763_800_600,
    };
    let credential = typed::Credential {
        who: doctor(),
        credential: B256::repeat_byte(0x13),
        credentialExpiry: 1_950_000_000,
        nonce: alloy_primitives::U256::from(7),
        deadline: 1_763_800_600,
    };
    let endpoint = typed::Endpoint {
        who: Address::repeat_byte(0x40),
        endpoint: "https://records.example/chartseal".into(),
        nonce: alloy_primitives::U256::ZERO,
        deadline: 1_763_800_600,
    };
    let delegate = typed::Delegate {
        patient: patient(),
        delegate: Address::repeat_byte(0x9d),
        scope: "emergency".into(),
        maxDuration: 86_400,
        serial: 1,
    };
    json!({
        "statement": { "struct": statement(), "digest": statement().digest(&contracts()) },
        "grant": { "typedData": typed::typed_data_json(&grant, &consent), "digest": typed::digest(&grant, &consent) },
        "delegate": { "typedData": typed::typed_data_json(&delegate, &consent), "digest": typed::digest(&delegate, &consent) },
        "revoke": { "typedData": typed::typed_data_json(&revoke, &consent), "digest": typed::digest(&revoke, &consent) },
        "credential": { "typedData": typed::typed_data_json(&credential, &directory), "digest": typed::digest(&credential, &directory) },
        "endpoint": { "typedData": typed::typed_data_json(&endpoint, &directory), "digest": typed::digest(&endpoint, &directory) },
        "register": { "typedData": typed::typed_data_json(&register, &directory), "digest": typed::digest(&register, &directory) },
    })
}

fn entries() -> Vec<Entry> {
    (1..=5u8)
        .map(|i| Entry {
            compartment: Compartment(B256::repeat_byte(i)),
            epoch: i.into(),
            content: ContentHash::of(&[i]),
        })
        .collect()
}

fn batch() -> Value {
    let manifest = Manifest::new(entries()).unwrap();
    let leaves: Vec<_> = entries()
        .iter()
        .map(|e| {
            json!({
                "compartment": e.compartment, "epoch": e.epoch, "contentHash": e.content, "cid": e.content.to_string(),
                "leaf": e.leaf(), "proof": manifest.tree().proof(e.leaf()).unwrap(),
            })
        })
        .collect();
    json!({
        "leaves": leaves, "root": manifest.tree().root(),
        "manifest": hex::encode(manifest.encode()), "manifestDigest": manifest.digest(), "manifestCid": manifest_name(manifest.digest()),
    })
}

/// Thirty-three leaves nobody chose: a tree that is not full, with values of any bits.
fn random() -> Value {
    let word = |i: u32, what: u8| alloy_primitives::keccak256([&i.to_be_bytes()[..], &[what]].concat());
    let entries: Vec<Entry> = (0..33)
        .map(|i| Entry {
            compartment: Compartment(word(i, 0)),
            epoch: u32::from_be_bytes(word(i, 1)[..4].try_into().unwrap()),
            content: ContentHash(word(i, 2)),
        })
        .collect();
    let manifest = Manifest::new(entries.clone()).unwrap();
    let leaves: Vec<_> = entries
        .iter()
        .map(|e| {
            json!({
                "compartment": e.compartment, "epoch": e.epoch, "contentHash": e.content,
                "leaf": e.leaf(), "proof": manifest.tree().proof(e.leaf()).unwrap(),
            })
        })
        .collect();
    json!({ "leaves": leaves, "root": manifest.tree().root() })
}

fn receipt() -> Receipt {
    let manifest = Manifest::new(entries()).unwrap();
    let one = entries()[2];
    Receipt {
        format: FORMAT.into(),
        chain_id: contracts().chain_id,
        contracts: Addresses::from(&contracts()),
        cid: one.content,
        compartment: one.compartment,
        epoch: one.epoch,
        proof: manifest.tree().proof(one.leaf()).unwrap(),
        root: manifest.tree().root(),
        organisation: Address::repeat_byte(0x40),
        count: 5,
        manifest: manifest_name(manifest.digest()),
        transaction: B256::repeat_byte(0x41),
        block: 42,
        statement: Some(statement()),
        signature: Some(Bytes::from(vec![0x1b; 65])),
    }
}

/// Two entries: one with every field, and one with none that may be absent.
fn journal() -> Vec<Recorded> {
    let whole = audit::Entry {
        nonce: B256::repeat_byte(0x50),
        patient: patient(),
        actor: doctor(),
        role: Some(Role::Doctor),
        action: Action::Read,
        refused: Some("not-live".into()),
        purpose: "TREAT".into(),
        subject: Subject {
            scope: "clinical".into(),
            record: Some("55".repeat(32)),
            epoch: Some(2),
        },
        client: Some("a client".into()),
    };
    let bare = audit::Entry {
        nonce: B256::repeat_byte(0x51),
        role: None,
        action: Action::Search,
        refused: None,
        subject: Subject {
            scope: "clinical claims".into(),
            ..Subject::default()
        },
        client: None,
        ..whole.clone()
    };
    let mut journal: Vec<Recorded> = Vec::new();
    for (sequence, entry) in (1..).zip([whole, bare]) {
        let mut next = Recorded {
            keeper: Address::repeat_byte(0x40),
            sequence,
            recorded_at: 1_763_800_000 + sequence,
            previous: journal.last().map_or(B256::ZERO, |before| before.hash),
            hash: B256::ZERO,
            entry,
        };
        next.hash = next.expected_hash();
        journal.push(next);
    }
    journal
}

fn vectors() -> Value {
    let padding: Vec<_> = [0usize, 1, 9, 100, 1000, 4096, 5000, 65_537, 1_000_000]
        .map(|n| json!([n, padding::padded(n)]))
        .into();
    json!({
        "contracts": contracts(), "places": places(), "signed": signed(), "batch": batch(), "random": random(),
        "padding": padding,
        "journal": journal(),
        "receipt": { "json": receipt(), "anchorKey": receipt().anchor_key().unwrap() },
    })
}

#[test]
fn the_committed_vectors_are_what_the_code_makes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/record.json");
    if std::env::var_os("CHARTSEAL_WRITE_VECTORS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&vectors()).unwrap() + "\n").unwrap();
    }
    let committed: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(committed, vectors());
}

#[test]
fn the_committed_receipt_and_manifest_read_back() {
    let json = serde_json::to_vec(&receipt()).unwrap();
    assert_eq!(Receipt::parse(&json).unwrap(), receipt());
    let manifest = Manifest::new(entries()).unwrap();
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
    for e in entries() {
        assert!(merkle::verify(
            manifest.tree().root(),
            e.leaf(),
            &manifest.tree().proof(e.leaf()).unwrap()
        ));
    }
}

#[test]
fn the_committed_journal_is_whole() {
    let json = serde_json::to_vec(&journal()).unwrap();
    let read: Vec<Recorded> = serde_json::from_slice(&json).unwrap();
    assert_eq!(read, journal());
    assert_eq!(audit::check(None, &read), Ok(()));
}
