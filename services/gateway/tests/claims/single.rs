//! A claim and the records it cites, each granted alone: these versions of these records, and nothing beside them.

use alloy::{
    primitives::{B256, Bytes},
    providers::ext::AnvilApi,
};
use chartseal_envelope::{
    record_wrap::{self, Granted},
    release, wrap,
};
use chartseal_gateway::custody::{mend, open, single};
use chartseal_record::{ContentHash, Slot, Target, typed};
use reqwest::Method;
use serde_json::{Value, json};

use super::common::{
    People, Person, World,
    fhir::{Answer, alice, create, document, enrol, get, send},
    now,
};

/// A claim that cites two documents of three.
pub struct Claimed {
    pub claim: String,
    pub note: String,
    pub image: String,
    pub other: String,
}

fn place(answer: &Answer, kind: &str) -> String {
    assert_eq!(answer.status, 201, "{}", answer.json());
    format!("{kind}/{}", answer.json()["id"].as_str().unwrap())
}

pub async fn claimed(hospital: &Person<'_>) -> Claimed {
    let mut documents = Vec::new();
    for words in ["a note", "an image", "nobody's business"] {
        let created = create(hospital, "DocumentReference", &document(words.as_bytes())).await;
        documents.push(place(&created, "DocumentReference"));
    }
    let [note, image, other] = documents.try_into().unwrap();
    let chart = json!({ "resourceType": "Patient", "identifier": [alice()["identifier"]] });
    let chart = place(&create(hospital, "Patient", &chart).await, "Patient");
    let information = |n: usize, at: &str| json!({ "sequence": n, "category": { "text": "x" }, "valueReference": { "reference": at } });
    let nowhere = format!("DocumentReference/{}", "0".repeat(64));
    let claim = json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "patient": { "reference": chart }, "created": "2026-11-22",
        "identifier": [{ "system": "http://hospital.example/claims", "value": "C-1" }], "type": { "text": "x" },
        "provider": { "display": "Hospital" }, "priority": { "coding": [{ "code": "normal" }] },
        // One twice, one that is nowhere.
        "supportingInfo": [information(1, &note), information(2, &image), information(3, &note), information(4, &nowhere)],
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "display": "private" } }],
    });
    let claim = place(&create(hospital, "Claim", &claim).await, "Claim");
    Claimed {
        claim,
        note,
        image,
        other,
    }
}

pub fn id(place: &str) -> String {
    format!("0x{}", place.rsplit('/').next().unwrap())
}

pub fn terms(people: &People<'_>, claim: &str) -> Value {
    json!({ "claim": id(claim), "grantee": people.insurer.address(), "until": now() + 86_400, "purpose": "HPAYMT" })
}

/// The keys of grants of one record that the hospital keeps, by slot.
pub async fn kept(world: &World, people: &People<'_>, slots: &[Slot]) -> Vec<usize> {
    let all = world
        .app
        .store
        .vault_list(people.hospital.address(), "release-key")
        .await
        .unwrap();
    let of = |slot: &Slot| {
        let prefix = format!("{}|", slot.0);
        all.iter().filter(|entry| entry.key.place.starts_with(&prefix)).count()
    };
    slots.iter().map(of).collect()
}

pub fn slots(intent: &Value) -> Vec<Slot> {
    let parts = intent["sign"].as_array().unwrap().iter();
    let slot = |part: &Value| {
        let message = &part["typedData"]["message"];
        let address = |name: &str| message[name].as_str().unwrap().parse().unwrap();
        assert_eq!(
            (
                &message["scope"],
                &message["permission"],
                &message["epoch"],
                &message["suite"]
            ),
            (&json!(""), &json!(1), &json!(0), &json!(0)),
            "{message}"
        );
        let target = Target::Record(message["record"].as_str().unwrap().parse().unwrap());
        Slot::of(address("patient"), address("grantee"), &target)
    };
    parts.map(slot).collect()
}

