//! A whole system from its own programs: brought up, hurt, stopped, brought up again.
//!
//! The programs must have been built: `cargo build --workspace`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use chartseal_stack::{
    client::Gateway,
    stack_json::StackJson,
    supervise::Process,
    up::{Options, Stack},
};

const ALL: [Process; 3] = [Process::Anvil, Process::Submitter, Process::Gateway];

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn documents(json: &StackJson) -> usize {
    let gateway = Gateway::new(&json.gateway).unwrap();
    let system = json
        .client("hospital")
        .unwrap()
        .machine()
        .token(&gateway)
        .await
        .unwrap();
    let mut found = 0;
    for patient in &json.samples.patients {
        let path = format!("/fhir/R4/DocumentReference?patient={}", patient.fhir_id);
        found += system.get(&path).await.unwrap().expect(200).unwrap()["total"]
            .as_u64()
            .unwrap();
    }
    usize::try_from(found).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_survives_the_death_of_each_process_and_its_own_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Stack::start(Options::in_folder(folder.path()), &|line| eprintln!("{line}"))
        .await
        .unwrap();
    let json = stack.json();
    let names: Vec<&str> = json
        .samples
        .accounts
        .iter()
        .map(|account| account.name.as_str())
        .collect();
    assert_eq!(names, ["admin", "hospital", "insurer", "doctor", "alice", "bob"]);
    assert_eq!((json.samples.clients.len(), json.samples.patients.len()), (2, 2));
    let before = documents(&json).await;
    assert!(before >= 3);

    for process in ALL {
        let pid = stack.pid(process).unwrap();
        stack.kill(process).await.unwrap();
        assert!(!runs(pid));
        stack.ready(process).await.unwrap();
        assert_ne!(stack.pid(process), Some(pid));
    }
    let written = StackJson::read(stack.data()).unwrap();
    assert_eq!(written.processes.gateway, stack.pid(Process::Gateway));
    stack.ready(Process::Gateway).await.unwrap();
    assert_eq!(documents(&written).await, before);

    let pids: Vec<u32> = ALL.into_iter().filter_map(|process| stack.pid(process)).collect();
    stack.stop().await;
    assert!(pids.len() == 3 && !pids.into_iter().any(runs));

    let again = Stack::start(Options::in_folder(folder.path()), &|_| {}).await.unwrap();
    assert_eq!(documents(&again.json()).await, before);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_system_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(Options::empty_in(folder.path()), &|_| {}).await.unwrap();
    let Err(error) = Stack::start(Options::empty_in(folder.path()), &|_| {}).await else {
        panic!("started")
    };
    assert!(error.to_string().contains("another system runs"), "{error:#}");
    stack.stop().await;
}
