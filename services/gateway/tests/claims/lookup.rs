//! Many claim numbers at once: the same answers as the model's, and nothing that tells an absent number from a
//! forbidden one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    common::{Person, World},
    stage::{NUMBERS, STANDINGS, Stage, Standing},
};

async fn look(who: &Person<'_>, numbers: &[Value]) -> (u16, Value) {
    who.post("/v1/claims/lookup", json!({ "numbers": numbers })).await
}

fn number(claim: &super::model::Stored) -> Value {
    claim.sent["identifier"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_found_where_granted_and_absent_and_forbidden_ones_are_answered_alike() {
    // Every number takes one from the burst, and nothing comes back while the test runs, on however slow a machine.
    let limits = "[limits]\nlookup_rate = 1\nlookup_burst = 10000";
    let world = World::with(&format!("max_head_age = 3600\n{limits}")).await;
    let stage = Stage::set(&world).await;
    let insurer = &stage.people.insurer;

    // Every number there is, every one under another system, and with any system, in one lookup.
    let mut asked: Vec<Value> = stage.claims.iter().map(number).collect();
    asked.extend(
        stage
            .claims
            .iter()
            .map(|claim| json!({ "value": number(claim)["value"] })),
    );
    asked.extend(
        stage
            .claims
            .iter()
            .map(|claim| json!({ "system": "http://elsewhere.example", "value": number(claim)["value"] })),
    );
    asked.push(json!({ "system": NUMBERS, "value": "no such claim" }));
    let (status, answer) = look(insurer, &asked).await;
    assert_eq!(status, 200, "{answer}");
    let answers = answer["answers"].as_array().unwrap();
    assert_eq!(answers.len(), asked.len());
    for (nth, (asked, answer)) in asked.iter().zip(answers).enumerate() {
        assert_eq!(*asked, answer["number"], "in the order they were asked in");
        let claim = stage
            .claims
            .get(nth % stage.claims.len())
            .filter(|_| nth < 2 * stage.claims.len());
        let expected = claim
            .filter(|claim| STANDINGS[claim.patient].is_entitled() || stage.insurers.contains(&claim.id))
            .map(|claim| {
                json!([{
                    "recordId": format!("0x{}", claim.id),
                    "patient": stage.patients[claim.patient].address().to_string().to_lowercase(),
                    "status": claim.sent["status"],
                    "url": format!("{}/fhir/R4/Claim/{}", world.base, claim.id),
                }])
            });
        assert_eq!(answer["claims"], expected.unwrap_or_else(|| json!([])), "{asked}");
    }

    // The doctor has no grant of a scope, and each patient finds their own.
    let (_, few) = look(&stage.people.doctor, &asked[..stage.claims.len()]).await;
    let ids = few["answers"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|answer| answer["claims"].as_array().unwrap());
    let ids = ids.map(|claim| claim["recordId"].as_str().unwrap().trim_start_matches("0x").to_owned());
    assert_eq!(ids.collect::<BTreeSet<String>>(), stage.doctors);
    let own = stage
        .claims
        .iter()
        .find(|claim| STANDINGS[claim.patient] == Standing::Nothing)
        .unwrap();
    let (_, found) = look(&stage.patients[own.patient], &[number(own)]).await;
    assert_eq!(
        found["answers"][0]["claims"][0]["recordId"],
        format!("0x{}", own.id),
        "{found}"
    );

    // The lookup stands in the journals of those it found something of, and only there.
    for (place, standing) in STANDINGS
        .into_iter()
        .enumerate()
        .filter(|(_, standing)| *standing != Standing::Suspended)
    {
        let (_, journal) = stage.patients[place].get("/v1/audit").await;
        let by_insurer = |entry: &&Value| {
            let actor = entry["actor"].as_str().unwrap();
            entry["action"] == "search" && actor.eq_ignore_ascii_case(&insurer.address().to_string())
        };
        let searches = journal.as_array().unwrap().iter().filter(by_insurer).count();
        let alone = stage
            .claims
            .iter()
            .any(|claim| claim.patient == place && stage.insurers.contains(&claim.id));
        assert_eq!(searches, usize::from(standing.is_entitled() || alone), "{standing:?}");
    }

    for (numbers, code) in [
        (vec![], "invalid"),
        (vec![number(own); 1001], "invalid"),
        (vec![json!({ "value": "" })], "invalid"),
        (vec![json!({ "value": "x".repeat(257) })], "invalid"),
        (vec![json!({ "system": NUMBERS })], "malformed"),
        (vec![json!({ "value": "x", "patient": "y" })], "malformed"),
    ] {
        let (_, refused) = look(insurer, &numbers).await;
        assert_eq!(refused["code"], code, "{refused}");
    }
    // A number counts towards a rate of its own, so that a thousand guesses are no cheaper than a thousand requests.
    let thousand: Vec<Value> = (0..1000).map(|n| json!({ "value": format!("guess-{n}") })).collect();
    let mut refused = Value::Null;
    for _ in 0..40 {
        let (status, answer) = look(&stage.people.doctor, &thousand).await;
        if status == 429 {
            refused = answer;
            break;
        }
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(refused["code"], "too-often", "{refused}");
    world.stop.cancel();
}
