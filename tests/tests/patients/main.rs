//! Every sample patient is loaded through FHIR as a hospital would, read back, and recovered without the gateway; then
//! whoever carries the disks away, and reads the chain, finds nothing of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

mod at_rest;
mod hospital;
mod patient;
mod recovered;
mod sample;

use chartseal_stack::{
    decide,
    samples::canaries,
    seed,
    session::Session,
    story,
    up::{Options, Stack},
    wallet::{self, Wallet},
};
use chartseal_stage::{Kubo, Postgres};
use chartseal_tests::{System, program};

use self::{at_rest::Places, hospital::Hospital};

#[tokio::test(flavor = "multi_thread")]
async fn after_the_story_all_patients_come_back_equal_and_nothing_lies_in_the_open() {
    let folder = tempfile::tempdir().unwrap();
    program("chartseal");
    let stack = Stack::start(Options::empty_in(folder.path().join("data")), &|_| {})
        .await
        .unwrap();
    let json = stack.json();
    let stage = story::Stage {
        gateway: json.gateway.clone(),
        rpc: json.rpc.clone(),
        data: json.data.clone(),
        reader: program("chartseal-reader"),
    };
    story::tell(stage, None).await.unwrap();

    let gateway = chartseal_stack::client::Gateway::new(&json.gateway).unwrap();
    let sign_in = async |name, place| Session::sign_in(&gateway, &Wallet::sample(name, place)).await.unwrap();
    let (admin, session) = (
        sign_in("admin", wallet::ADMIN).await,
        sign_in("hospital", wallet::HOSPITAL).await,
    );
    let system = seed::connect(&session, "archive", seed::HOSPITAL_SYSTEM_SCOPE)
        .await
        .unwrap();
    let hospital = Hospital {
        contracts: decide::contracts(&gateway).await.unwrap(),
        gateway,
        admin,
        session,
        system: system.machine(),
        rpc: json.rpc.clone(),
        content: json.data.join("content").display().to_string(),
    };
    all_come_back(&hospital).await;
    let places = Places::of(&json);
    places.hold_none_of(&canaries()).await;
    places.show_what_is_planted_in(&folder.path().join("data")).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_patients_come_back_equal_from_postgresql_and_kubo_and_nothing_lies_in_the_open() {
    let test = "all_patients_come_back_equal_from_postgresql_and_kubo_and_nothing_lies_in_the_open";
    let (Some(server), Some(kubo)) = (Postgres::of_this_process(test), Kubo::start(test)) else {
        return;
    };
    let database = server.database();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, format!("{}\n", database.password)).unwrap();
    let system = System::start(&[
        "--database",
        &database.url,
        "--database-password-file",
        password.to_str().unwrap(),
        "--content",
        &kubo.location(),
    ])
    .unwrap();
    let gateway = system.gateway();
    let hospital = Hospital {
        contracts: decide::contracts(&gateway).await.unwrap(),
        gateway,
        admin: system.person("admin").await,
        session: system.person("hospital").await,
        system: system.json.client("hospital").unwrap().machine(),
        rpc: system.json.rpc.clone(),
        content: kubo.location(),
    };
    all_come_back(&hospital).await;
    let places = Places::of(&system.json)
        .and_postgres(server, database.name())
        .and_kubo(&kubo);
    places.hold_none_of(&canaries()).await;
    places.show_what_is_planted_in(&system.json.data).await;
}

/// Loads every sample patient, reads everything back through FHIR, and recovers it from the chain and the sealed bytes.
async fn all_come_back(hospital: &Hospital) {
    let samples = sample::patients();
    assert_eq!(samples.len(), 17, "12 bundles and 5 files of notes");
    let enrolled = hospital.enrol(samples.len()).await;
    let mut loaded = Vec::new();
    for (at, (sample, person)) in samples.into_iter().zip(enrolled).enumerate() {
        let documents = sample::documents().into_iter().skip(at).step_by(17).collect();
        loaded.push(patient::load(hospital, sample, person, documents).await);
    }
    for patient in &loaded {
        patient.comes_back(hospital).await;
    }
    for patient in &loaded {
        recovered::verified(hospital, patient).await;
    }
    let records: usize = loaded.iter().map(|patient| patient.kept.len()).sum();
    println!("{} patients, {records} records came back equal, twice", loaded.len());
}
