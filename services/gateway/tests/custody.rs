//! What a custodian refuses and destroys, whichever way it learns of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, keccak256},
    providers::{Provider, ext::AnvilApi},
};
use chartseal_envelope::{
    key::{EpochSecret, Identity, PublicKey},
    link, tree,
};
use chartseal_gateway::{
    App,
    custody::{
        Patient,
        advance::{self, When},
        epochs, live, mend, root, wraps,
    },
    serve,
};
use chartseal_record::{Compartment, Scope, Slot, Target, clock::SystemClock, typed};
use chartseal_store::IntentFilter;
use common::{ALICE, DOCTOR, People, STRANGER, World, terms};
use serde_json::json;

fn slot() -> Slot {
    let (alice, doctor) = (common::wallet(ALICE).address(), common::wallet(DOCTOR).address());
    epochs::slot(alice, doctor, &Scope::clinical())
}

/// Whether the doctor's grant is live; why not.
async fn live_now(world: &World) -> Result<(), String> {
    let (alice, doctor) = (common::wallet(ALICE).address(), common::wallet(DOCTOR).address());
    let target = Target::Scope(Scope::clinical());
    let live = live::permission(&world.app, alice, doctor, &target, typed::READ).await;
    live.map(drop).map_err(|why| format!("{why:?}"))
}

/// How many release keys of the doctor's slot an organisation keeps.
async fn keys(world: &World, org: Address) -> usize {
    let all = world.app.store.vault_list(org, "release-key").await.unwrap();
    let mine = format!("{}|", slot().0);
    all.iter().filter(|entry| entry.key.place.starts_with(&mine)).count()
}

