//! The whole system once on PostgreSQL: enrolled, uploaded, anchored, read. What the other suites show on SQLite goes
//! through the same queries.

use std::time::{Duration, Instant};

use chartseal_stack::samples::KNEE;
use chartseal_stage::Postgres;
use chartseal_tests::System;

#[tokio::test]
async fn a_whole_system_keeps_its_records_in_postgresql() {
    let Some(server) = Postgres::of_this_process("a_whole_system_keeps_its_records_in_postgresql") else {
        return;
    };
    let database = server.database();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, format!("{}\n", database.password)).unwrap();
    let password = password.to_str().unwrap();
    let arguments = ["--database", &database.url, "--database-password-file", password];
    let system = System::start(&arguments).unwrap();
    assert!(!system.json.data.join("chartseal.db").exists());

    let hospital = system.machine("hospital").await;
    let found = hospital
        .get(&format!("/fhir/R4/DocumentReference?patient={}", system.patient(0)))
        .await
        .unwrap();
    let bundle = found.expect(200).unwrap();
    let mut read = Vec::new();
    for entry in bundle["entry"].as_array().unwrap() {
        let url = entry["resource"]["content"][0]["attachment"]["url"].as_str().unwrap();
        read.push(hospital.get_as(url, "*/*").await.unwrap().bytes(200).unwrap());
    }
    assert!(read.iter().any(|bytes| bytes == KNEE));

    // The submitter, which knows the database only, anchors every record of it.
    let ask = |sql| server.psql(database.name(), sql).trim().parse::<u32>().unwrap();
    assert!(ask("SELECT count(*) FROM record") >= read.len() as u32);
    let open =
        "SELECT count(*) FROM record r LEFT JOIN batch b ON b.id = r.batch WHERE b.state IS DISTINCT FROM 'anchored'";
    let begun = Instant::now();
    while ask(open) > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(180),
            "not anchored in three minutes"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(ask("SELECT count(*) FROM outbox"), 0);
    // Who read is written down, in one chain per patient.
    assert!(ask("SELECT count(*) FROM audit") >= read.len() as u32);
}
