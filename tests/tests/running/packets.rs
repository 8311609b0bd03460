//! An evidence packet from end to end: made over HTTP, kept as a file, verified where there is no network.

use std::process::{Command, Output};

use alloy::eips::BlockId;
use chartseal_chain::Client;
use chartseal_record::{
    Contracts,
    packet::{FORMAT_WITH_SIGNERS, Signed},
};
use chartseal_stack::{
    client::{Answer, Gateway, text},
    decide::{self, READ, Role, WRITE, grant_entry},
    samples::{self, Kind},
    seed,
    session::Session,
    wallet::Wallet,
};
use chartseal_tests::{program, system};
use serde_json::{Value, json};

use crate::unchanged::alone;

const NOWHERE: &str = "DocumentReference/0000000000000000000000000000000000000000000000000000000000000000";

struct Claimed {
    patient: Session,
    note: String,
    claim: String,
}

/// A patient of the test's own with an anchored claim, which cites a note and one that is nowhere.
async fn claimed() -> Claimed {
    let system = system();
    let (admin, hospital) = (system.person("admin").await, system.person("hospital").await);
    let patient = Session::sign_in(&system.gateway(), &Wallet::random("dora"))
        .await
        .unwrap();
    let role = Role::Patient {
        custodian: hospital.account,
    };
    decide::register(&admin, &patient, decide::registration(role, None).unwrap())
        .await
        .unwrap();
    let scopes = ["demographics", "clinical", "claims"];
    decide::enrol(&patient, hospital.account, &scopes, READ | WRITE)
        .await
        .unwrap();
    let machine = system.machine("hospital").await;
    let chart = samples::martina(system.json.chain_id, &patient.account.to_string());
    let chart = text(&seed::create(&machine, &chart).await.unwrap(), "id").unwrap();
    let note = seed::upload(&machine, &chart, Kind::OperativeNote, samples::KNEE)
        .await
        .unwrap();
    let note = format!("DocumentReference/{}", text(&note, "id").unwrap());
    let cited = [note.as_str(), NOWHERE].map(|at| json!({ "valueReference": { "reference": at } }));
    let claim = samples::xray_claim(&chart, "P-1", &cited);
    let claim = text(&seed::create(&machine, &claim).await.unwrap(), "id").unwrap();
    seed::anchored(&patient.gateway, patient.account).await.unwrap();
    Claimed { patient, note, claim }
}

async fn ask(who: &Gateway, claim: &str) -> Answer {
    let body = json!({ "claim": format!("0x{claim}"), "purpose": "CLMATTCH" });
    who.post("/v1/packets", &body).await.unwrap()
}

