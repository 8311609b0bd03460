//! Papers are kept once and while somebody has to read them; a refusal ends a registration that waits, and no other.

use alloy_primitives::Bytes;
use chartseal_record::state::IntentState;
use chartseal_store::{Application, Error, NewIntent, Refusal};

use crate::stage::{NOW, ORG, PATIENT, Stage, intent};

fn registration(id: &str) -> NewIntent {
    NewIntent {
        kind: "register".into(),
        ..intent(id)
    }
}

fn refusal() -> Refusal {
    Refusal {
        reason: Bytes::from_static(b"sealed words"),
        by: ORG,
        at: NOW + 1,
    }
}

#[tokio::test]
async fn papers_are_kept_once_and_go_with_the_decision() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store.insert_intents(&["1", "2", "3"].map(registration)).await.unwrap();
        assert_eq!(store.application("1").await.unwrap(), Application::default());
        for id in ["1", "2", "3"] {
            store.put_papers(id, b"sealed papers", NOW).await.unwrap();
        }
        let again = store.put_papers("1", b"others", NOW).await;
        assert!(
            matches!(
                again,
                Err(Error::Exists {
                    table: "application",
                    ..
                })
            ),
            "{again:?}"
        );
        assert_eq!(store.papers("1").await.unwrap(), Some(b"sealed papers"[..].into()));

        store.refuse_application("1", &refusal()).await.unwrap();
        let told = store.application("1").await.unwrap();
        assert_eq!((told.papers, told.refusal), (false, Some(refusal())));
        let row = store.intent("1").await.unwrap().unwrap();
        assert_eq!(row.state, IntentState::Failed);
        let again = store.refuse_application("1", &refusal()).await;
        assert!(matches!(again, Err(Error::Moved { .. })), "{again:?}");

        // Confirmed: a refusal comes too late, and the sweep takes the papers. What waits keeps its own.
        store.intent_signed("2", PATIENT, b"calldata", NOW).await.unwrap();
        let late = store.refuse_application("2", &refusal()).await;
        assert!(matches!(late, Err(Error::Moved { .. })), "{late:?}");
        let late = store.put_papers("2", b"others", NOW).await;
        assert!(matches!(late, Err(Error::Moved { .. })), "{late:?}");
        assert_eq!(store.sweep(NOW).await.unwrap().rows, 1);
        assert_eq!(store.papers("2").await.unwrap(), None);
        assert!(store.application("3").await.unwrap().papers);
    }
}

#[tokio::test]
async fn the_backlog_counts_what_is_on_its_way() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store
            .insert_intents(&[registration("1"), intent("2"), intent("3")])
            .await
            .unwrap();
        store.intent_signed("2", PATIENT, b"calldata", NOW).await.unwrap();
        let backlog = store.backlog().await.unwrap();
        assert_eq!((backlog.registrations, backlog.decisions), (1, 1));
        assert_eq!((backlog.records, backlog.oldest_record, backlog.batches), (0, None, 0));
    }
}
