//! What a contract refuses comes back as the error it declared.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, keccak256},
};
use chartseal_chain::{
    Error, Revert,
    bindings::{AnchorsErrors, ConsentErrors, DirectoryErrors},
    calls,
};
use chartseal_record::typed;

use chartseal_stage::{Chain, FAR, key, sign};

#[tokio::test]
async fn each_contract_says_no_in_its_own_words() {
    let world = Chain::start().await;
    let (hospital, patient) = (key(1), key(3));
    let refused = async |to: Address, data: Bytes| -> Revert {
        let (from, at) = (world.admin.address(), BlockId::latest());
        let Error::Reverted(simulated) = world.client.simulate(from, to, &data, at).await.unwrap_err() else {
            panic!()
        };
        let Error::Reverted(estimated) = world.client.estimate(from, to, &data, at).await.unwrap_err() else {
            panic!()
        };
        assert_eq!(simulated, estimated);
        simulated
    };

    world.register(&hospital, 3, None).await;
    world.register(&patient, 1, Some(hospital.address())).await;
    let again = world.registration(patient.address(), 1, Some(hospital.address()));
    let twice = refused(world.contracts.directory, world.registration_call(&patient, &again)).await;
    assert_eq!(twice.name(), "AlreadyRegistered");
    assert!(matches!(twice, Revert::Directory(DirectoryErrors::AlreadyRegistered(e)) if e.who == patient.address()));

    let revoke = typed::Revoke {
        patient: patient.address(),
        grantee: hospital.address(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: 1,
    };
    let forged = calls::revoke(&revoke, sign(&hospital, &revoke, &world.contracts.consent_domain()));
    let no = refused(world.contracts.consent, forged).await;
    assert!(matches!(no, Revert::Consent(ConsentErrors::BadSignature(e)) if e.signer == patient.address()));

    world.publisher(&hospital, &world.admin).await;
    let anchor = calls::anchor(hospital.address(), keccak256("root"), 1, keccak256("manifest"));
    let mined = world.send(world.contracts.anchors, anchor.clone()).await;
    let no = refused(world.contracts.anchors, anchor).await;
    assert!(matches!(no, Revert::Anchors(AnchorsErrors::AlreadyAnchored(e)) if e.number == mined.block));
}

#[tokio::test]
async fn a_transaction_that_fails_on_chain_is_mined_without_success() {
    let world = Chain::start().await;
    let anchor = calls::anchor(key(1).address(), keccak256("root"), 1, keccak256("manifest"));
    let mined = world.try_send(world.contracts.anchors, anchor).await;
    assert!(!mined.success && mined.events.is_empty() && mined.gas_used > 21_000);
}

#[tokio::test]
async fn a_forged_grant_changes_nothing() {
    let world = Chain::start().await;
    let (hospital, patient) = (key(1), key(3));
    world.register(&hospital, 3, None).await;
    world.register(&patient, 1, Some(hospital.address())).await;
    let grant = typed::Grant {
        patient: patient.address(),
        grantee: hospital.address(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: 1,
        permission: typed::WRITE,
        until: FAR,
        purpose: "TREAT".into(),
        epoch: 0,
        suite: typed::SUITE_NONE,
        recipientKeyHash: B256::ZERO,
        wrapHash: B256::ZERO,
    };
    let domain = world.contracts.consent_domain();
    let signature = sign(&patient, &grant, &domain);
    let wider = typed::Grant {
        permission: 3,
        ..grant.clone()
    };
    let mined = world
        .try_send(
            world.contracts.consent,
            calls::grant(&wider, Bytes::new(), signature.clone()),
        )
        .await;
    assert!(!mined.success && mined.events.is_empty());
    assert!(
        world
            .send(world.contracts.consent, calls::grant(&grant, Bytes::new(), signature))
            .await
            .success
    );
}
