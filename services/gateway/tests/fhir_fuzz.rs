//! A seeded fuzzer against `/fhir/R4`: wrong types, missing elements, huge lists, deep nesting, odd Unicode, wrong media
//! types, wrong everything. Whatever comes, there is no 5xx but the documented 501, and every refusal is an OperationOutcome.
//!
//! `FHIR_FUZZ_REQUESTS` says how many (1,500), `FHIR_FUZZ_SEED` which (1). A failure names the seed and the request.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

mod common;
mod fuzz;

use common::{
    Person, World,
    fhir::{READ_AND_WRITE, SCOPES, alice, create, document, enrol, get},
    terms,
};
use futures::{StreamExt, stream};
use fuzz::{Request, requests::Known};
use serde_json::{Value, json};

/// R4's issue-type value set.
const ISSUE_TYPES: &str = "invalid structure required value invariant security login unknown expired forbidden suppressed \
    processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly \
    business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational";

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_is_answered_or_refused_in_fhirs_words() {
    let (count, seed) = (
        from_environment("FHIR_FUZZ_REQUESTS", 1_500),
        from_environment("FHIR_FUZZ_SEED", 1),
    );
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    for scope in SCOPES.into_iter().filter(|scope| *scope == "claims") {
        people
            .alice
            .decide("grant", terms(hospital.address(), scope, READ_AND_WRITE))
            .await;
    }
    let known = known(hospital).await;
    let mut told = [0u64; 600];
    // The head must not grow old while this lasts, so the chain goes on between the rounds.
    const ROUND: u64 = 250;
    for round in 0..count.div_ceil(ROUND) {
        let numbers = round * ROUND..count.min((round + 1) * ROUND);
        let known = &known;
        let answers = stream::iter(numbers).map(|number| async move {
            let request = Request::draw(seed, number, known);
            let status = check(hospital, &request)
                .await
                .unwrap_or_else(|why| panic!("FHIR_FUZZ_SEED={seed}, request {number}: {why}\n{request:?}"));
            usize::from(status)
        });
        for status in answers.buffer_unordered(8).collect::<Vec<_>>().await {
            told[status] += 1;
        }
        world.settle().await;
    }
    assert!(
        told[200] > count / 50 && told[201] > count / 50,
        "it gets further than the door: {told:?}"
    );
    let told: Vec<String> = told
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(status, n)| format!("{status}: {n}"))
        .collect();
    println!("{count} requests, seed {seed}: {}", told.join(", "));
    let read = get(hospital, &known.document).await;
    assert_eq!(read.status, 200, "the gateway serves as before");
    world.stop.cancel();
}

async fn known(hospital: &Person<'_>) -> Known {
    let patient = json!({ "resourceType": "Patient", "identifier": [alice()["identifier"]] });
    let patient = create(hospital, "Patient", &patient).await.json();
    let stored = create(hospital, "DocumentReference", &document(b"hello")).await.json();
    let binary = stored["content"][0]["attachment"]["url"].as_str().unwrap();
    Known {
        account: alice()["identifier"]["value"].as_str().unwrap().to_owned(),
        patient: format!("/Patient/{}", patient["id"].as_str().unwrap()),
        document: format!("/DocumentReference/{}", stored["id"].as_str().unwrap()),
        binary: binary.split("/fhir/R4").nth(1).unwrap().to_owned(),
        stored,
    }
}

/// Sends one request and looks at the answer.
async fn check(who: &Person<'_>, request: &Request) -> Result<u16, String> {
    let url = format!("{}/fhir/R4{}", who.world.base, request.path);
    let mut sent = who
        .world
        .http
        .request(request.method.clone(), url)
        .body(request.body.clone());
    if request.with_token {
        sent = sent.bearer_auth(&who.token);
    }
    for (name, value) in &request.headers {
        sent = sent.header(*name, value);
    }
    let answer = match sent.send().await {
        Ok(answer) => answer,
        // What reqwest itself does not take for a request is none.
        Err(error) if error.is_builder() => return Ok(0),
        Err(error) => return Err(format!("no answer: {error}")),
    };
    let status = answer.status().as_u16();
    let kind = answer
        .headers()
        .get("content-type")
        .map_or("", |t| t.to_str().unwrap_or_default())
        .to_owned();
    let body = answer
        .bytes()
        .await
        .map_err(|error| format!("the answer broke off: {error}"))?;
    if status >= 500 && status != 501 {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    if status < 400 || request.method == "HEAD" {
        return Ok(status);
    }
    if !kind.starts_with("application/fhir+json") && !kind.starts_with("application/json") {
        return Err(format!("{status} with content type '{kind}'"));
    }
    let outcome: Value = serde_json::from_slice(&body).map_err(|error| format!("{status}: not JSON: {error}"))?;
    well_formed(&outcome).map_err(|why| format!("{status}: {why}: {outcome}"))?;
    Ok(status)
}

fn well_formed(outcome: &Value) -> Result<(), String> {
    if outcome["resourceType"] != "OperationOutcome" {
        return Err("not an OperationOutcome".into());
    }
    let issues = outcome["issue"]
        .as_array()
        .filter(|issues| !issues.is_empty())
        .ok_or("no issue")?;
    for issue in issues {
        let code = issue["code"].as_str().unwrap_or_default();
        if issue["severity"] != "error" || !ISSUE_TYPES.split_whitespace().any(|known| known == code) {
            return Err(format!("severity or code '{code}'"));
        }
        if issue["details"]["text"].as_str().is_none_or(str::is_empty)
            || !issue["details"]["coding"][0]["code"].is_string()
        {
            return Err("no stable code, or no sentence".into());
        }
        if issue
            .get("expression")
            .is_some_and(|e| e[0].as_str().is_none_or(str::is_empty))
        {
            return Err("an empty expression".into());
        }
    }
    Ok(())
}
