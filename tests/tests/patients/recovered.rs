//! What `chartseal-reader` makes of a patient's records without any gateway.

use std::{fs, path::Path, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_stack::seed;
use chartseal_tests::program;
use serde_json::{Value, json};

use crate::{hospital::Hospital, patient::Loaded};

/// Waits for the anchors, then recovers everything with the root backup: each record signed by its author, equal to what
/// was sent, its documents byte for byte. One receipt is verified on its own, too.
pub async fn verified(hospital: &Hospital, patient: &Loaded) {
    let session = &patient.person.session;
    let records = seed::anchored(&session.gateway, session.account).await.unwrap();
    assert_eq!(records.len(), patient.kept.len());

    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name);
    let contracts = &hospital.contracts;
    let deployment = json!({ "chainId": contracts.chain_id, "contracts": {
        "directory": contracts.directory, "consent": contracts.consent, "anchors": contracts.anchors,
    } });
    let enrolled = &patient.person.enrolled;
    fs::write(place("root.age"), STANDARD.decode(&enrolled.backup_file).unwrap()).unwrap();
    fs::write(place("passphrase"), &enrolled.backup_passphrase).unwrap();
    fs::write(place("deployment.json"), deployment.to_string()).unwrap();
    let mut recover = reader(hospital, "recover");
    recover.arg("--root").arg(place("root.age"));
    recover.arg("--passphrase-file").arg(place("passphrase"));
    recover.arg("--deployment").arg(place("deployment.json"));
    recover.arg("--out").arg(place("records"));
    let list = run(recover).await;
    equal(&list, patient, &place("records"));

    let cid = records[0]["cid"].as_str().unwrap();
    let receipt = session.gateway.get(&format!("/v1/receipts/{cid}")).await.unwrap();
    fs::write(place("receipt"), receipt.bytes(200).unwrap()).unwrap();
    let mut verify = reader(hospital, "verify");
    verify.arg(place("receipt"));
    let said = run(verify).await;
    assert_eq!(said["verified"], true, "{said}");
    for check in ["path", "anchor", "author", "content", "manifest"] {
        assert!(said["checks"][check].is_object(), "{check} is not among {said}");
    }
}

fn equal(list: &Value, patient: &Loaded, folder: &Path) {
    assert_eq!(list["lost"], json!([]));
    let records = list["records"].as_array().unwrap();
    let records: Vec<&Value> = records.iter().filter(|record| record["scope"] != "audit").collect();
    assert_eq!(records.len(), patient.kept.len());
    for record in records {
        assert!(record["signer"].is_string(), "not signed by its author: {record}");
        let id = record["id"].as_str().unwrap().trim_start_matches("0x");
        let kept = patient.kept.iter().find(|kept| kept.id == id).unwrap();
        let file = fs::read(folder.join(record["file"].as_str().unwrap())).unwrap();
        kept.is(&serde_json::from_slice(&file).unwrap());
        let documents = record["documents"].as_array().unwrap();
        assert_eq!(documents.len(), kept.documents.len());
        for (document, sent) in documents.iter().zip(&kept.documents) {
            let back = fs::read(folder.join(document.as_str().unwrap())).unwrap();
            assert!(back == *sent, "{id}: a document was recovered changed");
        }
    }
}

fn reader(hospital: &Hospital, what: &str) -> Command {
    let mut reader = Command::new(program("chartseal-reader"));
    reader.args([what, "--json", "--rpc", &hospital.rpc, "--ipfs", &hospital.content]);
    reader
}

async fn run(mut command: Command) -> Value {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "chartseal-reader: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}
