//! A patient who keeps the keys grants a claim and what it cites, each alone, with wraps of the device; and a reader who keeps the
//! own key opens one with the release.

use alloy::primitives::{B256, Bytes};
use chartseal_envelope::{
    key::{Identity, Root},
    record_wrap::{self, Granted},
    release, wrap,
};
use chartseal_gateway::custody::root;
use chartseal_record::{Compartment, ContentHash, Scope};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    common::{
        People, STRANGER, World,
        device::{Device, number},
        fhir::{create, document, enrol, get, send},
        now, terms as grant,
    },
    single::{Claimed, ask_release, claimed, id, kept, slots, status, terms},
};

/// Alice keeps the keys from here on.
async fn taken_over<'a>(world: &'a World, people: &'a People<'a>) -> Device<'a> {
    enrol(people).await;
    let root = Root::generate().unwrap();
    let device = Device { world, people, root };
    let epochs = json!({ "epochs": device.epochs().await });
    people.alice.decide("takeOver", epochs).await;
    device
}

/// The CID of a record of another patient's.
async fn record_of_another(world: &World, people: &People<'_>) -> String {
    let (hospital, bob) = (&people.hospital, world.sign_in(STRANGER).await);
    let params = json!({ "role": "patient", "custodian": hospital.address(), "custodyMode": "gateway" });
    people.register(&bob, params).await;
    let grants = [grant(hospital.address(), "clinical", 3)];
    bob.decide("enrol", json!({ "scopes": ["clinical"], "grants": grants }))
        .await;
    let mut note = document(b"another's");
    note["subject"]["identifier"]["value"] = json!(format!("eip155:31337:{}", bob.address()));
    assert_eq!(create(hospital, "DocumentReference", &note).await.status, 201);
    let (_, rows) = bob.get("/v1/records?scope=clinical").await;
    rows[0]["cid"].as_str().unwrap().to_owned()
}

