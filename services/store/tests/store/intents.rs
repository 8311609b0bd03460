//! Intents move only from the state they are in, in the order they depend on each other.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use chartseal_record::state::IntentState;
use chartseal_store::{Error, IntentFilter, Mined, NewIntent, SentTransaction, Store};

use crate::stage::{NOW, ORG, PATIENT, Stage, intent, word};

const PLACE: Mined = Mined {
    block: 7,
    block_hash: B256::repeat_byte(7),
    gas_used: 60_000,
};

fn sent(nonce: u64) -> SentTransaction {
    SentTransaction {
        signer: ORG,
        nonce,
        hash: word("transaction", nonce as u32),
        raw: Bytes::from_static(b"raw"),
    }
}

async fn state(store: &Store, id: &str) -> IntentState {
    store.intent(id).await.unwrap().unwrap().state
}

/// An intent with all signatures.
async fn signed(store: &Store, id: &str, after: Option<&str>) {
    let new = NewIntent {
        after: after.map(Into::into),
        ..intent(id)
    };
    store.insert_intents(&[new]).await.unwrap();
    store.intent_signed(id, PATIENT, b"calldata", NOW).await.unwrap();
}

fn moved<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(
        matches!(result, Err(Error::Moved { table: "intent", .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn two_signers_at_once_both_count_and_neither_changes_the_other() {
    for stage in Stage::each().await {
        let store = Arc::new(stage.store.clone());
        store.insert_intents(&[intent("1")]).await.unwrap();
        let (a, b) = tokio::join!(
            store.sign_intent("1", "account", b"first", NOW),
            store.sign_intent("1", "registrar", b"second", NOW)
        );
        a.unwrap();
        b.unwrap();
        store.sign_intent("1", "account", b"first", NOW + 1).await.unwrap();
        let other = store.sign_intent("1", "account", b"forged", NOW + 1).await;
        assert!(matches!(
            other,
            Err(Error::Exists {
                table: "intent_signature",
                ..
            })
        ));
        let kept = store.intent("1").await.unwrap().unwrap();
        assert_eq!(kept.signatures["account"], Bytes::from_static(b"first"));
        assert_eq!(kept.signatures["registrar"], Bytes::from_static(b"second"));
        assert_eq!(kept.changed_at, NOW + 1);
    }
}

#[tokio::test]
async fn every_step_starts_from_its_own_state_only() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store.insert_intents(&[intent("1")]).await.unwrap();
        let twice = store.insert_intents(&[intent("2"), intent("1")]).await;
        assert!(matches!(twice, Err(Error::Exists { table: "intent", .. })));
        assert_eq!(store.intent("2").await.unwrap(), None);

        moved(store.intent_submitted("1", &sent(0), NOW).await);
        moved(store.intent_failed("1", "no", NOW).await);
        store
            .set_intent_payload("1", &serde_json::json!({ "epoch": 2 }), NOW)
            .await
            .unwrap();
        store.intent_signed("1", PATIENT, b"calldata", NOW).await.unwrap();
        moved(store.sign_intent("1", "account", b"late", NOW).await);
        moved(store.set_intent_payload("1", &serde_json::json!({}), NOW).await);
        moved(store.intent_signed("1", PATIENT, b"other", NOW).await);
        moved(store.intent_decided("1", NOW).await);

        store.intent_submitted("1", &sent(3), NOW).await.unwrap();
        moved(store.intent_submitted("1", &sent(4), NOW).await);
        moved(store.intent_in_force("1", PLACE, NOW).await);
        moved(store.intent_confirmed("1", NOW).await);
        moved(store.intent_mined("1", word("transaction", 99), PLACE, NOW).await);
        assert_eq!(store.nonces_taken(ORG, 0).await.unwrap(), [3].into());
        let dearer = SentTransaction {
            hash: word("dearer", 3),
            ..sent(3)
        };
        store.intent_replaced("1", &sent(3), &dearer, NOW).await.unwrap();
        moved(store.intent_replaced("1", &sent(3), &dearer, NOW).await);
        store.intent_replaced("1", &dearer, &sent(3), NOW).await.unwrap();
        assert_eq!(store.replaced_of_intent("1").await.unwrap().len(), 2);
        store.intent_mined("1", sent(3).hash, PLACE, NOW).await.unwrap();
        moved(store.intent_replaced("1", &sent(3), &dearer, NOW).await);
        store.intent_confirmed("1", NOW).await.unwrap();
        moved(store.intent_failed("1", "too late", NOW).await);
        assert_eq!(
            store.nonces_taken(ORG, 3).await.unwrap(),
            [3].into(),
            "a re-org may bring it back"
        );
        assert_eq!(store.nonces_taken(ORG, 4).await.unwrap(), [].into());

        assert_eq!(store.intents_confirmed_from(ORG, 7).await.unwrap().len(), 1);
        assert_eq!(store.intents_confirmed_from(ORG, 8).await.unwrap().len(), 0);
        store.intent_dropped("1", NOW).await.unwrap();
        let dropped = store.intent("1").await.unwrap().unwrap();
        assert_eq!(
            (dropped.state, dropped.mined, dropped.sent),
            (IntentState::Submitted, None, Some(sent(3)))
        );
        store.intent_back("1", NOW).await.unwrap();
        let back = store.intent("1").await.unwrap().unwrap();
        assert_eq!((back.state, back.sent, back.attempts), (IntentState::Signed, None, 1));
        assert_eq!(back.call, Some((PATIENT, Bytes::from_static(b"calldata"))));

        moved(store.intent_lapsed("1", NOW).await);
        store.intent_in_force("1", PLACE, NOW).await.unwrap();
        let found = store.intents_confirmed_from(ORG, 7).await.unwrap();
        assert_eq!((found[0].mined, &found[0].sent), (Some(PLACE), &None));
        moved(store.intent_dropped("1", NOW).await);
        store.intent_lapsed("1", NOW).await.unwrap();
        let lapsed = store.intent("1").await.unwrap().unwrap();
        assert_eq!((lapsed.state, lapsed.mined), (IntentState::Signed, None));
    }
}

#[tokio::test]
async fn an_intent_is_relayed_after_the_one_it_names_is_mined_and_in_order_of_creation() {
    for stage in Stage::each().await {
        let store = &stage.store;
        signed(store, "first", None).await;
        signed(store, "second", Some("first")).await;
        signed(store, "free", None).await;
        let ready = async || {
            let ready = store.relayable_intents(ORG, 10).await.unwrap();
            ready.into_iter().map(|i| i.id).collect::<Vec<_>>()
        };
        assert_eq!(ready().await, ["first", "free"]);
        store.intent_submitted("first", &sent(0), NOW).await.unwrap();
        assert_eq!(ready().await, ["free"]);
        store.intent_mined("first", sent(0).hash, PLACE, NOW).await.unwrap();
        assert_eq!(ready().await, ["second", "free"]);
        store.intent_dropped("first", NOW).await.unwrap();
        assert_eq!(ready().await, ["free"]);
        store.intent_mined("first", sent(0).hash, PLACE, NOW).await.unwrap();
        store.intent_confirmed("first", NOW).await.unwrap();
        assert_eq!(ready().await, ["second", "free"]);
    }
}

#[tokio::test]
async fn a_failure_takes_along_everything_that_waits_for_it() {
    for stage in Stage::each().await {
        let store = &stage.store;
        signed(store, "1", None).await;
        signed(store, "2", Some("1")).await;
        store
            .insert_intents(&[NewIntent {
                after: Some("2".into()),
                ..intent("3")
            }])
            .await
            .unwrap();
        signed(store, "4", None).await;
        assert_eq!(store.intent_failed("1", "AlreadyRegistered", NOW).await.unwrap(), 3);
        for id in ["1", "2", "3"] {
            assert_eq!(state(store, id).await, IntentState::Failed, "{id}");
        }
        assert_eq!(state(store, "4").await, IntentState::Signed);
    }
}

#[tokio::test]
async fn only_unsigned_intents_expire() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store.insert_intents(&[intent("late")]).await.unwrap();
        signed(store, "signed", None).await;
        moved(store.sign_intent("late", "account", b"x", NOW + 3600).await);
        assert_eq!(store.sweep(NOW + 3599).await.unwrap().rows, 0);
        assert_eq!(state(store, "late").await, IntentState::Prepared);
        store.sweep(NOW + 3600).await.unwrap();
        assert_eq!(state(store, "late").await, IntentState::Expired);
        assert_eq!(state(store, "signed").await, IntentState::Signed);
        store.insert_intents(&[intent("off-chain")]).await.unwrap();
        store.intent_decided("off-chain", NOW).await.unwrap();
        assert_eq!(state(store, "off-chain").await, IntentState::Confirmed);
    }
}

