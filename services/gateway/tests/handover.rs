//! After a hand-over the account belongs to the new wallet, at every door, whoever came in before.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use alloy::{primitives::Bytes, signers::SignerSync};
use common::{Person, STRANGER, World, wallet};
use reqwest::Method;
use serde_json::{Value, json};

/// Wallets nobody registered.
const NEXT: u32 = 7;
const NEXT_BOARD: u32 = 8;

const ID: &str = "00000000-0000-4000-8000-000000000000";

/// One request per route that asks who is there.
fn routes(patient: &str) -> Vec<(Method, String)> {
    let record = "ab".repeat(32);
    let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    let mut routes: Vec<(Method, String)> = [
        (&get, format!("/v1/accounts/{patient}")),
        (&get, format!("/v1/audit?patient={patient}")),
        (&get, "/v1/clients".into()),
        (&post, "/v1/clients".into()),
        (&delete, format!("/v1/clients/{ID}")),
        (&post, "/v1/drafts".into()),
        (&put, format!("/v1/drafts/{ID}/signature")),
        (&get, format!("/v1/grants?patient={patient}")),
        (&get, format!("/v1/receipts/{cid}")),
        (&get, format!("/v1/records?patient={patient}")),
        (&get, "/v1/requests".into()),
        (&post, "/v1/requests".into()),
        (&put, format!("/v1/requests/0x{record}/signature")),
        (&get, format!("/ipfs/{cid}?format=raw")),
        (&post, "/fhir/R4/Binary".into()),
        (&get, format!("/fhir/R4/Binary/staged-{ID}")),
        (&get, format!("/fhir/R4/Binary/{cid}")),
    ]
    .map(|(method, path)| (method.clone(), path))
    .into();
    for kind in ["Patient", "DocumentReference", "Claim"] {
        routes.extend([
            (get.clone(), format!("/fhir/R4/{kind}")),
            (post.clone(), format!("/fhir/R4/{kind}")),
            (post.clone(), format!("/fhir/R4/{kind}/_search")),
            (get.clone(), format!("/fhir/R4/{kind}/{record}")),
            (put.clone(), format!("/fhir/R4/{kind}/{record}")),
            (get.clone(), format!("/fhir/R4/{kind}/{record}/_history/1")),
        ]);
    }
    routes
}

/// Intents take visitors, but not those who handed over.
fn decisions() -> Vec<(Method, String)> {
    [
        (Method::GET, "/v1/intents".into()),
        (Method::POST, "/v1/intents".into()),
        (Method::GET, format!("/v1/intents/{ID}")),
        (Method::PUT, format!("/v1/intents/{ID}/signatures")),
        (Method::DELETE, "/v1/sessions".into()),
    ]
    .into()
}

/// Status and code, native or FHIR.
async fn knock(world: &World, token: &str, method: &Method, path: &str) -> (u16, String) {
    let body = match path {
        "/v1/intents" => json!({ "kind": "register", "role": "patient" }),
        "/v1/drafts" | "/v1/requests" | "/v1/clients" => json!({}),
        _ if path.ends_with("/signature") => json!({ "signature": "0x" }),
        _ if path.ends_with("/signatures") => json!({ "as": "account", "signature": "0x" }),
        _ => json!({ "resourceType": "Claim" }),
    };
    let body = (method != Method::GET).then_some(&body);
    let (status, answer) = world.call(method.clone(), path, Some(token), body).await;
    let code = answer["code"]
        .as_str()
        .or_else(|| answer["issue"][0]["details"]["coding"][0]["code"].as_str());
    (status, code.unwrap_or_default().to_owned())
}

async fn sign_in(world: &World, place: u32) -> (u16, Value) {
    let wallet = wallet(place);
    let message = world.message(wallet.address()).await;
    let signature = wallet.sign_message_sync(message.as_bytes()).unwrap();
    let body = json!({ "message": message, "signature": Bytes::from(signature.as_bytes().to_vec()) });
    world.call(Method::POST, "/v1/sessions", None, Some(&body)).await
}

/// Hands the account over. The session of the next wallet is from before it controls anything.
async fn hand_over<'a>(world: &'a World, old: &Person<'_>, place: u32) -> Person<'a> {
    let next = world.sign_in(place).await;
    let intent = old.lay_out("handOver", json!({ "controller": next.address() })).await;
    old.sign(&intent).await;
    next.sign(&intent).await;
    assert_eq!(world.relay().await, Vec::<String>::new());
    next
}

async fn the_old_wallet_is_out(world: &World, old: &Person<'_>, place: u32, patient: &str) {
    for (method, path) in routes(patient).iter().chain(&decisions()) {
        let answer = knock(world, &old.token, method, path).await;
        assert_eq!(answer.0, 401, "{method} {path} with the old session: {answer:?}");
    }
    let (status, answer) = sign_in(world, place).await;
    assert_eq!((status, answer["code"].as_str()), (401, Some("unauthenticated")));
}

/// Nothing is refused for who the wallet is.
async fn the_new_wallet_is_in(world: &World, new: &Person<'_>, patient: &str) {
    for (method, path) in &routes(patient) {
        let (status, code) = knock(world, &new.token, method, path).await;
        assert!(
            status != 401 && code != "not-registered" && status != 503,
            "{method} {path} with the new session: {status} {code}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_handed_its_account_over_gets_in_nowhere() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let alice = people.alice.address();
    let patient = alice.to_string();

    // A stranger is let in to register, and to nothing else.
    let stranger = world.sign_in(STRANGER).await;
    for (method, path) in &routes(&patient) {
        let answer = knock(&world, &stranger.token, method, path).await;
        assert_eq!(answer, (409, "not-registered".into()), "{method} {path}");
    }
    let refused = stranger.ask("advance", json!({ "scope": "clinical" })).await;
    assert_eq!((refused.0, refused.1["code"].as_str()), (409, Some("not-registered")));

    // What Alice laid out before she handed over is decided by who controls the account now.
    let laid = people
        .alice
        .lay_out("grant", common::terms(people.doctor.address(), "clinical", 1))
        .await;
    let waiting = format!("/v1/intents/{}", laid["id"].as_str().unwrap());
    let before = people.alice.get(&format!("/v1/records?patient={patient}")).await;
    assert_eq!(before.0, 200);
    let new = hand_over(&world, &people.alice, NEXT).await;
    the_old_wallet_is_out(&world, &people.alice, common::ALICE, &patient).await;
    assert_eq!(people.alice.get(&waiting).await.0, 401);
    let signature = people.alice.sign_typed(&laid["sign"][0]["typedData"]);
    let signed = json!({ "as": laid["sign"][0]["as"], "signature": signature });
    let (status, answer) = new.put(&format!("{waiting}/signatures"), signed).await;
    assert_eq!((status, answer["code"].as_str()), (403, Some("bad-signature")));
    the_new_wallet_is_in(&world, &new, &patient).await;
    let (status, again) = sign_in(&world, NEXT).await;
    assert_eq!(
        (status, &again["account"], &again["role"]),
        (201, &json!(alice), &json!("patient"))
    );
    for token in [&new.token, again["token"].as_str().unwrap()] {
        let path = format!("/v1/audit?patient={patient}");
        assert_eq!(world.call(Method::GET, &path, Some(token), None).await.0, 200);
    }

    // The same for an organisation.
    let board = hand_over(&world, &people.hospital, NEXT_BOARD).await;
    the_old_wallet_is_out(&world, &people.hospital, common::HOSPITAL, &patient).await;
    the_new_wallet_is_in(&world, &board, &patient).await;
    assert_eq!(board.get("/v1/clients").await.0, 200);
    world.stop.cancel();
}
