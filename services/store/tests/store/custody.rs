//! Epochs that only rise, requests decided once, an audit that cannot be rewritten unseen.

use std::collections::BTreeSet;

use alloy_primitives::{Address, keccak256};
use chartseal_record::{Compartment, Slot};
use chartseal_store::{
    AccessRequest, AuditEntry, Error, NewAudit, RecordCommit, Refusals, RequestState, Sealing, Standing, Tombstone,
    Unsealed,
};

use crate::stage::{NOW, ORG, PATIENT, Stage, record, word};

#[tokio::test]
async fn no_epoch_number_is_given_out_twice() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let compartment = Compartment(word("compartment", 1));
        assert_eq!(store.epoch_mark(compartment).await.unwrap(), 0);
        assert!(store.raise_epoch_mark(compartment, 3).await.unwrap());
        assert!(!store.raise_epoch_mark(compartment, 3).await.unwrap());
        assert!(!store.raise_epoch_mark(compartment, 2).await.unwrap());
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.next_epoch(compartment, 1).await.unwrap() })
            })
            .collect();
        let mut given = BTreeSet::new();
        for task in tasks {
            given.insert(task.await.unwrap());
        }
        assert_eq!(given, (4..24).collect());
        let stage = stage.reopen().await;
        // The chain may be ahead (another custodian before us) or behind (a re-org).
        assert_eq!(stage.store.next_epoch(compartment, 40).await.unwrap(), 41);
        assert_eq!(stage.store.next_epoch(compartment, 0).await.unwrap(), 42);
        assert_eq!(stage.store.epoch_mark(compartment).await.unwrap(), 42);
        assert_eq!(
            stage
                .store
                .next_epoch(Compartment(word("compartment", 2)), 0)
                .await
                .unwrap(),
            1
        );
    }
}

#[tokio::test]
async fn a_record_whose_custody_has_moved_since_it_was_sealed_is_not_taken() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let slot = Slot(word("slot", 1));
        let commit = async |seed: u32, standing: &Standing| {
            let standing = Some(standing.clone());
            store
                .commit_record(RecordCommit {
                    standing,
                    ..record(seed)
                })
                .await
        };
        let compartment = record(1).record.compartment;
        let first = store.standing(compartment, [slot]).await.unwrap();
        commit(1, &first).await.unwrap();

        store.next_epoch(compartment, 0).await.unwrap();
        assert!(matches!(commit(2, &first).await, Err(Error::StandingChanged(_))));
        let second = store.standing(compartment, [slot]).await.unwrap();
        commit(2, &second).await.unwrap();

        let tombstone = Tombstone {
            slot,
            org: ORG,
            serial: 4,
            refused_at: NOW,
            receipt: serde_json::Value::Null,
        };
        store.refuse_slot(&tombstone).await.unwrap();
        assert!(matches!(commit(3, &second).await, Err(Error::StandingChanged(_))));
        let third = store.standing(compartment, [slot]).await.unwrap();
        assert_eq!((third.epoch_mark, &third.refused), (1, &Refusals::from([(slot, 4)])));
        commit(3, &third).await.unwrap();
    }
}

fn request(seed: u32) -> AccessRequest {
    AccessRequest {
        seq: 0,
        digest: word("request", seed),
        org: ORG,
        patient: PATIENT,
        grantee: Address::repeat_byte(0x22),
        state: RequestState::Prepared,
        sealed: b"sealed terms".to_vec().into(),
        signature: None,
        created_at: NOW,
        decided_at: None,
    }
}

