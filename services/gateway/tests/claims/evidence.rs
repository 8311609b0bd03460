//! A claim and its evidence in another scope, and the insurer's answer.

use serde_json::json;

use super::common::{
    World,
    fhir::{READ, READ_AND_WRITE, WRITE, alice, create, document, enrol, get},
    terms,
};

#[tokio::test(flavor = "multi_thread")]
async fn evidence_in_another_scope_stays_cited_and_opens_with_its_own_grant_and_the_answer_is_seen_by_all() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, insurer, patient) = (&people.hospital, &people.insurer, &people.alice);
    insurer.decide("statementKey", json!({ "generate": true })).await;
    let note = create(hospital, "DocumentReference", &document(b"operated on the left knee"))
        .await
        .json();
    let note = format!("DocumentReference/{}", note["id"].as_str().unwrap());
    let category = json!({ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/claiminformationcategory", "code": "attachment" }] });
    let claim = json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-22",
        "identifier": [{ "system": "http://hospital.example/claims", "value": "C-77" }], "type": { "text": "x" },
        "provider": { "display": "Hospital" }, "priority": { "coding": [{ "code": "normal" }] },
        "supportingInfo": [{ "sequence": 1, "category": category, "valueReference": { "reference": note } }],
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "display": "private" } }],
    });
    let claim = create(hospital, "Claim", &claim).await.json();
    let claim = format!("Claim/{}", claim["id"].as_str().unwrap());

    patient
        .decide("grant", terms(insurer.address(), "claims", READ_AND_WRITE))
        .await;
    let looked = get(insurer, &format!("/{claim}")).await.json();
    let cited = looked["supportingInfo"][0]["valueReference"]["reference"]
        .as_str()
        .unwrap();
    assert_eq!(cited, note, "{looked}");
    assert_eq!(
        get(insurer, &format!("/{cited}")).await.code(),
        (404, "not-found".into())
    );
    patient
        .decide("grant", terms(insurer.address(), "clinical", READ))
        .await;
    let evidence = get(insurer, &format!("/{cited}")).await;
    assert_eq!(evidence.status, 200, "{}", evidence.json());
    let url = evidence.json()["content"][0]["attachment"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(get(insurer, &url).await.bytes, b"operated on the left knee");

    let response = json!({
        "resourceType": "ClaimResponse", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-23",
        "type": { "text": "x" }, "insurer": { "display": "Insurer" }, "outcome": "complete", "request": { "reference": claim },
    });
    let answered = create(insurer, "ClaimResponse", &response).await.json();
    let response = format!("ClaimResponse/{}", answered["id"].as_str().unwrap());
    // The hospital may only write claims until the patient lets it read them.
    assert_eq!(get(hospital, &format!("/{response}")).await.status, 404);
    patient
        .decide("grant", terms(hospital.address(), "claims", READ | WRITE))
        .await;
    for who in [hospital, insurer, patient] {
        let seen = get(who, &format!("/{response}")).await.json();
        assert_eq!(seen["request"]["reference"], claim, "{seen}");
        assert_eq!(
            get(who, &format!("/ClaimResponse?request={claim}")).await.json()["total"],
            1
        );
        let by = get(who, &format!("/Provenance?target={response}")).await.json();
        let author = format!("Organization/{:#x}", insurer.address());
        assert_eq!(
            by["entry"][0]["resource"]["agent"][0]["who"]["reference"], author,
            "{by}"
        );
    }
    let scopes: Vec<_> = [&claim, &response]
        .map(|place| place.rsplit('/').next().unwrap().to_owned())
        .into();
    let (_, listed) = patient.get("/v1/records?scope=claims").await;
    for id in scopes {
        assert!(
            listed.to_string().contains(&id),
            "both are in the patient's claims compartment"
        );
    }
    world.stop.cancel();
}