/// Alice revokes by a transaction of her own: one block, nothing on top of it.
async fn revoked_without_the_gateway(world: &World, people: &People<'_>) {
    let revoke = typed::Revoke {
        patient: people.alice.address(),
        grantee: people.doctor.address(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: 1,
    };
    let digest = typed::digest(&revoke, &world.app.contracts.consent_domain());
    let data = chartseal_chain::calls::revoke(&revoke, people.alice.sign_digest(digest));
    let request = alloy::rpc::types::TransactionRequest::default()
        .to(world.app.contracts.consent)
        .input(data.into());
    let sent = world.provider.send_transaction(request).await.unwrap();
    let mined = sent.get_receipt().await.unwrap().block_number.unwrap();
    world.app.index.reached(mined).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_never_turns_a_grant_on_that_was_revoked_on_chain_only() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let doctor = people.doctor.address();
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    live_now(&world).await.unwrap();
    assert_eq!(keys(&world, people.hospital.address()).await, 1);

    revoked_without_the_gateway(&world, &people).await;
    assert_eq!(world.app.index.grant(slot()).revoked, 1);
    assert_eq!(keys(&world, people.hospital.address()).await, 0, "at once");

    // The block is dropped before anything was built on it.
    world.provider.anvil_rollback(Some(1)).await.unwrap();
    world.provider.anvil_mine(Some(4), None).await.unwrap();
    world.settle().await;
    assert_eq!(world.app.index.grant(slot()).revoked, 0, "the chain has forgotten it");
    assert!(live_now(&world).await.unwrap_err().contains("Refused"));
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_a_reorg_has_taken_away_for_a_while_can_be_revoked() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let doctor = people.doctor.address();
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    live_now(&world).await.unwrap();
    let sent = world.forget_last_transaction().await;
    assert!(
        world.app.index.grant(slot()).terms.is_none(),
        "the chain has forgotten it"
    );

    let (status, laid) = people
        .alice
        .ask("revoke", json!({ "grantee": doctor, "scope": "clinical" }))
        .await;
    assert_eq!(status, 201, "{laid}");
    people.alice.sign(&laid).await;

    // What the patient signed once is sent again.
    world.provider.send_transaction(sent).await.map(drop).unwrap();
    world.settle().await;
    assert!(world.app.index.grant(slot()).terms.is_some(), "it is back");
    assert!(live_now(&world).await.unwrap_err().contains("Refused"));
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_revocation_on_chain_gets_the_custodians_receipt() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let doctor = people.doctor.address();
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    revoked_without_the_gateway(&world, &people).await;
    world.settle().await;
    mend::look_after(&world.app, people.alice.address()).await.unwrap();
    let refused = world.app.store.tombstone(slot()).await.unwrap().unwrap();
    assert_eq!((refused.serial, refused.org), (1, people.hospital.address()));
    assert!(refused.receipt["signature"].is_string(), "{}", refused.receipt);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrap_that_the_chain_refused_is_made_anew() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let (alice, doctor) = (people.alice.address(), people.doctor.address());
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    people
        .doctor
        .decide("encryptionKey", json!({ "custody": "gateway" }))
        .await;
    let rewraps = async || {
        let kind = Some("rewrap".into());
        let filter = IntentFilter {
            kind,
            limit: 10,
            ..IntentFilter::default()
        };
        world.app.store.find_intents(&filter).await.unwrap()
    };
    mend::look_after(&world.app, alice).await.unwrap();
    world.relay().await;
    mend::look_after(&world.app, alice).await.unwrap();
    let queued = rewraps().await;
    assert_eq!(queued.len(), 1);

    // A re-org takes it, another transaction its nonce, and the submitter, who finds the grant gone as well, gives it up.
    let sent = world.forget_last_transaction().await;
    let other = sent.to(doctor).input(Default::default());
    world.provider.send_transaction(other).await.map(drop).unwrap();
    assert_eq!(world.app.index.grant(slot()).wraps.len(), 1);
    let (id, now) = (&queued[0].id, world.app.clock.seconds());
    world.app.store.intent_dropped(id, now).await.unwrap();
    world.app.store.intent_failed(id, "NotLive", now).await.unwrap();

    mend::look_after(&world.app, alice).await.unwrap();
    assert_eq!(rewraps().await.len(), 2);
    assert_eq!(world.relay().await, Vec::<String>::new());
    let key = world.app.index.account(doctor).unwrap().encryption_key_hash();
    let wraps = world.app.index.grant(slot()).wraps;
    assert_eq!(wraps.last().unwrap().recipient_key_hash, key);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrap_under_way_while_its_grant_is_refused_leaves_no_key() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let (hospital, doctor) = (people.hospital.address(), people.doctor.address());
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    let laid = people
        .alice
        .lay_out("revoke", json!({ "grantee": doctor, "scope": "clinical" }))
        .await;
    people.alice.sign(&laid).await;
    assert_eq!(keys(&world, hospital).await, 0);

    // An advance or a rewrap that looked at the grant before comes to its wrap only now.
    let to = wraps::For {
        custodian: hospital,
        slot: slot(),
        serial: 1,
        epoch: 1,
        recipient: *Identity::generate().unwrap().public_key(),
    };
    let secret = EpochSecret::from_bytes([7; 32]);
    assert_eq!(wraps::make(&world.app, to, &secret).await.unwrap(), None);
    assert_eq!(keys(&world, hospital).await, 0);
    let next = wraps::For { serial: 2, ..to };
    let wrap = wraps::make(&world.app, next, &secret).await.unwrap().unwrap();
    assert_ne!(keccak256(wrap), B256::ZERO);
    assert_eq!(keys(&world, hospital).await, 1);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_custodian_keeps_neither_root_nor_release_keys() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let (alice, hospital) = (people.alice.address(), people.hospital.address());
    people
        .alice
        .decide("grant", terms(people.doctor.address(), "clinical", 1))
        .await;
    let root = root::key(hospital, alice);
    assert!(world.app.store.vault_get(&root).await.unwrap().is_some());

    // Alice takes the root back: the hospital goes on keeping release keys, and no root.
    people
        .alice
        .decide("custodian", json!({ "custodian": hospital, "custodyMode": "self" }))
        .await;
    mend::look_after(&world.app, alice).await.unwrap();
    assert_eq!(world.app.store.vault_get(&root).await.unwrap(), None);
    assert_eq!(keys(&world, hospital).await, 1);

    // Alice leaves for a hospital that is served elsewhere.
    let other = world.sign_in(STRANGER).await;
    let mut params = json!({ "role": "hospital", "custody": "gateway", "credential": B256::repeat_byte(7) });
    params["credentialExpiry"] = json!(common::now() + 86_400);
    people.register(&other, params).await;
    let change = json!({ "custodian": other.address(), "custodyMode": "gateway" });
    let laid = people.alice.lay_out("custodian", change).await;
    people.alice.sign(&laid).await;
    mend::look_after(&world.app, alice).await.unwrap();
    assert_eq!(
        keys(&world, hospital).await,
        1,
        "nothing is destroyed for a wish that is not on chain"
    );
    assert_eq!(world.relay().await, Vec::<String>::new());
    mend::look_after(&world.app, alice).await.unwrap();
    assert_eq!(keys(&world, hospital).await, 0);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_alone_does_not_spend_the_custodians_money_without_end() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let ask = async |kind: &str, params: serde_json::Value| {
        let (status, answer) = people.alice.ask(kind, params).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    let invalid = (422, "invalid".to_owned());
    assert_eq!(ask("advance", json!({ "scope": "made-up" })).await, invalid);
    let scopes = json!({ "scopes": ["laboratory", "made-up"] });
    assert_eq!(ask("enrol", scopes).await, invalid, "and nothing of it is done");

    // One at a time per scope.
    assert_eq!(ask("advance", json!({ "scope": "clinical" })).await.0, 201);
    let waits = (409, "wrong-state".to_owned());
    assert_eq!(ask("advance", json!({ "scope": "clinical" })).await, waits);
    assert_eq!(world.relay().await, Vec::<String>::new());
    assert_eq!(ask("advance", json!({ "scope": "clinical" })).await.0, 201);
    assert_eq!(world.relay().await, Vec::<String>::new());

    // And 64 a day, whoever relays how fast. 4 were opened above; these were relayed long ago.
    let advances = chartseal_store::IntentFilter {
        account: Some(people.alice.address()),
        kind: Some("advance".into()),
        limit: 1,
        ..Default::default()
    };
    let relayed = world.app.store.find_intents(&advances).await.unwrap().remove(0);
    let more: Vec<_> = (0..60)
        .map(|n| chartseal_store::NewIntent {
            id: format!("advance-{n}"),
            org: relayed.org,
            kind: relayed.kind.clone(),
            account: relayed.account,
            payload: relayed.payload.clone(),
            parent: None,
            after: None,
            created_at: common::now(),
            expires_at: common::now() + 86_400,
        })
        .collect();
    world.app.store.insert_intents(&more).await.unwrap();
    for intent in &more {
        world.app.store.intent_decided(&intent.id, common::now()).await.unwrap();
    }
    let too_many = (429, "too-many".to_owned());
    assert_eq!(ask("advance", json!({ "scope": "clinical" })).await, too_many);

    // A revocation moves the scope on all the same.
    let hospital = people.hospital.address();
    let laid = people
        .alice
        .lay_out("revoke", json!({ "grantee": hospital, "scope": "clinical" }))
        .await;
    people.alice.sign(&laid).await;
    let newest = epochs::newest(&world.app, people.alice.address(), &Scope::clinical())
        .await
        .unwrap();
    assert_eq!(newest.number, 4);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_database_open_one_epoch_whose_link_misses_none() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let second = App::open(world.app.config.clone(), Arc::new(SystemClock))
        .await
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    tokio::spawn(serve::serve(second.clone(), listener, None, world.stop.clone()));
    let head = world.provider.get_block_number().await.unwrap();
    second.index.reached(head).await;
    let (scope, alice) = (Scope::clinical(), people.alice.address());
    let compartment = Compartment::of(alice, &scope);
    let (first, patient) = (&world.app, Patient::of(&world.app, alice).unwrap());
    for _ in 0..8 {
        let (newest, _) = epochs::current(first, compartment).unwrap();
        let lost = When::Lost(newest.number);
        let (here, there) = tokio::join!(
            advance::open(first, &patient, &scope, lost, None),
            advance::open(&second, &patient, &scope, lost, None),
        );
        // Whoever came second found the other's, in its queue or at the last moment.
        assert_eq!(here.unwrap().number, there.unwrap().number);
    }
    assert_eq!(world.relay().await, Vec::<String>::new());
    // From the newest epoch back to the first, each by the link of the one after it.
    let opened = first.index.epochs(compartment);
    assert_eq!(opened.len(), 9);
    let root = root::get(first, &patient).await.unwrap().unwrap();
    let contracts = first.contracts;
    for pair in opened.windows(2) {
        let [before, after] = [pair[0].epoch, pair[1].epoch];
        let step = link::Step {
            contracts,
            compartment,
            previous: before.number,
            epoch: after.number,
        };
        let secret = tree::epoch_secret(&root, &contracts, compartment, after.number);
        let public = PublicKey::from_bytes(before.key);
        link::open(&step, &secret, &public, &pair[1].link).expect("a link leads to the epoch before");
    }
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_grant_keeps_no_release_key() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let (alice, hospital, doctor) = (
        people.alice.address(),
        people.hospital.address(),
        people.doctor.address(),
    );
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    let later = common::now() + 90_000;
    world.provider.anvil_set_next_block_timestamp(later).await.unwrap();
    world.settle().await;
    mend::look_after(&world.app, alice).await.unwrap();
    assert_eq!(keys(&world, hospital).await, 1, "our own clock does not say so yet");

    let clock = std::sync::Arc::new(chartseal_record::clock::ManualClock::at(later));
    let tomorrow = chartseal_gateway::App::open(world.app.config.clone(), clock)
        .await
        .unwrap();
    mend::look_after(&tomorrow, alice).await.unwrap();
    assert_eq!(keys(&world, hospital).await, 0);
    world.stop.cancel();
}
