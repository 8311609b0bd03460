//! Two gateways and two submitters on one database: nothing is done twice, nothing is passed over.

use std::{collections::BTreeSet, time::Duration};

use alloy_primitives::{B256, keccak256};
use chartseal_record::{Slot, merkle::Tree};
use chartseal_store::{Condition, Error, Lease, NewAudit, NewBatch, RecordCommit, Store, Tombstone};
use futures::future::join_all;

use crate::stage::{NOW, ORG, PATIENT, Stage, record, word};

const RECORDS: u32 = 120;

/// How often a submitter looks.
const POLL: Duration = Duration::from_millis(5);

/// Batches what waits, while it holds the lease, until every record has a batch. Returns the leaves it batched.
async fn submit(store: Store) -> Vec<B256> {
    let lease = Lease::new("publisher");
    let mut batched = vec![];
    loop {
        let last = store.record_version(word("id", 2 * RECORDS - 1), 1).await.unwrap();
        if last.is_some_and(|r| r.batch.is_some()) && store.waiting_records(ORG, 1).await.unwrap().is_empty() {
            return batched;
        }
        if !store.take_lease(&lease, NOW, 60).await.unwrap() {
            tokio::time::sleep(POLL).await;
            continue;
        }
        let waiting = store.waiting_records(ORG, 8192).await.unwrap();
        if let Some(last) = waiting.last() {
            let leaves: Vec<_> = waiting.iter().map(|r| r.leaf).collect();
            let new = NewBatch {
                org: ORG,
                through: last.seq,
                count: waiting.len() as u32,
                root: Tree::new(leaves.clone()).unwrap().root(),
                manifest: word("manifest", last.seq as u32),
                created_at: NOW,
            };
            // Here lie a manifest and a pin; records go on arriving. None of them may belong to this batch.
            tokio::task::yield_now().await;
            store.create_batch(&new, &lease).await.unwrap();
            batched.extend(leaves);
        }
        store.release_lease(&lease).await.unwrap();
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_of_two_gateways_is_batched_once_by_two_submitters() {
    for stage in Stage::each().await {
        let gateways = [stage.another().await, stage.another().await];
        let submitters = [stage.another().await, stage.another().await];
        let submitting = submitters.map(|store| tokio::spawn(submit(store)));
        // Of the last record a submitter knows that all are there: it is uploaded when the others are.
        let upload = |seed: u32| {
            let store = gateways[(seed % 2) as usize].clone();
            tokio::spawn(async move { store.commit_record(record(seed)).await.unwrap() })
        };
        for uploaded in join_all((0..2 * RECORDS - 1).map(upload)).await {
            uploaded.unwrap();
        }
        upload(2 * RECORDS - 1).await.unwrap();
        let batched: Vec<B256> = join_all(submitting)
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .collect();
        assert_eq!(batched.len() as u32, 2 * RECORDS);
        assert_eq!(batched.iter().collect::<BTreeSet<_>>().len(), batched.len());

        let mut kept = vec![];
        for batch in stage.store.open_batches(ORG).await.unwrap() {
            let leaves = stage.store.batch_leaves(batch.id).await.unwrap();
            assert_eq!(Tree::new(leaves.clone()).unwrap().root(), batch.root);
            kept.extend(leaves);
        }
        assert_eq!(kept.iter().collect::<BTreeSet<_>>(), batched.iter().collect());
        assert_eq!(kept.len(), batched.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_gets_the_lease_and_who_has_lost_it_writes_nothing() {
    for stage in Stage::each().await {
        let other = stage.another().await;
        let leases: Vec<_> = (0..10).map(|_| Lease::new("publisher")).collect();
        let taken = join_all(leases.iter().enumerate().map(|(i, lease)| {
            let store = if i % 2 == 0 { &stage.store } else { &other };
            store.take_lease(lease, NOW, 60)
        }));
        let taken: Vec<bool> = taken.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        let stale = &leases[taken.iter().position(|taken| *taken).unwrap()];

        // It stands still for longer than its lease; another takes over.
        let seq = stage.store.commit_record(record(1)).await.unwrap();
        let fresh = Lease::new("publisher");
        assert!(!other.take_lease(&fresh, NOW + 59, 60).await.unwrap());
        assert!(other.take_lease(&fresh, NOW + 60, 60).await.unwrap());
        let new = NewBatch {
            org: ORG,
            through: seq,
            count: 1,
            root: record(1).record.leaf,
            manifest: word("manifest", 1),
            created_at: NOW + 61,
        };
        let refused = stage.store.create_batch(&new, stale).await;
        assert!(matches!(refused, Err(Error::Moved { table: "lease", .. })));
        assert_eq!(stage.store.open_batches(ORG).await.unwrap(), []);
        other.create_batch(&new, &fresh).await.unwrap();
        // Nor does it give back what is not its own.
        stage.store.release_lease(stale).await.unwrap();
        assert!(!stage.store.take_lease(stale, NOW + 62, 60).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_write_one_audit_chain_per_patient() {
    for stage in Stage::each().await {
        let gateways = [stage.another().await, stage.another().await];
        let entry = |text: String| NewAudit {
            org: ORG,
            patient: PATIENT,
            recorded_at: NOW,
            digest: keccak256(&text),
            sealed: text.into_bytes().into(),
        };
        let writing = (0..60).map(|i| {
            let store = gateways[i % 2].clone();
            let audit = vec![entry(format!("entry {i}"))];
            tokio::spawn(async move {
                // Entries of reads stand beside entries that come with a record.
                if i % 3 == 0 {
                    let commit = RecordCommit {
                        audit,
                        ..record(i as u32)
                    };
                    store.commit_record(commit).await.map(drop)
                } else {
                    store.append_audit(audit).await.map(drop)
                }
            })
        });
        for written in join_all(writing).await {
            written.unwrap().unwrap();
        }
        let chain = stage.store.audit(ORG, PATIENT, 0, 1000).await.unwrap();
        assert_eq!(chain.len(), 60);
        for (i, entry) in chain.iter().enumerate() {
            assert!(entry.follows(i.checked_sub(1).map(|before| &chain[before])));
        }
    }
}

/// Whatever the order of the two: a record that got in was in before the slot was refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_comes_in_after_another_gateway_has_refused_its_slot() {
    for stage in Stage::each().await {
        let other = stage.another().await;
        let mut arrived = 0;
        for round in 0..20 {
            let slot = Slot(word("slot", round));
            let compartment = record(0).record.compartment;
            let standing = Some(stage.store.standing(compartment, [slot]).await.unwrap());
            let writing = (0..8).map(|i| {
                let store = stage.store.clone();
                let standing = standing.clone();
                let commit = RecordCommit {
                    standing,
                    ..record(round * 100 + i)
                };
                tokio::spawn(async move { store.commit_record(commit).await })
            });
            let writing: Vec<_> = writing.collect();
            let tombstone = Tombstone {
                slot,
                org: ORG,
                serial: 1,
                refused_at: NOW,
                receipt: serde_json::Value::Null,
            };
            other.refuse_slot(&tombstone).await.unwrap();
            // What is in now was in before, and nothing more of this round arrives.
            let seen = other.waiting_records(ORG, 8192).await.unwrap().len();
            for result in join_all(writing).await {
                match result.unwrap() {
                    Ok(_) => arrived += 1,
                    Err(Error::StandingChanged(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(seen, arrived);
        }
    }
}

#[tokio::test]
async fn of_two_gateways_that_found_nothing_under_a_condition_one_creates() {
    for stage in Stage::each().await {
        let (here, there) = (stage.store.clone(), stage.another().await);
        let under = |seed: u32, condition: Condition| RecordCommit {
            condition: Some(condition),
            ..record(seed)
        };
        for round in 0..10 {
            let hash = word("condition", round % 2);
            let (a, b) = (
                here.condition(hash, NOW + 60).await.unwrap(),
                there.condition(hash, NOW + 60).await.unwrap(),
            );
            assert_eq!(a, b, "both looked before either created");
            let (seed, other) = (10 * round, word("condition", 100 + round));
            let free = here.condition(other, NOW + 60).await.unwrap();
            let (a, b, c) = tokio::join!(
                here.commit_record(under(seed, a)),
                there.commit_record(under(seed + 1, b)),
                there.commit_record(under(seed + 2, free)),
            );
            c.unwrap();
            assert_eq!([&a, &b].into_iter().filter(|told| told.is_ok()).count(), 1);
            let lost = a.err().or(b.err()).unwrap();
            assert!(matches!(lost, Error::ConditionMet), "{lost}");
        }
        // One transaction is no way around it.
        let again = here.condition(word("condition", 0), NOW + 60).await.unwrap();
        let both = vec![under(1001, again), under(1002, again)];
        assert!(matches!(here.commit_records(both).await, Err(Error::ConditionMet)));
        here.commit_record(under(1003, again)).await.unwrap();
        assert_eq!(here.records_after(0, 100).await.unwrap().len(), 21);

        assert_eq!(here.sweep(NOW + 60).await.unwrap().rows, 12);
        assert_eq!(there.condition(word("condition", 0), NOW).await.unwrap().last, None);
        there.close().await;
    }
}
