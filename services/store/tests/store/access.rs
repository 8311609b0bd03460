//! Sessions, tokens, clients, values that count once, and what a sweep takes away.

use alloy_primitives::Address;
use chartseal_store::{AccessToken, Client, Error, KeptAnswer, Session, Staged};

use crate::stage::{NOW, ORG, PATIENT, Stage, word};

fn client(id: &str) -> Client {
    Client {
        client_id: id.into(),
        org: ORG,
        account: ORG,
        name: "hospital information system".into(),
        jwks: Some("{\"keys\":[]}".into()),
        jwks_uri: None,
        scopes: "system/*.cruds".into(),
        created_at: NOW,
        disabled_at: None,
    }
}

fn token(seed: u32) -> AccessToken {
    AccessToken {
        token_hash: word("token", seed),
        client_id: "his".into(),
        org: ORG,
        account: ORG,
        scopes: "system/*.rs".into(),
        expires_at: NOW + 300,
    }
}

#[tokio::test]
async fn sessions_end_by_time_or_by_request() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let session = Session {
            token_hash: word("session", 1),
            account: PATIENT,
            created_at: NOW,
            expires_at: NOW + 10,
        };
        store.insert_session(&session).await.unwrap();
        assert_eq!(store.session(session.token_hash, NOW + 9).await.unwrap(), Some(session));
        assert_eq!(store.session(session.token_hash, NOW + 10).await.unwrap(), None);
        assert_eq!(store.session(word("session", 2), NOW).await.unwrap(), None);
        store.delete_session(session.token_hash).await.unwrap();
        store.delete_session(session.token_hash).await.unwrap();
        assert_eq!(store.session(session.token_hash, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_disabled_client_has_no_tokens() {
    for stage in Stage::each().await {
        let store = &stage.store;
        store.insert_client(&client("his")).await.unwrap();
        assert!(matches!(
            store.insert_client(&client("his")).await,
            Err(Error::Exists { table: "client", .. })
        ));
        let both = Client {
            jwks_uri: Some("https://example/jwks".into()),
            ..client("both")
        };
        assert!(matches!(store.insert_client(&both).await, Err(Error::Database(_))));
        store.insert_token(&token(1)).await.unwrap();
        assert_eq!(store.token(token(1).token_hash, NOW).await.unwrap(), Some(token(1)));
        assert_eq!(store.token(token(1).token_hash, NOW + 300).await.unwrap(), None);
        assert_eq!(store.clients(ORG).await.unwrap(), [client("his")]);
        assert_eq!(store.clients(PATIENT).await.unwrap(), []);

        store.disable_client("his", NOW + 1).await.unwrap();
        assert!(matches!(
            store.disable_client("his", NOW + 2).await,
            Err(Error::Moved { .. })
        ));
        assert_eq!(store.token(token(1).token_hash, NOW).await.unwrap(), None);
        store.insert_token(&token(2)).await.unwrap();
        assert_eq!(store.token(token(2).token_hash, NOW).await.unwrap(), None);
        assert_eq!(store.client("his").await.unwrap().unwrap().disabled_at, Some(NOW + 1));
    }
}

#[tokio::test]
async fn of_many_uses_of_one_value_one_counts() {
    for stage in Stage::each().await {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let store = stage.store.clone();
                tokio::spawn(async move { store.use_once("jti", word("jti", 1), NOW + 60).await.unwrap() })
            })
            .collect();
        let mut first = 0;
        for task in tasks {
            first += u32::from(task.await.unwrap());
        }
        assert_eq!(first, 1);
        assert!(stage.store.use_once("nonce", word("jti", 1), NOW + 60).await.unwrap());
        let stage = stage.reopen().await;
        assert!(!stage.store.use_once("jti", word("jti", 1), NOW + 60).await.unwrap());
    }
}

#[tokio::test]
async fn an_answer_is_kept_once_under_a_key() {
    for stage in Stage::each().await {
        let kept = |caller: &str| KeptAnswer {
            caller: caller.into(),
            key_hash: word("key", 1),
            request_hash: word("request", 1),
            status: 201,
            location: None,
            body: b"{}".to_vec().into(),
            expires_at: NOW + 60,
        };
        stage.store.keep_answer(&kept("a")).await.unwrap();
        stage.store.keep_answer(&kept("b")).await.unwrap();
        assert!(matches!(
            stage.store.keep_answer(&kept("a")).await,
            Err(Error::IdempotencyKeyUsed)
        ));
        assert_eq!(
            stage.store.kept_answer("a", word("key", 1), NOW).await.unwrap(),
            Some(kept("a"))
        );
        assert_eq!(stage.store.kept_answer("c", word("key", 1), NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_sweep_takes_what_has_expired_and_names_the_files_to_delete() {
    for stage in Stage::each().await {
        let store = &stage.store;
        let staged = |id: &str, expires_at| Staged {
            id: id.into(),
            org: ORG,
            account: Address::repeat_byte(1),
            path: format!("{id}.age"),
            sealed_size: 3,
            details: b"sealed".to_vec().into(),
            created_at: NOW,
            expires_at,
        };
        store.insert_client(&client("his")).await.unwrap();
        store.insert_token(&token(1)).await.unwrap();
        store.use_once("jti", word("jti", 1), NOW + 300).await.unwrap();
        store.insert_staged(&staged("old", NOW + 300)).await.unwrap();
        store.insert_staged(&staged("new", NOW + 301)).await.unwrap();
        assert_eq!(store.sweep(NOW + 299).await.unwrap(), Default::default());
        let swept = store.sweep(NOW + 300).await.unwrap();
        assert_eq!((swept.rows, swept.staged), (2, vec![staged("old", NOW + 300)]));
        assert!(store.use_once("jti", word("jti", 1), NOW + 600).await.unwrap());
        assert_eq!(
            store.staged("new", Address::repeat_byte(1), NOW).await.unwrap(),
            Some(staged("new", NOW + 301))
        );
    }
}
