//! A patient takes the keys over: every scope moves on to the device's keys, the custodian keeps nothing that opens them,
//! and what follows is made by the device.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use chartseal_envelope::{
    key::{PublicKey, Root},
    link,
};
use chartseal_gateway::custody::{epochs, mend, root};
use chartseal_record::Scope;
use common::{World, device::Device, terms};
use serde_json::{Value, json};

async fn refused(person: &common::Person<'_>, kind: &str, params: Value) -> (u16, String) {
    let (status, answer) = person.ask(kind, params).await;
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_signature_every_scope_moves_on_to_the_devices_keys() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let (alice, hospital, doctor) = (
        people.alice.address(),
        people.hospital.address(),
        people.doctor.address(),
    );
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    let device = Device {
        world: &world,
        people: &people,
        root: Root::generate().unwrap(),
    };
    let before = device.rows().await;
    assert_eq!(before.keys().collect::<Vec<_>>(), ["claims", "clinical"]);
    assert!(
        before.values().all(|row| row["kept"] == true && row["due"] == false),
        "{before:?}"
    );

    let laid = people
        .alice
        .decide("takeOver", json!({ "epochs": device.epochs().await }))
        .await;
    assert_eq!(laid["sign"].as_array().unwrap().len(), 1);
    assert_eq!(laid["sign"][0]["typedData"]["primaryType"], "Custodian");
    let (_, done) = people
        .alice
        .get(&format!("/v1/intents/{}", laid["id"].as_str().unwrap()))
        .await;
    let steps: Vec<_> = done["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["kind"].clone())
        .collect();
    assert_eq!(steps, ["advance", "advance", "custodian"]);
    let (_, account) = people.alice.get(&format!("/v1/accounts/{alice}")).await;
    assert_eq!(account["custody"], "self");

    // The custodian's root is gone, and none of the newest epochs was made from it.
    mend::look_after(&world.app, alice).await.unwrap();
    assert_eq!(
        world.app.store.vault_get(&root::key(hospital, alice)).await.unwrap(),
        None
    );
    for (scope, row) in device.rows().await {
        assert_eq!(
            (row["kept"].clone(), row["pending"].clone()),
            (json!(false), json!(false)),
            "{scope}"
        );
        // The device reaches back to what was written before.
        let opened = world.app.index.epochs(device.place(&scope));
        let [first, second] = opened.as_slice() else {
            panic!("{scope} has two epochs")
        };
        let step = link::Step {
            contracts: world.app.contracts,
            compartment: device.place(&scope),
            previous: first.epoch.number,
            epoch: second.epoch.number,
        };
        let secret = device.secret(&scope, second.epoch.number);
        assert_eq!(*secret.public_key().as_bytes(), second.epoch.key);
        link::open(&step, &secret, &PublicKey::from_bytes(first.epoch.key), &second.link).unwrap();
    }
    // Who may read goes on reading: a wrap of the new epoch is on the chain, its release key in the vault.
    let slot = epochs::slot(alice, doctor, &Scope::clinical());
    assert_eq!(world.app.index.wrapped_up_to(slot), 2);
    let keys = world.app.store.vault_list(hospital, "release-key").await.unwrap();
    assert!(
        keys.iter()
            .any(|entry| entry.key.place.starts_with(&format!("{}|1|2|", slot.0)))
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_any_more_is_not_taken_over() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let doctor = people.doctor.address();
    let device = Device {
        world: &world,
        people: &people,
        root: Root::generate().unwrap(),
    };
    let moved = (409, "epoch-moved".to_owned());

    let all = device.epochs().await;
    assert_eq!(
        refused(&people.alice, "takeOver", json!({ "epochs": [all[0]] })).await,
        moved,
        "a scope is left out"
    );
    assert_eq!(
        refused(&people.alice, "takeOver", json!({ "epochs": all })).await,
        moved,
        "its number was used above"
    );
    let twice = [device.epochs().await, device.epochs().await].concat();
    let twice = json!({ "epochs": twice });
    assert_eq!(refused(&people.alice, "takeOver", twice).await, (422, "invalid".into()));

    // A permission given while the patient read what to sign has no wrap: it would end unseen.
    let laid = people
        .alice
        .lay_out("takeOver", json!({ "epochs": device.epochs().await }))
        .await;
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    let signature = people.alice.sign_typed(&laid["sign"][0]["typedData"]);
    let path = format!("/v1/intents/{}/signatures", laid["id"].as_str().unwrap());
    let (status, answer) = people
        .alice
        .put(&path, json!({ "as": "account", "signature": signature }))
        .await;
    assert_eq!((status, answer["code"].as_str()), (409, Some("epoch-moved")));
    assert_eq!(world.relay().await, Vec::<String>::new());
    assert!(
        device.rows().await.values().all(|row| row["kept"] == true),
        "nothing was done"
    );
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_under_way_the_custodian_opens_nothing_and_afterwards_the_device_does() {
    let world = World::new().await;
    let people = world.people().await;
    people.enrol().await;
    let doctor = people.doctor.address();
    people.alice.decide("grant", terms(doctor, "clinical", 1)).await;
    let device = Device {
        world: &world,
        people: &people,
        root: Root::generate().unwrap(),
    };

    let laid = people
        .alice
        .lay_out("takeOver", json!({ "epochs": device.epochs().await }))
        .await;
    people.alice.sign(&laid).await;
    people.alice.sign(&laid).await;
    let rows = device.rows().await;
    assert!(
        rows.values().all(|row| row["pending"] == true && row["kept"] == false),
        "{rows:?}"
    );
    let waits = (409, "wrong-state".to_owned());
    assert_eq!(
        refused(&people.alice, "advance", json!({ "scope": "claims" })).await,
        waits
    );
    // A revocation counts at once. The chain had it first, and wrote the doctor no wrap of the new epoch.
    let revoke = json!({ "grantee": doctor, "scope": "clinical" });
    let revoke = people.alice.lay_out("revoke", revoke).await;
    people.alice.sign(&revoke).await;
    assert_eq!(world.relay().await, Vec::<String>::new());
    assert_eq!(device.rows().await["clinical"]["due"], false);

    // Later only the device can open the epoch that a revocation makes due.
    let revoke = json!({ "grantee": people.hospital.address(), "scope": "clinical" });
    people.alice.decide("revoke", revoke).await;
    let rows = device.rows().await;
    let clinical = &rows["clinical"];
    assert_eq!(
        (clinical["epoch"].clone(), clinical["due"].clone()),
        (json!(2), json!(true))
    );
    assert_eq!(rows["claims"]["due"], false);

    let reused = {
        let mut made = device.advance("clinical").await;
        made["epoch"] = json!(2);
        made
    };
    assert_eq!(
        refused(&people.alice, "advance", reused).await,
        (409, "epoch-moved".into())
    );
    people.alice.decide("advance", device.advance("clinical").await).await;
    let rows = device.rows().await;
    assert_eq!(
        (rows["clinical"]["epoch"].clone(), rows["clinical"]["due"].clone()),
        (json!(3), json!(false))
    );

    // A grant is wrapped by the device, for exactly the epoch and the serial that count.
    let grant = async |serial: u64, epoch: u32| {
        let mut own = device.wrap(doctor, "clinical", serial, epoch).await;
        own.as_object_mut().unwrap().remove("grantee");
        own["epoch"] = json!(epoch);
        let mut params = terms(doctor, "clinical", 1);
        params["own"] = own;
        params
    };
    let without = terms(doctor, "clinical", 1);
    assert_eq!(refused(&people.alice, "grant", without).await, (403, "own-key".into()));
    assert_eq!(
        refused(&people.alice, "grant", grant(1, 3).await).await,
        (409, "epoch-moved".into())
    );
    assert_eq!(
        refused(&people.alice, "grant", grant(2, 2).await).await,
        (409, "epoch-moved".into())
    );
    people.alice.decide("grant", grant(2, 3).await).await;
    let slot = epochs::slot(device.alice(), doctor, &Scope::clinical());
    assert_eq!(world.app.index.wrapped_up_to(slot), 3);
    world.stop.cancel();
}
