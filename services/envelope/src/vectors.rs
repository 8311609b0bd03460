//! `tests/vectors/envelope.json`: one of each thing this crate makes, byte for byte, from fixed inputs.
//!
//! `CHARTSEAL_WRITE_VECTORS=1 cargo test -p chartseal-envelope vectors` writes the file anew; the diff is then a
//! change of format and is reviewed as one. The constructors that take randomness as a parameter are only
//! visible to this crate's tests.

use std::{fs, path::PathBuf};

use alloy_primitives::{Address, B256, Bytes, hex};
use chartseal_record::{
    Compartment, ContentHash, Contracts, Scope, Slot, Target,
    content::{RAW, cid_of_digest},
    statement::Statement,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    age,
    capsule::Seed,
    curve::Ephemeral,
    key::{EpochSecret, FileKey, Identity, PublicKey, ReleaseKey, Root},
    link, record, record_wrap, release, tree, wrap,
};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/envelope.json")
}

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

fn root() -> Root {
    Root::from_bytes([0x05; 32])
}

fn compartment() -> Compartment {
    Compartment::of(patient(), &Scope::clinical())
}

fn epoch(number: u32) -> EpochSecret {
    tree::epoch_secret(&root(), &contracts(), compartment(), number)
}

fn grantee() -> Identity {
    Identity::from_bytes([0x0d; 32])
}

fn release_key() -> ReleaseKey {
    ReleaseKey::from_bytes([0x0e; 32])
}

fn place() -> wrap::Place {
    let slot = Slot::of(patient(), doctor(), &Target::Scope(Scope::clinical()));
    wrap::Place {
        contracts: contracts(),
        slot,
        serial: 1,
        epoch: 2,
    }
}

fn step() -> link::Step {
    link::Step {
        contracts: contracts(),
        compartment: compartment(),
        previous: 1,
        epoch: 2,
    }
}

fn nonce() -> B256 {
    B256::repeat_byte(0x0f)
}

fn parts() -> age::Parts {
    age::Parts {
        file_key: FileKey::from_bytes([0x01; 16]),
        ephemeral: Ephemeral::from_bytes([0x02; 32]),
        nonce: [0x03; 16],
    }
}

fn x(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_prefixed(bytes)
}

fn age_file(name: &str, plaintext: &[u8]) -> Value {
    let sealed = age::seal_with(parts(), epoch(2).public_key(), plaintext).unwrap();
    let mut case = json!({
        "name": name, "identity": *epoch(2).identity().to_text(), "recipient": epoch(2).public_key().to_string(),
        "fileKey": x([0x01; 16]), "ephemeral": x([0x02; 32]), "nonce": x([0x03; 16]),
        "size": sealed.bytes.len(), "sha256": x(Sha256::digest(&sealed.bytes)),
    });
    // Large files are all zeros, so that hashes and lengths are enough.
    match plaintext.len() {
        0..=1000 => {
            case["plaintext"] = json!(x(plaintext));
            case["file"] = json!(x(&sealed.bytes));
        }
        zeros => case["zeros"] = json!(zeros),
    }
    case
}

fn age_files() -> Vec<Value> {
    let zeros = [0; 131_072];
    vec![
        age_file("empty", b""),
        age_file("one_byte", b"x"),
        age_file("a_sentence", b"Chartseal keeps what a patient wants kept."),
        age_file("one_chunk_less_a_byte", &zeros[..65_535]),
        age_file("one_chunk", &zeros[..65_536]),
        age_file("one_chunk_and_a_byte", &zeros[..65_537]),
        age_file("two_chunks", &zeros),
    ]
}

fn epoch_secret() -> Value {
    let secret = epoch(2);
    json!({
        "chainId": 31337, "consent": contracts().consent, "compartment": compartment(), "epoch": 2,
        "root": x(root().as_bytes()), "secret": x(secret.as_bytes()), "publicKey": x(secret.public_key().as_bytes()),
        "publicKeyHash": secret.public_key().key_hash(),
        "identity": *secret.identity().to_text(), "recipient": secret.public_key().to_string(),
    })
}

