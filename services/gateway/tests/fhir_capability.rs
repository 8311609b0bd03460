//! The CapabilityStatement claims exactly what is true: each interaction and each search parameter in it is driven here,
//! and one without a driver fails.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

mod common;

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{
    ALICE, DOCTOR, HOSPITAL, Person, World,
    fhir::{READ_AND_WRITE, alice, create, document, enrol, get, send},
    terms, wallet,
};
use reqwest::Method;
use serde_json::{Value, json};

const MISS: &str = "nothing-of-the-kind";

fn id(resource: &Value) -> String {
    format!(
        "{}/{}",
        resource["resourceType"].as_str().unwrap(),
        resource["id"].as_str().unwrap()
    )
}

fn coded(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

/// One resource of each type, as rich as the parameters.
async fn resources(hospital: &Person<'_>) -> HashMap<&'static str, Value> {
    let mut made = HashMap::new();
    let store = async |resource: Value| {
        let kind = resource["resourceType"].as_str().unwrap().to_owned();
        let stored = create(hospital, &kind, &resource).await;
        assert_eq!(stored.status, 201, "{kind}: {}", stored.json());
        stored.json()
    };
    made.insert("Patient", store(json!({
        "resourceType": "Patient", "identifier": [alice()["identifier"]], "birthDate": "1980-01-01", "gender": "female",
        "name": [{ "family": "Murazik", "given": ["Martina"], "prefix": ["Mrs."] }],
    })).await);
    let earlier = store(document(b"earlier")).await;
    made.insert("DocumentReference", store(json!({
        "resourceType": "DocumentReference", "status": "superseded", "subject": alice(), "date": "2019-11-22T10:00:00Z",
        "masterIdentifier": { "system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2" }, "description": "Knee, left",
        "type": coded("http://loinc.org", "34133-9"), "category": [coded("http://c", "note")],
        "securityLabel": [coded("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "N")],
        "author": [{ "reference": "Practitioner/7" }], "authenticator": { "reference": "Organization/8" },
        "custodian": { "reference": "Organization/9" },
        "relatesTo": [{ "code": "appends", "target": { "reference": id(&earlier) } }],
        "content": [{ "format": { "system": "urn:f", "code": "ccda" }, "attachment": {
            "contentType": "text/xml", "language": "de", "creation": "2018-05-05", "data": STANDARD.encode("x"),
        } }],
        "context": {
            "event": [coded("http://e", "visit")], "period": { "start": "2017-01-01", "end": "2017-02-01" },
            "facilityType": coded("http://f", "icu"), "practiceSetting": coded("http://s", "ortho"),
            "encounter": [{ "reference": "Encounter/3" }], "related": [{ "reference": id(&earlier) }],
        },
    })).await);
    let coverage = store(json!({
        "resourceType": "Coverage", "status": "active", "beneficiary": alice(), "dependent": "01", "type": coded("http://t", "EHCPOL"),
        "identifier": [{ "value": "M-1" }], "payor": [{ "reference": "Organization/9" }], "subscriber": { "reference": "Patient/5" },
        "policyHolder": { "reference": "Patient/6" }, "class": [{ "type": coded("http://k", "plan"), "value": "B37" }],
    })).await;
    let claim = store(json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "patient": alice(), "created": "2019-11-22", "type": {},
        "identifier": [{ "value": "C-1" }], "provider": { "reference": "Organization/9" }, "insurer": { "reference": "Organization/10" },
        "enterer": { "reference": "Practitioner/7" }, "facility": { "reference": "Location/2" }, "priority": coded("http://p", "stat"),
        "careTeam": [{ "sequence": 1, "provider": { "reference": "Practitioner/11" } }], "payee": { "type": {}, "party": { "reference": "Patient/5" } },
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "reference": id(&coverage) } }],
        "item": [{ "sequence": 1, "productOrService": {}, "encounter": [{ "reference": "Encounter/3" }] }],
    })).await;
    made.insert("ClaimResponse", store(json!({
        "resourceType": "ClaimResponse", "status": "active", "use": "claim", "patient": alice(), "created": "2019-11-23", "type": {},
        "identifier": [{ "value": "R-1" }], "insurer": { "reference": "Organization/10" }, "requestor": { "reference": "Organization/9" },
        "outcome": "complete", "disposition": "Settled", "request": { "reference": id(&claim) },
        "payment": { "type": {}, "amount": {}, "date": "2019-12-01" },
    })).await);
    made.insert("List", store(json!({
        "resourceType": "List", "status": "current", "mode": "working", "subject": alice(), "date": "2019-11-22", "title": "Set",
        "identifier": [{ "value": "L-1" }], "code": coded("http://l", "submissionset"), "source": { "reference": "Practitioner/7" },
        "entry": [{ "item": { "reference": id(&earlier) } }],
    })).await);
    let cdex = "http://hl7.org/fhir/us/davinci-cdex/CodeSystem/cdex-temp";
    let data_code = coded("http://hl7.org/fhir/us/davinci-hrex/CodeSystem/hrex-temp", "data-code");
    made.insert("Task", store(json!({
        "resourceType": "Task", "status": "requested", "intent": "order", "code": coded(cdex, "data-request-code"), "for": alice(),
        "identifier": [{ "value": "T-1" }], "reasonCode": { "text": "Support prior claim" },
        "input": [{ "type": data_code, "valueCodeableConcept": coded("http://loinc.org", "34133-9") }],
    })).await);
    made.insert("Coverage", coverage);
    made.insert("Claim", claim);
    let headers = [("content-type", "text/plain")];
    let mut binary = send(hospital, Method::POST, "/Binary", &headers, "x").await.json();
    binary["resourceType"] = json!("Binary");
    made.insert("Binary", binary);
    made
}