fn verify(file: &std::path::Path, args: &[&str], cut: bool) -> (i32, Value, String) {
    let reader = program("chartseal-reader");
    let mut command = if cut {
        Command::new("unshare")
    } else {
        Command::new(&reader)
    };
    if cut {
        command.arg("--net").arg("--").arg(&reader);
    }
    let Output { status, stdout, stderr } = command
        .arg("verify")
        .arg(file)
        .arg("--json")
        .args(args)
        .output()
        .unwrap();
    let said = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
    (status.code().unwrap(), said, String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_packet_holds_what_was_granted_and_proves_it_without_us_for_ever() {
    alone(packet()).await;
}

async fn packet() {
    let system = system();
    let Claimed { patient, note, claim } = claimed().await;
    let insurer = system.person("insurer").await;
    let machine = system.machine("insurer").await;
    let (beyond, nowhere) = (ask(&machine, &claim).await, ask(&machine, &"0".repeat(64)).await);
    assert_eq!((beyond.status, beyond.code().as_str()), (404, "not-found"));
    assert_eq!(beyond.body, nowhere.body, "not granted and not there look alike");

    let grant = |scope: &str| patient.decide("grant", grant_entry(insurer.account, scope, READ, "HPAYMT"));
    grant("claims").await.unwrap();
    let first = ask(&machine, &claim).await.expect(200).unwrap();
    assert_eq!(first["packet"]["records"].as_array().unwrap().len(), 1);
    assert_eq!(first["packet"]["notGranted"], json!([note, NOWHERE]));
    grant("clinical").await.unwrap();
    // By a person of the insurer's too; by nobody else.
    let file = ask(&insurer.gateway, &claim).await.bytes(200).unwrap();
    let doctor = ask(&system.person("doctor").await.gateway, &claim).await;
    assert_eq!((doctor.status, doctor.code().as_str()), (403, "forbidden"));

    let Signed { packet, .. } = Signed::parse(&file).unwrap();
    let references: Vec<&str> = packet.records.iter().map(|record| record.reference.as_str()).collect();
    assert_eq!(references, [&format!("Claim/{claim}"), &note]);
    assert_eq!(
        (packet.grants.len(), packet.not_granted.as_slice()),
        (2, &[NOWHERE.to_owned()][..])
    );
    assert_eq!(packet.purpose, "CLMATTCH");
    let journal = patient.gateway.get("/v1/audit").await.unwrap().expect(200).unwrap();
    let released = |id: &str| {
        let of = |entry: &&Value| {
            entry["action"] == "read" && entry["purpose"] == "CLMATTCH" && entry["subject"]["record"] == id
        };
        journal.as_array().unwrap().iter().filter(of).count()
    };
    let note = note.strip_prefix("DocumentReference/").unwrap();
    assert_eq!((released(&claim), released(note)), (2, 1), "{journal:#}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packet.json");
    std::fs::write(&path, &file).unwrap();
    // The hash as somebody else's node tells it.
    let addresses = &system.json.contracts;
    let contracts = Contracts {
        chain_id: system.json.chain_id,
        directory: addresses.directory,
        consent: addresses.consent,
        anchors: addresses.anchors,
    };
    let client = Client::connect(&system.json.rpc, contracts).await.unwrap();
    let block = client
        .block(BlockId::number(packet.issuer.block))
        .await
        .unwrap()
        .unwrap();
    let hash = block.hash.to_string();
    let can_cut = Command::new("unshare").args(["--net", "--", "true"]).status();
    let cut = can_cut.is_ok_and(|status| status.success());
    assert!(
        cut || std::env::var_os("REQUIRE_ALL").is_none(),
        "no network namespace can be made here"
    );
    let (code, said, why) = verify(&path, &["--block-hash", &hash], cut);
    assert_eq!(
        (code, &said["checks"]["state"]["trusted"]),
        (0, &json!(true)),
        "{said} {why}"
    );
    // Its signers too: the insurer's statement key, the hospital's, the patient's wallet.
    assert_eq!(packet.format, FORMAT_WITH_SIGNERS);
    assert_eq!(said["unchecked"], json!([]), "{said}");
    let accounts = said["checks"]["signers"]["accounts"].as_array().unwrap();
    let roles: Vec<_> = accounts
        .iter()
        .map(|account| account["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["insurer", "hospital", "patient"], "{said}");

    for (at, byte) in file.iter().enumerate().step_by(file.len() / 200) {
        let mut changed = file.clone();
        changed[at] = byte ^ 1;
        let why = Signed::parse(&changed).expect_err("a changed byte").to_string();
        assert!(!why.is_empty(), "byte {at}");
    }
    let changed = String::from_utf8(file)
        .unwrap()
        .replace("\"purpose\":\"CLMATTCH\"", "\"purpose\":\"HPAYMT\"");
    let other = folder.path().join("changed.json");
    std::fs::write(&other, changed).unwrap();
    let (code, _, why) = verify(&other, &["--block-hash", &hash], cut);
    assert_eq!(code, 17);
    assert!(why.contains("it was changed after it was signed"), "{why}");

    let terms = json!({ "grantee": insurer.account, "scope": "claims" });
    patient.decide("revoke", terms).await.unwrap();
    let (code, said, why) = verify(&path, &["--rpc", &system.json.rpc, "--block-hash", &hash], false);
    assert_eq!(code, 0, "{said} {why}");
    assert_eq!(said["checks"]["grants"][0]["live"], true, "as it stood then: {said}");
    assert_eq!(said["checks"]["slots"][0]["revokedNow"], true, "{said}");
    let refused = ask(&machine, &claim).await;
    assert_eq!((refused.status, refused.body), (404, nowhere.body));

    // The claim alone, and what it cites by the grant of its scope that still stands.
    let until = grant_entry(insurer.account, "claims", READ, "HPAYMT")["until"].clone();
    let terms =
        json!({ "claim": format!("0x{claim}"), "grantee": insurer.account, "until": until, "purpose": "HPAYMT" });
    patient.decide("grantClaim", terms).await.unwrap();
    let file = ask(&machine, &claim).await.bytes(200).unwrap();
    std::fs::write(&path, &file).unwrap();
    let (code, said, why) = verify(&path, &["--rpc", &system.json.rpc], false);
    assert_eq!(code, 0, "{said} {why}");
    let grants = &said["checks"]["grants"];
    assert_eq!(
        (&grants[0]["scope"], &grants[1]["scope"]),
        (&json!(""), &json!("clinical")),
        "{said}"
    );
    let Signed { packet, .. } = Signed::parse(&file).unwrap();
    assert!(packet.grants[0].salt.is_some() && packet.grants[1].salt.is_none());
}