fn link_case() -> Value {
    let link = link::seal_with(Seed([0x21; 32]), &step(), epoch(2).public_key(), &epoch(1)).unwrap();
    json!({
        "chainId": 31337, "consent": contracts().consent, "compartment": compartment(), "suite": 1,
        "previousEpoch": 1, "epoch": 2, "info": x(step().info()), "ikmE": x([0x21; 32]),
        "secret": x(epoch(2).as_bytes()), "recipient": x(epoch(2).public_key().as_bytes()),
        "previousSecret": x(epoch(1).as_bytes()), "previousPublicKey": x(epoch(1).public_key().as_bytes()),
        "link": x(link),
    })
}

fn wrap_case() -> Value {
    let wrap = wrap::seal_with(
        Seed([0x22; 32]),
        &place(),
        grantee().public_key(),
        &release_key(),
        &epoch(2),
    )
    .unwrap();
    json!({
        "chainId": 31337, "consent": contracts().consent, "slot": place().slot, "serial": 1, "epoch": 2, "suite": 1,
        "info": x(place().info()), "pskId": place().psk_id(grantee().public_key()), "ikmE": x([0x22; 32]),
        "identity": x(grantee().as_bytes()), "recipient": x(grantee().public_key().as_bytes()),
        "recipientKeyHash": grantee().public_key().key_hash(), "releaseKey": x(release_key().as_bytes()),
        "secret": x(epoch(2).as_bytes()), "publicKey": x(epoch(2).public_key().as_bytes()),
        "wrap": x(wrap), "wrapHash": wrap::hash(&wrap),
    })
}

fn release_case() -> Value {
    let release = release::seal_with(
        Seed([0x23; 32]),
        &place(),
        nonce(),
        grantee().public_key(),
        &release_key(),
    )
    .unwrap();
    json!({
        "chainId": 31337, "consent": contracts().consent, "slot": place().slot, "serial": 1, "epoch": 2, "suite": 1,
        "nonce": nonce(), "info": x(release::info(&place(), nonce())), "ikmE": x([0x23; 32]),
        "identity": x(grantee().as_bytes()), "recipient": x(grantee().public_key().as_bytes()),
        "releaseKey": x(release_key().as_bytes()), "release": x(release),
    })
}

const RESOURCE: &str = r#"{"resourceType":"DocumentReference"}"#;

fn record_header() -> record::RecordHeader {
    record::RecordHeader {
        statement: Statement {
            compartment: compartment(),
            id: B256::repeat_byte(0x55),
            version: 2,
            previous: B256::repeat_byte(0x44),
            resource: ContentHash::of(RESOURCE.as_bytes()).0,
            author: doctor(),
            authored_at: 1_763_800_000,
        },
        signature: Bytes::from(vec![0x66; 65]),
        attachments: vec![record::AttachmentRef {
            cid: cid_of_digest(RAW, B256::repeat_byte(0x77)),
            file_key: FileKey::from_bytes([0x04; 16]),
            size: 12_345,
            sha256: B256::repeat_byte(0x88),
        }],
    }
}

fn sealed_record() -> Value {
    let header = record_header();
    let plaintext = record::compose(&header, RESOURCE.as_bytes()).unwrap();
    let line = plaintext.split(|&b| b == b'\n').next().unwrap();
    let sealed = age::seal_with(parts(), epoch(2).public_key(), &plaintext).unwrap();
    let content = ContentHash::of(&sealed.bytes);
    json!({
        "compartment": compartment(), "identity": *epoch(2).identity().to_text(),
        "statement": header.statement, "signature": header.signature, "attachments": header.attachments,
        "resource": RESOURCE, "line": String::from_utf8(line.to_vec()).unwrap(),
        "length": RESOURCE.len(), "padded": plaintext.len(), "plaintext": x(&*plaintext),
        "fileKey": x([0x01; 16]), "ephemeral": x([0x02; 32]), "nonce": x([0x03; 16]),
        "file": x(&sealed.bytes), "contentHash": content, "cid": content.to_string(),
    })
}

