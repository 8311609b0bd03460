//! Other people's tools agree: age opens, OpenZeppelin's library verifies, cast reads the same root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chartseal_chain::bindings::Anchors;
use chartseal_envelope::{age, backup, key::Identity, tree};
use chartseal_record::receipt::Receipt;
use chartseal_record::{Compartment, ContentHash, Scope};
use chartseal_stack::decide::{self, Enrolled, READ, Role, WRITE};
use chartseal_stack::rpc::Node;
use chartseal_stack::seed;
use chartseal_stack::session::Session;
use chartseal_stack::wallet::Wallet;
use chartseal_stack::{samples, thief};
use chartseal_tests::{program, root, system};

use crate::unchanged::alone;

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A tool of Foundry's, from the npm packages beside the contracts.
fn foundry(tool: &str) -> PathBuf {
    let anvil = chartseal_stack::anvil::program().unwrap();
    PathBuf::from(anvil.to_str().unwrap().replace("anvil", tool))
}

/// The block of a record, cut out of the CAR file it lies in.
fn from_store(data: &Path, content: ContentHash) -> Vec<u8> {
    let mut name = vec![0x01, 0x55, 0x12, 0x20];
    name.extend_from_slice(content.0.as_slice());
    for (path, bytes) in thief::files(&data.join("content")).unwrap() {
        if let Some(block) = section(&bytes, &name) {
            assert_eq!(ContentHash::of(block), content, "{}", path.display());
            return block.to_vec();
        }
    }
    panic!("{content} is in no CAR file");
}

/// CARv1: varint(length) header, then sections of varint(length), CID, block.
fn section<'a>(mut car: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut first = true;
    while !car.is_empty() {
        let (mut length, mut read) = (0usize, 0);
        loop {
            let byte = *car.get(read)?;
            length |= usize::from(byte & 0x7f) << (7 * read);
            read += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let section = car.get(read..read + length)?;
        if !first && section.starts_with(name) {
            return Some(&section[name.len()..]);
        }
        (first, car) = (false, &car[read + length..]);
    }
    None
}

struct Anchored {
    patient: Session,
    enrolled: Enrolled,
    receipt: Receipt,
}

/// A new patient whose backup we hold, with one anchored record.
async fn anchored() -> Anchored {
    let system = system();
    let (admin, hospital) = (system.person("admin").await, system.person("hospital").await);
    let patient = Session::sign_in(&system.gateway(), &Wallet::random("carol"))
        .await
        .unwrap();
    let role = Role::Patient {
        custodian: hospital.account,
    };
    decide::register(&admin, &patient, decide::registration(role, None).unwrap())
        .await
        .unwrap();
    let enrolled = decide::enrol(&patient, hospital.account, &["demographics"], READ | WRITE)
        .await
        .unwrap();
    let machine = system.machine("hospital").await;
    let resource = samples::denis(system.json.chain_id, &patient.account.to_string());
    seed::create(&machine, &resource).await.unwrap();
    let records = seed::anchored(&patient.gateway, patient.account).await.unwrap();
    let cid = records[0]["cid"].as_str().unwrap();
    let receipt = patient
        .gateway
        .get(&format!("/v1/receipts/{cid}"))
        .await
        .unwrap()
        .bytes(200)
        .unwrap();
    Anchored {
        patient,
        enrolled,
        receipt: Receipt::parse(&receipt).unwrap(),
    }
}

#[tokio::test]
async fn age_merkle_tree_and_cast_agree_with_us() {
    let Anchored {
        patient,
        enrolled,
        receipt,
    } = alone(anchored()).await;
    opens_with_age(&patient, &enrolled, &receipt);
    verifies_with_openzeppelin(&receipt);
    reads_with_cast(&receipt).await;
}

