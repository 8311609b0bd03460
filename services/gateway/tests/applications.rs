//! Somebody applies with papers; a registrar reads them, refuses with a reason or confirms, and sees how the system stands.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use alloy::primitives::B256;
use chartseal_envelope::age;
use chartseal_gateway::{custody::epochs, v1::intents::papers_recipient};
use chartseal_record::Scope;
use common::{ALICE, Person, STRANGER, World, now, terms};
use serde_json::{Value, json};

const PAPERS: &[u8] = b"%PDF-1.7 licence of a doctor, number LIC-4711";

async fn applied(who: &Person<'_>) -> Value {
    let mut params = json!({ "role": "doctor", "custody": "gateway" });
    params["credential"] = json!(B256::repeat_byte(7));
    params["credentialExpiry"] = json!(now() + 86_400 * 365);
    who.lay_out("register", params).await
}

fn at(intent: &Value, what: &str) -> String {
    format!("/v1/intents/{}{what}", intent["id"].as_str().unwrap())
}

fn sealed(world: &World) -> Vec<u8> {
    let recipient = papers_recipient(&world.app).parse().unwrap();
    age::seal(&recipient, PAPERS).unwrap().bytes
}

async fn attach(who: &Person<'_>, intent: &Value, bytes: Vec<u8>) -> (u16, String) {
    let request = who
        .world
        .http
        .put(format!("{}{}", who.world.base, at(intent, "/papers")));
    let request = request
        .bearer_auth(&who.token)
        .header("content-type", "application/octet-stream");
    let answer = request.body(bytes).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn read(who: &Person<'_>, intent: &Value) -> (u16, Vec<u8>) {
    let request = who
        .world
        .http
        .get(format!("{}{}", who.world.base, at(intent, "/papers")));
    let answer = request.bearer_auth(&who.token).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

fn holds(folder: &std::path::Path, what: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, what),
            false => std::fs::read(path)
                .unwrap()
                .windows(what.len())
                .any(|bytes| bytes == what),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn papers_are_read_by_a_registrar_only_and_forgotten_with_the_refusal() {
    let world = World::new().await;
    let people = world.people().await;
    let stranger = world.sign_in(STRANGER).await;
    let (_, deployment) = stranger.get("/v1/deployment").await;
    assert_eq!(deployment["papersRecipient"], papers_recipient(&world.app));
    let intent = applied(&stranger).await;

    // Not before the applicant has signed, not by another, not unsealed, not too large, not twice.
    assert_eq!(
        attach(&stranger, &intent, sealed(&world)).await,
        (409, "wrong-state".into())
    );
    stranger.sign(&intent).await;
    assert_eq!(
        attach(&people.doctor, &intent, sealed(&world)).await,
        (404, "not-found".into())
    );
    assert_eq!(
        attach(&people.admin, &intent, sealed(&world)).await,
        (404, "not-found".into())
    );
    assert_eq!(attach(&stranger, &intent, PAPERS.into()).await, (422, "invalid".into()));
    assert_eq!(
        attach(&stranger, &intent, vec![0; 2_097_153]).await,
        (413, "too-large".into())
    );
    assert_eq!(attach(&stranger, &intent, sealed(&world)).await, (200, String::new()));
    assert_eq!(
        attach(&stranger, &intent, sealed(&world)).await,
        (409, "wrong-state".into())
    );

    let (_, waiting) = people.admin.get("/v1/intents?kind=register&state=prepared").await;
    assert_eq!(waiting[0]["papers"], true, "{waiting}");
    assert_eq!(read(&people.admin, &intent).await, (200, PAPERS.into()));
    assert_eq!(read(&stranger, &intent).await.0, 403);
    assert_eq!(read(&people.doctor, &intent).await.0, 404);
    assert!(!holds(world.folder.path(), PAPERS), "papers lie at rest in the clear");

    // A refusal is a registrar's, has a reason, and the applicant reads it.
    let reason = "The licence of LIC-4711 ended in May. Send the renewed one.";
    let (status, problem) = stranger
        .put(&at(&intent, "/refusal"), json!({ "reason": reason }))
        .await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("forbidden")));
    let (status, problem) = people
        .admin
        .put(&at(&intent, "/refusal"), json!({ "reason": "  " }))
        .await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("invalid")));
    let (status, refused) = people
        .admin
        .put(&at(&intent, "/refusal"), json!({ "reason": reason }))
        .await;
    assert_eq!((status, refused["state"].as_str()), (200, Some("failed")), "{refused}");
    let (_, shown) = stranger.get(&at(&intent, "")).await;
    assert_eq!(shown["refusal"]["reason"], reason);
    assert_eq!(
        (shown["papers"].as_bool(), shown["sign"].as_array().unwrap().len()),
        (Some(false), 0)
    );
    assert_eq!(read(&people.admin, &intent).await.0, 404);
    assert!(
        !holds(world.folder.path(), reason.as_bytes()),
        "a reason lies at rest in the clear"
    );
    let (status, _) = people
        .admin
        .put(&at(&intent, "/refusal"), json!({ "reason": reason }))
        .await;
    assert_eq!(status, 409, "once");

    // The applicant applies again, and is registered. What came with it is swept away.
    let again = applied(&stranger).await;
    stranger.sign(&again).await;
    assert_eq!(attach(&stranger, &again, sealed(&world)).await.0, 200);
    let (_, shown) = people.admin.get(&at(&again, "")).await;
    people.admin.sign(&shown).await;
    assert_eq!(world.relay().await, Vec::<String>::new());
    let (status, _) = people
        .admin
        .put(&at(&again, "/refusal"), json!({ "reason": reason }))
        .await;
    assert_eq!(status, 409, "too late");
    world.app.store.sweep(now()).await.unwrap();
    assert_eq!(read(&people.admin, &again).await.0, 404);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrar_sees_how_the_system_stands_and_nobody_else_does() {
    let world = World::new().await;
    let people = world.people().await;
    for other in [&people.doctor, &people.alice, &people.hospital] {
        let (status, problem) = other.get("/v1/system").await;
        assert_eq!((status, problem["code"].as_str()), (403, Some("forbidden")));
    }
    let stranger = world.sign_in(STRANGER).await;
    applied(&stranger).await;
    let (status, system) = people.admin.get("/v1/system").await;
    assert_eq!(status, 200, "{system}");
    let head = world.app.index.head().unwrap().number;
    assert_eq!(
        (
            &system["chain"]["reachable"],
            &system["chain"]["fresh"],
            &system["chain"]["followed"]
        ),
        (&json!(true), &json!(true), &json!(head)),
    );
    assert_eq!(system["content"]["reachable"], true);
    let waiting = &system["backlog"];
    assert_eq!(
        (&waiting["registrations"], &waiting["records"]),
        (&json!(1), &json!(0)),
        "{system}"
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_a_suspension_or_a_narrowing_is_told_to_be_exposed() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let alice = common::wallet(ALICE).address();
    let since = async || {
        epochs::exposed_since(&world.app, alice, &Scope::clinical(), 1)
            .await
            .unwrap()
    };
    let newest = || world.app.index.head().unwrap().timestamp;
    let doctor = people.doctor.address();
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    assert_eq!(since().await, None);
    let before = newest();
    people.admin.decide("suspend", json!({ "who": doctor })).await;
    let suspended = since().await.unwrap();
    assert!((before..=newest()).contains(&suspended), "{before} {suspended}");
    people.admin.decide("reinstate", json!({ "who": doctor })).await;
    assert_eq!(since().await, None, "the doctor may read again");
    let before = newest();
    people.alice.decide("grant", terms(doctor, "clinical", 2)).await;
    let narrowed = since().await.unwrap();
    assert!((before..=newest()).contains(&narrowed), "{before} {narrowed}");
    world.stop.cancel();
}