fn salt() -> B256 {
    B256::repeat_byte(0x24)
}

/// The grant of the sealed record alone.
fn granted() -> record_wrap::Granted {
    let target = Target::record(record_header().statement.digest(&contracts()), salt());
    record_wrap::Granted {
        place: wrap::Place {
            slot: Slot::of(patient(), doctor(), &target),
            ..place()
        },
        patient: patient(),
        grantee: doctor(),
        salt: salt(),
        compartment: Some(compartment()),
    }
}

fn record_wrap_case() -> Value {
    let (granted, key) = (granted(), parts().file_key);
    let plaintext = record::compose(&record_header(), RESOURCE.as_bytes()).unwrap();
    let content = ContentHash::of(
        &age::seal_with(parts(), epoch(2).public_key(), &plaintext)
            .unwrap()
            .bytes,
    );
    let (place, grantee) = (&granted.place, grantee());
    let to = grantee.public_key();
    let wrap = record_wrap::seal_with(Seed([0x25; 32]), place, content, to, &release_key(), &key).unwrap();
    let statement = record_header().statement.digest(&contracts());
    let Target::Record(commitment) = Target::record(statement, salt()) else {
        unreachable!("a target of one record")
    };
    json!({
        "chainId": 31337, "consent": contracts().consent, "slot": place.slot, "serial": 1, "epoch": 2, "suite": 1,
        "patient": granted.patient, "grantee": granted.grantee, "statementDigest": statement, "salt": salt(),
        "commitment": commitment, "contentHash": content,
        "info": x(record_wrap::info(place, content)), "pskId": place.psk_id(to), "ikmE": x([0x25; 32]),
        "identity": x(grantee.as_bytes()), "recipient": x(to.as_bytes()),
        "releaseKey": x(release_key().as_bytes()), "fileKey": x(key.as_bytes()), "wrap": x(wrap),
    })
}

/// Plaintexts that are not a record, each by one fault.
fn refused_records() -> Value {
    let good = record::compose(&record_header(), RESOURCE.as_bytes()).unwrap().to_vec();
    let text = String::from_utf8(good.clone()).unwrap();
    let changed = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    let mut padding_not_zero = good.clone();
    *padding_not_zero.last_mut().unwrap() = 1;
    let mut padding_too_long = good.clone();
    padding_too_long.resize(chartseal_record::padding::padded(good.len() + 1), 0);
    // Replacements keep the length where the length is not the fault, so that the padding stays right.
    json!({
        "padding_not_zero": x(padding_not_zero), "padding_too_long": x(padding_too_long),
        "padding_too_short": x(&good[..good.len() - 1]), "version_2": x(changed("{\"v\":1", "{\"v\":2")),
        "unknown_field": x(changed("\"length\"", "\"lenght\"")), "array_line": x(changed("{\"v\":1", "[\"v\":1")),
        "repeated_field": x(changed("\"size\":12345", "\"size\":1,\"size\":1")),
        "other_resource": x(changed("DocumentReference\"", "DocumentReferenze\"")), "no_line_end": x(changed("\n", " ")),
    })
}

fn vectors() -> Value {
    json!({
        "age_file": age_files(), "epoch_secret": epoch_secret(), "link": link_case(), "wrap": wrap_case(),
        "release": release_case(), "record_wrap": record_wrap_case(), "sealed_record": sealed_record(), "refused_record": refused_records(),
    })
}

#[test]
fn the_committed_vectors_are_what_the_code_makes() {
    if std::env::var_os("CHARTSEAL_WRITE_VECTORS").is_some() {
        fs::write(path(), serde_json::to_string_pretty(&vectors()).unwrap() + "\n").unwrap();
    }
    assert_eq!(committed(), vectors());
}

fn committed() -> Value {
    serde_json::from_slice(&fs::read(path()).unwrap()).unwrap()
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(case[field].as_str().unwrap()).unwrap()
}

fn array<const N: usize>(case: &Value, field: &str) -> [u8; N] {
    bytes(case, field).try_into().unwrap()
}

