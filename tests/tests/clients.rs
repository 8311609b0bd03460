//! A hospital's afternoon with other people's FHIR clients: `tests/clients/` holds one script for each library. All of
//! them talk to one running system, each about a patient of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::path::PathBuf;
use std::process::Command;

use chartseal_stack::{rpc::Node, samples::canaries, thief};
use chartseal_tests::{program, root, system};
use serde_json::Value;

/// Script and the program that runs it, below `tests/clients`.
const CLIENTS: [(&str, &str); 4] = [
    ("python/fhirclient_hospital.py", "python/.venv/bin/python"),
    ("python/fhirpy_hospital.py", "python/.venv/bin/python"),
    ("node/fhir-kit-client.mjs", "node"),
    ("node/medplum.mjs", "node"),
];

/// What the scripts tell the gateway of their patients and in their documents, beside the samples' canaries.
const TOLD: [&str; 5] = ["Murazik", "1953-05-22", "34109-9", "11504-8", "Skip Manam"];

#[tokio::test]
async fn every_client_stores_finds_pages_corrects_and_reads_back_and_nothing_of_it_is_readable_at_rest() {
    let system = system();
    let clients = root().join("tests/clients");
    for installed in ["python/.venv/installed", "node/node_modules/.package-lock.json"] {
        assert!(
            clients.join(installed).exists(),
            "run `make clients` once: it installs the FHIR clients"
        );
    }
    for ((script, program), patient) in CLIENTS.iter().zip(enrolled(CLIENTS.len())) {
        let runner = if program.contains('/') {
            clients.join(program)
        } else {
            PathBuf::from(program)
        };
        let mut command = Command::new(runner);
        command
            .arg(clients.join(script))
            .arg(system.json.data.join("stack.json"))
            .arg(patient);
        succeeds(command).await;
    }
    let files = thief::files(&system.json.data).unwrap();
    let chain = Node::new(&system.json.rpc).everything().await.unwrap();
    let words: Vec<_> = canaries().into_iter().chain(TOLD.map(str::to_owned)).collect();
    assert_eq!(thief::readable(&words, &files, &chain).unwrap(), None);
}

/// A CDex data request from both ends: fhir-kit-client asks as the insurer, and a wallet decides as the patient.
#[tokio::test]
async fn an_insurer_asks_by_task_and_the_patient_declines_lets_it_expire_approves_and_revokes() {
    let system = system();
    let clients = root().join("tests/clients/node");
    assert!(
        clients.join("node_modules/viem/package.json").exists(),
        "run `make clients` once: it installs the FHIR clients"
    );
    let [patient] = &new_patients(1)[..] else {
        panic!("one patient was asked for");
    };
    let mut command = Command::new("node");
    command
        .arg(clients.join("cdex.mjs"))
        .arg(system.json.data.join("stack.json"))
        .arg(patient["address"].as_str().unwrap())
        .env("PATIENT_KEY", patient["privateKey"].as_str().unwrap());
    succeeds(command).await;
}

async fn succeeds(mut script: Command) {
    let output = tokio::task::spawn_blocking(move || (script.output().unwrap(), script));
    let (output, script) = output.await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{:?}: {told}{}",
        script.get_args().next(),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{told}");
}

/// The addresses of so many new patients of the sample hospital.
fn enrolled(count: usize) -> Vec<String> {
    let patients = new_patients(count).into_iter();
    patients
        .map(|patient| patient["address"].as_str().unwrap().to_owned())
        .collect()
}

/// So many new patients, with their wallets' keys.
fn new_patients(count: usize) -> Vec<Value> {
    let mut command = Command::new(program("chartseal"));
    command
        .args(["enrol", "--count", &count.to_string(), "--data"])
        .arg(&system().json.data);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
