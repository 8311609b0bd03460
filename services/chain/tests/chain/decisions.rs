//! Each decision, signed over the record room's struct, is the one the contract takes: the digests are equal.

use alloy::{
    primitives::{Address, B256, Bytes, keccak256},
    sol_types::SolStruct,
};
use chartseal_chain::calls::{self, Wrap};
use chartseal_record::{
    Compartment, ContentHash, Scope, Slot, Target,
    event::Event,
    merkle,
    receipt::anchor_key,
    typed::{self, READ, SUITE_X25519},
};

use chartseal_stage::{Chain, FAR, key, sign};

fn wrap(byte: u8) -> Bytes {
    vec![byte; 80].into()
}

#[tokio::test]
async fn the_directory_takes_every_decision_signed_over_our_structs() {
    let world = Chain::start().await;
    let (hospital, doctor, patient, other) = (key(1), key(2), key(3), key(4));
    let directory = world.contracts.directory;
    let domain = world.contracts.directory_domain();
    let signed = world.registration(hospital.address(), 3, None);
    let mined = world.register(&hospital, 3, None).await;
    let [logged] = &mined.events[..] else {
        panic!("one event")
    };
    assert_eq!(
        (logged.block, logged.block_hash, logged.transaction),
        (mined.block, mined.block_hash, mined.transaction)
    );
    assert_eq!(
        logged.event,
        Event::Registered {
            who: hospital.address(),
            role: 3,
            registrar: world.admin.address(),
            suite: 1,
            encryption_key: signed.encryptionKey,
            custodian: Address::ZERO,
            custody: 0,
            credential: signed.credential,
            credential_expiry: FAR,
            endpoint: signed.endpoint,
        }
    );
    world.register(&doctor, 2, None).await;
    world.register(&patient, 1, Some(hospital.address())).await;
    let listed = world.statement_key(&hospital, key(8).address()).await;
    assert!(matches!(listed.events[0].event, Event::StatementKeyListed { who, .. } if who == hospital.address()));
    let at = listed.block;
    assert!(
        world
            .client
            .is_statement_key(hospital.address(), key(8).address(), at)
            .await
            .unwrap()
    );
    world.publisher(&hospital, &key(9)).await;
    assert_eq!(
        world.client.publisher_org(key(9).address()).await.unwrap(),
        hospital.address()
    );

    let custodian = typed::Custodian {
        who: patient.address(),
        custodian: hospital.address(),
        custody: 1,
        nonce: world.nonce(patient.address()).await,
        deadline: FAR,
    };
    let mined = world
        .send(
            directory,
            calls::set_custodian(&custodian, sign(&patient, &custodian, &domain)),
        )
        .await;
    assert!(matches!(
        mined.events[0].event,
        Event::CustodianChanged { custody: 1, .. }
    ));

    let encryption = typed::EncryptionKey {
        who: doctor.address(),
        suite: SUITE_X25519,
        encryptionKey: vec![7; 32].into(),
        nonce: world.nonce(doctor.address()).await,
        deadline: FAR,
    };
    let mined = world
        .send(
            directory,
            calls::set_encryption_key(&encryption, sign(&doctor, &encryption, &domain)),
        )
        .await;
    assert!(
        matches!(&mined.events[0].event, Event::EncryptionKeyChanged { encryption_key, .. } if encryption_key[..] == [7; 32])
    );

    let credential = typed::Credential {
        who: doctor.address(),
        credential: keccak256("new papers"),
        credentialExpiry: FAR + 1,
        nonce: world.nonce(doctor.address()).await,
        deadline: FAR,
    };
    let countersign = typed::Countersign {
        registration: credential.eip712_hash_struct(),
        registrar: world.admin.address(),
    };
    let call = calls::renew_credential(
        &credential,
        sign(&doctor, &credential, &domain),
        &countersign,
        sign(&world.admin, &countersign, &domain),
    );
    let mined = world.send(directory, call).await;
    assert_eq!(
        mined.events[0].event,
        Event::CredentialRenewed {
            who: doctor.address(),
            credential: credential.credential,
            credential_expiry: FAR + 1,
            registrar: world.admin.address(),
        }
    );

    let endpoint = typed::Endpoint {
        who: hospital.address(),
        endpoint: "https://moved.example".into(),
        nonce: world.nonce(hospital.address()).await,
        deadline: FAR,
    };
    let mined = world
        .send(
            directory,
            calls::move_endpoint(&endpoint, sign(&hospital, &endpoint, &domain)),
        )
        .await;
    assert_eq!(
        mined.events[0].event,
        Event::EndpointMoved {
            who: hospital.address(),
            endpoint: endpoint.endpoint,
        }
    );

    let hand_over = typed::HandOver {
        who: patient.address(),
        controller: other.address(),
        nonce: world.nonce(patient.address()).await,
        deadline: FAR,
    };
    let call = calls::hand_over(
        &hand_over,
        sign(&patient, &hand_over, &domain),
        sign(&other, &hand_over, &domain),
    );
    world.send(directory, call).await;
    assert_eq!(
        world.client.authority(patient.address()).await.unwrap().controller,
        other.address()
    );

    let status = typed::SetStatus {
        who: doctor.address(),
        status: 2,
        registrar: world.admin.address(),
        nonce: world.nonce(world.admin.address()).await,
        deadline: FAR,
    };
    world
        .send(
            directory,
            calls::set_status(&status, sign(&world.admin, &status, &domain)),
        )
        .await;
    let authority = world.client.authority(doctor.address()).await.unwrap();
    assert_eq!(
        (authority.role, authority.status, authority.credential_expiry),
        (2, 2, FAR + 1)
    );
    assert!(world.client.is_registrar(world.admin.address()).await.unwrap());
    assert!(!world.client.is_registrar(doctor.address()).await.unwrap());
}

