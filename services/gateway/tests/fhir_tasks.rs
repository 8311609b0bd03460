//! An insurer's system asks a patient for data by Task, and the patient's decisions drive what the Task says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

mod common;

use alloy::providers::ext::AnvilApi;
use common::{
    Person, World,
    fhir::{Answer, alice, create, document, enrol, get, send},
    now, terms,
};
use reqwest::Method;
use serde_json::{Value, json};

const CDEX: &str = "http://hl7.org/fhir/us/davinci-cdex/CodeSystem/cdex-temp";
const HREX: &str = "http://hl7.org/fhir/us/davinci-hrex/CodeSystem/hrex-temp";

fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

fn asking(code: &str, inputs: &[Value]) -> Value {
    let mut inputs = inputs.to_vec();
    inputs.push(json!({
        "type": concept(CDEX, "purpose-of-use"),
        "valueCodeableConcept": concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", "CLMATTCH"),
    }));
    json!({
        "resourceType": "Task", "status": "requested", "intent": "order", "code": concept(CDEX, code), "for": alice(),
        "meta": { "profile": ["http://hl7.org/fhir/us/davinci-cdex/StructureDefinition/cdex-task-data-request"] },
        "identifier": [{ "system": "http://insurer.example/tasks", "value": "T-1" }],
        "authoredOn": "2026-11-22T10:00:00Z", "requester": { "identifier": { "value": "Payer123" } },
        "owner": { "identifier": { "value": "4567" } }, "reasonCode": { "text": "Support prior claim" },
        "reasonReference": { "identifier": { "system": "http://hospital.example/claims", "value": "Claim123" } },
        "input": inputs,
    })
}

fn by_code(code: &str) -> Value {
    let coding = json!({ "coding": [{ "system": "http://loinc.org", "code": code, "display": "Outpatient note" }] });
    asking(
        "data-request-code",
        &[json!({ "type": concept(HREX, "data-code"), "valueCodeableConcept": coding })],
    )
}

fn by_query(query: &str) -> Value {
    asking(
        "data-request-query",
        &[json!({ "type": concept(HREX, "data-query"), "valueString": query })],
    )
}

/// Asks, and gives the Task's path and the request behind it.
async fn ask(insurer: &Person<'_>, task: &Value) -> (String, String) {
    let asked = create(insurer, "Task", task).await;
    assert_eq!(asked.status, 201, "{}", asked.json());
    let shown = asked.json();
    assert_eq!(shown["status"], "accepted", "{shown}");
    assert_eq!(shown["businessStatus"]["text"], "waiting for patient approval");
    let id = shown["id"].as_str().unwrap();
    assert!(asked.header("location").ends_with(&format!("/Task/{id}")));
    (format!("/Task/{id}"), format!("0x{id}"))
}

async fn status(who: &Person<'_>, path: &str) -> (String, Value) {
    let task = get(who, path).await.json();
    (task["status"].as_str().unwrap_or_default().to_owned(), task)
}