async fn keys_kept(world: &World, people: &People<'_>) -> usize {
    let hospital = people.hospital.address();
    world.app.store.vault_list(hospital, "release-key").await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_device_sealed_opens_until_revoked_and_nothing_beside_it_does() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    let device = taken_over(&world, &people).await;
    let (hospital, insurer, patient) = (&people.hospital, &people.insurer, &people.alice);
    let Claimed {
        claim,
        note,
        image,
        other,
        ..
    } = claimed(hospital).await;
    let root = root::key(hospital.address(), patient.address());
    assert_eq!(
        world.app.store.vault_get(&root).await.unwrap(),
        None,
        "nothing here opens them"
    );

    // Without the device's wraps there is nothing to grant.
    let (refused, problem) = patient.ask("grantClaim", terms(&people, &claim)).await;
    assert_eq!((refused, &problem["code"]), (403, &json!("own-key")), "{problem}");

    let mut asked = terms(&people, &claim);
    asked["own"] = device
        .own(insurer.address(), &[&id(&claim), &id(&note), &id(&image)])
        .await;
    let intent = patient.decide("grantClaim", asked.clone()).await;
    let granted = slots(&intent);
    assert_eq!(kept(&world, &people, &granted).await, [1, 1, 1]);
    let opens: Vec<_> = intent["sign"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["opens"]["recordId"].clone())
        .collect();
    assert_eq!(opens, [id(&claim), id(&note), id(&image)]);
    for place in [&claim, &note, &image] {
        assert_eq!(status(insurer, place).await, 200, "{place}");
    }
    for (who, place) in [(insurer, &other), (&people.doctor, &claim)] {
        assert_eq!(get(who, &format!("/{place}")).await.code(), (404, "not-found".into()));
    }
    assert_eq!(get(patient, &format!("/{claim}")).await.code(), (403, "own-key".into()));

    // A slot has one first grant: the same salts again are no fresh ones.
    let (refused, problem) = patient.ask("grantClaim", asked.clone()).await;
    assert_eq!((refused, &problem["code"]), (422, &json!("invalid")), "{problem}");

    // A later version is another record to it, in unversioned reads and in what is listed as newest.
    let mut later = get(hospital, &format!("/{note}")).await.json();
    later["description"] = json!("corrected");
    let headers = [("content-type", "application/fhir+json")];
    let put = send(hospital, Method::PUT, &format!("/{note}"), &headers, later.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.json());
    assert_eq!(status(insurer, &note).await, 404);
    assert_eq!(status(insurer, &format!("{note}/_history/1")).await, 200);
    let (_, all) = insurer.get("/v1/records").await;
    let (_, newest) = insurer.get("/v1/records?newest=true").await;
    let names = |rows: &Value| -> Vec<Value> {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["recordId"].clone())
            .collect()
    };
    assert!(names(&all).contains(&json!(id(&note))), "{all}");
    assert_eq!(names(&newest), [json!(id(&claim)), json!(id(&image))]);

    let record = &intent["sign"][0]["typedData"]["message"]["record"];
    let revoke = json!({ "grantee": insurer.address(), "record": record });
    let revoke = patient.lay_out("revoke", revoke).await;
    patient.sign(&revoke).await;
    assert_eq!(kept(&world, &people, &granted).await, [0, 1, 1]);
    assert_eq!(status(insurer, &claim).await, 404);
    assert_eq!(status(insurer, &image).await, 200, "the others stand");
    assert_eq!(world.relay().await, Vec::<String>::new());
    let (refused, problem) = patient.ask("grantClaim", asked).await;
    assert_eq!((refused, &problem["code"]), (422, &json!("invalid")), "{problem}");
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_hands_over_is_taken_as_a_whole_or_not_at_all() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    let device = taken_over(&world, &people).await;
    let (hospital, insurer, patient) = (&people.hospital, &people.insurer, &people.alice);
    let Claimed { claim, note, .. } = claimed(hospital).await;
    let others = record_of_another(&world, &people).await;
    let own = device.own(insurer.address(), &[&id(&claim), &id(&note)]).await;
    let before = keys_kept(&world, &people).await;

    let with = |change: &dyn Fn(&mut Value)| {
        let mut own = own.clone();
        change(&mut own);
        own
    };
    let nobodys = ContentHash::of(b"nobody's").to_string();
    let cases: [(u16, &str, Value); 12] = [
        (
            409,
            "epoch-moved",
            with(&|own| own["recipientKeyHash"] = json!(B256::repeat_byte(1))),
        ),
        (
            409,
            "epoch-moved",
            with(&|own| drop(own["records"].as_array_mut().unwrap().remove(0))),
        ),
        (422, "invalid", with(&|own| own["records"] = json!([]))),
        (
            422,
            "invalid",
            with(&|own| own["records"] = json!(vec![own["records"][0].clone(); 33])),
        ),
        (
            422,
            "invalid",
            with(&|own| own["records"][1] = own["records"][0].clone()),
        ),
        (
            422,
            "invalid",
            with(&|own| own["records"][1]["wrap"] = json!(Bytes::from(vec![7; 63]))),
        ),
        (
            422,
            "invalid",
            with(&|own| own["records"][1]["wrap"] = json!(Bytes::from(vec![7; 80]))),
        ),
        (404, "not-found", with(&|own| own["records"][1]["cid"] = json!(nobodys))),
        (
            404,
            "not-found",
            with(&|own| own["records"][1]["cid"] = json!("no cid")),
        ),
        (
            400,
            "malformed",
            with(&|own| own["records"][1]["fileKey"] = json!(Bytes::from(vec![1; 16]))),
        ),
        (400, "malformed", with(&|own| own["records"][1]["salt"] = json!("0x01"))),
        (
            400,
            "malformed",
            with(&|own| drop(own.as_object_mut().unwrap().remove("recipientKeyHash"))),
        ),
    ];
    for (expected, code, own) in cases {
        let mut asked = terms(&people, &claim);
        asked["own"] = own.clone();
        let (refused, problem) = patient.ask("grantClaim", asked).await;
        assert_eq!(
            (refused, &problem["code"]),
            (expected, &json!(code)),
            "{own}: {problem}"
        );
        assert_eq!(keys_kept(&world, &people).await, before, "{own}");
    }

    // Somebody else's record is like one that is nowhere, and a document is no claim.
    let mut asked = terms(&people, &claim);
    asked["own"] = with(&|own| own["records"][1]["cid"] = json!(others));
    assert_eq!(patient.ask("grantClaim", asked).await.0, 404);
    let mut asked = terms(&people, &note);
    asked["own"] = own;
    assert_eq!(patient.ask("grantClaim", asked).await.0, 404);
    assert_eq!(keys_kept(&world, &people).await, before);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_keeps_the_own_key_opens_a_record_granted_alone_and_its_gateway_does_not() {
    let world = World::with("max_head_age = 3600").await;
    let people = world.people().await;
    let device = taken_over(&world, &people).await;
    let (hospital, patient) = (&people.hospital, &people.alice);
    let identity = Identity::generate().unwrap();
    let reader = world.sign_in(STRANGER).await;
    let key = Bytes::copy_from_slice(identity.public_key().as_bytes());
    let params = json!({
        "role": "doctor", "custody": "own", "encryptionKey": key, "credential": B256::repeat_byte(7), "credentialExpiry": now() + 86_400,
    });
    people.register(&reader, params).await;
    let Claimed { claim, note, other, .. } = claimed(hospital).await;
    let mut asked = terms(&people, &claim);
    asked["grantee"] = json!(reader.address());
    asked["own"] = device.own(reader.address(), &[&id(&claim), &id(&note)]).await;
    let intent = patient.decide("grantClaim", asked).await;
    let slot = slots(&intent)[0];

    assert_eq!(get(&reader, &format!("/{claim}")).await.code(), (403, "own-key".into()));
    assert_eq!(
        get(&reader, &format!("/{other}")).await.code(),
        (404, "not-found".into())
    );
    let (_, rows) = reader.get("/v1/records").await;
    let row = |place: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["recordId"] == id(place))
            .cloned()
    };
    assert_eq!(row(&other), None);
    let row = row(&claim).unwrap();
    let cid = row["cid"].as_str().unwrap();
    let sealed = async || send(&reader, Method::GET, &format!("{}/ipfs/{cid}", world.base), &[], "").await;
    let found = sealed().await;
    assert_eq!(found.status, 200);

    let (answered, released) = ask_release(&world, hospital, &reader, (slot, 0), 1).await;
    assert_eq!(answered, 200, "{released}");
    assert_eq!(released["record"]["cid"], cid);
    let place = wrap::Place {
        contracts: world.app.contracts,
        slot,
        serial: 1,
        epoch: number(&released["epoch"]),
    };
    let bytes = |value: &Value| -> Bytes { value.as_str().unwrap().parse().unwrap() };
    let release_key = release::open(&place, B256::repeat_byte(1), &identity, &bytes(&released["release"])).unwrap();
    let granted = Granted {
        place,
        patient: patient.address(),
        grantee: reader.address(),
        salt: released["record"]["salt"].as_str().unwrap().parse().unwrap(),
        compartment: Some(Compartment::of(patient.address(), &Scope::new("claims").unwrap())),
    };
    let wrap = bytes(&released["record"]["wrap"]);
    let opened = record_wrap::open_record(&granted, &identity, &release_key, &wrap, &found.bytes).unwrap();
    assert_eq!(opened.header.statement.id.to_string(), id(&claim));

    // Revoked, neither half is given any more.
    let record = &intent["sign"][0]["typedData"]["message"]["record"];
    let revoke = patient
        .lay_out("revoke", json!({ "grantee": reader.address(), "record": record }))
        .await;
    patient.sign(&revoke).await;
    let (answered, refused) = ask_release(&world, hospital, &reader, (slot, 0), 2).await;
    assert_eq!((answered, &refused["code"]), (403, &json!("not-live")));
    assert_eq!(sealed().await.status, 404);
    world.stop.cancel();
}