/// A value that finds something and one that finds nothing.
fn values(kind: &str, parameter: &str, made: &HashMap<&str, Value>) -> Option<(String, String)> {
    let own = || made[kind]["id"].as_str().unwrap().to_owned();
    let hex = || "0".repeat(64);
    let both = |hit: &str| Some((hit.to_owned(), MISS.to_owned()));
    let dates = |hit: &str| Some((hit.to_owned(), "lt1900".to_owned()));
    let account = |place| format!("urn:chartseal:account|eip155:31337:{}", wallet(place).address());
    let party = |place| format!("{:#x}", wallet(place).address());
    match (kind, parameter) {
        ("Practitioner", "_id") => both(&party(DOCTOR)),
        ("Organization", "_id") => both(&party(HOSPITAL)),
        ("Consent" | "AuditEvent", "_id") => both(&own()),
        (_, "_id") => Some((own(), hex())),
        (_, "_lastUpdated") => dates("ge2026"),
        (_, "patient" | "subject" | "beneficiary") => Some((id(&made["Patient"]), format!("Patient/{}", hex()))),
        ("Patient", "identifier") => both(&account(ALICE)),
        ("Practitioner", "identifier") => both(&account(DOCTOR)),
        ("Organization", "identifier") => both(&account(HOSPITAL)),
        ("DocumentReference", "identifier") => both("urn:ietf:rfc:3986|urn:oid:1.2"),
        ("Coverage", "identifier") => both("M-1"),
        ("Claim", "identifier") => both("C-1"),
        ("ClaimResponse", "identifier") => both("R-1"),
        ("List", "identifier") => both("L-1"),
        ("Patient", "birthdate") => dates("1980"),
        ("Patient", "gender") => both("female"),
        ("Patient", "family") => both("mura"),
        ("Patient", "given") => both("martina"),
        ("Patient", "name") => both("mrs"),
        ("DocumentReference", "status") => both("superseded"),
        ("DocumentReference", "type") => both("http://loinc.org|34133-9"),
        ("DocumentReference", "category") => both("http://c|note"),
        ("DocumentReference", "date") => dates("2019-11-22"),
        ("DocumentReference", "creation") => dates("2018-05"),
        ("DocumentReference", "period") => dates("2017"),
        ("DocumentReference", "event") => both("visit"),
        ("DocumentReference", "facility") => both("http://f|icu"),
        ("DocumentReference", "setting") => both("ortho"),
        ("DocumentReference", "format") => both("urn:f|ccda"),
        ("DocumentReference", "contenttype") => both("text/xml"),
        ("DocumentReference", "language") => both("de"),
        ("DocumentReference", "security-label") => both("N"),
        ("DocumentReference", "relation") => both("appends"),
        ("DocumentReference", "relatesto" | "related") | ("List", "item") => {
            let earlier = made["List"]["entry"][0]["item"]["reference"].as_str().unwrap();
            Some((earlier.to_owned(), format!("DocumentReference/{}", hex())))
        }
        ("DocumentReference" | "Claim", "encounter") => both("Encounter/3"),
        ("DocumentReference", "author") | ("Claim", "enterer") | ("List", "source") => both("Practitioner/7"),
        ("DocumentReference", "authenticator") => both("Organization/8"),
        ("DocumentReference", "custodian")
        | ("Claim", "provider")
        | ("ClaimResponse", "requestor")
        | ("Coverage", "payor") => both("Organization/9"),
        ("DocumentReference", "description") => both("knee"),
        ("Claim" | "ClaimResponse" | "Coverage", "status") => both("active"),
        ("Claim" | "ClaimResponse", "use") => both("claim"),
        ("Claim" | "ClaimResponse", "created") => dates("2019-11"),
        ("Claim", "priority") => both("http://p|stat"),
        ("Claim" | "ClaimResponse", "insurer") => both("Organization/10"),
        ("Claim", "facility") => both("Location/2"),
        ("Claim", "care-team") => both("Practitioner/11"),
        ("Claim", "payee") | ("Coverage", "subscriber") => both("Patient/5"),
        ("Coverage", "policy-holder") => both("Patient/6"),
        ("ClaimResponse", "request") => Some((id(&made["Claim"]), format!("Claim/{}", hex()))),
        ("ClaimResponse", "outcome") => both("complete"),
        ("ClaimResponse", "disposition") => both("settled"),
        ("ClaimResponse", "payment-date") => dates("2019-12-01"),
        ("Coverage", "type") => both("EHCPOL"),
        ("Coverage", "dependent") => both("01"),
        ("Coverage", "class-type") => both("http://k|plan"),
        ("Coverage", "class-value") => both("b37"),
        ("Task", "identifier") => both("T-1"),
        ("Task", "status") => both("accepted"),
        ("Task", "code") => both("data-request-code"),
        ("Task", "owner" | "requester") => both(&format!("Organization/{}", party(HOSPITAL))),
        ("Task", "authored-on") => dates("ge2026"),
        ("List", "code") => both("submissionset"),
        ("List", "status") => both("current"),
        ("List", "title") => both("set"),
        ("List", "date") => dates("2019-11-22"),
        ("Practitioner" | "Organization", "active") => Some(("true".into(), "false".into())),
        ("Organization", "type") => both("ins"),
        ("Organization", "name") => both("hosp"),
        ("Consent", "status") => both("active"),
        ("Consent", "scope") => both("patient-privacy"),
        ("Consent", "category") => both("http://loinc.org|59284-0"),
        ("Consent", "organization") => both(&format!("Organization/{}", party(HOSPITAL))),
        ("Consent", "actor") | ("AuditEvent", "agent" | "source") => both(&format!("Organization/{}", party(HOSPITAL))),
        ("Consent", "action") => both("collect"),
        ("Consent", "purpose") => both("TREAT"),
        ("Consent", "period") => Some(("gt2026-01".into(), "gt2100".into())),
        ("AuditEvent", "date") => dates("ge2026"),
        ("AuditEvent", "action") => both("C"),
        ("AuditEvent", "outcome") => both("0"),
        ("AuditEvent", "type") => both("rest"),
        ("AuditEvent", "subtype") => both("http://hl7.org/fhir/restful-interaction|create"),
        ("AuditEvent", "agent-role") => both("IRCP"),
        ("AuditEvent", "entity-type") => both("http://terminology.hl7.org/CodeSystem/audit-entity-type|1"),
        ("AuditEvent", "entity-role") => both("http://terminology.hl7.org/CodeSystem/object-role|4"),
        ("Provenance", "target") => Some((id(&made["DocumentReference"]), format!("Claim/{}", hex()))),
        ("Provenance", "recorded") => dates("ge2026"),
        ("Provenance", "agent") => both(&format!("Organization/{}", party(HOSPITAL))),
        ("Provenance", "agent-type") => both("author"),
        ("Provenance", "signature-type") => both("1.2.840.10065.1.12.1.1"),
        _ => None,
    }
}

