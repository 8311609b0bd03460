//! Records over FHIR: uploaded, read back, found, corrected, refused.

mod common;

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{
    Person, STRANGER, World,
    fhir::{READ_AND_WRITE, alice, create, document, enrol, get, send},
    terms,
};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_stored_read_back_found_and_corrected() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;

    let patient =
        json!({ "resourceType": "Patient", "identifier": [alice()["identifier"]], "birthDate": "1980-01-01" });
    let patient = create(hospital, "Patient", &patient).await;
    assert_eq!(patient.status, 201, "{}", patient.json());
    let patient_id = patient.json()["id"].as_str().unwrap().to_owned();

    let mut sent = document(b"hello");
    sent["subject"] = json!({ "reference": format!("Patient/{patient_id}") });
    sent["content"][0]["attachment"]["hash"] = json!(STANDARD.encode(Sha1::digest(b"hello")));
    let stored = create(hospital, "DocumentReference", &sent).await;
    assert_eq!(stored.status, 201, "{}", stored.json());
    assert_eq!(stored.header("etag"), "W/\"1\"");
    assert!(!stored.header("last-modified").is_empty());
    let id = stored.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        stored.header("location"),
        format!("{}/fhir/R4/DocumentReference/{id}/_history/1", world.base)
    );

    let read = get(hospital, &format!("/DocumentReference/{id}")).await;
    assert_eq!((read.status, read.json()), (200, stored.json()));
    let url = read.json()["content"][0]["attachment"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(url.starts_with(&format!("{}/fhir/R4/Binary/bafk", world.base)), "{url}");
    let raw = get(hospital, &url).await;
    assert_eq!(
        (raw.bytes.as_slice(), raw.header("content-type")),
        (b"hello".as_slice(), "text/plain")
    );
    let wrapped = send(hospital, Method::GET, &url, &[("accept", "application/fhir+json")], "").await;
    assert_eq!(wrapped.json()["data"], STANDARD.encode(b"hello"));
    assert_eq!(get(&people.doctor, &url).await.code(), (404, "not-found".into()));
    assert_eq!(
        get(&people.doctor, &format!("/DocumentReference/{id}")).await.code(),
        (404, "not-found".into())
    );

    for query in [
        format!("patient={patient_id}"),
        "identifier=http://hospital.example/documents|doc-1".to_owned(),
        format!("patient=Patient/{patient_id}&type=34117-2&date=ge2026-11&status=current"),
        format!("_id={id}"),
    ] {
        let found = get(hospital, &format!("/DocumentReference?{query}")).await.json();
        assert_eq!(
            (&found["total"], &found["entry"][0]["resource"]["id"]),
            (&json!(1), &json!(id)),
            "{query}: {found}"
        );
        let blind = get(&people.insurer, &format!("/DocumentReference?{query}"))
            .await
            .json();
        assert_eq!(blind["total"], 0, "{query}");
    }
    assert_eq!(
        get(hospital, "/DocumentReference?identifier=doc-2").await.json()["total"],
        0
    );

    // Corrected: the document stays, the text changes; what is stale is refused.
    let mut edited = read.json();
    edited["description"] = json!("corrected");
    let path = format!("/DocumentReference/{id}");
    let put = async |tag: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        send(hospital, Method::PUT, &path, &headers, body.to_string()).await
    };
    assert_eq!(put("W/\"7\"", &edited).await.code(), (412, "stale".into()));
    let second = put("W/\"1\"", &edited).await;
    assert_eq!(
        (second.status, second.header("etag")),
        (200, "W/\"2\""),
        "{}",
        second.json()
    );
    assert_eq!(put("W/\"1\"", &edited).await.code(), (412, "stale".into()));
    assert_eq!(get(hospital, &path).await.json()["description"], "corrected");
    assert!(get(hospital, &format!("{path}/_history/1")).await.json()["description"].is_null());
    assert_eq!(get(hospital, &url).await.bytes, b"hello");
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_document_goes_up_as_a_binary_and_a_flipped_byte_is_caught() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();

    let staged = send(
        hospital,
        Method::POST,
        "/Binary",
        &[("content-type", "application/pdf")],
        bytes.clone(),
    )
    .await;
    assert_eq!(staged.status, 201, "{}", staged.json());
    let staged = format!("Binary/{}", staged.json()["id"].as_str().unwrap());
    assert_eq!(get(hospital, &format!("/{staged}")).await.bytes, bytes);
    assert_eq!(
        get(&people.doctor, &format!("/{staged}")).await.code(),
        (404, "not-found".into())
    );

    let mut sent = document(b"");
    sent["content"][0]["attachment"] = json!({ "contentType": "application/pdf", "url": staged, "size": bytes.len() });
    let stored = create(hospital, "DocumentReference", &sent).await;
    assert_eq!(stored.status, 201, "{}", stored.json());
    assert_eq!(
        create(hospital, "DocumentReference", &sent).await.code(),
        (422, "invalid".into()),
        "used once"
    );
    let url = stored.json()["content"][0]["attachment"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = get(hospital, &url).await;
    assert!(read.bytes == bytes && read.header("content-length") == "3000000");

    let nothing_readable = walk(&world.folder.path().join("staging")).is_empty();
    assert!(nothing_readable, "the staged file is gone once its record is stored");
    for file in walk(&world.folder.path().join("content")) {
        let mut content = std::fs::read(&file).unwrap();
        if content.len() > 1_000_000 {
            let middle = content.len() / 2;
            content[middle] ^= 1;
            std::fs::write(&file, content).unwrap();
        }
    }
    let cid = url.rsplit('/').next().unwrap();
    let refused = send(hospital, Method::GET, &url, &[("accept", "application/fhir+json")], "").await;
    assert_eq!(refused.code(), (500, "content-corrupt".into()));
    assert!(
        refused.json()["issue"][0]["details"]["text"]
            .as_str()
            .unwrap()
            .contains(cid)
    );
    world.stop.cancel();
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insurer_finds_a_claim_by_its_number_once_it_may() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let claim = json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-22",
        "type": { "coding": [{ "code": "institutional" }] }, "provider": { "display": "Hospital" },
        "priority": { "coding": [{ "code": "normal" }] },
        "identifier": [{ "system": "http://hospital.example/claims", "value": "CLM-77" }],
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "display": "private" } }],
        "supportingInfo": [{ "sequence": 1, "category": { "coding": [{ "code": "info" }] },
            "valueAttachment": { "contentType": "text/plain", "data": STANDARD.encode(b"evidence") } }],
    });
    let stored = create(&people.hospital, "Claim", &claim).await;
    assert_eq!(stored.status, 201, "{}", stored.json());
    let by_number = "/Claim?identifier=http://hospital.example/claims|CLM-77";
    assert_eq!(
        get(&people.hospital, by_number).await.json()["total"],
        0,
        "WRITE alone never reads back"
    );
    assert_eq!(get(&people.insurer, by_number).await.json()["total"], 0);

    let grant = terms(people.insurer.address(), "claims", 1);
    people.alice.decide("grant", grant).await;
    let found = get(&people.insurer, by_number).await.json();
    assert_eq!(found["total"], 1, "{found}");
    let evidence = &found["entry"][0]["resource"]["supportingInfo"][0]["valueAttachment"];
    assert_eq!(evidence["data"], Value::Null);
    assert_eq!(
        get(&people.insurer, evidence["url"].as_str().unwrap()).await.bytes,
        b"evidence"
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let posted = send(
        &people.insurer,
        Method::POST,
        "/Claim/_search",
        &form,
        "identifier=CLM-77&use=claim",
    )
    .await;
    assert_eq!(posted.json()["total"], 1);

    // Ciphertext and state for the reader; a receipt only once it is anchored.
    let (_, records) = people
        .insurer
        .get(&format!("/v1/records?patient={}", people.alice.address()))
        .await;
    assert_eq!(
        (records.as_array().unwrap().len(), &records[0]["state"]),
        (1, &json!("stored")),
        "{records}"
    );
    let cid = records[0]["cid"].as_str().unwrap();
    let sealed = get(&people.insurer, &format!("{}/ipfs/{cid}?format=raw", world.base)).await;
    assert!(sealed.bytes.starts_with(b"age-encryption.org/v1"));
    let stranger = people.insurer.get(&format!("/v1/receipts/{cid}")).await;
    assert_eq!((stranger.0, stranger.1["code"].as_str()), (409, Some("not-anchored")));
    assert_eq!(people.doctor.get(&format!("/v1/receipts/{cid}")).await.0, 404);
    assert_eq!(people.doctor.get(&format!("/ipfs/{cid}?format=raw")).await.0, 404);
    let (_, audit) = people
        .alice
        .get(&format!("/v1/audit?patient={}", people.alice.address()))
        .await;
    assert!(
        audit.to_string().contains(stored.json()["id"].as_str().unwrap()),
        "{audit}"
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_corrects_a_record_with_a_signed_draft() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let stored = create(&people.hospital, "DocumentReference", &document(b"hello"))
        .await
        .json();
    let id = stored["id"].as_str().unwrap();
    let mut edited = stored.clone();
    edited["description"] = json!("seen by the doctor");
    let draft = json!({ "patient": people.alice.address(), "scope": "clinical", "resource": edited, "replaces": id });
    let refused = people.doctor.post("/v1/drafts", draft.clone()).await;
    assert_eq!(
        (refused.0, refused.1["code"].as_str()),
        (404, Some("not-found")),
        "{}",
        refused.1
    );
    let direct = create(&people.doctor, "DocumentReference", &document(b"hello")).await;
    assert_eq!(direct.code(), (403, "draft-required".into()));

    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", READ_AND_WRITE))
        .await;
    let (status, first) = people.doctor.post("/v1/drafts", draft.clone()).await;
    assert_eq!(status, 201, "{first}");
    let (_, second) = people.doctor.post("/v1/drafts", draft).await;
    let path = |draft: &Value| format!("/v1/drafts/{}/signature", draft["id"].as_str().unwrap());
    let signed = |draft: &Value, by: &Person<'_>| json!({ "signature": by.sign_typed(&draft["sign"][0]["typedData"]) });
    let forged = people.doctor.put(&path(&first), signed(&first, &people.alice)).await;
    assert_eq!((forged.0, forged.1["code"].as_str()), (403, Some("bad-signature")));
    assert_eq!(
        people
            .hospital
            .put(&path(&first), signed(&first, &people.doctor))
            .await
            .0,
        404,
        "somebody else's"
    );
    let (status, done) = people.doctor.put(&path(&first), signed(&first, &people.doctor)).await;
    assert_eq!((status, &done["version"]), (201, &json!(2)), "{done}");
    let stale = people.doctor.put(&path(&second), signed(&second, &people.doctor)).await;
    assert_eq!((stale.0, stale.1["code"].as_str()), (412, Some("stale")));
    let read = get(&people.hospital, &format!("/DocumentReference/{id}")).await.json();
    assert_eq!(
        (&read["description"], &read["meta"]["versionId"]),
        (&json!("seen by the doctor"), &json!("2"))
    );
    let url = read["content"][0]["attachment"]["url"].as_str().unwrap();
    assert_eq!(get(&people.doctor, url).await.bytes, b"hello");
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_with_a_stable_code_and_nothing_is_stored() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let stranger = world.sign_in(STRANGER).await;
    let with = |path: &[&str], value: Value| {
        let mut changed = document(b"hello");
        let place = path.iter().fold(&mut changed, |at, name| &mut at[*name]);
        *place = value;
        changed
    };
    let mut hash = document(b"hello");
    hash["content"][0]["attachment"]["hash"] = json!("2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    let account = |address| json!({ "identifier": { "system": "urn:chartseal:account", "value": format!("eip155:31337:{address}") } });
    let label =
        json!([{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }] }]);
    for (who, resource, expected) in [
        (hospital, hash, (422, "content-hash-mismatch")),
        (
            hospital,
            with(
                &["subject"],
                json!({ "reference": format!("Patient/{}", "0".repeat(64)) }),
            ),
            (422, "patient-not-enrolled"),
        ),
        (
            hospital,
            with(&["subject"], account(people.doctor.address())),
            (422, "patient-not-enrolled"),
        ),
        (
            hospital,
            with(&["subject"], account(stranger.address())),
            (422, "patient-not-enrolled"),
        ),
        (hospital, with(&["securityLabel"], label), (403, "no-write-grant")),
        (&people.insurer, document(b"hello"), (403, "no-write-grant")),
        (&stranger, document(b"hello"), (409, "not-registered")),
        (
            hospital,
            with(&["resourceType"], json!("Claim")),
            (400, "malformed-resource"),
        ),
        (hospital, with(&["status"], json!("fine")), (400, "invalid-element")),
    ] {
        let refused = create(who, "DocumentReference", &resource).await;
        assert_eq!(
            refused.code(),
            (expected.0, expected.1.to_owned()),
            "{}",
            refused.json()
        );
    }
    let json_type = [("content-type", "application/fhir+json")];
    for (method, path, headers, body, expected) in [
        (
            Method::POST,
            "/Claim",
            &json_type[..],
            r#"{"resourceType":"Claim","status":"#,
            (400, "malformed-resource"),
        ),
        (
            Method::POST,
            "/Claim",
            &json_type[..],
            r#"{"a":1,"a":2}"#,
            (400, "malformed-resource"),
        ),
        (
            Method::POST,
            "/Claim",
            &[("content-type", "application/fhir+xml")][..],
            "<Claim/>",
            (415, "unsupported-media-type"),
        ),
        (
            Method::POST,
            "/Claim",
            &[("accept", "application/fhir+xml")][..],
            "{}",
            (406, "not-acceptable"),
        ),
        (
            Method::POST,
            "/Observation",
            &json_type[..],
            "{}",
            (404, "not-supported"),
        ),
        (
            Method::POST,
            "",
            &json_type[..],
            r#"{"resourceType":"Bundle","type":"batch"}"#,
            (501, "not-implemented"),
        ),
        (
            Method::POST,
            "/",
            &json_type[..],
            r#"{"resourceType":"Bundle"}"#,
            (400, "invalid-element"),
        ),
        (Method::GET, "/Claim/_history", &[][..], "", (404, "not-found")),
        (Method::GET, "/Claim/a/_history", &[][..], "", (404, "not-found")),
        (Method::GET, "/_history", &[][..], "", (404, "not-supported")),
        (Method::DELETE, "/Claim/a", &[][..], "", (405, "method-not-allowed")),
        (Method::GET, "/Claim/a", &[][..], "", (404, "not-found")),
        (
            Method::GET,
            "/Claim?identifier:not=a",
            &[][..],
            "",
            (400, "invalid-search"),
        ),
        (
            Method::PUT,
            "/Claim/a",
            &json_type[..],
            "{}",
            (405, "method-not-allowed"),
        ),
    ] {
        let refused = send(hospital, method.clone(), path, headers, body).await;
        assert_eq!(refused.code(), (expected.0, expected.1.to_owned()), "{method} {path}");
        assert_eq!(refused.json()["resourceType"], "OperationOutcome");
        assert_eq!(
            refused.status == 405,
            !refused.header("allow").is_empty(),
            "{method} {path}"
        );
    }
    let big = vec![b'x'; usize::try_from(world.app.config.limits.document_bytes).unwrap() + 1];
    let refused = send(
        hospital,
        Method::POST,
        "/Binary",
        &[("content-type", "application/pdf")],
        big,
    )
    .await;
    assert_eq!(refused.code(), (413, "too-large".into()));
    let nobody = world
        .http
        .get(format!("{}/fhir/R4/Claim", world.base))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            nobody.status().as_u16(),
            nobody.headers()["www-authenticate"].to_str().unwrap()
        ),
        (401, "Bearer")
    );
    assert_eq!(
        get(hospital, "/DocumentReference").await.json()["total"],
        0,
        "nothing was stored"
    );
    assert!(walk(&world.folder.path().join("staging")).is_empty());
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_sent_twice_creates_once() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    let headers = [
        ("content-type", "application/fhir+json"),
        ("idempotency-key", "\"k-1\""),
    ];
    let post =
        async |body: &Value| send(hospital, Method::POST, "/DocumentReference", &headers, body.to_string()).await;
    let (first, again) = (post(&document(b"hello")).await, post(&document(b"hello")).await);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(
        (&first.bytes, &first.headers["location"]),
        (&again.bytes, &again.headers["location"])
    );
    let first = first.json();
    assert_eq!(
        post(&document(b"other")).await.code(),
        (422, "idempotency-key-reused".into())
    );
    assert_eq!(get(hospital, "/DocumentReference").await.json()["total"], 1);

    // An update as well: what was done is told again, and not that the version it was made of is stale now.
    let place = format!("/DocumentReference/{}", first["id"].as_str().unwrap());
    let mut edited = first.clone();
    edited["status"] = json!("superseded");
    let put = async |key: &str, body: &Value| {
        let headers = [
            ("content-type", "application/fhir+json"),
            ("idempotency-key", key),
            ("if-match", "W/\"1\""),
        ];
        send(hospital, Method::PUT, &place, &headers, body.to_string()).await
    };
    let (done, again) = (put("u-1", &edited).await, put("u-1", &edited).await);
    assert_eq!((done.status, again.status), (200, 200), "{}", again.json());
    assert_eq!((done.header("etag"), again.header("etag")), ("W/\"2\"", "W/\"2\""));
    assert_eq!(
        (&done.bytes, done.header("location")),
        (&again.bytes, again.header("location"))
    );
    assert_eq!(put("u-1", &first).await.code(), (422, "idempotency-key-reused".into()));
    assert_eq!(put("u-2", &edited).await.code(), (412, "stale".into()));
    let at_once = tokio::join!(put("u-3", &edited), put("k-1", &edited));
    assert_eq!(at_once.0.status, 412);
    assert_eq!(
        at_once.1.code(),
        (422, "idempotency-key-reused".into()),
        "a create had it"
    );
    let history = get(hospital, &format!("{place}/_history")).await.json();
    assert_eq!(history["total"], 2);

    let headers = [("content-type", "application/pdf"), ("idempotency-key", "b-1")];
    let upload = async |bytes: &str| send(hospital, Method::POST, "/Binary", &headers, bytes.to_owned()).await;
    let (first, again) = (upload("%PDF-1").await, upload("%PDF-1").await);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.bytes, again.bytes);
    assert_eq!(first.headers["location"], again.headers["location"]);
    assert_eq!(upload("%PDF-2").await.code(), (422, "idempotency-key-reused".into()));
    let staged = walk(&world.folder.path().join("staging"));
    assert_eq!(staged.len(), 1, "{staged:?}");

    let headers = [("content-type", "application/fhir+json"), ("prefer", "return=minimal")];
    let quiet = send(
        hospital,
        Method::POST,
        "/DocumentReference",
        &headers,
        document(b"x").to_string(),
    )
    .await;
    assert!(quiet.status == 201 && quiet.bytes.is_empty() && !quiet.header("location").is_empty());
    let page = get(hospital, "/DocumentReference?_count=1").await.json();
    assert_eq!(
        (page["total"].as_u64(), page["entry"].as_array().unwrap().len()),
        (Some(2), 1)
    );
    let next = page["link"][1]["url"].as_str().unwrap();
    assert!(next.contains("?_page=") && !next.contains("_count"), "{next}");
    assert_eq!(
        get(&people.insurer, next).await.code(),
        (400, "invalid-search".into()),
        "somebody else's link"
    );
    let last = get(hospital, next).await.json();
    assert_ne!(last["entry"][0]["fullUrl"], page["entry"][0]["fullUrl"]);
    assert_eq!(last["link"].as_array().unwrap().len(), 1);
    let (status, metadata) = world.call(Method::GET, "/fhir/R4/metadata", None, None).await;
    assert_eq!((status, metadata["fhirVersion"].as_str()), (200, Some("4.0.1")));
    let page = world.http.get(&world.base).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Chartseal gateway") && page.contains("/fhir/R4/metadata"));
    world.stop.cancel();
}