fn place_of(case: &Value) -> wrap::Place {
    wrap::Place {
        contracts: Contracts {
            consent: Address::from(array(case, "consent")),
            ..contracts()
        },
        slot: Slot(B256::from(array(case, "slot"))),
        serial: case["serial"].as_u64().unwrap(),
        epoch: case["epoch"].as_u64().unwrap() as u32,
    }
}

#[test]
fn every_age_file_of_the_vectors_opens() {
    for case in committed()["age_file"].as_array().unwrap() {
        let identity: Identity = case["identity"].as_str().unwrap().parse().unwrap();
        let key = FileKey::from_bytes(array(case, "fileKey"));
        let plain = match case["zeros"].as_u64() {
            Some(zeros) => vec![0; zeros as usize],
            None => bytes(case, "plaintext"),
        };
        // The large ones are made again, since only their hash is kept.
        let file = match case.get("file") {
            Some(_) => bytes(case, "file"),
            None => age::seal_with(parts(), identity.public_key(), &plain).unwrap().bytes,
        };
        assert_eq!(x(Sha256::digest(&file)), case["sha256"], "{}", case["name"]);
        assert!(
            *age::open(&identity, &file).unwrap() == plain && *age::open_with_file_key(&key, &file).unwrap() == plain
        );
    }
}

#[test]
fn every_capsule_of_the_vectors_opens() {
    let all = committed();
    let case = &all["wrap"];
    let (identity, key) = (
        Identity::from_bytes(array(case, "identity")),
        ReleaseKey::from_bytes(array(case, "releaseKey")),
    );
    let public = PublicKey::from_bytes(array(case, "publicKey"));
    let secret = wrap::open(&place_of(case), &identity, &key, &public, &bytes(case, "wrap")).unwrap();
    assert_eq!(x(secret.as_bytes()), case["secret"]);

    let case = &all["release"];
    let opened = release::open(
        &place_of(case),
        B256::from(array(case, "nonce")),
        &identity,
        &bytes(case, "release"),
    );
    assert_eq!(opened.unwrap(), key);

    let case = &all["link"];
    let public = PublicKey::from_bytes(array(case, "previousPublicKey"));
    let back = link::open(
        &step(),
        &EpochSecret::from_bytes(array(case, "secret")),
        &public,
        &bytes(case, "link"),
    );
    assert_eq!(x(back.unwrap().as_bytes()), case["previousSecret"]);
}

#[test]
fn the_record_of_the_vectors_opens_by_a_grant_of_it_alone() {
    let all = committed();
    let (case, sealed) = (&all["record_wrap"], bytes(&all["sealed_record"], "file"));
    let granted = record_wrap::Granted {
        place: place_of(case),
        patient: Address::from(array(case, "patient")),
        grantee: Address::from(array(case, "grantee")),
        salt: B256::from(array(case, "salt")),
        compartment: Some(compartment()),
    };
    let (identity, key) = (
        Identity::from_bytes(array(case, "identity")),
        ReleaseKey::from_bytes(array(case, "releaseKey")),
    );
    let opened = record_wrap::open_record(&granted, &identity, &key, &bytes(case, "wrap"), &sealed).unwrap();
    assert_eq!(opened.header, record_header());
}

#[test]
fn the_record_of_the_vectors_opens_and_its_faulty_kin_do_not() {
    let all = committed();
    let case = &all["sealed_record"];
    let identity: Identity = case["identity"].as_str().unwrap().parse().unwrap();
    let compartment = Compartment(B256::from(array(case, "compartment")));
    let opened = record::open(&identity, compartment, &bytes(case, "file")).unwrap();
    assert_eq!(opened.header, record_header());
    assert_eq!(*opened.resource, case["resource"].as_str().unwrap().as_bytes());
    assert!(record::parse(&bytes(case, "plaintext")).is_ok());
    for (name, plain) in all["refused_record"].as_object().unwrap() {
        let plain = hex::decode(plain.as_str().unwrap()).unwrap();
        assert!(matches!(record::parse(&plain), Err(crate::Error::Record(_))), "{name}");
    }
}
