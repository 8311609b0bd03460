//! Records become anchors, once, wherever the worker dies.

use chartseal_chain::Client;
use chartseal_record::{
    manifest::{self, Manifest},
    merkle::Tree,
    state::RecordState,
};
use chartseal_submitter::Worker;

use crate::{
    people::{hospital, publisher},
    stage::{K, Stage},
};

#[tokio::test]
async fn waiting_records_become_one_anchor_whose_proofs_the_contract_verifies() {
    let stage = Stage::open().await;
    let mut commits = vec![];
    for seed in 0..5 {
        commits.push(stage.record(seed).await);
    }
    let batch = stage.anchored(&mut stage.publisher()).await;

    assert_eq!(stage.chain.anchors().await, [batch.root]);
    let tree = Tree::new(stage.store.batch_leaves(batch.id).await.unwrap()).unwrap();
    assert_eq!(tree.root(), batch.root);
    let listed = stage
        .content
        .get(&manifest::cid(batch.manifest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Manifest::decode(&listed).unwrap().tree().root(), batch.root);
    for (i, commit) in commits.iter().enumerate() {
        let record = stage.store.record(commit.record.content_hash).await.unwrap().unwrap();
        assert_eq!(record.state, RecordState::Anchored);
        let leaf = commit.record.leaf;
        let proof = tree.proof(leaf).unwrap();
        let org = hospital().address();
        let verified = stage
            .chain
            .client
            .verify(org, batch.root, batch.count, batch.manifest, leaf, proof)
            .await;
        assert_eq!(verified.unwrap(), Some(batch.mined.unwrap().block), "record {i}");
        assert_eq!(
            stage.content.get(&record.content_hash.cid()).await.unwrap().unwrap(),
            commit.sealed.0
        );
        let attached = commit.attachments[0].cid.parse().unwrap();
        assert!(stage.content.has(&attached).await.unwrap());
    }
    assert_eq!(stage.store.outbox_left(batch.id).await.unwrap(), 0);
    assert_eq!(batch.tx_hash, batch.sent.map(|sent| sent.hash));
    assert!(batch.mined.unwrap().gas_used > 0);
}

/// How far the first worker comes before it dies.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Death {
    Stored,
    Batched,
    Submitted,
    Sent,
    Mined,
}

#[tokio::test]
async fn a_batch_is_anchored_once_wherever_the_worker_dies() {
    for death in [
        Death::Stored,
        Death::Batched,
        Death::Submitted,
        Death::Sent,
        Death::Mined,
    ] {
        let stage = Stage::open().await;
        stage.record(1).await;
        stage.chain.automine(false).await;
        {
            let worker = stage.publisher();
            assert!(worker.hold().await.unwrap());
            if death >= Death::Batched {
                worker.assemble().await.unwrap().unwrap();
            }
            if death >= Death::Submitted {
                let head = stage.chain.client.head().await.unwrap();
                let sent = worker.sign(&stage.batch().await, &head).await.unwrap().unwrap();
                if death >= Death::Sent {
                    worker.send(&stage.batch().await, &sent).await.unwrap();
                }
            }
            if death >= Death::Mined {
                stage.chain.mine(1).await;
            }
        }
        let stage = stage.restart().await;
        let batch = stage.anchored(&mut stage.publisher()).await;
        assert_eq!(stage.chain.anchors().await, [batch.root], "died when {death:?}");
        assert_eq!(stage.chain.used(publisher().address()).await, 1, "died when {death:?}");
        assert_eq!(stage.store.outbox_left(batch.id).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn an_anchor_already_on_the_chain_is_found_and_not_sent_again() {
    let stage = Stage::open().await;
    stage.record(1).await;
    stage.chain.automine(false).await;
    let mut worker = stage.publisher();
    worker.turn().await.unwrap();
    stage.chain.mine(1).await;
    let sent = stage.batch().await.sent.unwrap();
    // As after a restored backup: the row knows nothing of its transaction.
    stage.store.batch_back(stage.batch().await.id).await.unwrap();
    let batch = stage.anchored(&mut worker).await;
    assert_eq!(stage.chain.used(publisher().address()).await, 1);
    assert_eq!(
        batch.mined.unwrap().block,
        stage.chain.client.mined(sent.hash).await.unwrap().unwrap().block
    );
}

#[tokio::test]
async fn two_workers_do_not_anchor_for_one_organisation_at_a_time() {
    let stage = Stage::open().await;
    stage.record(1).await;
    let (mut one, mut two) = (stage.publisher(), stage.publisher());
    one.turn().await.unwrap();
    stage.record(2).await;
    two.turn().await.unwrap();
    assert_eq!(
        stage
            .store
            .waiting_records(hospital().address(), 10)
            .await
            .unwrap()
            .len(),
        1
    );
    one.release().await.unwrap();
    two.turn().await.unwrap();
    assert_eq!(
        stage
            .store
            .waiting_records(hospital().address(), 10)
            .await
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn while_the_chain_is_away_records_are_batched_and_pinned_and_catch_up_later() {
    let stage = Stage::open().await;
    stage.record(1).await;
    let nowhere = Client::connect("http://127.0.0.1:1", stage.chain.contracts)
        .await
        .unwrap();
    let mut cut_off = stage.publisher_at(nowhere);
    let error = cut_off.turn().await.unwrap_err();
    assert_eq!(error.kind(), "chain-away");
    assert_eq!(stage.batch().await.state, RecordState::Batched);
    cut_off.release().await.unwrap();
    stage.anchored(&mut stage.publisher()).await;
}

#[tokio::test]
async fn an_anchor_waits_for_its_confirmations() {
    let stage = Stage::open().await;
    stage.record(1).await;
    stage.chain.automine(false).await;
    let mut worker = stage.publisher();
    worker.turn().await.unwrap();
    stage.chain.mine(1).await;
    for _ in 1..K {
        worker.turn().await.unwrap();
        assert_eq!(stage.batch().await.state, RecordState::Submitted);
        stage.chain.mine(1).await;
    }
    worker.turn().await.unwrap();
    assert_eq!(stage.batch().await.state, RecordState::Anchored);
}