fn opens_with_age(patient: &Session, enrolled: &Enrolled, receipt: &Receipt) {
    use base64::Engine;
    let folder = tempfile::tempdir().unwrap();
    let file = base64::engine::general_purpose::STANDARD
        .decode(&enrolled.backup_file)
        .unwrap();
    let kept = backup::open(&enrolled.backup_passphrase, &file).unwrap();
    assert_eq!(kept.patient, patient.account);
    let compartment = Compartment::of(patient.account, &Scope::demographics());
    assert_eq!(compartment, receipt.compartment);
    let secret = tree::epoch_secret(&kept.root, &receipt.deployment(), compartment, receipt.epoch);

    let (identity, sealed) = (folder.path().join("epoch.key"), folder.path().join("record.age"));
    std::fs::write(&identity, secret.identity().to_text().as_bytes()).unwrap();
    std::fs::write(&sealed, from_store(&system().json.data, receipt.cid)).unwrap();
    let opened = run(Command::new("age").arg("-d").arg("-i").arg(&identity).arg(&sealed)).stdout;
    let line = opened.split(|byte| *byte == b'\n').next().unwrap();
    let line: serde_json::Value = serde_json::from_slice(line).unwrap();
    assert_eq!(line["v"], 1);
    assert!(
        thief::find(&opened, b"Schmitt836").is_some(),
        "the patient's name is not in the opened record"
    );

    // Our own reader gives the same bytes; half a file gives none at all.
    let reader = program("chartseal-reader");
    let ours = run(Command::new(&reader)
        .args(["decrypt", "--identity"])
        .arg(&identity)
        .arg(&sealed))
    .stdout;
    assert_eq!(ours, opened);
}

fn verifies_with_openzeppelin(receipt: &Receipt) {
    let script = r#"
        const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");
        const r = JSON.parse(process.argv[1]);
        const types = ["bytes32", "uint32", "bytes32"];
        const leaf = [r.compartment, r.epoch, r.contentHash];
        if (!StandardMerkleTree.verify(r.root, types, leaf, r.proof)) throw new Error("the path does not verify");
        if (StandardMerkleTree.verify(r.root, types, [r.compartment, r.epoch + 1, r.contentHash], r.proof))
            throw new Error("the path verifies for another epoch");
    "#;
    let mut given = serde_json::to_value(receipt).unwrap();
    given["contentHash"] = serde_json::json!(receipt.cid.0);
    run(Command::new("node")
        .current_dir(root().join("contracts"))
        .args(["-e", script, &given.to_string()]));
}

async fn reads_with_cast(receipt: &Receipt) {
    let rpc = &system().json.rpc;
    let (anchors, key) = (
        receipt.contracts.anchors.to_string(),
        receipt.anchor_key().unwrap().to_string(),
    );
    let asked = ["call", &anchors, "anchoredAt(bytes32)(uint64)", &key, "--rpc-url", rpc];
    let block = String::from_utf8(run(Command::new(foundry("cast")).args(asked)).stdout).unwrap();
    assert_eq!(
        block.split_whitespace().next(),
        Some(receipt.block.to_string().as_str())
    );

    let transaction = receipt.transaction.to_string();
    let asked = ["receipt", &transaction, "logs", "--json", "--rpc-url", rpc];
    let logs = String::from_utf8(run(Command::new(foundry("cast")).args(asked)).stdout).unwrap();
    let root = hex::encode(receipt.root);
    assert!(logs.contains(&root), "cast shows no log with root {root}: {logs}");
    let seen = Node::new(rpc)
        .logs::<Anchors::Anchored>(receipt.contracts.anchors)
        .await
        .unwrap();
    assert!(
        seen.iter()
            .any(|log| log.event.root == receipt.root && log.event.org == receipt.organisation)
    );
}

#[test]
fn a_truncated_age_file_is_refused_by_the_reader() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::generate().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, identity.to_text().as_bytes()).unwrap();
    let whole = age::seal(identity.public_key(), &vec![7; 200_000]).unwrap().bytes;
    // Cut in the header, on a chunk's border (nothing but the last chunk's mark tells), and one byte short.
    let body = whole.len() - 200_000 - 4 * 16;
    for length in [100, body + 65_552, whole.len() - 1] {
        let (file, out) = (folder.path().join("cut.age"), folder.path().join("out"));
        std::fs::write(&file, &whole[..length]).unwrap();
        let mut reader = Command::new(program("chartseal-reader"));
        let output = reader
            .args(["decrypt", "--identity"])
            .arg(&key)
            .arg(&file)
            .arg("-o")
            .arg(&out)
            .output()
            .unwrap();
        assert!(
            !output.status.success(),
            "{length} of {} bytes were opened",
            whole.len()
        );
        assert!(!out.exists(), "{length} bytes left a file behind");
        assert!(!output.stderr.is_empty());
    }
}