#[tokio::test]
async fn a_request_is_decided_once_and_only_after_it_is_signed() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let digest = request(1).digest;
        store.insert_request(&request(1)).await.unwrap();
        assert!(matches!(
            store.insert_request(&request(1)).await,
            Err(Error::Exists { table: "request", .. })
        ));
        let early = store.decide_request(digest, RequestState::Approved, NOW).await;
        assert!(matches!(early, Err(Error::Moved { .. })));
        store.open_request(digest, b"signature").await.unwrap();
        assert!(store.open_request(digest, b"other").await.is_err());
        let (a, b) = tokio::join!(
            store.decide_request(digest, RequestState::Declined, NOW + 1),
            store.decide_request(digest, RequestState::Withdrawn, NOW + 1)
        );
        assert!(a.is_ok() != b.is_ok());
        let decided = store.request(digest).await.unwrap().unwrap();
        assert_eq!((decided.decided_at, decided.signature.is_some()), (Some(NOW + 1), true));

        store.insert_request(&request(2)).await.unwrap();
        let of_patient = store.find_requests(Some(PATIENT), None, None, None, 10).await.unwrap();
        assert_eq!(
            of_patient.iter().map(|r| r.digest).collect::<Vec<_>>(),
            [request(2).digest, digest]
        );
        let prepared = Some(RequestState::Prepared);
        let own = store
            .find_requests(None, Some(request(1).grantee), prepared, None, 10)
            .await
            .unwrap();
        assert_eq!(own.len(), 1);
        let before = store
            .find_requests(Some(PATIENT), None, None, Some(own[0].seq), 10)
            .await
            .unwrap();
        assert_eq!(before[0].digest, digest);
        assert_eq!(store.find_requests(Some(ORG), None, None, None, 10).await.unwrap(), []);
    }
}

fn entry(patient: Address, text: &str) -> NewAudit {
    NewAudit {
        org: ORG,
        patient,
        recorded_at: NOW,
        digest: keccak256(text),
        sealed: text.as_bytes().to_vec().into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_audit_entries_form_one_unbroken_chain_per_patient() {
    for stage in Stage::each().await {
        let other = Address::repeat_byte(0x99);
        let tasks: Vec<_> = (0..60)
            .map(|i| {
                let store = stage.store.clone();
                let patient = if i % 3 == 0 { other } else { PATIENT };
                let entries = vec![entry(patient, &format!("entry {i}"))];
                tokio::spawn(async move { store.append_audit(entries).await.unwrap() })
            })
            .collect();
        let mut returned = vec![];
        for task in tasks {
            returned.extend(task.await.unwrap());
        }
        for (patient, count) in [(PATIENT, 40), (other, 20)] {
            let chain = stage.store.audit(ORG, patient, 0, 1000).await.unwrap();
            assert_eq!(chain.len(), count);
            assert!(unbroken(&chain));
            assert!(chain.iter().all(|entry| returned.contains(entry)));
            assert_eq!(stage.store.audit(ORG, patient, 5, 3).await.unwrap(), chain[5..8]);
        }
    }
}

fn unbroken(chain: &[AuditEntry]) -> bool {
    chain
        .iter()
        .enumerate()
        .all(|(i, entry)| entry.follows(i.checked_sub(1).map(|before| &chain[before])))
}

#[tokio::test]
async fn a_journal_that_began_anew_goes_on_behind_the_one_that_was_anchored() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let old = (0..4).map(|i| entry(PATIENT, &format!("entry {i}"))).collect();
        let old = store.append_audit(old).await.unwrap();
        let lost = Stage::each().await;
        for rebuilt in lost.iter().map(|stage| &stage.store) {
            let since = (0..2).map(|i| entry(PATIENT, &format!("since {i}"))).collect();
            let since = rebuilt.append_audit(since).await.unwrap();
            assert!(rebuilt.restore_journal(&old[..3]).await.unwrap());
            let whole = rebuilt.audit(ORG, PATIENT, 0, 10).await.unwrap();
            assert!(unbroken(&whole));
            assert_eq!(whole[..3], old[..3]);
            let said = |entries: &[AuditEntry]| entries.iter().map(|e| (e.recorded_at, e.digest)).collect::<Vec<_>>();
            assert_eq!(said(&whole[3..]), said(&since));
            let open = rebuilt.unsealed_audit(ORG, 10).await.unwrap();
            assert_eq!(
                open,
                [Unsealed {
                    patient: PATIENT,
                    sealed: 3,
                    newest: 5
                }]
            );
            assert!(
                !rebuilt.restore_journal(&old[..3]).await.unwrap(),
                "the same again changes nothing"
            );
            assert!(!rebuilt.restore_journal(&[]).await.unwrap());
            assert_eq!(rebuilt.audit(ORG, PATIENT, 0, 10).await.unwrap(), whole);
        }
    }
}