async fn put(who: &Person<'_>, path: &str, task: &Value) -> Answer {
    let headers = [("content-type", "application/fhir+json")];
    send(who, Method::PUT, path, &headers, task.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_patient_decides_is_what_the_task_says() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, insurer, patient) = (&people.hospital, &people.insurer, &people.alice);
    let note = create(hospital, "DocumentReference", &document(b"a note")).await.json();
    let note = format!("DocumentReference/{}", note["id"].as_str().unwrap());
    let refused = create(insurer, "Task", &by_code("34117-2")).await;
    assert_eq!(
        refused.code().0,
        503,
        "a system asks with its statement key, which is not listed yet"
    );
    assert_eq!(
        get(insurer, "/Task").await.json()["total"],
        0,
        "and nothing is left of it"
    );
    insurer.decide("statementKey", json!({ "generate": true })).await;

    // Asked; the patient reads who, what and why, and says no.
    let (path, request) = ask(insurer, &by_code("34117-2")).await;
    let (_, shown) = patient.get("/v1/requests?state=open").await;
    let shown = &shown[0];
    assert_eq!(
        (&shown["id"], &shown["scope"], &shown["purpose"]),
        (&json!(request), &json!("clinical"), &json!("CLMATTCH"))
    );
    assert_eq!(
        shown["reason"],
        "Support prior claim. About claim Claim123. Asked for: Outpatient note (34117-2)."
    );
    assert_eq!(status(patient, &path).await.0, "accepted");
    for stranger in [hospital, &people.doctor] {
        assert_eq!(get(stranger, &path).await.code(), (404, "not-found".into()));
        assert_eq!(get(stranger, "/Task").await.json()["total"], 0);
    }
    patient.decide("decline", json!({ "request": request })).await;
    let (rejected, task) = status(insurer, &path).await;
    assert_eq!(
        (rejected.as_str(), &task["statusReason"]["text"]),
        ("rejected", &json!("declined by the patient"))
    );

    // Asked again, and approved: on its way until the chain has it, completed then, with what there is.
    let (path, request) = ask(insurer, &by_code("34117-2")).await;
    let intent = patient.lay_out("grant", json!({ "request": request })).await;
    patient.sign(&intent).await;
    assert_eq!(status(insurer, &path).await.0, "in-progress");
    assert_eq!(world.relay().await, Vec::<String>::new());
    let (completed, task) = status(insurer, &path).await;
    assert_eq!(completed, "completed", "{task}");
    let output = task["output"].as_array().unwrap();
    assert_eq!(
        (output.len(), &output[0]["valueReference"]["reference"]),
        (1, &json!(note)),
        "{task}"
    );
    assert_eq!(output[0]["type"], concept(HREX, "data-value"));
    assert_eq!(get(insurer, &format!("/{note}")).await.status, 200);
    let (_, nothing) = {
        let (path, request) = ask(
            insurer,
            &by_query(&format!("DocumentReference?patient={}&type=34133-9", "Patient/1")),
        )
        .await;
        patient.decide("grant", json!({ "request": request })).await;
        status(insurer, &path).await
    };
    assert_eq!(
        nothing["output"][0]["valueReference"]["reference"], "#nothing",
        "{nothing}"
    );
    assert_eq!(nothing["contained"][0]["total"], 0);

    // Revoked: what was completed says so.
    patient
        .decide("revoke", json!({ "grantee": insurer.address(), "scope": "clinical" }))
        .await;
    let (failed, task) = status(insurer, &path).await;
    assert_eq!(
        (failed.as_str(), &task["statusReason"]["text"]),
        ("failed", &json!("the patient revoked the grant"))
    );
    assert_eq!(task["output"], Value::Null);

    // Asked after the revocation: approved, and not failed because of it.
    let (path, request) = ask(insurer, &by_query("DocumentReference?type=http://loinc.org|34117-2")).await;
    patient.decide("grant", json!({ "request": request })).await;
    assert_eq!(status(insurer, &path).await.0, "completed");
    for (query, total) in [
        ("status=completed", 1),
        ("status=failed", 2),
        ("status=rejected", 1),
        ("identifier=http://insurer.example/tasks%7CT-1", 4),
        ("code=data-request-query", 2),
        (&format!("owner=Organization/{:#x}", hospital.address()), 4),
        (
            &format!(
                "requester=Organization/{:#x}&status=rejected,failed",
                hospital.address()
            ),
            0,
        ),
        (
            &format!(
                "patient.identifier=urn:chartseal:account%7Ceip155:31337:{}",
                patient.address()
            ),
            4,
        ),
        (
            &format!(
                "patient.identifier=urn:chartseal:account%7Ceip155:31337:{}",
                hospital.address()
            ),
            0,
        ),
    ] {
        let found = get(insurer, &format!("/Task?{query}")).await.json();
        assert_eq!(found["total"], total, "{query}: {found}");
    }

    // Time passes on the chain, and the grant ends.
    world
        .provider
        .anvil_set_next_block_timestamp(now() + 40 * 86_400)
        .await
        .unwrap();
    world.settle().await;
    let (failed, task) = status(insurer, &path).await;
    assert_eq!(
        (failed.as_str(), &task["statusReason"]["text"]),
        ("failed", &json!("the grant has expired"))
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_about_a_claim_is_approved_for_the_claim_and_what_it_cites_alone() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, insurer, patient) = (&people.hospital, &people.insurer, &people.alice);
    insurer.decide("statementKey", json!({ "generate": true })).await;
    let mut notes = Vec::new();
    for words in [&b"of the knee"[..], b"of the mind"] {
        let note = create(hospital, "DocumentReference", &document(words)).await.json();
        notes.push(format!("DocumentReference/{}", note["id"].as_str().unwrap()));
    }
    let claim = |number: &str| {
        json!({
            "resourceType": "Claim", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-22",
            "identifier": [{ "system": "http://hospital.example/claims", "value": number }], "type": { "text": "x" },
            "provider": { "display": "Hospital" }, "priority": { "coding": [{ "code": "normal" }] },
            "supportingInfo": [{ "sequence": 1, "category": { "text": "x" }, "valueReference": { "reference": notes[0] } }],
            "insurance": [{ "sequence": 1, "focal": true, "coverage": { "display": "private" } }],
        })
    };
    let about = create(hospital, "Claim", &claim("Claim123")).await.json();
    let about = about["id"].as_str().unwrap().to_owned();
    create(hospital, "Claim", &claim("Claim124")).await;

    let (path, request) = ask(insurer, &by_code("34117-2")).await;
    let asked = async |who: &Person<'_>| who.get("/v1/requests?state=open").await.1[0].clone();
    assert_eq!(asked(patient).await["claim"], format!("0x{about}"));
    assert_eq!(
        asked(insurer).await["claim"],
        Value::Null,
        "whose claim it is, who asks is not told"
    );
    patient.decide("grantClaim", json!({ "request": request })).await;
    let (completed, task) = status(insurer, &path).await;
    assert_eq!(completed, "completed", "{task}");
    let output = task["output"].as_array().unwrap().iter();
    let places: Vec<&str> = output
        .map(|o| o["valueReference"]["reference"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        [format!("Claim/{about}/_history/1"), format!("{}/_history/1", notes[0])]
    );
    for place in places {
        assert_eq!(get(insurer, &format!("/{place}")).await.status, 200, "{place}");
    }
    assert_eq!(get(insurer, &format!("/{}", notes[1])).await.status, 404);
    assert_eq!(get(insurer, "/Claim").await.json()["total"], 1);
    let (_, again) = patient.ask("grantClaim", json!({ "request": request })).await;
    assert_eq!(again["code"], "wrong-state", "it is decided");

    // One of them taken back: the Task says so, and the other is read all the same.
    let (_, grants) = patient.get(&format!("/v1/grants?patient={}", patient.address())).await;
    let of_note = |grant: &&Value| grant["opens"]["resourceType"] == "DocumentReference";
    let record = grants.as_array().unwrap().iter().find(of_note).unwrap()["record"].clone();
    patient
        .decide("revoke", json!({ "grantee": insurer.address(), "record": record }))
        .await;
    let (failed, task) = status(insurer, &path).await;
    assert_eq!(
        (failed.as_str(), &task["statusReason"]["text"]),
        ("failed", &json!("the patient revoked the grant"))
    );
    assert_eq!(get(insurer, &format!("/{}", notes[0])).await.status, 404);
    assert_eq!(get(insurer, &format!("/Claim/{about}")).await.status, 200);

    // A claim that is not here, or not this patient's, is none to be granted.
    let mut elsewhere = by_code("34117-2");
    elsewhere["reasonReference"] =
        json!({ "identifier": { "system": "http://elsewhere.example", "value": "Claim123" } });
    let (_, request) = ask(insurer, &elsewhere).await;
    assert_eq!(asked(patient).await["claim"], Value::Null);
    let (_, refused) = patient.ask("grantClaim", json!({ "request": request })).await;
    assert_eq!(refused["code"], "malformed", "{refused}");
    patient
        .decide(
            "grantClaim",
            json!({ "request": request, "claim": format!("0x{about}") }),
        )
        .await;
    let (_, decided) = patient.get("/v1/requests?state=approved").await;
    assert_eq!(decided.as_array().unwrap().len(), 2);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_by_its_time_or_by_who_asked_and_by_nothing_else() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let (insurer, patient) = (&people.insurer, &people.alice);
    insurer.decide("statementKey", json!({ "generate": true })).await;

    let mut brief = by_code("34117-2");
    let end = time::OffsetDateTime::from_unix_timestamp(now() as i64 + 3).unwrap();
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
    brief["restriction"] = json!({ "period": { "end": end } });
    let (path, request) = ask(insurer, &brief).await;
    let task = loop {
        let (status, task) = status(insurer, &path).await;
        if status != "accepted" {
            break task;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (&task["status"], &task["statusReason"]["text"]),
        (
            &json!("rejected"),
            &json!("expired: the patient did not decide in time")
        )
    );
    let (late, _) = patient.ask("grant", json!({ "request": request })).await;
    assert_eq!(late, 422, "and it is too late to approve it");

    let key = [("content-type", "application/fhir+json"), ("idempotency-key", "once")];
    let once = async || send(insurer, Method::POST, "/Task", &key, by_code("34117-2").to_string()).await;
    let (first, again) = (once().await, once().await);
    assert_eq!((first.status, again.status), (201, 201), "{}", again.json());
    assert_eq!(first.json()["id"], again.json()["id"], "asked once");
    let mut task = first.json();
    let path = format!("/Task/{}", task["id"].as_str().unwrap());
    for (status, expected) in [("accepted", 200), ("completed", 400), ("requested", 400)] {
        task["status"] = json!(status);
        assert_eq!(put(insurer, &path, &task).await.status, expected, "{status}");
    }
    task["status"] = json!("cancelled");
    for other in [patient, &people.hospital] {
        assert_eq!(put(other, &path, &task).await.code(), (404, "not-found".into()));
    }
    let cancelled = put(insurer, &path, &task).await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["status"]),
        (200, &json!("cancelled")),
        "{}",
        cancelled.json()
    );
    let (_, withdrawn) = patient.get("/v1/requests?state=withdrawn").await;
    assert_eq!(withdrawn[0]["id"], format!("0x{}", task["id"].as_str().unwrap()));
    let (path, request) = ask(insurer, &by_code("34117-2")).await;
    patient.decide("decline", json!({ "request": request })).await;
    task["id"] = json!(path.trim_start_matches("/Task/"));
    assert_eq!(put(insurer, &path, &task).await.code(), (409, "wrong-state".into()));

    let with = |member: &str, value: Value| {
        let mut task = by_code("34117-2");
        task[member] = value;
        task
    };
    let codes: Vec<Value> = [("http://loinc.org", "34117-2"), ("http://loinc.org", "11502-2")]
        .map(|(system, code)| json!({ "type": concept(HREX, "data-code"), "valueCodeableConcept": concept(system, code) }))
        .into();
    let nobody = json!({ "identifier": { "system": "urn:chartseal:account", "value": "eip155:31337:0x0000000000000000000000000000000000000001" } });
    for (task, code) in [
        (with("status", json!("accepted")), "invalid-element"),
        (with("intent", json!("plan")), "invalid-element"),
        (
            with("code", concept(CDEX, "data-request-questionnaire")),
            "invalid-element",
        ),
        (with("code", concept(CDEX, "data-request-query")), "invalid-element"),
        (with("input", json!([])), "invalid-element"),
        (with("for", json!({ "reference": "Group/1" })), "invalid-element"),
        (with("for", nobody), "patient-not-enrolled"),
        (
            with("restriction", json!({ "period": { "end": "2020-01-01T00:00:00Z" } })),
            "invalid",
        ),
        (
            with("restriction", json!({ "period": { "end": "soon" } })),
            "invalid-element",
        ),
        (with("reasonCode", json!({ "text": "x".repeat(600) })), "invalid"),
        (asking("data-request-code", &codes), "invalid-element"),
        (by_query("Observation?code=1"), "invalid-element"),
        (by_query("DocumentReference?type:not=1"), "invalid-search"),
        (by_query("DocumentReference?colour=red"), "invalid-search"),
        (json!({ "resourceType": "Claim" }), "malformed-resource"),
    ] {
        let refused = create(insurer, "Task", &task).await;
        assert_eq!(refused.code().1, code, "{task}: {}", refused.json());
    }
    for (who, code) in [(patient, "forbidden"), (&people.doctor, "forbidden")] {
        assert_eq!(
            create(who, "Task", &by_code("34117-2")).await.code(),
            (403, code.into())
        );
    }
    // A request that was asked by wallet is none.
    let mut asked = terms(insurer.address(), "clinical", 1);
    asked.as_object_mut().unwrap().remove("grantee");
    asked["patient"] = json!(patient.address());
    assert_eq!(insurer.post("/v1/requests", asked).await.0, 201);
    assert_eq!(get(insurer, "/Task").await.json()["total"], 3);
    for _ in 0..25 {
        let more = create(insurer, "Task", &by_code("34117-2")).await;
        if more.status != 201 {
            assert_eq!(more.code(), (429, "too-many".into()));
            world.stop.cancel();
            return;
        }
    }
    panic!("as many requests to one patient as one likes");
}