/// POST /v1/releases, signed by the reader.
pub async fn ask_release(
    world: &World,
    custodian: &Person<'_>,
    reader: &Person<'_>,
    (slot, epoch): (Slot, u32),
    nonce: u8,
) -> (u16, Value) {
    let asked = typed::Release {
        slot: slot.0,
        serial: 1,
        epoch,
        reader: reader.address(),
        purpose: "CLMATTCH".into(),
        nonce: B256::repeat_byte(nonce),
        time: now(),
        custodian: custodian.address(),
    };
    let digest = typed::digest(&asked, &world.app.contracts.consent_domain());
    let mut body = serde_json::to_value(&asked).unwrap();
    body["signature"] = json!(reader.sign_digest(digest));
    world.call(Method::POST, "/v1/releases", None, Some(&body)).await
}

pub async fn status(who: &Person<'_>, place: &str) -> u16 {
    get(who, &format!("/{place}")).await.status
}

async fn totals(who: &Person<'_>, searches: &[&str]) -> Vec<u64> {
    let mut totals = Vec::new();
    for search in searches {
        totals.push(get(who, search).await.json()["total"].as_u64().unwrap());
    }
    totals
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_and_what_it_cites_open_in_these_versions_until_revoked_and_nothing_else_does() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, insurer, patient) = (&people.hospital, &people.insurer, &people.alice);
    let Claimed {
        claim,
        note,
        image,
        other,
        ..
    } = claimed(hospital).await;

    // Each record is a signature, and says which record it is of.
    let intent = patient.lay_out("grantClaim", terms(&people, &claim)).await;
    let parts = intent["sign"].as_array().unwrap();
    let opened: Vec<String> = parts
        .iter()
        .map(|part| {
            let record = part["opens"]["recordId"].as_str().unwrap();
            format!(
                "{}/{}",
                part["opens"]["resourceType"].as_str().unwrap(),
                record.trim_start_matches("0x")
            )
        })
        .collect();
    assert_eq!(opened[0], claim);
    let mut documents = opened[1..].to_vec();
    documents.sort();
    let mut cited = [note.clone(), image.clone()];
    cited.sort();
    assert_eq!(documents, cited);
    let slots = slots(&intent);
    assert_eq!(
        kept(&world, &people, &slots).await,
        [1, 1, 1],
        "before anything is signed"
    );

    // Signed in part it is nothing.
    let path = format!("/v1/intents/{}/signatures", intent["id"].as_str().unwrap());
    let signature = |part: &Value| json!({ "as": part["as"], "signature": patient.sign_typed(&part["typedData"]) });
    let (_, half) = patient.put(&path, signature(&parts[0])).await;
    assert_eq!(
        (&half["state"], half["sign"].as_array().unwrap().len()),
        (&json!("prepared"), 2)
    );
    assert!(world.relay().await.is_empty());
    assert_eq!(status(insurer, &claim).await, 404);
    for part in &parts[1..] {
        patient.put(&path, signature(part)).await;
    }
    assert_eq!(world.relay().await, Vec::<String>::new());
    let (_, done) = patient
        .get(&format!("/v1/intents/{}", intent["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&done["state"], done["steps"].as_array().unwrap().len()),
        (&json!("confirmed"), 3)
    );

    for place in [&claim, &note, &image] {
        assert_eq!(status(insurer, place).await, 200, "{place}");
        assert_eq!(status(insurer, &format!("{place}/_history/1")).await, 200, "{place}");
    }
    let url = get(insurer, &format!("/{note}")).await.json()["content"][0]["attachment"]["url"].clone();
    assert_eq!(get(insurer, url.as_str().unwrap()).await.bytes, b"a note");
    let url = get(hospital, &format!("/{other}")).await.json()["content"][0]["attachment"]["url"].clone();
    for beyond in [
        other.as_str(),
        &get(hospital, "/Patient").await.json()["entry"][0]["resource"]["id"]
            .as_str()
            .map(|id| format!("Patient/{id}"))
            .unwrap(),
    ] {
        assert_eq!(
            get(insurer, &format!("/{beyond}")).await.code(),
            (404, "not-found".into())
        );
    }
    assert_eq!(get(insurer, url.as_str().unwrap()).await.status, 404);
    let searches = [
        "/Claim",
        "/Claim?identifier=C-1",
        "/DocumentReference",
        "/DocumentReference?identifier=doc-1",
        "/Patient",
    ];
    assert_eq!(totals(insurer, &searches).await, [1, 1, 2, 2, 0]);
    assert_eq!(
        totals(&people.doctor, &searches).await,
        [0; 5],
        "another is granted nothing"
    );
    let (_, listed) = insurer.get("/v1/records").await;
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let (_, listed) = insurer.get("/v1/records?scope=claims&limit=1").await;
    assert!(listed.as_array().unwrap().len() <= 1);
    let (_, found) = insurer
        .post("/v1/claims/lookup", json!({ "numbers": [{ "value": "C-1" }] }))
        .await;
    assert_eq!(found["answers"][0]["claims"][0]["recordId"], id(&claim));
    let (_, grants) = insurer.get(&format!("/v1/grants?patient={}", patient.address())).await;
    assert!(
        grants
            .as_array()
            .unwrap()
            .iter()
            .all(|grant| grant["live"] == true && grant["opens"]["version"] == 1)
    );
    let consents = get(insurer, "/Consent").await.json();
    assert!(
        consents.to_string().contains(&format!("{claim}/_history/1")),
        "{consents}"
    );
    // WRITE is not in it.
    let response = json!({
        "resourceType": "ClaimResponse", "status": "active", "use": "claim", "patient": alice(), "created": "2026-11-23",
        "type": { "text": "x" }, "insurer": { "display": "Insurer" }, "outcome": "complete", "request": { "reference": claim },
    });
    insurer.decide("statementKey", json!({ "generate": true })).await;
    assert_eq!(
        create(insurer, "ClaimResponse", &response).await.code(),
        (403, "no-write-grant".into())
    );

    // Each read names its record in the patient's journal.
    let (_, journal) = patient.get("/v1/audit").await;
    for (action, place) in [
        ("grant", &claim),
        ("grant", &note),
        ("read", &claim),
        ("read", &note),
        ("read", &image),
    ] {
        let of = |entry: &&Value| {
            entry["action"] == action && entry["subject"]["record"] == place.rsplit('/').next().unwrap()
        };
        assert!(
            journal.as_array().unwrap().iter().any(|entry| of(&entry)),
            "{action} {place}: {journal:#}"
        );
    }
    let on_chain = world.app.index.grant(slots[0]);
    assert!(on_chain.terms.unwrap().wrap.is_empty(), "the chain has no wrap of it");

    // A later version is another record to it.
    let mut later = get(hospital, &format!("/{note}")).await.json();
    later["description"] = json!("corrected");
    let headers = [("content-type", "application/fhir+json")];
    let put = send(hospital, Method::PUT, &format!("/{note}"), &headers, later.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.json());
    assert_eq!(status(insurer, &note).await, 404);
    assert_eq!(status(insurer, &format!("{note}/_history/2")).await, 404);
    assert_eq!(status(insurer, &format!("{note}/_history/1")).await, 200);
    assert_eq!(
        totals(insurer, &["/DocumentReference", &format!("/{note}/_history")]).await,
        [1, 1]
    );
    assert_eq!(totals(hospital, &[&format!("/{note}/_history")]).await, [2]);

    // The grantee changes its key: what it was granted is sealed to the new one.
    insurer.decide("encryptionKey", json!({ "custody": "gateway" })).await;
    mend::look_after(&world.app, patient.address()).await.unwrap();
    assert_eq!(kept(&world, &people, &slots).await, [2, 2, 2]);
    assert_eq!(status(insurer, &claim).await, 200);

    // One is revoked: refused before the chain knows, and what opened it is gone.
    let record = &parts[0]["typedData"]["message"]["record"];
    let revoke = patient
        .lay_out("revoke", json!({ "grantee": insurer.address(), "record": record }))
        .await;
    assert_eq!(revoke["sign"][0]["opens"]["recordId"], id(&claim));
    let revoked = patient.sign(&revoke).await;
    assert_eq!(revoked["receipt"]["slot"], json!(slots[0]));
    assert_eq!(kept(&world, &people, &slots).await, [0, 2, 2]);
    assert_eq!(status(insurer, &claim).await, 404);
    assert_eq!(
        totals(insurer, &["/Claim", "/Claim?identifier=C-1", "/DocumentReference"]).await,
        [0, 0, 1]
    );
    assert_eq!(world.relay().await, Vec::<String>::new());
    assert_eq!(status(insurer, &image).await, 200, "the others stand");
    let named = patient.get("/v1/audit").await.1;
    let of =
        |entry: &&Value| entry["action"] == "revoke" && entry["subject"]["record"] == claim.rsplit('/').next().unwrap();
    assert!(named.as_array().unwrap().iter().any(|entry| of(&entry)));

    // The others expire, on the chain's clock.
    world
        .provider
        .anvil_set_next_block_timestamp(now() + 86_500)
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(status(insurer, &image).await, 404);
    assert_eq!(totals(insurer, &searches).await, [0; 5]);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_one_record_opens_it_and_proves_that_it_is_the_one_that_was_granted() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, insurer, patient) = (&people.hospital, &people.insurer, &people.alice);
    let Claimed { claim, .. } = claimed(hospital).await;
    let intent = patient.decide("grantClaim", terms(&people, &claim)).await;
    let slot = slots(&intent)[0];

    let ask = async |epoch: u32, nonce: u8| ask_release(&world, hospital, insurer, (slot, epoch), nonce).await;
    let (status, refused) = ask(1, 1).await;
    assert_eq!(
        (status, &refused["code"]),
        (403, &json!("not-live")),
        "a grant of one record has no epoch"
    );
    let (status, released) = ask(0, 2).await;
    assert_eq!(status, 200, "{released}");
    let content: ContentHash = released["record"]["cid"].as_str().unwrap().parse().unwrap();
    let row = world.app.store.record(content).await.unwrap().unwrap();
    assert_eq!((row.record_id.to_string(), row.version), (id(&claim), 1));

    let bytes = |value: &Value| -> Bytes { value.as_str().unwrap().parse().unwrap() };
    let key = world.app.index.account(insurer.address()).unwrap().encryption_key;
    let key = alloy::primitives::keccak256(&key);
    let identity = open::identity(&world.app, insurer.address(), key)
        .await
        .unwrap()
        .unwrap();
    let place = wrap::Place {
        contracts: world.app.contracts,
        slot,
        serial: 1,
        epoch: row.epoch,
    };
    let release_key = release::open(&place, B256::repeat_byte(2), &identity, &bytes(&released["release"])).unwrap();
    let mut granted = Granted {
        place,
        patient: patient.address(),
        grantee: insurer.address(),
        salt: released["record"]["salt"].as_str().unwrap().parse().unwrap(),
        compartment: Some(row.compartment),
    };
    let cid = row.content_hash.to_string();
    let sealed = send(insurer, Method::GET, &format!("{}/ipfs/{cid}", world.base), &[], "")
        .await
        .bytes;
    let wrap = bytes(&released["record"]["wrap"]);
    let opened = record_wrap::open_record(&granted, &identity, &release_key, &wrap, &sealed).unwrap();
    assert_eq!(opened.header.statement.id, row.record_id);
    granted.salt = B256::ZERO;
    assert!(record_wrap::open_record(&granted, &identity, &release_key, &wrap, &sealed).is_err());

    let (_, journal) = patient.get("/v1/audit").await;
    let name = claim.rsplit('/').next().unwrap();
    let of = |entry: &&Value| {
        let subject = &entry["subject"];
        entry["action"] == "release" && subject["record"] == name && subject["scope"] == "claims"
    };
    assert_eq!(journal.as_array().unwrap().iter().filter(of).count(), 2, "{journal:#}");

    // What the custodian keeps is of no use for another slot of the same record.
    let other = patient.decide("grantClaim", terms(&people, &claim)).await;
    let other = slots(&other)[0];
    assert_ne!(other, slot);
    let kept = async |slot| {
        single::held(&world.app, hospital.address(), slot, 1)
            .await
            .unwrap()
            .pop()
            .unwrap()
    };
    assert_ne!(kept(slot).await.salt, kept(other).await.salt);

    let record = &intent["sign"][0]["typedData"]["message"]["record"];
    let revoke = patient
        .lay_out("revoke", json!({ "grantee": insurer.address(), "record": record }))
        .await;
    patient.sign(&revoke).await;
    let (status, refused) = ask(0, 3).await;
    assert_eq!((status, &refused["code"]), (403, &json!("not-live")));
    assert_eq!(
        get(insurer, &format!("/{claim}")).await.status,
        200,
        "the other grant of it stands"
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_granted_alone_is_refused_with_what_to_do() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    enrol(&people).await;
    let (hospital, patient) = (&people.hospital, &people.alice);
    let Claimed { claim, note, .. } = claimed(hospital).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = terms(&people, &claim);
        change(&mut body);
        body
    };
    let cases: [(u16, &str, Value); 8] = [
        (404, "not-found", with(&|b| b["claim"] = json!(id(&note)))),
        (404, "not-found", with(&|b| b["claim"] = json!(B256::ZERO))),
        (
            400,
            "malformed",
            with(&|b| drop(b.as_object_mut().unwrap().remove("claim"))),
        ),
        (
            400,
            "malformed",
            with(&|b| drop(b.as_object_mut().unwrap().remove("until"))),
        ),
        (400, "malformed", with(&|b| b["scope"] = json!("claims"))),
        (422, "invalid", with(&|b| b["until"] = json!(1))),
        (422, "invalid", with(&|b| b["purpose"] = json!(""))),
        (404, "not-found", with(&|b| b["request"] = json!(B256::repeat_byte(9)))),
    ];
    for (expected, code, body) in cases {
        let (status, refused) = patient.ask("grantClaim", body.clone()).await;
        assert_eq!(
            (status, &refused["code"]),
            (expected, &json!(code)),
            "{body}: {refused}"
        );
    }
    let (status, refused) = people.doctor.ask("grantClaim", terms(&people, &claim)).await;
    assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
    for both in [
        json!({ "scope": "claims", "record": B256::repeat_byte(1) }),
        json!({}),
        json!({ "record": B256::ZERO }),
    ] {
        let mut body = both;
        body["grantee"] = json!(people.insurer.address());
        let (status, refused) = patient.ask("revoke", body).await;
        assert_eq!((status, &refused["code"]), (400, &json!("malformed")), "{refused}");
    }

    // More than a wallet should be asked to sign.
    let mut information = Vec::new();
    for n in 0..32 {
        let created = create(hospital, "DocumentReference", &document(format!("page {n}").as_bytes())).await;
        let at = place(&created, "DocumentReference");
        information
            .push(json!({ "sequence": n + 1, "category": { "text": "x" }, "valueReference": { "reference": at } }));
    }
    let mut long = get(patient, &format!("/{claim}")).await.json();
    long.as_object_mut().unwrap().remove("id");
    long["supportingInfo"] = json!(information);
    let long = place(&create(hospital, "Claim", &long).await, "Claim");
    let (status, refused) = patient.ask("grantClaim", terms(&people, &long)).await;
    assert_eq!((status, &refused["code"]), (422, &json!("invalid")), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("32"), "{refused}");
    world.stop.cancel();
}