#[tokio::test]
async fn every_change_of_an_audit_chain_is_noticed() {
    for stage in Stage::each().await {
        let entries = (0..4).map(|i| entry(PATIENT, &format!("entry {i}"))).collect();
        let chain = stage.store.append_audit(entries).await.unwrap();
        assert!(unbroken(&chain));
        let changed = |change: &dyn Fn(&mut Vec<AuditEntry>)| {
            let mut chain = chain.clone();
            change(&mut chain);
            !unbroken(&chain)
        };
        // That the sealed bytes are those of the digest, only who can open them can say.
        assert!(changed(&|c| c[1].digest = keccak256("other")));
        assert!(changed(&|c| c[1].recorded_at += 1));
        assert!(changed(&|c| c[1].patient = ORG));
        assert!(changed(&|c| {
            c.remove(1);
        }));
        assert!(changed(&|c| {
            c.remove(0);
        }));
        assert!(changed(&|c| c.swap(1, 2)));
        // Rewritten with a hash of its own, it no longer leads to the next.
        assert!(changed(&|c| {
            c[1].digest = keccak256("other");
            c[1].hash = c[1].expected_hash();
        }));
    }
}

#[tokio::test]
async fn a_stretch_of_the_journal_is_sealed_by_one_record_and_goes_on_where_it_ended() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let entries = (0..5).map(|i| entry(PATIENT, &format!("entry {i}"))).collect();
        store.append_audit(entries).await.unwrap();
        let sealing = |from, to| Sealing {
            org: ORG,
            patient: PATIENT,
            from,
            to,
        };
        let commit = async |seed: u32, sealing: Sealing| {
            let sealing = Some(sealing);
            let commit = RecordCommit {
                sealing,
                ..record(seed)
            };
            store.commit_record(commit).await
        };
        let open = Unsealed {
            patient: PATIENT,
            sealed: 0,
            newest: 5,
        };
        assert_eq!(store.unsealed_audit(ORG, 10).await.unwrap(), [open]);
        commit(1, sealing(0, 3)).await.unwrap();
        assert_eq!(store.sealed_audit(ORG, PATIENT).await.unwrap(), 3);
        // Another gateway that began at the same entry leaves nothing of its record.
        assert!(matches!(
            commit(2, sealing(0, 5)).await,
            Err(Error::Moved {
                table: "audit_seal",
                ..
            })
        ));
        assert_eq!(store.waiting_records(ORG, 10).await.unwrap().len(), 1);
        assert_eq!(
            store.unsealed_audit(ORG, 10).await.unwrap(),
            [Unsealed { sealed: 3, ..open }]
        );
        commit(3, sealing(3, 5)).await.unwrap();
        assert_eq!(store.unsealed_audit(ORG, 10).await.unwrap(), []);
        assert_eq!(store.unsealed_audit(PATIENT, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_is_refused_is_told_of_every_slot_that_is_asked_for() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let slot = |seed: u32| Slot(word("slot", seed));
        for (seed, serial) in [(3, 7), (90, 2)] {
            let tombstone = Tombstone {
                slot: slot(seed),
                org: ORG,
                serial,
                refused_at: NOW,
                receipt: serde_json::Value::Null,
            };
            store.refuse_slot(&tombstone).await.unwrap();
        }
        let refusals = store.refusals((0..100).map(slot)).await.unwrap();
        assert_eq!(refusals.len(), 100);
        for seed in 0..100 {
            let expected = match seed {
                3 => 7,
                90 => 2,
                _ => 0,
            };
            assert_eq!(refusals[&slot(seed)], expected, "{seed}");
        }
        assert_eq!(store.refusals([]).await.unwrap(), Refusals::new());
    }
}
