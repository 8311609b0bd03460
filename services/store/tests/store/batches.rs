//! Batches move only from the state they are in, and take exactly the records that were read.

use alloy_primitives::{B256, Bytes};
use chartseal_record::{merkle::Tree, state::RecordState};
use chartseal_store::{BatchId, Error, Lease, Mined, NewBatch, SentTransaction, Store};

use crate::stage::{NOW, ORG, PATIENT, Stage, record, word};

const PLACE: Mined = Mined {
    block: 7,
    block_hash: B256::repeat_byte(7),
    gas_used: 50_000,
};

fn sent(nonce: u64) -> SentTransaction {
    SentTransaction {
        signer: PATIENT,
        nonce,
        hash: word("transaction", nonce as u32),
        raw: Bytes::from(format!("raw {nonce}").into_bytes()),
    }
}

/// A batch of what waits.
async fn new_batch(store: &Store) -> NewBatch {
    let waiting = store.waiting_records(ORG, 8192).await.unwrap();
    let tree = Tree::new(waiting.iter().map(|record| record.leaf).collect()).unwrap();
    NewBatch {
        org: ORG,
        through: waiting.last().unwrap().seq,
        count: waiting.len() as u32,
        root: tree.root(),
        manifest: word("manifest", waiting.len() as u32),
        created_at: NOW,
    }
}

async fn leased(store: &Store) -> Lease {
    let lease = Lease::new("publisher");
    assert!(store.take_lease(&lease, NOW, 60).await.unwrap());
    lease
}

/// A batch of twenty records.
async fn batched(stage: &Stage) -> BatchId {
    for seed in 0..20 {
        stage.store.commit_record(record(seed)).await.unwrap();
    }
    let lease = leased(&stage.store).await;
    stage
        .store
        .create_batch(&new_batch(&stage.store).await, &lease)
        .await
        .unwrap()
}

