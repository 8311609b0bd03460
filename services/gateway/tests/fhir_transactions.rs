//! Transactions as IHE's ITI-65 shapes them, and creates that look first.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

mod common;

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{
    Person, World,
    fhir::{Answer, READ_AND_WRITE, alice, create, document, enrol, get, send},
    terms,
};
use reqwest::Method;
use serde_json::{Value, json};

async fn post(who: &Person<'_>, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("content-type", "application/fhir+json")];
    all.extend_from_slice(headers);
    send(who, Method::POST, path, &all, body.to_string()).await
}

fn bundle(entries: Vec<Value>) -> Value {
    json!({
        "resourceType": "Bundle", "type": "transaction", "entry": entries,
        "meta": { "profile": ["https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"] },
    })
}

/// Patient, two documents with their Binaries, and the submission set that names them.
fn provide(bytes: &[u8], unique: &str) -> Vec<Value> {
    let document = |at: &str, binary: &str| {
        json!({
            "fullUrl": format!("urn:uuid:{at}"), "request": { "method": "POST", "url": "DocumentReference" },
            "resource": {
                "resourceType": "DocumentReference", "status": "current",
                "masterIdentifier": { "system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{at}{unique}") },
                "identifier": [{ "value": "urn:uuid:p" }],
                "subject": { "reference": "urn:uuid:p" }, "date": "2026-11-22T10:00:00Z",
                "type": { "coding": [{ "system": "http://loinc.org", "code": "34133-9" }] },
                "content": [{ "attachment": { "contentType": "text/xml", "url": format!("urn:uuid:{binary}") } }],
            },
        })
    };
    let binary = |at: &str, bytes: &[u8]| {
        json!({
            "fullUrl": format!("urn:uuid:{at}"), "request": { "method": "POST", "url": "Binary" },
            "resource": { "resourceType": "Binary", "contentType": "text/xml", "data": STANDARD.encode(bytes) },
        })
    };
    vec![
        json!({
            "fullUrl": "urn:uuid:l", "request": { "method": "POST", "url": "List" },
            "resource": {
                "resourceType": "List", "status": "current", "mode": "working", "date": "2026-11-22T10:00:00Z",
                "code": { "coding": [{ "system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset" }] },
                "identifier": [{ "use": "usual", "system": "urn:ietf:rfc:3986", "value": format!("urn:oid:1.2.{unique}") }],
                "subject": { "reference": "urn:uuid:p" },
                "entry": [{ "item": { "reference": "urn:uuid:d1" } }, { "item": { "reference": "urn:uuid:d2" } }],
            },
        }),
        document("d1", "b1"),
        document("d2", "b2"),
        binary("b1", bytes),
        binary("b2", b"second"),
        json!({
            "fullUrl": "urn:uuid:p",
            "request": { "method": "POST", "url": "Patient", "ifNoneExist": format!("identifier=urn:chartseal:account|{}", alice()["identifier"]["value"].as_str().unwrap()) },
            "resource": { "resourceType": "Patient", "identifier": [alice()["identifier"]], "birthDate": "1980-01-01" },
        }),
    ]
}

