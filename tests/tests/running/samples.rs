//! The samples can be tried at once.

use chartseal_stack::samples::{CT, KNEE, canaries};
use chartseal_stack::{rpc::Node, thief};
use chartseal_tests::system;

#[tokio::test]
async fn the_hospitals_system_finds_and_reads_the_sample_documents() {
    let system = system();
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
    assert_eq!(read.len(), 3);
    assert!(read.iter().any(|bytes| bytes == KNEE) && read.iter().any(|bytes| bytes == CT));
}

#[tokio::test]
async fn an_insurer_without_a_grant_sees_nobody() {
    let system = system();
    let insurer = system.machine("insurer").await;
    for path in [
        format!("/fhir/R4/Patient/{}", system.patient(0)),
        format!("/fhir/R4/Patient/{}", "0".repeat(64)),
    ] {
        let answer = insurer.get(&path).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{path}");
    }
}

#[tokio::test]
async fn no_name_or_number_of_a_patient_lies_in_a_database_a_log_a_car_or_on_the_chain() {
    let system = system();
    let files = thief::files(&system.json.data).unwrap();
    assert!(files.iter().any(|(path, _)| path.ends_with("chartseal.db")));
    assert!(
        files
            .iter()
            .any(|(path, _)| path.extension().is_some_and(|extension| extension == "car"))
    );
    assert!(
        files
            .iter()
            .any(|(path, _)| path.extension().is_some_and(|extension| extension == "log"))
    );
    let chain = Node::new(&system.json.rpc).everything().await.unwrap();
    assert_eq!(thief::readable(&canaries(), &files, &chain).unwrap(), None);
}
