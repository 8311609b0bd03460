//! Bad input: a clear answer with a stable code, and nothing stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chartseal_record::{Compartment, Scope, Slot, typed};
use chartseal_stack::client::{Answer, Gateway};
use chartseal_stack::decide::{self, READ};
use chartseal_stack::samples::{self, KNEE, Kind};
use chartseal_stack::seed;
use chartseal_stack::session::{Session, entries, sign_in_message};
use chartseal_stack::wallet::Wallet;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::unchanged::{alone, database, refused};

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.post(path, body).await.unwrap()
}

fn note(patient: &str) -> Value {
    samples::document(patient, Kind::OperativeNote, json!({ "data": STANDARD.encode(KNEE) }))
}

#[tokio::test]
async fn a_document_about_an_unknown_patient_is_refused() {
    refused((422, "patient-not-enrolled"), async |system| {
        let hospital = system.machine("hospital").await;
        post(&hospital, "/fhir/R4/DocumentReference", &note(&"0".repeat(64))).await
    })
    .await;
}

#[tokio::test]
async fn a_patient_who_is_not_enrolled_is_refused() {
    refused((422, "patient-not-enrolled"), async |system| {
        let hospital = system.machine("hospital").await;
        let stranger = Wallet::random("stranger").address().to_string();
        post(
            &hospital,
            "/fhir/R4/Patient",
            &samples::martina(system.json.chain_id, &stranger),
        )
        .await
    })
    .await;
}

#[tokio::test]
async fn a_document_over_the_limit_is_refused_before_its_bytes_are_sent() {
    refused((413, "too-large"), async |system| {
        let hospital = system.machine("hospital").await;
        // By hand: a client that goes on sending 64 MiB may never see the answer.
        let host = hospital.authority();
        let head = format!(
            "POST /fhir/R4/Binary HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
             content-type: application/pdf\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            hospital.bearer().unwrap(),
            64 * 1024 * 1024 + 1,
        );
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            what: "POST /fhir/R4/Binary".into(),
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: Default::default(),
            body: body.as_bytes().to_vec(),
        }
    })
    .await;
}

#[tokio::test]
async fn a_record_too_large_to_seal_is_refused() {
    refused((413, "too-large"), async |system| {
        let hospital = system.machine("hospital").await;
        let mut document = note(system.patient(0));
        document["text"] = json!({ "status": "generated", "div": "x".repeat(1_200_000) });
        post(&hospital, "/fhir/R4/DocumentReference", &document).await
    })
    .await;
}

#[tokio::test]
async fn a_document_that_is_not_what_its_hash_says_is_refused() {
    for (name, wrong) in [
        ("hash", json!("2jmj7l5rSw0yVb/vlWAYkK/YBwk=")),
        ("size", json!(KNEE.len() + 1)),
    ] {
        refused((422, "content-hash-mismatch"), async |system| {
            let hospital = system.machine("hospital").await;
            let mut document = note(system.patient(0));
            document["content"][0]["attachment"][name] = wrong;
            post(&hospital, "/fhir/R4/DocumentReference", &document).await
        })
        .await;
    }
}