/// What a search of a type needs beside the parameter that is tried.
fn beside(kind: &str, parameter: &str, made: &HashMap<&str, Value>) -> String {
    match kind {
        "AuditEvent" if parameter != "patient" => format!("&patient={}", id(&made["Patient"])),
        "Provenance" if parameter != "target" => format!("&target={}", id(&made["DocumentReference"])),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_claimed_interaction_and_parameter_works_and_the_unclaimed_are_refused() {
    // Many requests on a chain that stands still meanwhile.
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let hospital = &people.hospital;
    people
        .alice
        .decide("grant", terms(hospital.address(), "claims", READ_AND_WRITE))
        .await;
    let mut made = resources(hospital).await;
    for kind in ["Practitioner", "Organization", "Consent", "AuditEvent", "Provenance"] {
        let query = format!("/{kind}?_count=1{}", beside(kind, "", &made));
        let found = get(hospital, &query).await.json();
        made.insert(kind, found["entry"][0]["resource"].clone());
    }
    let (_, metadata) = world.call(Method::GET, "/fhir/R4/metadata", None, None).await;
    let rest = &metadata["rest"][0];
    let mut kinds = Vec::new();
    for claimed in rest["resource"].as_array().unwrap() {
        let kind = claimed["type"].as_str().unwrap();
        kinds.push(kind.to_owned());
        let own = &made
            .get(kind)
            .unwrap_or_else(|| panic!("{kind} is claimed and not driven"))["id"];
        let path = format!(
            "/{kind}/{}",
            own.as_str().unwrap_or_else(|| panic!("no {kind} was found or made"))
        );
        let codes: Vec<&str> = claimed["interaction"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["code"].as_str().unwrap())
            .collect();
        for code in [
            "create",
            "read",
            "vread",
            "update",
            "history-instance",
            "search-type",
            "delete",
            "patch",
        ] {
            let fhir = [
                ("content-type", "application/fhir+json"),
                ("accept", "application/fhir+json"),
            ];
            let body = made[kind].to_string();
            let (answer, expected) = match code {
                "create" => (
                    send(hospital, Method::POST, &format!("/{kind}"), &fhir, "{").await,
                    if kind == "Binary" { 201 } else { 400 },
                ),
                "read" => (send(hospital, Method::GET, &path, &fhir, "").await, 200),
                "vread" => (
                    send(hospital, Method::GET, &format!("{path}/_history/1"), &fhir, "").await,
                    200,
                ),
                "update" => (send(hospital, Method::PUT, &path, &fhir, body).await, 200),
                "history-instance" => (
                    send(hospital, Method::GET, &format!("{path}/_history"), &fhir, "").await,
                    200,
                ),
                "search-type" => (
                    get(hospital, &format!("/{kind}?_count=0{}", beside(kind, "", &made))).await,
                    200,
                ),
                "delete" => (send(hospital, Method::DELETE, &path, &[], "").await, 204),
                _ => (send(hospital, Method::PATCH, &path, &fhir, "[]").await, 200),
            };
            if codes.contains(&code) {
                assert_eq!(answer.status, expected, "{code} of {kind}: {}", answer.json());
            } else {
                let refused =
                    [404, 405, 501].contains(&answer.status) && answer.json()["resourceType"] == "OperationOutcome";
                assert!(
                    refused,
                    "{code} of {kind} is not claimed: {} {}",
                    answer.status,
                    answer.json()
                );
            }
        }
        for parameter in claimed["searchParam"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let driver = values(kind, name, &made);
            let (hit, miss) = driver.unwrap_or_else(|| panic!("{kind}?{name} is claimed and not driven"));
            let beside = beside(kind, name, &made);
            for (value, expected) in [(hit, true), (miss, false)] {
                let query = format!("{name}={}{beside}", value.replace('|', "%7C"));
                let found = get(hospital, &format!("/{kind}?{query}")).await;
                let total = found.json()["total"].as_u64();
                assert_eq!(total.map(|n| n > 0), Some(expected), "{kind}?{query}: {}", found.json());
                let link = found.json()["link"][0]["url"].as_str().unwrap().to_owned();
                assert!(link.contains(&format!("{name}=")), "{link} does not show {name}");
                let form = [
                    ("content-type", "application/x-www-form-urlencoded"),
                    ("prefer", "handling=strict"),
                ];
                let posted = send(hospital, Method::POST, &format!("/{kind}/_search"), &form, query).await;
                // Looking into the journal makes it longer, so there the second search may find more.
                let (posted, total) = (posted.json()["total"].as_u64().unwrap(), total.unwrap());
                assert!(
                    posted == total || (kind == "AuditEvent" && posted > total),
                    "{kind}/_search {name}"
                );
            }
        }
    }
    assert_eq!(kinds.len(), made.len(), "something that is driven is not claimed");
    assert_eq!(
        rest["interaction"],
        json!([{ "code": "transaction" }]),
        "driven in fhir_transactions.rs"
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_from_chain_and_journal_is_shown_to_whom_it_concerns() {
    let world = World::new().await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, alice_, doctor) = (&people.hospital, &people.alice, &people.doctor);
    people
        .alice
        .decide("grant", terms(doctor.address(), "clinical", READ_AND_WRITE))
        .await;
    let stored = create(hospital, "DocumentReference", &document(b"hello")).await.json();
    let target = format!("DocumentReference/{}", stored["id"].as_str().unwrap());
    let total = async |who: &Person<'_>, path: &str| get(who, path).await.json()["total"].as_u64();

    // Grants: the patient sees all, a grantee its own, a stranger none.
    assert_eq!(total(alice_, "/Consent").await, Some(5));
    let own = get(doctor, "/Consent").await.json();
    let consent = &own["entry"][0]["resource"];
    assert_eq!(
        (&own["total"], &consent["status"]),
        (&json!(1), &json!("active")),
        "{own}"
    );
    assert_eq!(consent["provision"]["class"][0]["code"], "clinical");
    let place = format!("/Consent/{}", consent["id"].as_str().unwrap());
    assert_eq!(get(alice_, &place).await.json(), *consent);
    assert_eq!(get(hospital, &place).await.code(), (404, "not-found".into()));
    assert_eq!(total(&people.insurer, "/Consent").await, Some(0));
    let slot = json!({ "grantee": doctor.address(), "scope": "clinical" });
    alice_.decide("revoke", slot).await;
    let revoked = get(alice_, &place).await;
    assert_eq!(
        (revoked.json()["status"].as_str(), revoked.header("etag")),
        (Some("inactive"), "W/\"1\"")
    );

    // The journal: the patient sees everything, others what they did, and looking is written down.
    let read = get(hospital, &format!("/{target}")).await;
    assert_eq!(read.status, 200);
    let all = total(alice_, "/AuditEvent").await.unwrap();
    assert_eq!(total(alice_, "/AuditEvent").await, Some(all + 1));
    let address = format!("urn:chartseal:account%7Ceip155:31337:{}", alice_.address());
    let mine = get(hospital, &format!("/AuditEvent?patient.identifier={address}&action=R"))
        .await
        .json();
    let event = &mine["entry"][0]["resource"];
    assert_eq!(
        event["agent"][2]["who"]["reference"],
        format!("Organization/{:#x}", hospital.address()),
        "{mine}"
    );
    assert!(
        event["entity"].to_string().contains(stored["id"].as_str().unwrap()),
        "{event}"
    );
    let place = format!("/AuditEvent/{}", event["id"].as_str().unwrap());
    assert_eq!(
        (get(alice_, &place).await.status, get(doctor, &place).await.code().0),
        (200, 404)
    );
    assert_eq!(
        total(doctor, &format!("/AuditEvent?patient.identifier={address}")).await,
        Some(0)
    );
    assert_eq!(get(doctor, "/AuditEvent").await.code(), (400, "invalid-search".into()));

    // Who authored a version is for those who may open it.
    let found = get(hospital, &format!("/Provenance?target={target}")).await.json();
    let provenance = &found["entry"][0]["resource"];
    assert_eq!(
        provenance["target"][0]["reference"],
        format!("{target}/_history/1"),
        "{found}"
    );
    assert!(
        STANDARD
            .decode(provenance["signature"][0]["data"].as_str().unwrap())
            .unwrap()
            .len()
            == 65
    );
    let place = format!("/Provenance/{}", provenance["id"].as_str().unwrap());
    assert_eq!(
        (get(hospital, &place).await.status, get(doctor, &place).await.code().0),
        (200, 404)
    );
    assert_eq!(total(doctor, &format!("/Provenance?target={target}")).await, Some(0));
    assert_eq!(
        get(hospital, "/Provenance").await.code(),
        (400, "invalid-search".into())
    );
    world.stop.cancel();
}
