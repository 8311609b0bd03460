//! Who asks too often is told when to come back, and nobody else is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::{ALICE, DOCTOR, World};
use reqwest::{Response, header};
use serde_json::Value;

/// Asks until it is refused for asking too often. More than a hundred answers in a second or two are no limit of eight.
async fn until_refused(world: &World, path: &str, token: Option<&str>) -> Response {
    for _ in 0..100 {
        let request = world.http.get(format!("{}{path}", world.base));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.unwrap();
        if answer.status() == 429 {
            return answer;
        }
    }
    panic!("{path} was never refused");
}

fn wait(answer: &Response) -> u64 {
    answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_its_rate_and_a_refusal_says_when_to_come_back() {
    let rates = "stranger_rate = 1\nstranger_burst = 8\nperson_rate = 1\nperson_burst = 4";
    let world = World::with(&format!("[limits]\n{rates}")).await;
    let (alice, doctor) = (world.sign_in(ALICE).await, world.sign_in(DOCTOR).await);

    let refused = until_refused(&world, "/v1/deployment", None).await;
    assert!((1..=8).contains(&wait(&refused)));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&"too-often".into(), &429.into())
    );

    let refused = until_refused(&world, "/fhir/R4/metadata", None).await;
    assert!(wait(&refused) >= 1);
    let outcome: Value = refused.json().await.unwrap();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(outcome["issue"][0]["code"], "throttled");

    let guessed = format!("css_{}", "A".repeat(43));
    until_refused(&world, "/v1/grants?patient=0x00", Some(&guessed)).await;
    until_refused(&world, "/fhir/R4/Claim", Some(&guessed)).await;

    // Strangers of the same address are out of requests; who is signed in is not, and is counted alone.
    assert_eq!(alice.get("/v1/intents").await.0, 200);
    until_refused(&world, "/v1/intents", Some(&alice.token)).await;
    assert_eq!(doctor.get("/v1/intents").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_request_id_comes_back_and_any_other_is_replaced() {
    let world = World::new().await;
    let ask = async |id: &str| {
        let request = world
            .http
            .get(format!("{}/v1/deployment", world.base))
            .header("x-request-id", id);
        let answer = request.send().await.unwrap();
        answer.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask("ward-3.17_b").await, "ward-3.17_b");
    for strange in ["a b", "Müller", &"x".repeat(65), "a,b", ""] {
        let given = ask(strange).await;
        assert!(given != strange && given.len() == 36, "{given}");
    }
}
