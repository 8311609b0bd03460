//! Blocks that go away again.

use chartseal_record::{
    Compartment, Scope,
    state::{IntentState, RecordState},
};
use chartseal_submitter::{Heads, Worker};

use crate::{
    people::{hospital, patient, stranger},
    stage::{K, Stage},
};

#[tokio::test]
async fn an_anchor_dropped_before_its_confirmations_is_sent_again_byte_for_byte() {
    let stage = Stage::open().await;
    stage.record(1).await;
    stage.chain.automine(false).await;
    let mut worker = stage.publisher();
    worker.turn().await.unwrap();
    stage.chain.mine(1).await;
    let sent = stage.batch().await.sent.unwrap();
    assert_eq!(stage.chain.anchors().await.len(), 1);
    stage.chain.rollback(1).await;
    assert_eq!(stage.chain.anchors().await.len(), 0);
    let batch = stage.anchored(&mut worker).await;
    assert_eq!(batch.sent, Some(sent));
    assert_eq!(stage.chain.anchors().await, [batch.root]);
}

#[tokio::test]
async fn an_anchor_dropped_after_its_confirmations_goes_back_to_batched_and_is_anchored_again() {
    for restarted in [false, true] {
        let stage = Stage::open().await;
        let commit = stage.record(1).await;
        stage.chain.automine(false).await;
        let mut worker = stage.publisher();
        let first = stage.anchored(&mut worker).await;
        stage.chain.mine(5).await;
        worker.turn().await.unwrap();
        stage.chain.rollback(5 + K).await;
        assert_eq!(stage.chain.anchors().await.len(), 0);
        // Seen by the worker that watched, and by one that did not.
        let stage = if restarted { stage.restart().await } else { stage };
        let mut worker = if restarted { stage.publisher() } else { worker };
        worker.turn().await.unwrap();
        assert_ne!(stage.batch().await.state, RecordState::Anchored);
        let again = stage.anchored(&mut worker).await;
        assert_eq!((again.id, again.root), (first.id, first.root));
        assert_eq!(stage.chain.anchors().await, [first.root]);
        let record = stage.store.record(commit.record.content_hash).await.unwrap().unwrap();
        assert_eq!(record.state, RecordState::Anchored);
        assert_eq!(stage.store.waiting_records(hospital().address(), 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_decision_dropped_at_any_depth_is_sent_again_byte_for_byte() {
    for confirmed in [false, true] {
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
        let mut worker = stage.relayer();
        worker.turn().await.unwrap();
        stage.chain.mine(1).await;
        let depth = if confirmed {
            stage.decided(&mut worker, "1").await;
            K
        } else {
            worker.turn().await.unwrap();
            assert!(stage.intent("1").await.mined.is_some());
            1
        };
        let sent = stage.intent("1").await.sent;
        stage.chain.rollback(depth).await;
        worker.turn().await.unwrap();
        let intent = stage.decided(&mut worker, "1").await;
        assert_eq!(
            (intent.state, &intent.sent),
            (IntentState::Confirmed, &sent),
            "confirmed {confirmed}"
        );
        let mined = stage.chain.client.mined(sent.unwrap().hash).await.unwrap().unwrap();
        assert_eq!(
            (mined.block, mined.block_hash),
            intent.mined.map(|m| (m.block, m.block_hash)).unwrap()
        );
    }
}

#[tokio::test]
async fn what_was_in_force_until_a_reorg_took_it_is_sent_after_all() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage.chain.send(directory, stage.registering(&patient(), 1)).await;
    let mut worker = stage.relayer();
    // By a transaction that is nobody's here: anyone may relay what is signed.
    stage.chain.send(consent, stage.advance("clinical", 1, 7)).await;
    stage
        .signed("1", "advance", consent, stage.advance("clinical", 1, 7), None)
        .await;
    stage
        .signed("2", "grant", consent, stage.reading("clinical", 1), Some("1"))
        .await;
    stage.decided(&mut worker, "2").await;
    let before = stage.intent("1").await;
    assert_eq!((before.state, before.sent), (IntentState::Confirmed, None));

    let head = stage.chain.client.head().await.unwrap().number;
    stage.chain.rollback(head + 1 - before.mined.unwrap().block).await;
    let granted = stage.decided(&mut worker, "2").await;
    let opened = stage.decided(&mut worker, "1").await;
    assert_eq!(
        (opened.state, granted.state, granted.error),
        (IntentState::Confirmed, IntentState::Confirmed, None)
    );
    assert!(opened.sent.is_some(), "this time it is ours");
    let epoch = stage
        .chain
        .client
        .epoch_of(Compartment::of(patient().address(), &Scope::clinical()));
    assert_eq!(epoch.await.unwrap().number, 1);
}

#[tokio::test]
async fn a_wrap_waits_for_its_grant_that_a_reorg_has_taken() {
    let stage = Stage::open().await;
    let (directory, consent) = (stage.chain.contracts.directory, stage.chain.contracts.consent);
    stage.chain.send(directory, stage.registering(&patient(), 1)).await;
    stage.chain.send(consent, stage.advance("clinical", 1, 7)).await;
    stage.chain.send(consent, stage.advance("clinical", 2, 8)).await;
    stage.chain.send(consent, stage.reading("clinical", 1)).await;
    stage.chain.rollback(1).await;
    stage
        .signed("1", "rewrap", consent, stage.rewrap("clinical", 1, 2), None)
        .await;
    let mut worker = stage.relayer();
    worker.turn().await.unwrap();
    assert_eq!(stage.state("1").await, IntentState::Signed);
    stage.chain.send(consent, stage.reading("clinical", 1)).await;
    assert_eq!(stage.decided(&mut worker, "1").await.state, IntentState::Confirmed);
}

#[tokio::test]
async fn a_reorg_nobody_has_seen_yet_gives_no_nonce_away() {
    let stage = Stage::open().await;
    let directory = stage.chain.contracts.directory;
    stage
        .signed("1", "register", directory, stage.registering(&patient(), 1), None)
        .await;
    let mut worker = stage.relayer();
    let first = stage.decided(&mut worker, "1").await.sent.unwrap();
    stage.chain.rollback(K).await;
    assert_eq!(stage.chain.used(first.signer).await, first.nonce, "its block is gone");

    stage
        .signed("2", "register", directory, stage.registering(&stranger(), 1), None)
        .await;
    let second = worker.sign(&stage.intent("2").await).await.unwrap().unwrap();
    assert_eq!(second.nonce, first.nonce + 1);
    stage.decided(&mut worker, "2").await;
    let again = stage.decided(&mut worker, "1").await;
    assert_eq!((again.state, again.sent), (IntentState::Confirmed, Some(first)));
}

#[tokio::test]
async fn heads_tell_from_where_the_chain_changed() {
    let stage = Stage::open().await;
    let client = &stage.chain.client;
    let mut heads = Heads::default();
    let first = heads.look(client).await.unwrap();
    assert_eq!(first.changed_from, Some(0));
    for _ in 0..4 {
        stage.chain.mine(1).await;
        assert_eq!(heads.look(client).await.unwrap().changed_from, None);
    }
    assert_eq!(heads.look(client).await.unwrap().changed_from, None);
    // Blocks nobody looked at in between are no re-org.
    stage.chain.mine(3).await;
    assert_eq!(heads.look(client).await.unwrap().changed_from, None);
    stage.chain.rollback(5).await;
    stage.chain.anvil("evm_increaseTime", [1000]).await;
    stage.chain.mine(4).await;
    let look = heads.look(client).await.unwrap();
    assert_eq!(look.changed_from, Some(first.head.number + 3));
    assert_eq!(heads.look(client).await.unwrap().changed_from, None);
}
