//! Decisions reach the chain in order, and a refusal is final only when nothing can lift it.

use std::time::Duration;

use chartseal_record::state::IntentState;
use chartseal_submitter::{LEASE_SECONDS, Worker};

use crate::{
    people::{hospital, patient, relayer},
    stage::Stage,
};

#[tokio::test]
async fn a_decision_waits_for_the_one_it_needs() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage
        .signed("1", "register", directory, stage.registering(&patient(), 1), None)
        .await;
    stage
        .signed("2", "grant", consent, stage.grant("clinical", 1), Some("1"))
        .await;
    stage.chain.automine(false).await;
    let mut worker = stage.relayer();
    worker.turn().await.unwrap();
    worker.turn().await.unwrap();
    assert_eq!(
        (stage.state("1").await, stage.state("2").await),
        (IntentState::Submitted, IntentState::Signed)
    );
    stage.chain.mine(1).await;
    worker.turn().await.unwrap();
    assert_eq!(
        (stage.state("1").await, stage.state("2").await),
        (IntentState::Submitted, IntentState::Submitted)
    );
    let second = stage.decided(&mut worker, "2").await;
    let first = stage.intent("1").await;
    assert_eq!(
        (first.state, second.state),
        (IntentState::Confirmed, IntentState::Confirmed)
    );
    assert!(first.mined.unwrap().block < second.mined.unwrap().block);
    assert!(second.mined.unwrap().gas_used > 20_000);
}

#[tokio::test]
async fn an_intent_is_mined_once_wherever_the_worker_dies() {
    for steps in 0..3 {
        let stage = Stage::open().await;
        stage
            .signed(
                "1",
                "register",
                stage.chain.contracts.directory,
                stage.registering(&patient(), 1),
                None,
            )
            .await;
        stage.chain.automine(false).await;
        {
            let worker = stage.relayer();
            assert!(worker.hold().await.unwrap());
            if steps > 0 {
                let sent = worker.sign(&stage.intent("1").await).await.unwrap().unwrap();
                if steps > 1 {
                    worker.send(&stage.intent("1").await, &sent).await.unwrap();
                }
            }
        }
        let stage = stage.restart().await;
        let intent = stage.decided(&mut stage.relayer(), "1").await;
        assert_eq!(intent.state, IntentState::Confirmed, "after {steps} steps");
        assert_eq!(stage.chain.used(relayer().address()).await, 1, "after {steps} steps");
    }
}

#[tokio::test]
async fn a_duplicate_registration_fails_with_its_reason_and_takes_its_followers_along() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage
        .signed("1", "register", directory, stage.registering(&hospital(), 3), None)
        .await;
    stage
        .signed("2", "grant", consent, stage.grant("clinical", 1), Some("1"))
        .await;
    stage.relayer().turn().await.unwrap();
    let first = stage.intent("1").await;
    assert_eq!(first.state, IntentState::Failed);
    assert!(first.error.unwrap().contains("AlreadyRegistered"));
    let second = stage.intent("2").await;
    assert_eq!(
        (second.state, second.error.as_deref()),
        (IntentState::Failed, Some("the step before it failed"))
    );
    assert_eq!(stage.chain.used(relayer().address()).await, 0);
}

#[tokio::test]
async fn what_is_in_force_already_is_confirmed_and_what_differs_is_refused() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage.chain.send(directory, stage.registering(&patient(), 1)).await;
    stage.chain.send(consent, stage.advance("clinical", 1, 7)).await;
    stage
        .signed("same", "advance", consent, stage.advance("clinical", 1, 7), None)
        .await;
    stage
        .signed("other", "advance", consent, stage.advance("clinical", 1, 8), None)
        .await;
    stage.relayer().turn().await.unwrap();
    assert_eq!(stage.state("same").await, IntentState::Confirmed);
    assert_eq!(stage.state("other").await, IntentState::Failed);
    assert_eq!(stage.chain.used(relayer().address()).await, 0);
}

#[tokio::test]
async fn a_refusal_that_may_still_lift_is_waited_for_and_then_final() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage
        .signed("early", "grant", consent, stage.grant("clinical", 1), None)
        .await;
    stage
        .signed("never", "grant", consent, stage.grant("claims", 5), None)
        .await;
    let mut worker = stage.relayer();
    worker.turn().await.unwrap();
    assert_eq!(
        (stage.state("early").await, stage.state("never").await),
        (IntentState::Signed, IntentState::Signed)
    );
    stage.chain.send(directory, stage.registering(&patient(), 1)).await;
    let early = stage.decided(&mut worker, "early").await;
    assert_eq!(early.state, IntentState::Confirmed);
    stage.clock.advance(Duration::from_secs(60));
    worker.turn().await.unwrap();
    let never = stage.intent("never").await;
    assert_eq!(never.state, IntentState::Failed);
    assert!(never.error.unwrap().contains("SerialNotNext"));
}

#[tokio::test]
async fn a_call_to_anything_but_our_contracts_is_not_paid_for() {
    let stage = Stage::open().await;
    stage
        .signed("1", "grant", hospital().address(), stage.grant("clinical", 1), None)
        .await;
    stage.relayer().turn().await.unwrap();
    assert_eq!(stage.state("1").await, IntentState::Failed);
    assert_eq!(stage.chain.used(relayer().address()).await, 0);
}

#[tokio::test]
async fn a_second_relayer_with_the_same_key_waits_for_the_lease() {
    let stage = Stage::open().await;
    let (mut one, mut two) = (stage.relayer(), stage.relayer());
    one.turn().await.unwrap();
    stage
        .signed(
            "1",
            "register",
            stage.chain.contracts.directory,
            stage.registering(&patient(), 1),
            None,
        )
        .await;
    two.turn().await.unwrap();
    assert_eq!(stage.state("1").await, IntentState::Signed);
    stage.clock.advance(Duration::from_secs(LEASE_SECONDS));
    two.turn().await.unwrap();
    assert_eq!(stage.state("1").await, IntentState::Submitted);
    // The first comes back late and finds its lease gone.
    assert!(!one.hold().await.unwrap());
}