#[tokio::test]
async fn consent_takes_every_decision_signed_over_our_structs() {
    let world = Chain::start().await;
    let (hospital, doctor, patient, statement) = (key(1), key(2), key(3), key(8));
    world.register(&hospital, 3, None).await;
    world.register(&doctor, 2, None).await;
    world.register(&patient, 1, Some(hospital.address())).await;
    world.statement_key(&hospital, statement.address()).await;
    let consent = world.contracts.consent;
    let domain = world.contracts.consent_domain();
    let scope = Scope::clinical();
    let compartment = Compartment::of(patient.address(), &scope);
    let slot = Slot::of(patient.address(), doctor.address(), &Target::Scope(scope.clone()));
    let recipient = keccak256(world.registration(doctor.address(), 2, None).encryptionKey);
    let advance = |epoch: u32, link: Bytes, wraps: &[Wrap]| typed::Advance {
        patient: patient.address(),
        scope: scope.to_string(),
        epoch,
        suite: SUITE_X25519,
        key: vec![epoch as u8; 32].into(),
        link,
        wraps: calls::wraps_hash(wraps),
        by: hospital.address(),
    };

    let first = advance(1, Bytes::new(), &[]);
    let mined = world
        .send(
            consent,
            calls::advance(&first, vec![], sign(&statement, &first, &domain)),
        )
        .await;
    assert!(matches!(&mined.events[0].event, Event::Advanced { compartment: c, epoch: 1, .. } if *c == compartment));
    let epoch = world.client.epoch_of(compartment).await.unwrap();
    assert_eq!((epoch.number, &epoch.key_hash[..]), (1, &keccak256([1; 32])[..28]));

    let grant = typed::Grant {
        patient: patient.address(),
        grantee: doctor.address(),
        scope: scope.to_string(),
        record: B256::ZERO,
        serial: 1,
        permission: READ,
        until: FAR,
        purpose: "TREAT".into(),
        epoch: 1,
        suite: SUITE_X25519,
        recipientKeyHash: recipient,
        wrapHash: keccak256(wrap(1)),
    };
    let granted = calls::grant(&grant, wrap(1), sign(&patient, &grant, &domain));
    let mined = world.send(consent, granted.clone()).await;
    let Event::Granted {
        slot: told,
        patient: p,
        serial,
        wrap: w,
        ..
    } = &mined.events[0].event
    else {
        panic!()
    };
    assert_eq!((*told, *p, *serial, w), (slot, patient.address(), 1, &wrap(1)));
    let word = world.client.slot_state(slot).await.unwrap();
    assert_eq!(
        (word.serial, word.revoked, word.until, word.permission),
        (1, 0, FAR, READ)
    );
    assert!(
        world
            .client
            .is_allowed(patient.address(), doctor.address(), compartment.0, READ)
            .await
            .unwrap()
    );
    assert!(
        world.send(consent, granted).await.events.is_empty(),
        "the same grant again changes nothing"
    );

    let wraps = vec![Wrap {
        grantee: doctor.address(),
        serial: 1,
        recipientKeyHash: recipient,
        wrap: wrap(2),
    }];
    let second = advance(2, wrap(9), &wraps);
    let mined = world
        .send(
            consent,
            calls::advance(&second, wraps, sign(&statement, &second, &domain)),
        )
        .await;
    let names: Vec<_> = mined.events.iter().map(|logged| logged.event.name()).collect();
    assert_eq!(names, ["Advanced", "Rewrapped"]);

    let rewrap = typed::Rewrap {
        patient: patient.address(),
        grantee: doctor.address(),
        scope: scope.to_string(),
        record: B256::ZERO,
        serial: 1,
        epoch: 2,
        suite: SUITE_X25519,
        recipientKeyHash: recipient,
        wrapHash: keccak256(wrap(3)),
        by: hospital.address(),
    };
    let mined = world
        .send(
            consent,
            calls::rewrap(&rewrap, wrap(3), sign(&statement, &rewrap, &domain)),
        )
        .await;
    assert!(matches!(&mined.events[0].event, Event::Rewrapped { epoch: 2, wrap: w, .. } if *w == wrap(3)));

    let revoke = typed::Revoke {
        patient: patient.address(),
        grantee: doctor.address(),
        scope: scope.to_string(),
        record: B256::ZERO,
        serial: 1,
    };
    let third = advance(3, wrap(9), &[]);
    let both = calls::together(vec![
        calls::revoke(&revoke, sign(&patient, &revoke, &domain)),
        calls::advance(&third, vec![], sign(&statement, &third, &domain)),
    ]);
    let mined = world.send(consent, both).await;
    let names: Vec<_> = mined.events.iter().map(|logged| logged.event.name()).collect();
    assert_eq!(names, ["Revoked", "Advanced"]);
    assert!(
        !world
            .client
            .is_allowed(patient.address(), doctor.address(), compartment.0, READ)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_delegate_grants_the_emergency_scope_and_its_events_say_whose_decision_it_was() {
    let world = Chain::start().await;
    let (doctor, patient) = (key(2), key(3));
    world.register(&doctor, 2, None).await;
    world.register(&patient, 1, None).await;
    let consent = world.contracts.consent;
    // Any contract will do; anvil sends in its name.
    let guardians = world.contracts.anchors;
    let delegate = typed::Delegate {
        patient: patient.address(),
        delegate: guardians,
        scope: "emergency".into(),
        maxDuration: 86_400,
        serial: 1,
    };
    let mined = world
        .send(
            consent,
            calls::delegate(&delegate, sign(&patient, &delegate, &world.contracts.consent_domain())),
        )
        .await;
    assert_eq!(
        mined.events[0].event,
        Event::Delegated {
            patient: patient.address(),
            delegate: guardians,
            scope: "emergency".into(),
            max_duration: 86_400,
            serial: 1,
        }
    );
    let head = world.client.head().await.unwrap();
    let grant = typed::Grant {
        patient: patient.address(),
        grantee: doctor.address(),
        scope: "emergency".into(),
        record: B256::ZERO,
        serial: 1,
        permission: READ,
        until: head.timestamp + 3_600,
        purpose: "ETREAT".into(),
        epoch: 1,
        suite: SUITE_X25519,
        recipientKeyHash: keccak256(world.registration(doctor.address(), 2, None).encryptionKey),
        wrapHash: keccak256(wrap(1)),
    };
    let call = calls::grant_in_emergency(&grant, wrap(1));
    assert!(
        world
            .client
            .simulate(doctor.address(), consent, &call, Default::default())
            .await
            .is_err(),
        "only the delegate itself"
    );
    world.anvil("anvil_impersonateAccount", [guardians]).await;
    world
        .anvil(
            "anvil_setBalance",
            (guardians, alloy::primitives::U256::from(10u64.pow(18))),
        )
        .await;
    let request = serde_json::json!([{ "from": guardians, "to": consent, "data": call }]);
    let request = serde_json::value::to_raw_value(&request).unwrap();
    let sent = alloy::providers::Provider::raw_request_dyn(&world.node, "eth_sendTransaction".into(), &request)
        .await
        .unwrap();
    // anvil answers before it has mined.
    let hash: B256 = serde_json::from_str(sent.get()).unwrap();
    let root = alloy::providers::Provider::root(&world.node).clone();
    alloy::providers::PendingTransactionBuilder::new(root, hash)
        .get_receipt()
        .await
        .unwrap();
    let mined = world.client.mined(hash).await.unwrap().unwrap();
    let slot = Slot::of(
        patient.address(),
        doctor.address(),
        &Target::Scope(Scope::new("emergency").unwrap()),
    );
    assert_eq!(
        mined.events[0].event,
        Event::GrantedInEmergency {
            slot,
            patient: patient.address(),
            delegate: guardians,
            serial: 1,
        }
    );
    assert!(
        matches!(&mined.events[1].event, Event::Granted { slot: told, signature, .. } if *told == slot && signature.is_empty())
    );
}

#[tokio::test]
async fn an_anchor_is_found_and_verifies_our_proofs() {
    let world = Chain::start().await;
    let hospital = key(1);
    world.register(&hospital, 3, None).await;
    // The world's sender publishes.
    world.publisher(&hospital, &world.admin).await;
    let leaf = |n: u8| merkle::leaf(Compartment(B256::repeat_byte(n)), 1, ContentHash(B256::repeat_byte(n)));
    let tree = merkle::Tree::new((1..=5).map(leaf).collect()).unwrap();
    let (org, manifest) = (hospital.address(), keccak256("manifest"));
    let anchor_id = anchor_key(org, tree.root(), 5, manifest);
    assert_eq!(world.client.anchored_at(anchor_id).await.unwrap(), None);
    let mined = world
        .send(world.contracts.anchors, calls::anchor(org, tree.root(), 5, manifest))
        .await;
    assert!(matches!(mined.events[0].event, Event::Anchored { count: 5, .. }));
    assert_eq!(world.client.anchored_at(anchor_id).await.unwrap(), Some(mined.block));
    let verify = |leaf: B256, proof| world.client.verify(org, tree.root(), 5, manifest, leaf, proof);
    let proof = tree.proof(leaf(3)).unwrap();
    assert_eq!(verify(leaf(3), proof.clone()).await.unwrap(), Some(mined.block));
    assert_eq!(verify(leaf(6), proof).await.unwrap(), None);
}
