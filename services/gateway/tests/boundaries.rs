//! Where a right ends while something is under way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use chartseal_gateway::{
    auth::{
        bearer,
        caller::{Caller, Via},
    },
    fhir::{json::Json, reference::PatientRef},
    problem::Code,
    write::{self, Prepared, Upload},
};
use chartseal_record::account::Role;
use common::{
    Person, World,
    fhir::{READ, READ_AND_WRITE, create, document, enrol, get, send},
    now, terms,
};
use reqwest::Method;
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
        id: None,
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
    let (stored, _) = write::sign_and_commit(&world.app, &caller, letter, |_| None)
        .await
        .unwrap();
    let row = world.app.store.record(stored.content).await.unwrap().unwrap();
    assert_eq!(row.epoch, 2, "the header was sealed again");
    let id = stored.id.to_string();
    assert_eq!(world.relay().await, Vec::<String>::new());
    let read = get(hospital, &format!("/DocumentReference/{id}")).await;
    assert_eq!(read.status, 200, "{}", read.json());

    let refused = write::sign_and_commit(&world.app, &caller, scan, |_| None)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::EpochMoved);
    assert!(
        !world.app.content.has(&pinned).await.unwrap(),
        "its document is given up"
    );

    let late = on_its_way(&world, &caller, alice, &plain).await;
    revoke(alice, hospital).await;
    let refused = write::sign_and_commit(&world.app, &caller, late, |_| None)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::NoWriteGrant);
    world.stop.cancel();
}