#[tokio::test]
async fn an_author_who_is_not_registered_is_refused() {
    refused((409, "not-registered"), async |system| {
        let stranger = Session::sign_in(&system.gateway(), &Wallet::random("stranger"))
            .await
            .unwrap();
        let headers = [("content-type", "text/plain")];
        stranger
            .gateway
            .send(Method::POST, "/fhir/R4/Binary", &headers, b"hello".to_vec())
            .await
            .unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_write_into_a_scope_nobody_granted_is_refused() {
    refused((403, "no-write-grant"), async |system| {
        let hospital = system.machine("hospital").await;
        let mut document = note(system.patient(0));
        document["meta"] = json!({ "tag": [{ "system": "urn:chartseal:scope", "code": "medication" }] });
        post(&hospital, "/fhir/R4/DocumentReference", &document).await
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let system = chartseal_tests::system();
    let hospital = system.person("hospital").await;
    let client = alone(seed::connect(&hospital, "old system", seed::HOSPITAL_SYSTEM_SCOPE))
        .await
        .unwrap();
    let token = client.machine().token(&system.gateway()).await.unwrap();
    let path = format!("/fhir/R4/Patient/{}", system.patient(0));
    assert_eq!(token.get(&path).await.unwrap().status, 200);
    // Five minutes pass.
    let mut database = database(true).await;
    let aged = sqlx::query("UPDATE token SET expires_at = 1 WHERE client_id = $1").bind(&client.client_id);
    assert_eq!(aged.execute(&mut database).await.unwrap().rows_affected(), 1);
    refused((401, "unauthenticated"), async |system| {
        post(&token, "/fhir/R4/DocumentReference", &note(system.patient(0))).await
    })
    .await;
}

#[tokio::test]
async fn a_malformed_resource_is_refused() {
    let cases: [(&[u8], (u16, &str)); 4] = [
        (br#"{"resourceType":"DocumentReference","#, (400, "malformed-resource")),
        (br#"[1, 2, 3]"#, (400, "malformed-resource")),
        (
            br#"{"resourceType":"DocumentReference","status":"current","status":"superseded"}"#,
            (400, "malformed-resource"),
        ),
        (
            br#"{"resourceType":"DocumentReference","content":[]}"#,
            (400, "invalid-element"),
        ),
    ];
    for (body, expected) in cases {
        refused(expected, async |system| {
            let hospital = system.machine("hospital").await;
            let headers = [("content-type", "application/fhir+json")];
            let answer = hospital
                .send(Method::POST, "/fhir/R4/DocumentReference", &headers, body.to_vec())
                .await;
            let answer = answer.unwrap();
            assert_eq!(answer.value()["resourceType"], "OperationOutcome");
            answer
        })
        .await;
    }
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let system = chartseal_tests::system();
    let (alice, bob, insurer) = (
        system.person("alice").await,
        system.person("bob").await,
        system.person("insurer").await,
    );
    let terms = decide::grant_entry(insurer.account, "claims", READ, "HPAYMT");
    let intent = alone(alice.lay_out("grant", terms)).await.unwrap();
    let path = format!("/v1/intents/{}/signatures", intent["id"].as_str().unwrap());
    let entry = entries(&intent).next().unwrap();
    let forged = bob.wallet.sign_typed(&entry["typedData"]).unwrap();
    let body = json!({ "as": entry["as"], "signature": forged });
    refused((403, "bad-signature"), async |_| {
        alice.gateway.put(&path, &body).await.unwrap()
    })
    .await;
    // A true signature over other terms is a forgery too.
    let mut terms = entry["typedData"].clone();
    terms["message"]["permission"] = json!(3);
    let body = json!({ "as": entry["as"], "signature": alice.wallet.sign_typed(&terms).unwrap() });
    refused((403, "bad-signature"), async |_| {
        alice.gateway.put(&path, &body).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_replayed_sign_in_is_refused() {
    refused((409, "replayed"), async |system| {
        let (gateway, wallet) = (system.gateway(), Wallet::random("somebody"));
        let nonce = gateway.get("/v1/sessions/nonce").await.unwrap().expect(200).unwrap();
        let nonce = nonce["nonce"].as_str().unwrap();
        let issued = time::OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let issued = issued.format(&time::format_description::well_known::Rfc3339).unwrap();
        let message = sign_in_message(&gateway, wallet.address(), system.json.chain_id, nonce, &issued);
        let body = json!({ "message": message, "signature": wallet.sign_text(&message).unwrap() });
        assert_eq!(post(&gateway, "/v1/sessions", &body).await.status, 201);
        post(&gateway, "/v1/sessions", &body).await
    })
    .await;
}

#[tokio::test]
async fn a_replayed_client_assertion_is_refused() {
    refused((401, "invalid_client"), async |system| {
        let (gateway, client) = (system.gateway(), system.json.client("hospital").unwrap().machine());
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let assertion = client.assertion(&system.json.token, now, 60).unwrap();
        assert_eq!(client.redeem(&gateway, &assertion).await.unwrap().status, 200);
        client.redeem(&gateway, &assertion).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_replayed_release_request_is_refused() {
    let system = chartseal_tests::system();
    let hospital = system.person("hospital").await;
    let contracts = decide::contracts(&hospital.gateway).await.unwrap();
    let patient = system.json.samples.patients[0].address;
    let grants = hospital
        .gateway
        .get(&format!("/v1/grants?grantee={}", hospital.account))
        .await
        .unwrap();
    let grants = grants.expect(200).unwrap();
    let grant = grants
        .as_array()
        .unwrap()
        .iter()
        .find(|grant| grant["scope"] == "clinical" && grant["patient"].as_str().unwrap().parse() == Ok(patient));
    let grant = grant.unwrap();
    let compartment = Compartment::of(patient, &Scope::clinical());
    let mut asked = typed::Release {
        slot: Slot::with_word(patient, hospital.account, compartment.0).0,
        serial: grant["serial"].as_u64().unwrap(),
        epoch: u32::try_from(grant["epoch"].as_u64().unwrap()).unwrap(),
        reader: hospital.account,
        purpose: "TREAT".into(),
        nonce: crate::identity::random().into(),
        time: u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap(),
        custodian: hospital.account,
    };
    let sign = |asked: &typed::Release| {
        let signature = hospital
            .wallet
            .sign_digest(typed::digest(asked, &contracts.consent_domain()))
            .unwrap();
        chartseal_stack::story::release_body(asked, &signature)
    };
    let body = sign(&asked);
    assert_eq!(post(&system.gateway(), "/v1/releases", &body).await.status, 200);
    refused((409, "replayed"), async |system| {
        post(&system.gateway(), "/v1/releases", &body).await
    })
    .await;
    // A signed time far from now is an old letter, however it came here.
    asked.nonce = crate::identity::random().into();
    asked.time -= 3600;
    let body = sign(&asked);
    refused((403, "out-of-time"), async |system| {
        post(&system.gateway(), "/v1/releases", &body).await
    })
    .await;
}
