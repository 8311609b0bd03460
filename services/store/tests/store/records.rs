//! Records: what is acknowledged is there, and nothing half.

use alloy_primitives::{Address, B256};
use chartseal_record::{Compartment, Scope, state::RecordState};
use chartseal_store::{AttachmentPlace, Error, KeptAnswer, NewAttachment, NewAudit, RecordQuery, Staged};

use crate::stage::{NOW, ORG, PATIENT, Stage, next_version, record, word};

fn kept(key: u32) -> KeptAnswer {
    KeptAnswer {
        caller: "client-1".into(),
        key_hash: word("key", key),
        request_hash: word("request", key),
        status: 201,
        location: Some("/fhir/R4/DocumentReference/1".into()),
        body: b"sealed answer".to_vec().into(),
        expires_at: NOW + 60,
    }
}

#[tokio::test]
async fn a_stored_record_survives_with_everything_committed_beside_it() {
    for stage in Stage::each().await {
        let mut commit = record(1);
        let attached = chartseal_record::ContentHash::of(b"sealed attachment").to_string();
        commit.attachments = vec![
            NewAttachment {
                cid: attached.clone(),
                sealed_size: 17,
                place: AttachmentPlace::Outbox(b"sealed attachment".to_vec().into()),
            },
            NewAttachment {
                cid: "bafybeilarge".into(),
                sealed_size: 5 << 20,
                place: AttachmentPlace::Content,
            },
        ];
        commit.index = vec![("identifier".into(), word("value", 1))];
        commit.answer = Some(kept(1));
        commit.audit = vec![NewAudit {
            org: ORG,
            patient: PATIENT,
            recorded_at: NOW,
            digest: B256::ZERO,
            sealed: b"entry".to_vec().into(),
        }];
        let seq = stage.store.commit_record(commit.clone()).await.unwrap();

        let stage = stage.reopen().await;
        let store = &stage.store;
        let stored = store.record(commit.record.content_hash).await.unwrap().unwrap();
        assert_eq!(
            (stored.seq, stored.state, stored.batch),
            (seq, RecordState::Stored, None)
        );
        assert_eq!(stored.sealed_size, commit.sealed.len() as u64);
        assert_eq!(
            store.outbox(&commit.record.content_hash.to_string()).await.unwrap(),
            Some(commit.sealed)
        );
        assert_eq!(store.outbox_of_record(seq).await.unwrap().len(), 2);
        let attachments = store.attachments(seq).await.unwrap();
        assert_eq!(
            attachments.iter().map(|a| a.from_outbox).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(store.records_with_attachment(&attached).await.unwrap(), [stored]);
        assert_eq!(
            store.kept_answer("client-1", word("key", 1), NOW).await.unwrap(),
            Some(kept(1))
        );
        assert_eq!(
            store.kept_answer("client-1", word("key", 1), NOW + 60).await.unwrap(),
            None
        );
        assert_eq!(store.audit(ORG, PATIENT, 0, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_refused_commit_leaves_nothing_and_takes_no_neighbour_with_it() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let mut first = record(1);
        first.answer = Some(kept(7));
        store.commit_record(first).await.unwrap();

        // All in flight at once, so that they share groups: every third one reuses an Idempotency-Key and must vanish
        // alone.
        let commits = (100..200).map(|seed| {
            let mut commit = record(seed);
            commit.audit = vec![NewAudit {
                org: ORG,
                patient: PATIENT,
                recorded_at: NOW,
                digest: B256::ZERO,
                sealed: b"entry".to_vec().into(),
            }];
            commit.answer = (seed % 3 == 0).then(|| kept(7));
            let store = store.clone();
            tokio::spawn(async move { (commit.record.content_hash, seed, store.commit_record(commit).await) })
        });
        let mut kept_count = 0;
        for handle in commits.collect::<Vec<_>>() {
            let (hash, seed, result) = handle.await.unwrap();
            let found = store.record(hash).await.unwrap();
            if seed % 3 == 0 {
                assert!(matches!(result, Err(Error::IdempotencyKeyUsed)), "{result:?}");
                assert_eq!(found, None);
                assert_eq!(store.outbox(&hash.to_string()).await.unwrap(), None);
            } else {
                assert_eq!(found.unwrap().seq, result.unwrap());
                kept_count += 1;
            }
        }
        let audit = store.audit(ORG, PATIENT, 0, 1000).await.unwrap();
        assert_eq!(audit.len(), kept_count);
        for (i, entry) in audit.iter().enumerate() {
            assert!(
                entry.follows(i.checked_sub(1).map(|before| &audit[before])),
                "entry {}",
                entry.seq
            );
        }
    }
}

#[tokio::test]
async fn an_update_that_is_sent_twice_at_once_is_known_by_its_key_and_not_called_stale() {
    for stage in Stage::each().await {
        let other = stage.another().await;
        let one = record(1);
        stage.store.commit_record(one.clone()).await.unwrap();
        let sent = |seed| {
            let mut next = next_version(&one, seed);
            next.answer = Some(kept(7));
            next
        };
        // Both were made of version 1, at two gateways, before either was stored.
        let (a, b) = tokio::join!(stage.store.commit_record(sent(2)), other.commit_record(sent(3)));
        assert_eq!([&a, &b].into_iter().filter(|told| told.is_ok()).count(), 1);
        let lost = a.err().or(b.err()).unwrap();
        assert!(matches!(lost, Error::IdempotencyKeyUsed), "{lost}");
        let newest = stage.store.newest_version(one.record.record_id).await.unwrap().unwrap();
        assert_eq!(newest.version, 2);
    }
}

#[tokio::test]
async fn of_two_next_versions_one_is_stale() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let one = record(1);
        store.commit_record(one.clone()).await.unwrap();
        let (a, b) = (next_version(&one, 2), next_version(&one, 3));
        let (ra, rb) = tokio::join!(store.commit_record(a), store.commit_record(b));
        assert_eq!([&ra, &rb].into_iter().filter(|r| r.is_ok()).count(), 1);
        let lost = ra.err().or(rb.err()).unwrap();
        assert!(matches!(lost, Error::StaleVersion { version: 2, .. }), "{lost}");

        let mut gap = next_version(&one, 4);
        gap.record.version = 4;
        assert!(matches!(
            store.commit_record(gap).await,
            Err(Error::StaleVersion { .. })
        ));
        let mut elsewhere = next_version(&store_newest(store, &one).await, 5);
        elsewhere.record.compartment = Compartment::of(PATIENT, &Scope::claims());
        assert!(matches!(
            store.commit_record(elsewhere).await,
            Err(Error::StaleVersion { .. })
        ));

        let history = store.record_history(one.record.record_id).await.unwrap();
        assert_eq!(history.iter().map(|r| r.version).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(
            store.newest_version(one.record.record_id).await.unwrap(),
            history.first().cloned()
        );
        assert_eq!(
            store.record_version(one.record.record_id, 1).await.unwrap().as_ref(),
            history.last()
        );
        let mut same_bytes = one;
        same_bytes.record.record_id = word("id", 99);
        assert!(matches!(
            store.commit_record(same_bytes).await,
            Err(Error::RecordExists(_))
        ));
    }
}

async fn store_newest(
    store: &chartseal_store::Store,
    of: &chartseal_store::RecordCommit,
) -> chartseal_store::RecordCommit {
    let newest = store.newest_version(of.record.record_id).await.unwrap().unwrap();
    let mut commit = of.clone();
    commit.record.version = newest.version;
    commit.record.digest = newest.digest;
    commit
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat_while_records_arrive() {
    for stage in Stage::each().await {
        let store = &stage.store;
        for seed in 0..25 {
            let mut commit = record(seed);
            commit.index = vec![
                ("identifier".into(), word("shared", 0)),
                ("identifier".into(), word("own", seed)),
            ];
            store.commit_record(commit).await.unwrap();
        }
        let mut query = RecordQuery {
            patient: Some(PATIENT),
            index: vec![("identifier".into(), vec![word("shared", 0)])],
            limit: 10,
            ..Default::default()
        };
        let mut seen = vec![];
        loop {
            let page = store.find_records(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.before = Some(last.seq);
            seen.extend(page.iter().map(|r| r.seq));
            // Arrives at the front, so pages already cut do not shift.
            store.commit_record(record(1000 + seen.len() as u32)).await.unwrap();
        }
        assert_eq!(seen.len(), 25);
        assert!(seen.is_sorted_by(|a, b| a > b));

        let one = RecordQuery {
            index: vec![(
                "identifier".into(),
                vec![word("own", 3), word("own", 4), word("absent", 0)],
            )],
            limit: 10,
            ..Default::default()
        };
        assert_eq!(store.find_records(&one).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_query_with_no_compartments_finds_nothing() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let commit = record(1);
        store.commit_record(commit.clone()).await.unwrap();
        store.commit_record(next_version(&commit, 2)).await.unwrap();
        let find = |compartments: Option<Vec<Compartment>>, newest_only, resource_type: Option<&str>| {
            let query = RecordQuery {
                compartments,
                newest_only,
                resource_type: resource_type.map(Into::into),
                limit: 10,
                ..Default::default()
            };
            async move { store.find_records(&query).await.unwrap().len() }
        };
        let clinical = commit.record.compartment;
        assert_eq!(find(None, false, None).await, 2);
        assert_eq!(find(Some(vec![]), false, None).await, 0);
        assert_eq!(find(Some(vec![clinical]), false, None).await, 2);
        assert_eq!(find(Some(vec![clinical]), true, None).await, 1);
        assert_eq!(find(Some(vec![Compartment(B256::ZERO)]), false, None).await, 0);
        assert_eq!(find(None, false, Some("Claim")).await, 0);
    }
}

#[tokio::test]
async fn a_staged_upload_is_used_once_and_only_by_its_owner() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let staged = Staged {
            id: "5f6a".into(),
            org: ORG,
            account: ORG,
            path: "5f6a.age".into(),
            sealed_size: 9,
            details: b"sealed".to_vec().into(),
            created_at: NOW,
            expires_at: NOW + 60,
        };
        store.insert_staged(&staged).await.unwrap();
        assert_eq!(store.staged("5f6a", PATIENT, NOW).await.unwrap(), None);
        assert_eq!(store.staged("5f6a", ORG, NOW + 60).await.unwrap(), None);
        assert_eq!(store.staged("5f6a", ORG, NOW).await.unwrap(), Some(staged));

        let using = |seed, account: Address| {
            let mut commit = record(seed);
            commit.staged = vec![("5f6a".into(), account)];
            store.commit_record(commit)
        };
        assert!(matches!(
            using(1, PATIENT).await,
            Err(Error::Moved { table: "staged", .. })
        ));
        using(2, ORG).await.unwrap();
        assert!(matches!(using(3, ORG).await, Err(Error::Moved { table: "staged", .. })));
        assert_eq!(store.record(record(3).record.content_hash).await.unwrap(), None);
    }
}

#[tokio::test]
async fn records_of_one_transaction_are_stored_in_order_or_not_at_all() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let entry = |text: &str| NewAudit {
            org: ORG,
            patient: PATIENT,
            recorded_at: NOW,
            digest: B256::ZERO,
            sealed: text.as_bytes().to_vec().into(),
        };
        let (mut one, mut two) = (record(1), record(2));
        one.audit = vec![entry("one")];
        two.audit = vec![entry("two")];
        // The third is the second's next version: what came before it in the same transaction is there for it.
        let three = next_version(&two, 3);
        let seqs = store
            .commit_records(vec![one.clone(), two.clone(), three])
            .await
            .unwrap();
        assert!(seqs.is_sorted() && seqs.len() == 3, "{seqs:?}");
        let newest = store.newest_version(two.record.record_id).await.unwrap().unwrap();
        assert_eq!((newest.seq, newest.version), (seqs[2], 2));
        assert_eq!(store.audit(ORG, PATIENT, 0, 10).await.unwrap().len(), 2);

        // Whichever is refused, its companions leave nothing, and neighbours of the same group stay.
        for refused in 0..3 {
            let seed = 10 * (refused + 1);
            let mut together: Vec<_> = (seed..seed + 3).map(record).collect();
            together
                .iter_mut()
                .for_each(|commit| commit.audit = vec![entry("gone")]);
            let stale = next_version(&one, seed + 3);
            let gap = chartseal_store::NewRecord {
                version: 9,
                ..stale.record.clone()
            };
            together[refused as usize].record = gap;
            let hashes: Vec<_> = together.iter().map(|commit| commit.record.content_hash).collect();
            let beside = record(seed + 5);
            let (lost, kept) = tokio::join!(store.commit_records(together), store.commit_record(beside));
            assert!(matches!(lost, Err(Error::StaleVersion { version: 9, .. })), "{lost:?}");
            kept.unwrap();
            for hash in hashes {
                assert_eq!(store.record(hash).await.unwrap(), None, "entry {refused} was refused");
                assert_eq!(store.outbox(&hash.to_string()).await.unwrap(), None);
            }
        }
        assert_eq!(store.audit(ORG, PATIENT, 0, 10).await.unwrap().len(), 2);
        let stage = stage.reopen().await;
        assert_eq!(stage.store.records_after(0, 100).await.unwrap().len(), 6);
    }
}

#[tokio::test]
async fn a_record_is_found_by_what_it_was_named_afterwards_too() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let one = store.commit_record(record(1)).await.unwrap();
        let two = store.commit_record(record(2)).await.unwrap();
        let entry = ("grant".to_owned(), word("slot", 1));
        for _ in 0..2 {
            store.index_record(one, std::slice::from_ref(&entry)).await.unwrap();
        }
        for (name, seed) in [("grant", 2), ("other", 3)] {
            store
                .index_record(two, &[(name.to_owned(), word("slot", seed))])
                .await
                .unwrap();
        }
        let query = RecordQuery {
            index: vec![(entry.0, vec![entry.1])],
            limit: 10,
            ..RecordQuery::default()
        };
        let found = store.find_records(&query).await.unwrap();
        assert_eq!(found.iter().map(|row| row.seq).collect::<Vec<_>>(), [one]);
        let mut values = store.index_values("grant", &[one, two, two + 1]).await.unwrap();
        values.sort();
        assert_eq!(values, [(one, word("slot", 1)), (two, word("slot", 2))]);
        assert_eq!(store.index_values("grant", &[]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_value_that_nothing_has_leads_to_the_next_one_and_after_the_last_comes_the_first() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let value = |byte: u8| B256::repeat_byte(byte);
        let name = "claim.identifier";
        assert_eq!(store.named(name, &[value(1)], 10).await.unwrap(), []);
        let mut seqs = Vec::new();
        for (n, byte) in [(1, 0x20), (2, 0x40), (3, 0x40), (4, 0x60)] {
            let mut commit = record(n);
            commit.index = vec![(name.to_owned(), value(byte)), ("other".to_owned(), value(0x30))];
            seqs.push(store.commit_record(commit).await.unwrap());
        }
        let read = async |values: &[u8], most: u32| {
            let values: Vec<B256> = values.iter().map(|byte| value(*byte)).collect();
            let named = store.named(name, &values, most).await.unwrap();
            assert!(named.iter().all(|one| one.newest));
            let place = |seq: i64| seqs.iter().position(|other| *other == seq).unwrap();
            let mut read: Vec<_> = named
                .iter()
                .map(|one| (one.exact, one.value.0[0], place(one.record.seq)))
                .collect();
            assert!(read.is_sorted_by_key(|(exact, ..)| !exact), "the exact ones come first");
            read.sort();
            read
        };
        assert_eq!(read(&[0x20], 10).await, [(true, 0x20, 0)]);
        assert_eq!(read(&[0x21], 10).await, [(false, 0x21, 1), (false, 0x21, 2)]);
        assert_eq!(read(&[0x61, 0x10], 10).await, [(false, 0x10, 0), (false, 0x61, 0)]);
        assert_eq!(
            read(&[0x10, 0x40, 0x60], 3).await,
            [(true, 0x40, 1), (true, 0x40, 2), (true, 0x60, 3)]
        );
        assert_eq!(store.named(name, &[], 10).await.unwrap(), []);

        let first = store.named(name, &[value(0x20)], 1).await.unwrap().remove(0).record;
        assert_eq!(
            store.record(first.content_hash).await.unwrap(),
            Some(first.clone()),
            "as it is read otherwise"
        );
        store.commit_record(next_version(&record(1), 5)).await.unwrap();
        let first = store.named(name, &[value(0x20)], 1).await.unwrap().remove(0);
        assert!(first.exact && !first.newest);
    }
}