async fn total(who: &Person<'_>, query: &str) -> u64 {
    get(who, query).await.json()["total"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_come_with_patient_and_submission_set_in_one_transaction() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let large: Vec<u8> = (0..1_500_000u32).map(|i| (i % 251) as u8).collect();
    let done = post(hospital, "/", &[], &bundle(provide(&large, "1"))).await;
    assert_eq!(done.status, 200, "{}", done.json());
    let done = done.json();
    assert_eq!(
        (&done["resourceType"], &done["type"]),
        (&json!("Bundle"), &json!("transaction-response"))
    );
    let locations: Vec<&str> = done["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!(entry["response"]["status"], "201 Created", "{entry}");
            entry["response"]["location"].as_str().unwrap()
        })
        .collect();
    let kinds: Vec<_> = locations.iter().map(|l| l.split('/').next().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "List",
            "DocumentReference",
            "DocumentReference",
            "Binary",
            "Binary",
            "Patient"
        ]
    );

    let [list, first, _, binary, _, patient] = locations[..] else {
        panic!()
    };
    let (list, first) = (
        get(hospital, &format!("/{list}")).await.json(),
        get(hospital, &format!("/{first}")).await.json(),
    );
    let patient = patient.split("/_history").next().unwrap();
    assert_eq!(first["subject"]["reference"], patient);
    assert_eq!(list["subject"]["reference"], patient);
    assert_eq!(
        list["entry"][0]["item"]["reference"],
        format!("DocumentReference/{}", first["id"].as_str().unwrap())
    );
    assert_eq!(
        first["identifier"][0]["value"], "urn:uuid:p",
        "an identifier is no reference"
    );
    let url = first["content"][0]["attachment"]["url"].as_str().unwrap();
    assert!(url.ends_with(binary), "{url} is {binary}");
    assert!(get(hospital, url).await.bytes == large);
    for query in [
        format!("/List?patient={patient}&code=submissionset&status=current&date=2026-11-22"),
        format!("/List?item=DocumentReference/{}", first["id"].as_str().unwrap()),
        "/List?identifier=urn:ietf:rfc:3986|urn:oid:1.2.1".into(),
    ] {
        assert_eq!(total(hospital, &query).await, 1, "{query}");
    }

    // The same patient is found the second time; who prefers it is shown what was stored.
    let again = post(
        hospital,
        "",
        &[("prefer", "return=representation")],
        &bundle(provide(b"x", "2")),
    )
    .await
    .json();
    let entry = &again["entry"][5];
    assert_eq!(entry["response"]["status"], "200 OK", "{again}");
    assert_eq!(entry["resource"]["id"], patient.trim_start_matches("Patient/"));
    assert_eq!(again["entry"][1]["resource"]["subject"]["reference"], patient);
    assert_eq!(
        (
            total(hospital, "/Patient").await,
            total(hospital, "/DocumentReference").await
        ),
        (1, 4)
    );

    // A new version of one and a new document, together.
    let mut edited = first.clone();
    edited["status"] = json!("superseded");
    let put = |tag: &str| {
        let url = format!("DocumentReference/{}", first["id"].as_str().unwrap());
        let mut fresh = document(b"fresh");
        fresh["relatesTo"] = json!([{ "code": "replaces", "target": { "reference": url } }]);
        bundle(vec![
            json!({ "request": { "method": "PUT", "url": url, "ifMatch": tag }, "resource": edited }),
            json!({ "request": { "method": "POST", "url": "DocumentReference" }, "resource": fresh }),
        ])
    };
    assert_eq!(
        post(hospital, "/", &[], &put("W/\"2\"")).await.code(),
        (412, "stale".into())
    );
    assert_eq!(total(hospital, "/DocumentReference").await, 4);
    let replaced = post(hospital, "/", &[], &put("W/\"1\"")).await.json();
    assert_eq!(replaced["entry"][0]["response"]["etag"], "W/\"2\"", "{replaced}");
    assert_eq!(total(hospital, "/DocumentReference?status=superseded").await, 1);
    let url = format!("/DocumentReference?relatesto={}", first["id"].as_str().unwrap());
    assert_eq!(total(hospital, &url).await, 1);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_one_bad_entry_stores_nothing_and_says_which() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let large = vec![7; 1_500_000];
    let broken = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut entries = provide(&large, "1");
        change(&mut entries);
        bundle(entries)
    };
    let whole = || broken(&|_| {});
    let mut batch = whole();
    batch["type"] = json!("batch");
    for (sent, status, code, place) in [
        (
            broken(&|e| e[2]["resource"]["status"] = json!("fine")),
            400,
            "invalid-element",
            "Bundle.entry[2].resource",
        ),
        (
            broken(&|e| e[4]["resource"]["data"] = json!("*")),
            400,
            "invalid-element",
            "Bundle.entry[4].resource",
        ),
        (
            broken(&|e| e[1]["request"]["method"] = json!("DELETE")),
            501,
            "not-implemented",
            "Bundle.entry[1].request.method",
        ),
        (
            broken(&|e| e[1]["request"]["url"] = json!("Observation")),
            404,
            "not-supported",
            "Bundle.entry[1].request.url",
        ),
        (
            broken(&|e| e[2]["fullUrl"] = json!("urn:uuid:d1")),
            400,
            "invalid-element",
            "Bundle.entry[2].fullUrl",
        ),
        (
            broken(&|e| drop(e.pop())),
            422,
            "patient-not-enrolled",
            "Bundle.entry[0].resource",
        ),
        (
            broken(&|e| e[2]["resource"]["author"] = json!([{ "reference": "Practitioner?identifier=1" }])),
            412,
            "stale",
            "Bundle.entry[2].resource",
        ),
        (
            broken(&|e| e[2]["resource"]["author"] = json!([{ "reference": "Practitioner?colour=red" }])),
            400,
            "invalid-search",
            "Bundle.entry[2].resource",
        ),
        (
            broken(&|e| e[0]["resource"]["subject"]["reference"] = json!("Patient?identifier=mrn-1")),
            412,
            "stale",
            "Bundle.entry[0].resource",
        ),
        (
            broken(&|e| e[2] = json!(7)),
            400,
            "invalid-element",
            "Bundle.entry[2].request",
        ),
        (
            broken(
                &|e| e[2]["resource"]["securityLabel"] = json!([{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }] }]),
            ),
            403,
            "no-write-grant",
            "Bundle.entry[2].resource",
        ),
        (batch, 501, "not-implemented", "Bundle.type"),
        (bundle(vec![json!({}); 201]), 413, "too-large", "Bundle.entry"),
        (
            json!({ "resourceType": "Claim" }),
            400,
            "malformed-resource",
            "resourceType",
        ),
    ] {
        let refused = post(hospital, "/", &[], &sent).await;
        assert_eq!(refused.code(), (status, code.into()), "{place}: {}", refused.json());
        assert_eq!(refused.json()["issue"][0]["expression"][0], place, "{}", refused.json());
    }
    for kind in ["Patient", "DocumentReference", "List"] {
        assert_eq!(total(hospital, &format!("/{kind}")).await, 0, "{kind}");
    }
    assert_eq!(
        post(hospital, "/", &[("idempotency-key", "1")], &whole())
            .await
            .code()
            .0,
        501
    );
    assert_eq!(
        post(&people.doctor, "/", &[], &whole()).await.code(),
        (403, "draft-required".into())
    );
    assert_eq!(
        send(hospital, Method::GET, "/", &[], "").await.code(),
        (405, "method-not-allowed".into())
    );
    let empty = post(hospital, "/", &[], &bundle(vec![])).await;
    assert_eq!((empty.status, &empty.json()["entry"]), (200, &Value::Null));
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_create_finds_what_is_there_and_takes_read_beside_write() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let once = async |condition: &str| {
        post(
            hospital,
            "/DocumentReference",
            &[("if-none-exist", condition)],
            &document(b"hello"),
        )
        .await
    };
    let condition = "identifier=http://hospital.example/documents|doc-1";
    let (first, second) = (once(condition).await, once(condition).await);
    assert_eq!((first.status, second.status), (201, 200), "{}", second.json());
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(once(&format!("DocumentReference?{condition}")).await.status, 200);
    assert_eq!(
        create(hospital, "DocumentReference", &document(b"other")).await.status,
        201
    );
    assert_eq!(once(condition).await.code(), (412, "stale".into()));
    for nothing in ["", "colour=red", "_count=1", "identifier:not=1"] {
        assert_eq!(once(nothing).await.code(), (400, "invalid-search".into()), "{nothing}");
    }
    // Two at once create one: the other finds it, or is told to come again.
    let mut fresh = document(b"fresh");
    fresh["identifier"][0]["value"] = json!("doc-2");
    let headers = [("if-none-exist", "identifier=doc-2")];
    let at_once = async || post(hospital, "/DocumentReference", &headers, &fresh).await.status;
    let mut statuses = <[u16; 4]>::from(tokio::join!(at_once(), at_once(), at_once(), at_once()));
    statuses.sort_unstable();
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 201, 409].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(total(hospital, "/DocumentReference?identifier=doc-2").await, 1);
    // With a key as well, the second of two requests is told what the first was told, and not that it is there.
    fresh["identifier"][0]["value"] = json!("doc-3");
    let headers = [("if-none-exist", "identifier=doc-3"), ("idempotency-key", "doc-3")];
    let keyed = async |body: &Value| post(hospital, "/DocumentReference", &headers, body).await;
    let (first, again) = (keyed(&fresh).await, keyed(&fresh).await);
    assert_eq!((first.status, again.status), (201, 201), "{}", again.json());
    assert_eq!(first.header("location"), again.header("location"));
    fresh["status"] = json!("superseded");
    assert_eq!(keyed(&fresh).await.code(), (422, "idempotency-key-reused".into()));
    let claim = json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-22", "type": {},
        "provider": {}, "priority": {}, "insurance": [{ "sequence": 1, "focal": true, "coverage": {} }], "identifier": [{ "value": "C-1" }],
    });
    let blind = post(hospital, "/Claim", &[("if-none-exist", "identifier=C-1")], &claim).await;
    assert_eq!(blind.code(), (403, "not-live".into()), "WRITE alone is told nothing");
    people
        .alice
        .decide("grant", terms(hospital.address(), "claims", READ_AND_WRITE))
        .await;
    assert_eq!(
        post(hospital, "/Claim", &[("if-none-exist", "identifier=C-1")], &claim)
            .await
            .status,
        201
    );
    assert_eq!(
        post(hospital, "/Claim", &[("if-none-exist", "identifier=C-1")], &claim)
            .await
            .status,
        200
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_by_search_becomes_the_one_resource_its_sender_may_find() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let mut patient = json!({ "resourceType": "Patient", "identifier": [alice()["identifier"], { "system": "http://hospital.example/mrn", "value": "7" }] });
    let stored = create(hospital, "Patient", &patient).await.json();
    let doctor = people.doctor.address();
    let of_the_doctor = format!("Practitioner?identifier=urn:chartseal:account|eip155:31337:{doctor}");
    let sent = |subject: &str, author: &str| {
        let mut resource = document(b"hello");
        resource["subject"] = json!({ "reference": subject });
        resource["author"] = json!([{ "reference": author }]);
        let request = json!({ "method": "POST", "url": "DocumentReference", "ifNoneExist": "identifier=doc-1" });
        bundle(vec![json!({ "request": request, "resource": resource })])
    };
    let prefer = [("prefer", "return=representation")];
    let mrn = "Patient?identifier=http://hospital.example/mrn|7";
    let done = post(hospital, "/", &prefer, &sent(mrn, &of_the_doctor)).await.json();
    let kept = &done["entry"][0]["resource"];
    assert_eq!(
        kept["subject"]["reference"],
        format!("Patient/{}", stored["id"].as_str().unwrap()),
        "{done}"
    );
    let author = kept["author"][0]["reference"].as_str().unwrap();
    assert_eq!(
        get(hospital, &format!("/{author}")).await.json()["resourceType"],
        "Practitioner"
    );

    // Several are as none, and who may not read the patient finds nobody.
    patient["identifier"][1]["use"] = json!("old");
    assert_eq!(create(hospital, "Patient", &patient).await.status, 201);
    let refused = post(hospital, "/", &[], &sent(mrn, &of_the_doctor)).await;
    assert_eq!(refused.code(), (412, "stale".into()), "{}", refused.json());
    people.insurer.decide("statementKey", json!({ "generate": true })).await;
    let refused = post(&people.insurer, "/", &[], &sent(mrn, &of_the_doctor)).await;
    assert_eq!(refused.code(), (412, "stale".into()), "{}", refused.json());
    // The same transaction never makes two under one condition.
    let mut twice = sent(&format!("Patient/{}", stored["id"].as_str().unwrap()), &of_the_doctor);
    let mut entry = twice["entry"][0].clone();
    entry["request"]["ifNoneExist"] = json!("identifier=doc-2");
    entry["resource"]["identifier"][0]["value"] = json!("doc-2");
    twice["entry"] = json!([entry, entry]);
    let refused = post(hospital, "/", &[], &twice).await;
    assert_eq!(refused.code(), (400, "invalid-element".into()), "{}", refused.json());
    assert_eq!(
        refused.json()["issue"][0]["expression"][0],
        "Bundle.entry[1].request.ifNoneExist"
    );
    assert_eq!(total(hospital, "/DocumentReference?identifier=doc-2").await, 0);
    world.stop.cancel();
}
