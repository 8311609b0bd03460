//! Where a right ends while something is under way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use chartseal_gateway::{
    auth::caller::{Caller, Via},
    fhir::{json::Json, reference::PatientRef},
    problem::Code,
    write::{self, Prepared, Upload},
};
use chartseal_record::account::Role;
use common::{
    Person, World,
    fhir::{READ, document, enrol},
    terms,
};
use serde_json::{Value, json};

fn as_hospital(hospital: &Person<'_>) -> Caller {
    Caller {
        account: hospital.address(),
        role: Some(Role::Hospital),
        org: hospital.address(),
        via: Via::Session {
            address: hospital.address(),
        },
    }
}

/// An upload, admitted and sealed, that has not come to its commit yet.
async fn on_its_way(world: &World, caller: &Caller, patient: &Person<'_>, resource: &Value) -> Prepared {
    let upload = Upload {
        kind: "DocumentReference",
        resource: Json::parse(resource.to_string().as_bytes()).unwrap(),
        patient: Some(PatientRef::Account(patient.address())),
        replaces: None,
        scope: None,
    };
    write::prepare(&world.app, caller, upload).await.unwrap()
}

async fn revoke(patient: &Person<'_>, grantee: &Person<'_>) {
    let params = json!({ "grantee": grantee.address(), "scope": "clinical" });
    let laid = patient.lay_out("revoke", params).await;
    patient.sign(&laid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_after_a_revocation_is_not_sealed_to_the_epoch_before_it() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let (alice, hospital) = (&people.alice, &people.hospital);
    alice
        .decide("grant", terms(people.doctor.address(), "clinical", READ))
        .await;
    let caller = as_hospital(hospital);
    let mut plain = document(b"");
    plain["content"][0]["attachment"] = json!({ "contentType": "text/plain", "url": "http://elsewhere.example/1" });
    let letter = on_its_way(&world, &caller, alice, &plain).await;
    let scan = on_its_way(&world, &caller, alice, &document(&vec![7; 2_000_000])).await;
    let pinned = scan.documents[0].reference.cid;
    let before = letter.admitted.epoch;
    assert_eq!((before.number, scan.admitted.epoch.number), (1, 1));
    assert!(world.app.content.has(&pinned).await.unwrap());

    revoke(alice, &people.doctor).await;
    let (stored, _) = write::sign_and_commit(&world.app, &caller, letter, |_, _| Ok(None))
        .await
        .unwrap();
    let row = world.app.store.record(stored.content).await.unwrap().unwrap();
    assert_eq!(row.epoch, 2, "the header was sealed again");
    let id = stored.id.to_string();
    assert_eq!(world.relay().await, Vec::<String>::new());
    let read = common::fhir::get(hospital, &format!("/DocumentReference/{id}")).await;
    assert_eq!(read.status, 200, "{}", read.json());

    let refused = write::sign_and_commit(&world.app, &caller, scan, |_, _| Ok(None))
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::EpochMoved);
    assert!(
        !world.app.content.has(&pinned).await.unwrap(),
        "its document is given up"
    );

    let late = on_its_way(&world, &caller, alice, &plain).await;
    revoke(alice, hospital).await;
    let refused = write::sign_and_commit(&world.app, &caller, late, |_, _| Ok(None))
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::NoWriteGrant);
    world.stop.cancel();
}