#[tokio::test]
async fn leaves_are_kept_in_ascending_order_and_rebuild_the_same_root() {
    for stage in Stage::each().await {
        let id = batched(&stage).await;
        let stage = stage.reopen().await;
        let leaves = stage.store.batch_leaves(id).await.unwrap();
        assert!(leaves.is_sorted());
        let batch = stage.store.batch(id).await.unwrap().unwrap();
        assert_eq!((batch.count, batch.state), (20, RecordState::Batched));
        assert_eq!(Tree::new(leaves.clone()).unwrap().root(), batch.root);
        for seed in 0..20 {
            let stored = stage
                .store
                .record(record(seed).record.content_hash)
                .await
                .unwrap()
                .unwrap();
            let (of, place) = stored.batch.unwrap();
            assert_eq!(
                (of, leaves[place as usize], stored.state),
                (id, stored.leaf, RecordState::Batched)
            );
        }
        assert_eq!(stage.store.waiting_records(ORG, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn records_that_arrive_meanwhile_wait_for_the_next_batch() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store.commit_record(record(1)).await.unwrap();
        let new = new_batch(store).await;
        store.commit_record(record(2)).await.unwrap();
        let lease = leased(store).await;
        store.create_batch(&new, &lease).await.unwrap();
        let waiting = store.waiting_records(ORG, 10).await.unwrap();
        assert_eq!(
            waiting.iter().map(|w| w.content_hash).collect::<Vec<_>>(),
            [record(2).record.content_hash]
        );

        // The same list again: its record is taken, so nothing of it happens.
        let again = NewBatch {
            manifest: word("another", 1),
            ..new
        };
        assert!(matches!(
            store.create_batch(&again, &lease).await,
            Err(Error::Moved { table: "record", .. })
        ));
        assert_eq!(store.open_batches(ORG).await.unwrap().len(), 1);
        let wrong_count = NewBatch {
            count: 2,
            ..new_batch(store).await
        };
        assert!(matches!(
            store.create_batch(&wrong_count, &lease).await,
            Err(Error::Moved { .. })
        ));
        assert_eq!(store.waiting_records(ORG, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn who_lost_the_lease_cannot_make_a_batch() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store.commit_record(record(1)).await.unwrap();
        let (mine, other) = (Lease::new("publisher"), Lease::new("publisher"));
        assert!(store.take_lease(&mine, NOW, 15).await.unwrap());
        assert!(!store.take_lease(&other, NOW + 14, 15).await.unwrap());
        assert!(store.take_lease(&mine, NOW + 14, 15).await.unwrap());
        assert!(store.take_lease(&other, NOW + 29, 15).await.unwrap());
        let new = new_batch(store).await;
        assert!(matches!(
            store.create_batch(&new, &mine).await,
            Err(Error::Moved { table: "lease", .. })
        ));
        store.release_lease(&mine).await.unwrap();
        store.create_batch(&new, &other).await.unwrap();
        store.release_lease(&other).await.unwrap();
        assert!(store.take_lease(&mine, NOW + 29, 15).await.unwrap());
    }
}

#[tokio::test]
async fn every_step_starts_from_its_own_state_only() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let id = batched(&stage).await;
        let moved = |result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::Moved { table: "batch", .. })), "{result:?}")
        };
        let state = async || store.batch(id).await.unwrap().unwrap().state;

        moved(store.batch_back(id).await);
        moved(store.batch_submitted(BatchId(99), &sent(0)).await);
        store.batch_submitted(id, &sent(0)).await.unwrap();
        assert_eq!(store.batch(id).await.unwrap().unwrap().sent, Some(sent(0)));
        moved(store.batch_submitted(id, &sent(1)).await);
        assert_eq!(store.nonces_taken(PATIENT, 0).await.unwrap(), [0].into());
        let dearer = SentTransaction {
            hash: word("dearer", 0),
            ..sent(0)
        };
        store.batch_replaced(id, &sent(0), &dearer).await.unwrap();
        moved(store.batch_replaced(id, &sent(0), &dearer).await);
        assert_eq!(store.replaced_of_batch(id).await.unwrap(), [sent(0)]);

        store
            .batch_anchored(id, Some(sent(0).hash), PLACE, NOW + 9)
            .await
            .unwrap();
        moved(store.batch_anchored(id, Some(sent(0).hash), PLACE, NOW + 9).await);
        moved(store.batch_submitted(id, &sent(1)).await);
        let anchored = store.batch(id).await.unwrap().unwrap();
        assert_eq!((anchored.mined, anchored.anchored_at), (Some(PLACE), Some(NOW + 9)));
        assert_eq!(store.batches_anchored_from(ORG, 7).await.unwrap(), [anchored]);
        assert_eq!(store.batches_anchored_from(ORG, 8).await.unwrap(), []);
        assert_eq!(store.nonces_taken(PATIENT, 0).await.unwrap(), [].into());

        store.batch_back(id).await.unwrap();
        assert_eq!(state().await, RecordState::Batched);
        assert_eq!(store.open_batches(ORG).await.unwrap()[0].sent, None);
        // Found on the chain without a transaction of ours.
        store.batch_anchored(id, None, PLACE, NOW).await.unwrap();
        assert_eq!(state().await, RecordState::Anchored);
    }
}

#[tokio::test]
async fn the_outbox_empties_only_after_the_anchor_and_in_pieces() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let id = batched(&stage).await;
        store.commit_record(record(100)).await.unwrap();
        assert_eq!(store.clear_outbox(100).await.unwrap(), 0);
        store.batch_submitted(id, &sent(0)).await.unwrap();
        assert_eq!(store.clear_outbox(100).await.unwrap(), 0);
        store.batch_anchored(id, Some(sent(0).hash), PLACE, NOW).await.unwrap();
        assert_eq!(store.outbox_left(id).await.unwrap(), 20);
        assert_eq!(store.clear_outbox(15).await.unwrap(), 15);
        assert_eq!(store.clear_outbox(15).await.unwrap(), 5);
        assert_eq!(store.outbox_left(id).await.unwrap(), 0);
        let waiting = record(100);
        assert_eq!(
            store.outbox(&waiting.record.content_hash.to_string()).await.unwrap(),
            Some(waiting.sealed)
        );
    }
}
