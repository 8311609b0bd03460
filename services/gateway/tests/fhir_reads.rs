//! The ways to read over FHIR: versions, what one has already, stretches of documents, and the searches that open.

mod common;

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{
    Person, World,
    fhir::{Answer, alice, create, document, enrol, get, send},
    terms,
};
use reqwest::Method;
use serde_json::{Value, json};

async fn ask(who: &Person<'_>, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(who, Method::GET, path, headers, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_read_and_what_is_known_already_is_not_sent_again() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let stored = create(hospital, "DocumentReference", &document(b"hello")).await.json();
    let id = stored["id"].as_str().unwrap();
    let path = format!("/DocumentReference/{id}");
    let mut edited = stored.clone();
    for text in ["second", "third"] {
        edited["description"] = json!(text);
        let headers = [("content-type", "application/fhir+json")];
        let put = send(hospital, Method::PUT, &path, &headers, edited.to_string()).await;
        assert_eq!(put.status, 200, "{}", put.json());
    }

    let history = get(hospital, &format!("{path}/_history")).await.json();
    assert_eq!(
        (&history["type"], &history["total"]),
        (&json!("history"), &json!(3)),
        "{history}"
    );
    let entries = history["entry"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|e| {
            (
                e["resource"]["meta"]["versionId"].as_str().unwrap(),
                e["request"]["method"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("3", "PUT"), ("2", "PUT"), ("1", "POST")]);
    assert_eq!(entries[0]["response"]["etag"], "W/\"3\"");
    let page = get(hospital, &format!("{path}/_history?_count=2")).await.json();
    assert_eq!(page["entry"].as_array().unwrap().len(), 2);
    let rest = get(hospital, page["link"][1]["url"].as_str().unwrap()).await.json();
    assert_eq!(rest["entry"][0]["resource"]["meta"]["versionId"], "1");
    assert_eq!(rest["link"].as_array().unwrap().len(), 1);
    assert_eq!(
        get(hospital, &format!("{path}/_history?_since=2100")).await.json()["entry"],
        Value::Null
    );
    assert_eq!(get(hospital, &format!("{path}/_history?_since=x")).await.code().0, 400);
    let (_, journal) = people
        .alice
        .get(&format!("/v1/audit?patient={}", people.alice.address()))
        .await;
    assert!(journal.to_string().contains(id));
    for stranger in [&people.doctor, &people.insurer] {
        assert_eq!(
            get(stranger, &format!("{path}/_history")).await.code(),
            (404, "not-found".into())
        );
    }

    for headers in [
        [("if-none-match", "W/\"3\"")],
        [("if-modified-since", "Fri, 31 Dec 2100 00:00:00 GMT")],
    ] {
        let known = ask(hospital, &path, &headers).await;
        assert_eq!((known.status, known.bytes.len()), (304, 0), "{headers:?}");
        assert_eq!(known.header("etag"), "W/\"3\"");
    }
    for headers in [
        [("if-none-match", "W/\"2\"")],
        [("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT")],
    ] {
        assert_eq!(ask(hospital, &path, &headers).await.status, 200, "{headers:?}");
    }
    for of in [
        path.clone(),
        format!("{path}/_history"),
        "/metadata".into(),
        format!("{path}/_history/1"),
    ] {
        let (head, whole) = (
            send(hospital, Method::HEAD, &of, &[], "").await,
            get(hospital, &of).await,
        );
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{of}");
        assert_eq!(head.header("content-length"), whole.bytes.len().to_string(), "{of}");
    }
    assert_eq!(ask(hospital, &format!("{path}?_format=xml"), &[]).await.code().0, 406);
    assert_eq!(
        ask(hospital, &format!("{path}?_format=json"), &[("accept", "text/html")])
            .await
            .status,
        200
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn stretches_of_a_document_are_served_from_the_chunks_that_hold_them() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let bytes: Vec<u8> = (0..3_300_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for size in [1, 1_000, 1_048_000, 1_048_800, 3_300_000] {
        let bytes = &bytes[..size];
        let pdf = [
            ("content-type", "application/pdf"),
            ("x-security-context", "DocumentReference/1"),
        ];
        let staged = send(hospital, Method::POST, "/Binary", &pdf, bytes.to_vec())
            .await
            .json();
        let staged = format!("Binary/{}", staged["id"].as_str().unwrap());
        let mut sent = document(b"");
        sent["content"][0]["attachment"] = json!({ "contentType": "application/pdf", "url": staged });
        let waiting = ask(hospital, &format!("/{staged}"), &[("range", "bytes=0-99")]).await;
        assert_eq!(waiting.bytes, bytes[..100.min(size)], "{size}");
        let stored = create(hospital, "DocumentReference", &sent).await.json();
        let url = stored["content"][0]["attachment"]["url"].as_str().unwrap();
        let whole = ask(hospital, url, &[("accept", "*/*")]).await;
        assert!(
            whole.bytes == bytes && whole.header("accept-ranges") == "bytes",
            "{size}"
        );
        let tag = whole.header("etag").to_owned();
        for (first, last) in [
            (0, 0),
            (0, 65_535),
            (65_535, 65_536),
            (1_000_000, 1_100_000),
            (3_299_999, 3_299_999),
            (500, 3_299_000),
        ] {
            let range = format!("bytes={first}-{last}");
            let part = ask(hospital, url, &[("range", &range), ("if-range", &tag)]).await;
            if first >= size {
                assert_eq!(part.code(), (416, "range-not-satisfiable".into()), "{range} of {size}");
                assert_eq!(part.header("content-range"), format!("bytes */{size}"));
                continue;
            }
            let end = size.min(last + 1);
            assert_eq!(part.status, 206, "{range} of {size}");
            assert!(part.bytes == bytes[first..end], "{range} of {size}");
            assert_eq!(
                part.header("content-range"),
                format!("bytes {first}-{}/{size}", end - 1)
            );
            assert_eq!(part.header("content-length"), (end - first).to_string());
        }
        let tail = ask(hospital, url, &[("range", "bytes=-10")]).await;
        assert_eq!(tail.bytes, bytes[size.saturating_sub(10)..], "the end of {size}");
        let other = ask(hospital, url, &[("range", "bytes=0-0"), ("if-range", "\"other\"")]).await;
        assert_eq!((other.status, other.bytes.len()), (200, size));
        assert_eq!(ask(hospital, url, &[("if-none-match", &tag)]).await.status, 304);
        let head = send(hospital, Method::HEAD, url, &[("accept", "*/*")], "").await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, size.to_string().as_str())
        );
        for stranger in [&people.doctor, &people.insurer] {
            let headers = [("range", "bytes=0-0"), ("if-none-match", tag.as_str())];
            assert_eq!(ask(stranger, url, &headers).await.code(), (404, "not-found".into()));
        }
        let wrapped = ask(
            hospital,
            url,
            &[("accept", "application/fhir+json"), ("range", "bytes=0-0")],
        )
        .await
        .json();
        assert_eq!(wrapped["data"], STANDARD.encode(bytes), "{size}");
        let context = format!("DocumentReference/{}", stored["id"].as_str().unwrap());
        assert_eq!(wrapped["securityContext"]["reference"], context);
    }
    let headers = [
        ("content-type", "text/plain"),
        ("x-security-context", "not a reference"),
    ];
    assert_eq!(
        send(hospital, Method::POST, "/Binary", &headers, "x").await.code().0,
        400
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_claim_and_answer_are_stored_and_found_by_each_other() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, insurer) = (&people.hospital, &people.insurer);
    people
        .alice
        .decide("grant", terms(insurer.address(), "claims", 3))
        .await;
    let coverage = json!({
        "resourceType": "Coverage", "status": "active", "beneficiary": alice(), "dependent": "01",
        "identifier": [{ "system": "http://insurer.example/members", "value": "M-1" }],
        "payor": [{ "display": "Insurer" }], "type": { "coding": [{ "system": "http://t", "code": "EHCPOL" }] },
        "class": [{ "type": { "coding": [{ "code": "plan" }] }, "value": "B37FC" }],
    });
    let coverage = create(hospital, "Coverage", &coverage).await;
    assert_eq!(coverage.status, 201, "{}", coverage.json());
    let coverage = format!("Coverage/{}", coverage.json()["id"].as_str().unwrap());
    let claim = json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-22",
        "type": { "text": "x" }, "provider": { "display": "Hospital" }, "priority": { "coding": [{ "code": "normal" }] },
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "reference": coverage } }],
    });
    let claim = create(hospital, "Claim", &claim).await.json();
    let claim = format!("Claim/{}", claim["id"].as_str().unwrap());
    let mut response = json!({
        "resourceType": "ClaimResponse", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-23",
        "type": { "text": "x" }, "insurer": { "display": "Insurer" }, "outcome": "complete", "disposition": "Settled in full",
        "request": { "reference": claim }, "payment": { "type": { "text": "complete" }, "date": "2026-11-24", "amount": {} },
    });
    let refused = create(insurer, "ClaimResponse", &response).await;
    assert_eq!(
        refused.status,
        503,
        "an insurer answers once it has listed a statement key: {}",
        refused.json()
    );
    insurer.decide("statementKey", json!({ "generate": true })).await;
    let answered = create(insurer, "ClaimResponse", &response).await;
    assert_eq!(answered.status, 201, "{}", answered.json());
    response["outcome"] = json!("perhaps");
    assert_eq!(
        create(insurer, "ClaimResponse", &response).await.code(),
        (400, "invalid-element".into())
    );
    for query in [
        format!("ClaimResponse?request={claim}"),
        format!("ClaimResponse?request={}", claim.trim_start_matches("Claim/")),
        "ClaimResponse?outcome=complete&disposition=settled".into(),
        "ClaimResponse?payment-date=2026-11-24".into(),
        "Coverage?identifier=M-1&status=active".into(),
        "Coverage?class-value=b37&class-type=plan".into(),
        "Coverage?type=http://t|EHCPOL".into(),
        format!(
            "Coverage?beneficiary:Patient.identifier=x&patient.identifier=urn:chartseal:account|{}",
            alice()["identifier"]["value"].as_str().unwrap()
        ),
        "Claim?priority=normal&created=2026-11".into(),
    ] {
        let found = get(insurer, &format!("/{query}")).await;
        let expected = if query.contains(":Patient") {
            Value::Null
        } else {
            json!(1)
        };
        assert_eq!(found.json()["total"], expected, "{query}: {}", found.json());
        assert_eq!(
            get(&people.doctor, &format!("/{query}")).await.json()["entry"],
            Value::Null,
            "{query}"
        );
    }
    assert_eq!(
        get(insurer, &format!("/ClaimResponse?request=Claim/{}", "0".repeat(64)))
            .await
            .json()["total"],
        0
    );
    world.stop.cancel();
}
