//! From registration to revocation, over HTTP, on a real chain.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use alloy::providers::{Provider, ext::AnvilApi};
use chartseal_envelope::{key::EpochSecret, release, wrap};
use chartseal_gateway::{
    audit::Subject,
    auth::caller::{Caller, Via},
    custody::{epochs, live, mend, open},
};
use chartseal_record::{Compartment, Scope, Target, account::Role, typed};
use common::{ALICE, DOCTOR, STRANGER, World, now, terms};
use serde_json::{Value, json};

fn doctor_caller(world: &World) -> Caller {
    let account = common::wallet(DOCTOR).address();
    Caller {
        account,
        role: Some(Role::Doctor),
        org: world.app.config.organisations[0].account,
        via: Via::Session { address: account },
    }
}

async fn opened(world: &World, epoch: u32) -> Result<EpochSecret, String> {
    let (alice, scope) = (common::wallet(ALICE).address(), Scope::clinical());
    let subject = Subject {
        scope: "clinical".into(),
        ..Subject::default()
    };
    let opened = open::epoch_secret(
        &world.app,
        &doctor_caller(world),
        alice,
        &scope,
        epoch,
        "TREAT",
        subject,
    )
    .await;
    opened.map_err(|problem| problem.code.as_str().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_registers_once() {
    let world = World::new().await;
    let people = world.people().await;
    let (status, problem) = people
        .doctor
        .ask(
            "register",
            json!({ "role": "patient", "custodian": people.hospital.address(), "custodyMode": "gateway" }),
        )
        .await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("already-registered")));
    let (_, account) = people
        .alice
        .get(&format!("/v1/accounts/{}", people.doctor.address()))
        .await;
    assert_eq!(account["role"], "doctor");
    assert_eq!(account["encryptionKey"].as_str().unwrap().len(), 66);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_and_a_revocation_closes_for_good() {
    let world = World::new().await;
    let people = world.people().await;
    let enrolled = people.enrol().await;
    assert!(
        enrolled["backup"]["file"].is_string(),
        "the backup of the root is shown once"
    );
    let (_, later) = people
        .alice
        .get(&format!("/v1/intents/{}", enrolled["id"].as_str().unwrap()))
        .await;
    assert!(
        later["backup"].is_null() && later["steps"].as_array().unwrap().len() == 4,
        "{later}"
    );

    // Before a grant: nothing, and it looks like nothing.
    assert_eq!(opened(&world, 1).await.unwrap_err(), "not-live");

    // The doctor asks, Alice sees who, what and why, and approves.
    let ask = json!({ "patient": people.alice.address(), "scope": "clinical", "permission": 3, "until": now() + 86_400, "purpose": "TREAT", "reason": "follow-up of the operation" });
    let (status, asked) = people.doctor.post("/v1/requests", ask).await;
    assert_eq!(status, 201, "{asked}");
    let id = asked["id"].as_str().unwrap();
    let signature = people.doctor.sign_typed(&asked["sign"][0]["typedData"]);
    let (status, sent) = people
        .doctor
        .put(
            &format!("/v1/requests/{id}/signature"),
            json!({ "signature": signature }),
        )
        .await;
    assert_eq!((status, sent["state"].as_str()), (200, Some("open")), "{sent}");
    let (_, waiting) = people.alice.get("/v1/requests?state=open").await;
    assert_eq!(waiting[0]["reason"], "follow-up of the operation");
    people.alice.decide("grant", json!({ "request": id })).await;
    let (_, decided) = people.doctor.get("/v1/requests").await;
    assert_eq!(decided[0]["state"], "approved");

    // Control: wrap, release key and the doctor's key open the epoch.
    let before = opened(&world, 1).await.unwrap();
    let kept = kept_by_a_thief(&world).await;
    assert_eq!(kept.as_ref().unwrap().as_bytes(), before.as_bytes());

    // Alice revokes. It is refused at once, before the chain has it.
    let laid = people
        .alice
        .lay_out(
            "revoke",
            json!({ "grantee": people.doctor.address(), "scope": "clinical" }),
        )
        .await;
    let revoked = people.alice.sign(&laid).await;
    assert!(revoked["receipt"]["signature"].is_string(), "{revoked}");
    assert_eq!(opened(&world, 1).await.unwrap_err(), "not-live");
    assert!(kept_by_a_thief(&world).await.is_none(), "no release key is left");
    assert_eq!(world.relay().await, Vec::<String>::new());
    assert_eq!(opened(&world, 1).await.unwrap_err(), "not-live");

    // What is written now is sealed to an epoch the doctor's secret does not open.
    let newest = epochs::newest(&world.app, people.alice.address(), &Scope::clinical())
        .await
        .unwrap();
    assert_eq!(newest.number, 2);
    assert_ne!(newest.key, *before.public_key().as_bytes());
    let hospital = people.hospital.address();
    let target = Target::Scope(Scope::clinical());
    live::permission(&world.app, people.alice.address(), hospital, &target, typed::READ)
        .await
        .unwrap();

    // The journal tells it all, in order.
    let (_, journal) = people
        .alice
        .get(&format!("/v1/audit?patient={}", people.alice.address()))
        .await;
    let told = |entry: &Value| {
        let action = entry["action"].as_str().unwrap();
        match entry["refused"].as_str() {
            Some(why) => format!("{action} refused: {why}"),
            None => action.to_owned(),
        }
    };
    let actions: Vec<String> = journal.as_array().unwrap().iter().map(told).collect();
    let refused = "read refused: not-live";
    assert_eq!(
        actions,
        [
            "administer",
            "grant",
            "grant",
            refused,
            "grant",
            "read",
            "revoke",
            refused,
            refused
        ]
    );
    world.stop.cancel();
}

/// What the vault, the chain and the doctor's key give together.
async fn kept_by_a_thief(world: &World) -> Option<EpochSecret> {
    use chartseal_gateway::custody::wraps;
    let app = &world.app;
    let (alice, doctor) = (common::wallet(ALICE).address(), common::wallet(DOCTOR).address());
    let slot = epochs::slot(alice, doctor, &Scope::clinical());
    let state = app.index.grant(slot);
    let key_hash = app.index.account(doctor).unwrap().encryption_key_hash();
    let identity = open::identity(app, doctor, key_hash).await.unwrap().unwrap();
    let custodian = app.config.organisations[0].account;
    let held = wraps::held(app, custodian, slot, &state, |_| true).await.unwrap()?;
    let epoch = app.index.epochs(Compartment::of(alice, &Scope::clinical()))[0].epoch;
    Some(wraps::open(app, slot, state.terms.unwrap().serial, &held, &identity, epoch.key).unwrap())
}

/// Whether the gateway keeps an account's key, as it tells `who`.
async fn kept(who: &common::Person<'_>, account: alloy::primitives::Address) -> Value {
    let (status, shown) = who.get(&format!("/v1/accounts/{account}")).await;
    assert_eq!(status, 200, "{shown}");
    shown["keyKept"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_needs_a_fresh_signature_of_the_reader() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let key = chartseal_envelope::key::Identity::generate().unwrap();
    assert_eq!(kept(&people.doctor, people.doctor.address()).await, json!(true));
    people
        .doctor
        .decide(
            "encryptionKey",
            json!({ "encryptionKey": alloy::primitives::hex::encode_prefixed(key.public_key().as_bytes()) }),
        )
        .await;
    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    let slot = epochs::slot(people.alice.address(), people.doctor.address(), &Scope::clinical());
    assert_eq!(opened(&world, 1).await.unwrap_err(), "own-key");
    assert_eq!(kept(&people.doctor, people.doctor.address()).await, json!(false));
    // Where others keep theirs, nobody is told.
    assert_eq!(kept(&people.alice, people.doctor.address()).await, Value::Null);
    let request = |nonce: u8, time: u64| typed::Release {
        slot: slot.0,
        serial: 1,
        epoch: 1,
        reader: people.doctor.address(),
        purpose: "TREAT".into(),
        nonce: alloy::primitives::B256::repeat_byte(nonce),
        time,
        custodian: people.hospital.address(),
    };
    let domain = world.app.contracts.consent_domain();
    let body = |r: &typed::Release, by: &common::Person<'_>| {
        let mut body = serde_json::to_value(r).unwrap();
        body["signature"] = json!(by.sign_digest(typed::digest(r, &domain)));
        body
    };
    let post = async |body: Value| {
        world
            .call(reqwest::Method::POST, "/v1/releases", None, Some(&body))
            .await
    };

    let good = request(1, now());
    let (status, answer) = post(body(&good, &people.doctor)).await;
    assert_eq!(status, 200, "{answer}");
    let sealed: alloy::primitives::Bytes = answer["release"].as_str().unwrap().parse().unwrap();
    let place = wrap::Place {
        contracts: world.app.contracts,
        slot,
        serial: 1,
        epoch: 1,
    };
    let release_key = release::open(&place, good.nonce, &key, &sealed).unwrap();
    let state = world.app.index.grant(slot);
    let epoch = world
        .app
        .index
        .epochs(Compartment::of(people.alice.address(), &Scope::clinical()))[0]
        .epoch;
    let public = chartseal_envelope::key::PublicKey::from_bytes(epoch.key);
    wrap::open(&place, &key, &release_key, &public, &state.wraps[0].wrap).unwrap();

    for (what, body, expected) in [
        ("replayed", body(&good, &people.doctor), (409, "replayed")),
        (
            "forged",
            body(&request(2, now()), &people.insurer),
            (403, "bad-signature"),
        ),
        (
            "old",
            body(&request(3, now() - 301), &people.doctor),
            (403, "out-of-time"),
        ),
        (
            "ahead",
            body(&request(4, now() + 400), &people.doctor),
            (403, "out-of-time"),
        ),
        (
            "other serial",
            body(
                &typed::Release {
                    serial: 2,
                    ..request(5, now())
                },
                &people.doctor,
            ),
            (403, "not-live"),
        ),
        (
            "other epoch",
            body(
                &typed::Release {
                    epoch: 9,
                    ..request(6, now())
                },
                &people.doctor,
            ),
            (403, "not-live"),
        ),
        (
            "other slot",
            body(
                &typed::Release {
                    slot: alloy::primitives::B256::ZERO,
                    ..request(7, now())
                },
                &people.doctor,
            ),
            (403, "not-live"),
        ),
        (
            "not ours",
            body(
                &typed::Release {
                    custodian: people.doctor.address(),
                    ..request(8, now())
                },
                &people.doctor,
            ),
            (404, "not-found"),
        ),
    ] {
        let (status, problem) = post(body).await;
        assert_eq!(
            (status, problem["code"].as_str().unwrap()),
            expected,
            "{what}: {problem}"
        );
    }
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_for_another() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let intent = people
        .alice
        .lay_out("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    let path = format!("/v1/intents/{}", intent["id"].as_str().unwrap());
    let stranger = world.sign_in(STRANGER).await;
    assert_eq!(stranger.get(&path).await.0, 404);
    assert_eq!(people.doctor.get(&path).await.0, 404);
    let forged = json!({ "as": "account", "signature": people.doctor.sign_typed(&intent["sign"][0]["typedData"]) });
    assert_eq!(
        people.doctor.put(&format!("{path}/signatures"), forged.clone()).await.0,
        404
    );
    let (status, problem) = people.alice.put(&format!("{path}/signatures"), forged).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("bad-signature")));
    let (status, problem) = people
        .doctor
        .ask(
            "revoke",
            json!({ "grantee": people.hospital.address(), "scope": "clinical" }),
        )
        .await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("forbidden")));
    let (status, problem) = people
        .doctor
        .ask("suspend", json!({ "who": people.alice.address() }))
        .await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("forbidden")));
    let (status, problem) = stranger.ask("enrol", json!({})).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("not-registered")));
    let (status, _) = people
        .doctor
        .get(&format!("/v1/audit?patient={}", people.alice.address()))
        .await;
    assert_eq!(status, 404);
    // A revocation between laying out and signing wins.
    people
        .alice
        .decide("grant", terms(people.insurer.address(), "claims", 1))
        .await;
    let renewed = people
        .alice
        .lay_out("grant", terms(people.insurer.address(), "claims", 1))
        .await;
    assert_eq!(renewed["sign"][0]["typedData"]["message"]["serial"], 2);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_grantee_reads_nothing_and_the_epoch_moves_on() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    opened(&world, 1).await.unwrap();
    people
        .admin
        .decide("suspend", json!({ "who": people.doctor.address() }))
        .await;
    assert_eq!(opened(&world, 1).await.unwrap_err(), "not-live");
    let newest = epochs::newest(&world.app, people.alice.address(), &Scope::clinical())
        .await
        .unwrap();
    assert_eq!(newest.number, 2, "the custodian advances before the next seal");
    assert_eq!(world.relay().await, Vec::<String>::new());
    let again = epochs::newest(&world.app, people.alice.address(), &Scope::clinical())
        .await
        .unwrap();
    assert_eq!(again, newest, "once");
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_creates_once() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let send = async |key: &str, purpose: &str| {
        let mut body = terms(people.doctor.address(), "clinical", 1);
        body["until"] = json!(4_000_000_000u64);
        body["kind"] = json!("grant");
        body["purpose"] = json!(purpose);
        let request = world
            .http
            .post(format!("{}/v1/intents", world.base))
            .bearer_auth(&people.alice.token);
        let answer = request.header("idempotency-key", key).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (first, again) = (send("one", "TREAT").await, send("\"one\"", "TREAT").await);
    assert_eq!(first.0, 201);
    assert_eq!(first, again);
    let (status, problem) = send("one", "HPAYMT").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (422, Some("idempotency-key-reused"))
    );
    assert_ne!(send("two", "TREAT").await.1["id"], first.1["id"]);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_never_turns_a_revoked_grant_on_nor_an_epoch_back() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    opened(&world, 1).await.unwrap();
    let granted = world.provider.get_block_number().await.unwrap();
    people
        .alice
        .decide(
            "revoke",
            json!({ "grantee": people.doctor.address(), "scope": "clinical" }),
        )
        .await;
    let scope = Scope::clinical();
    let compartment = Compartment::of(people.alice.address(), &scope);
    assert_eq!(
        world.app.index.epochs(compartment).len(),
        2,
        "revocation and advance are on chain"
    );

    let head = world.provider.get_block_number().await.unwrap();
    world.provider.anvil_rollback(Some(head - granted)).await.unwrap();
    // More blocks than were dropped, or the follower takes the node for one that is behind.
    world.provider.anvil_mine(Some(head - granted + 2), None).await.unwrap();
    world.settle().await;

    assert_eq!(
        world.app.index.epochs(compartment).len(),
        1,
        "the chain has forgotten both"
    );
    let slot = epochs::slot(people.alice.address(), people.doctor.address(), &scope);
    assert_eq!(world.app.index.grant(slot).revoked, 0);
    assert_eq!(
        opened(&world, 1).await.unwrap_err(),
        "not-live",
        "the custodian has not"
    );
    let newest = epochs::newest(&world.app, people.alice.address(), &scope)
        .await
        .unwrap();
    assert_eq!(
        newest.number, 2,
        "what is sealed now is still sealed to the epoch the doctor never had"
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_again_knows_what_it_knew() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    let laid = people
        .alice
        .lay_out(
            "revoke",
            json!({ "grantee": people.doctor.address(), "scope": "clinical" }),
        )
        .await;
    people.alice.sign(&laid).await;

    // Nothing was relayed: refusal and next epoch are in the database only.
    let again = chartseal_gateway::App::open(world.app.config.clone(), world.app.clock.clone())
        .await
        .unwrap();
    assert_eq!(
        again.index.head().unwrap().number,
        world.app.index.head().unwrap().number
    );
    assert_eq!(
        again.index.account(people.doctor.address()),
        world.app.index.account(people.doctor.address())
    );
    let scope = Scope::clinical();
    let newest = epochs::newest(&again, people.alice.address(), &scope).await.unwrap();
    assert_eq!(
        newest,
        epochs::newest(&world.app, people.alice.address(), &scope)
            .await
            .unwrap()
    );
    assert_eq!(newest.number, 2);
    let target = Target::Scope(scope);
    let live = live::permission(
        &again,
        people.alice.address(),
        people.doctor.address(),
        &target,
        typed::READ,
    )
    .await;
    assert!(matches!(live, Err(live::NotLive::Refused)), "{live:?}");
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grantee_with_a_new_key_gets_a_new_wrap_of_the_same_grant() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    let before = opened(&world, 1).await.unwrap();
    people
        .doctor
        .decide("encryptionKey", json!({ "custody": "gateway" }))
        .await;
    mend::look_after(&world.app, people.alice.address()).await.unwrap();
    assert_eq!(world.relay().await, Vec::<String>::new());
    let slot = epochs::slot(people.alice.address(), people.doctor.address(), &Scope::clinical());
    let state = world.app.index.grant(slot);
    assert_eq!(state.terms.as_ref().unwrap().serial, 1, "no term changed");
    let today = world
        .app
        .index
        .account(people.doctor.address())
        .unwrap()
        .encryption_key_hash();
    assert_eq!(state.wraps.last().unwrap().recipient_key_hash, today);
    assert_eq!(state.wraps.len(), 2);
    assert_eq!(opened(&world, 1).await.unwrap(), before);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_may_revoke_without_the_gateway() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    let revoke = typed::Revoke {
        patient: people.alice.address(),
        grantee: people.doctor.address(),
        scope: "clinical".into(),
        record: alloy::primitives::B256::ZERO,
        serial: 1,
    };
    let digest = typed::digest(&revoke, &world.app.contracts.consent_domain());
    let data = chartseal_chain::calls::revoke(&revoke, people.alice.sign_digest(digest));
    let request = alloy::rpc::types::TransactionRequest::default()
        .to(world.app.contracts.consent)
        .input(data.into());
    let sent = world.provider.send_transaction(request).await.unwrap();
    sent.get_receipt().await.unwrap();
    world.settle().await;
    assert_eq!(opened(&world, 1).await.unwrap_err(), "not-live");
    mend::look_after(&world.app, people.alice.address()).await.unwrap();
    assert!(
        kept_by_a_thief(&world).await.is_none(),
        "the release key goes once the revocation is final"
    );
    world.stop.cancel();
}