#[tokio::test]
async fn intents_are_found_by_what_they_are_and_in_pages() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store
            .insert_intents(&[NewIntent {
                kind: "enrol".into(),
                ..intent("parent")
            }])
            .await
            .unwrap();
        let steps: Vec<_> = (0..5)
            .map(|i| NewIntent {
                parent: Some("parent".into()),
                ..intent(&format!("step {i}"))
            })
            .collect();
        store.insert_intents(&steps).await.unwrap();
        let find = async |filter: IntentFilter| {
            let found = store.find_intents(&IntentFilter { limit: 3, ..filter }).await.unwrap();
            found.into_iter().map(|i| (i.seq, i.id)).collect::<Vec<_>>()
        };
        let page = find(IntentFilter {
            parent: Some("parent".into()),
            ..Default::default()
        })
        .await;
        assert_eq!(
            page.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(),
            ["step 4", "step 3", "step 2"]
        );
        let before = page.last().map(|(seq, _)| *seq);
        let rest = find(IntentFilter {
            account: Some(PATIENT),
            before,
            ..Default::default()
        })
        .await;
        assert_eq!(
            rest.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(),
            ["step 1", "step 0", "parent"]
        );
        let enrol = IntentFilter {
            org: Some(ORG),
            kind: Some("enrol".into()),
            state: Some(IntentState::Prepared),
            ..Default::default()
        };
        assert_eq!(find(enrol).await.len(), 1);
        assert_eq!(
            find(IntentFilter {
                state: Some(IntentState::Failed),
                ..Default::default()
            })
            .await
            .len(),
            0
        );
    }
}
