//! What PostgreSQL alone can do or must not do.

use std::path::Path;

use alloy_primitives::{B256, Bytes};
use chartseal_record::{Slot, event::Event};
use chartseal_stage::Postgres;
use chartseal_store::{Block, BlockPlace, Error, Lease, Mined, NewBatch, SentTransaction, Store, Tombstone, VaultKey};
use futures::future::join_all;

use crate::{
    chain::logged,
    stage::{Engine, NOW, ORG, PATIENT, Stage, intent, record, word},
};

/// The story's stage, its server and the name of its database.
async fn stage() -> Option<(Stage, &'static Postgres, String)> {
    let stage = Stage::postgres().await?;
    let Engine::Postgres(server, database) = &stage.engine else {
        unreachable!("a stage on PostgreSQL")
    };
    let name = database.name().to_owned();
    let server = *server;
    Some((stage, server, name))
}

#[tokio::test]
async fn a_server_that_does_not_wait_for_its_disk_is_refused() {
    let Some((stage, server, name)) = stage().await else {
        return;
    };
    server.psql(&name, &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let refused = stage.engine.connect().await.unwrap_err();
    let expected = "the database server runs with synchronous_commit = off, so a power cut would take acknowledged records; set it on";
    assert_eq!(refused.to_string(), expected);

    let careless = Postgres::alone("a server without fsync", "-c fsync=off").unwrap();
    let database = careless.database();
    let refused = Store::connect(&database.url.parse().unwrap(), Some(&database.password)).await;
    assert!(matches!(refused, Err(Error::NotDurable { setting: "fsync" })));
}

/// A submitter's store, under a role that has what migrations/roles.sql gives and nothing else.
async fn submitter(server: &Postgres, name: &str) -> Result<Store, Error> {
    server.psql(
        name,
        "DO $$ BEGIN CREATE ROLE chartseal_submitter LOGIN PASSWORD 'of the submitter'; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    );
    let url = server.url(name, "chartseal_submitter");
    Store::connect(&url.parse().unwrap(), Some("of the submitter")).await
}

fn give_rights(server: &Postgres, name: &str) {
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/roles.sql");
    server.psql(name, &std::fs::read_to_string(roles).unwrap());
}

fn sent(nonce: u64) -> SentTransaction {
    SentTransaction {
        signer: PATIENT,
        nonce,
        hash: word("transaction", nonce as u32),
        raw: Bytes::from(format!("raw {nonce}").into_bytes()),
    }
}

const PLACE: Mined = Mined {
    block: 7,
    block_hash: B256::repeat_byte(7),
    gas_used: 50_000,
};

#[tokio::test]
async fn the_submitters_role_does_the_submitters_work() {
    let Some((stage, server, name)) = stage().await else {
        return;
    };
    let gateway = &stage.store;
    let too_early = submitter(server, &name).await;
    assert!(matches!(too_early, Err(Error::SchemaBehind)));
    give_rights(server, &name);
    let store = submitter(server, &name).await.unwrap();
    store.meta_pin("chain.id", "31337").await.unwrap();

    let seq = gateway.commit_record(record(1)).await.unwrap();
    let lease = Lease::new("publisher");
    assert!(store.take_lease(&lease, NOW, 60).await.unwrap());
    let waiting = store.waiting_records(ORG, 10).await.unwrap();
    assert_eq!(store.outbox_of_record(seq).await.unwrap().len(), 1);
    let new = NewBatch {
        org: ORG,
        through: seq,
        count: 1,
        root: waiting[0].leaf,
        manifest: word("manifest", 1),
        created_at: NOW,
    };
    let batch = store.create_batch(&new, &lease).await.unwrap();
    store.batch_submitted(batch, &sent(1)).await.unwrap();
    store.batch_replaced(batch, &sent(1), &sent(2)).await.unwrap();
    assert_eq!(store.replaced_of_batch(batch).await.unwrap(), [sent(1)]);
    assert_eq!(store.nonces_taken(PATIENT, 0).await.unwrap(), [2].into());
    store.batch_anchored(batch, None, PLACE, NOW).await.unwrap();
    assert_eq!(store.batches_anchored_from(ORG, 7).await.unwrap().len(), 1);
    store.batch_back(batch).await.unwrap();
    assert_eq!(store.open_batches(ORG).await.unwrap().len(), 1);
    store
        .batch_anchored(batch, Some(sent(2).hash), PLACE, NOW)
        .await
        .unwrap();
    assert_eq!(store.clear_outbox(10).await.unwrap(), 1);

    for id in ["a", "b", "c"] {
        gateway.insert_intents(&[intent(id)]).await.unwrap();
        gateway.intent_signed(id, ORG, b"call", NOW).await.unwrap();
    }
    assert_eq!(store.relayable_intents(ORG, 10).await.unwrap().len(), 3);
    store.intent_submitted("a", &sent(3), NOW).await.unwrap();
    store.intent_replaced("a", &sent(3), &sent(4), NOW).await.unwrap();
    assert_eq!(store.replaced_of_intent("a").await.unwrap(), [sent(3)]);
    assert_eq!(store.submitted_intents(ORG).await.unwrap().len(), 1);
    store.intent_mined("a", sent(4).hash, PLACE, NOW).await.unwrap();
    store.intent_confirmed("a", NOW).await.unwrap();
    assert_eq!(store.intents_confirmed_from(ORG, 1).await.unwrap().len(), 1);
    store.intent_dropped("a", NOW).await.unwrap();
    store.intent_back("a", NOW).await.unwrap();
    store.intent_failed("b", "refused", NOW).await.unwrap();
    store.intent_in_force("c", PLACE, NOW).await.unwrap();
    store.intent_lapsed("c", NOW).await.unwrap();
    store.release_lease(&lease).await.unwrap();
}

#[tokio::test]
async fn the_submitters_role_reads_no_key_and_no_grant_and_makes_nothing_up() {
    let Some((stage, server, name)) = stage().await else {
        return;
    };
    let gateway = &stage.store;
    // The role is the server's: another test may have made it, or nobody yet.
    let _ = submitter(server, &name).await;
    give_rights(server, &name);
    let store = submitter(server, &name).await.unwrap();
    let key = VaultKey::new(ORG, "root", "somebody");
    gateway.vault_put(&key, b"sealed", NOW).await.unwrap();
    gateway.insert_intents(&[intent("a")]).await.unwrap();
    let block = Block {
        number: 7,
        hash: word("block", 7),
        timestamp: NOW,
    };
    let (revoked, anchored) = (
        logged(
            block,
            0,
            Event::Revoked {
                patient: PATIENT,
                grantee: ORG,
                slot: Slot(word("slot", 1)),
                serial: 1,
            },
        ),
        logged(
            block,
            1,
            Event::Anchored {
                org: ORG,
                root: word("root", 1),
                count: 1,
                manifest: word("manifest", 1),
                publisher: ORG,
            },
        ),
    );
    gateway.append_block(block, None, &[revoked, anchored]).await.unwrap();
    // An anchor it reads, a revocation it does not.
    assert_eq!(store.events_of(word("root", 1)).await.unwrap().len(), 1);
    assert_eq!(store.events_of(word("slot", 1)).await.unwrap(), []);

    let tombstone = Tombstone {
        slot: Slot(word("slot", 2)),
        org: ORG,
        serial: 1,
        refused_at: NOW,
        receipt: serde_json::Value::Null,
    };
    let refused = [
        store.vault_get(&key).await.map(drop),
        store
            .vault_put(&VaultKey::new(ORG, "root", "other"), b"sealed", NOW)
            .await,
        store.vault_delete(&[key]).await.map(drop),
        store.tombstone(tombstone.slot).await.map(drop),
        store.refuse_slot(&tombstone).await.map(drop),
        store.audit(ORG, PATIENT, 0, 1).await.map(drop),
        store.commit_record(record(1)).await.map(drop),
        store.insert_intents(&[intent("b")]).await,
        store.intent_signed("a", ORG, b"another call", NOW).await,
        store
            .remove_blocks_from(BlockPlace {
                number: block.number,
                hash: block.hash,
            })
            .await
            .map(drop),
    ];
    for (i, refused) in refused.into_iter().enumerate() {
        let Err(Error::Database(error)) = refused else {
            panic!("{i}: {refused:?}")
        };
        assert_eq!(
            error.as_database_error().unwrap().code().as_deref(),
            Some("42501"),
            "{i}"
        );
    }
    // A table that a later migration adds is closed to it until somebody decides otherwise.
    let open = server.psql(
        &name,
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
         AND (has_any_column_privilege('chartseal_submitter', oid, 'SELECT, INSERT, UPDATE')
              OR has_table_privilege('chartseal_submitter', oid, 'DELETE, TRUNCATE, TRIGGER')) ORDER BY relname",
    );
    let expected = "_sqlx_migrations attachment batch chain_block chain_event intent lease meta outbox record replaced";
    assert_eq!(open.split_whitespace().collect::<Vec<_>>().join(" "), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_outlives_kill_9_of_the_server_and_the_store_finds_it_again() {
    let test = "what_is_acknowledged_outlives_kill_9_of_the_server_and_the_store_finds_it_again";
    let Some(server) = Postgres::alone(test, "") else {
        return;
    };
    let database = server.database();
    let location = database.url.parse().unwrap();
    let store = Store::connect(&location, Some(&database.password)).await.unwrap();
    let mut acknowledged = vec![];
    for round in 0..3u32 {
        let commit = |i| {
            let store = store.clone();
            let seed = round * 1000 + i;
            tokio::spawn(async move { store.commit_record(record(seed)).await.map(|_| seed) })
        };
        let commits: Vec<_> = (0..300).map(commit).collect();
        let mut commits = commits.into_iter();
        for first in commits.by_ref().take(20) {
            acknowledged.push(first.await.unwrap().unwrap());
        }
        server.crash();
        server.start_again();
        // What was under way fails or waits for the server's return.
        for result in join_all(commits).await {
            match result.unwrap() {
                Ok(seed) => acknowledged.push(seed),
                Err(Error::Database(_) | Error::NotCommitted(_) | Error::Doubtful(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        for seed in &acknowledged {
            let commit = record(*seed);
            assert!(store.record(commit.record.content_hash).await.unwrap().is_some());
            let bytes = store.outbox(&commit.record.content_hash.to_string()).await.unwrap();
            assert_eq!(bytes, Some(commit.sealed));
        }
    }
}
