//! `chartseal enrol` at a running system.

use std::process::Command;

use chartseal_stack::session::Session;
use chartseal_stack::wallet::Wallet;
use chartseal_tests::{program, system};
use serde_json::Value;

use crate::unchanged::alone;

#[tokio::test]
async fn patients_are_enrolled_by_the_dozen_with_just_the_grants_asked_for() {
    let system = system();
    let mut command = Command::new(program("chartseal"));
    command.args([
        "enrol",
        "--count",
        "2",
        "--grant",
        "clinical:rw",
        "--grant",
        "claims:w",
        "--data",
    ]);
    command.arg(&system.json.data);
    let output = alone(async { command.output().unwrap() }).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let patients: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(patients.len(), 2);
    for patient in patients {
        let wallet = Wallet::from_private_key("enrolled", patient["privateKey"].as_str().unwrap()).unwrap();
        let session = Session::sign_in(&system.gateway(), &wallet).await.unwrap();
        let path = format!("/v1/grants?patient={}", session.account);
        let grants = session.gateway.get(&path).await.unwrap().expect(200).unwrap();
        let mut granted: Vec<_> = grants
            .as_array()
            .unwrap()
            .iter()
            .map(|grant| {
                assert_eq!(grant["live"], true, "{grant}");
                (
                    grant["scope"].as_str().unwrap().to_owned(),
                    grant["permission"].as_u64().unwrap(),
                )
            })
            .collect();
        granted.sort();
        assert_eq!(granted, [("claims".to_owned(), 2), ("clinical".to_owned(), 3)]);
    }
}