/// What Alice's journal says was done, with the scopes it was done in.
async fn journal(patient: &Person<'_>) -> Vec<(String, String)> {
    let (status, entries) = patient.get("/v1/audit").await;
    assert_eq!(status, 200, "{entries}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = entries.as_array().unwrap().iter();
    entries
        .map(|entry| (text(&entry["action"]), text(&entry["subject"]["scope"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_opens_nothing_stands_in_the_journal_all_the_same() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let (alice, hospital) = (&people.alice, &people.hospital);
    let stored = create(hospital, "DocumentReference", &document(b"hello")).await;
    assert_eq!(stored.status, 201, "{}", stored.json());
    for path in ["?_summary=count", "?_count=0"] {
        let before = journal(alice).await.len();
        let found = get(hospital, &format!("/DocumentReference{path}")).await.json();
        assert_eq!(found["total"], 1, "{found}");
        let after = journal(alice).await;
        // The reading of the journal before is an entry too.
        assert_eq!(after[before + 1..], [("search".into(), "clinical".into())], "{path}");
    }
    let before = journal(alice).await.len();
    let (_, rows) = hospital.get("/v1/records").await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(
        journal(alice).await[before + 1..],
        [("search".into(), "clinical".into())]
    );
    let before = journal(alice).await.len();
    assert_eq!(
        get(&people.doctor, "/DocumentReference?_summary=count").await.json()["total"],
        0
    );
    assert_eq!(journal(alice).await.len(), before + 1, "nothing was told");
    world.stop.cancel();
}

/// A system of the hospital's whose token has these scopes.
async fn system<'a>(hospital: &Person<'a>, scopes: &str) -> Person<'a> {
    let store = &hospital.world.app.store;
    let client_id = format!("client-{}", scopes.len());
    let client = chartseal_store::Client {
        client_id: client_id.clone(),
        org: hospital.address(),
        account: hospital.address(),
        name: "a system".into(),
        jwks: Some("{}".into()),
        jwks_uri: None,
        scopes: scopes.into(),
        created_at: now(),
        disabled_at: None,
    };
    store.insert_client(&client).await.unwrap();
    let (token, token_hash) = bearer::issue(bearer::Kind::Client).unwrap();
    let kept = chartseal_store::AccessToken {
        token_hash,
        client_id,
        org: hospital.address(),
        account: hospital.address(),
        scopes: scopes.into(),
        expires_at: now() + 300,
    };
    store.insert_token(&kept).await.unwrap();
    Person {
        world: hospital.world,
        wallet: hospital.wallet.clone(),
        token,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_sees_no_more_on_the_native_api_than_its_scopes_say() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let stored = create(hospital, "DocumentReference", &document(b"hello")).await.json();
    let (_, rows) = hospital.get("/v1/records").await;
    let record = rows[0]["cid"].as_str().unwrap();
    let url = stored["content"][0]["attachment"]["url"].as_str().unwrap();
    let scan = url.rsplit('/').next().unwrap();

    let claims = system(hospital, "system/Claim.rs").await;
    let all = system(hospital, "system/*.rs").await;
    let whom = hospital.address();
    for (path, expected) in [
        (format!("/v1/receipts/{record}"), 409),
        (format!("/ipfs/{record}?format=raw"), 200),
        (format!("/ipfs/{scan}?format=raw"), 200),
        (format!("/v1/grants?grantee={whom}"), 200),
    ] {
        let refused = claims.get(&path).await;
        assert_eq!(
            (refused.0, refused.1["code"].as_str()),
            (403, Some("forbidden")),
            "{path}"
        );
        assert_eq!(all.get(&path).await.0, expected, "{path}");
    }
    assert_eq!(claims.get("/v1/records").await, (200, json!([])));
    assert_eq!(all.get("/v1/records").await.1[0]["cid"], record);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_answer_holds_neither_a_resource_nor_a_backup() {
    let world = World::new().await;
    let people = world.people().await;
    let (alice, hospital) = (&people.alice, &people.hospital);
    let grants: Vec<Value> = ["clinical", "claims"]
        .map(|scope| terms(hospital.address(), scope, READ_AND_WRITE))
        .into();
    let body = json!({ "kind": "enrol", "scopes": ["clinical", "claims"], "grants": grants });
    let enrol = async || {
        let request = world.http.post(format!("{}/v1/intents", world.base)).json(&body);
        let request = request.bearer_auth(&alice.token).header("idempotency-key", "enrol-1");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let (first, again) = (enrol().await, enrol().await);
    assert!(first["backup"]["passphrase"].is_string(), "{first}");
    assert_eq!((&again["id"], &again["backup"]), (&first["id"], &Value::Null));
    alice.sign(&first).await;
    assert_eq!(world.relay().await, Vec::<String>::new());

    let headers = [("content-type", "application/fhir+json"), ("idempotency-key", "k")];
    let text = document(b"hello").to_string();
    let post = async || send(hospital, Method::POST, "/DocumentReference", &headers, text.clone()).await;
    let first = post().await;
    assert_eq!(first.status, 201, "{}", first.json());
    let again = post().await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    let entries = journal(alice).await;
    let read = |entry: &&(String, String)| **entry == ("read".into(), "clinical".into());
    assert_eq!(
        entries.iter().filter(read).count(),
        1,
        "showing it again is a read: {entries:?}"
    );

    revoke(alice, hospital).await;
    let after = post().await;
    assert_eq!((after.status, after.bytes.len()), (201, 0), "{}", after.json());
    for name in ["location", "etag"] {
        assert!(!after.header(name).is_empty() && after.header(name) == first.header(name));
    }
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_marked_restricted_goes_nowhere_but_into_sensitive() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let (alice, hospital, doctor) = (&people.alice, &people.hospital, &people.doctor);
    alice
        .decide("grant", terms(doctor.address(), "clinical", READ_AND_WRITE))
        .await;
    let mut restricted = document(b"hello");
    let label = json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" });
    let tag = json!({ "system": "urn:chartseal:scope", "code": "clinical" });
    restricted["meta"] = json!({ "security": [label], "tag": [tag] });
    // The hospital may write 'clinical' and has no grant for 'sensitive'.
    let refused = create(hospital, "DocumentReference", &restricted).await;
    assert_eq!(refused.code(), (403, "no-write-grant".into()));
    let draft = json!({ "patient": alice.address(), "scope": "clinical", "resource": restricted });
    let (status, refused) = doctor.post("/v1/drafts", draft.clone()).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("invalid")), "{refused}");

    let before = create(hospital, "DocumentReference", &document(b"hello")).await.json();
    let mut next = draft;
    next["replaces"] = before["id"].clone();
    let (status, refused) = doctor.post("/v1/drafts", next).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("invalid")), "{refused}");
    world.stop.cancel();
}
