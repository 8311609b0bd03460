//! What is acknowledged is on disk; what is destroyed is not; what is unknown is refused.

use std::path::Path;

use alloy_primitives::{Address, keccak256};
use chartseal_record::Slot;
use chartseal_store::{Error, ReleaseKeyPlace, Store, Tombstone, VaultKey};

use crate::stage::{NOW, ORG, PATIENT, Stage, record, word};

/// Copies database and log as they are now: what a machine that loses power at this instant finds again.
fn copy_files(from: &Path, to: &Path) {
    for ending in ["", "-wal"] {
        let name = format!("chartseal.db{ending}");
        if from.join(&name).exists() {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_record_is_in_the_files_at_that_instant() {
    let stage = Stage::open().await;
    let commits = (0..200).map(|seed| {
        let store = stage.store.clone();
        tokio::spawn(async move { store.commit_record(record(seed)).await.map(|_| seed) })
    });
    let mut acknowledged = vec![];
    for (i, commit) in commits.collect::<Vec<_>>().into_iter().enumerate() {
        acknowledged.push(commit.await.unwrap().unwrap());
        if i % 50 != 49 {
            continue;
        }
        let copy = tempfile::tempdir().unwrap();
        copy_files(stage.folder.path(), copy.path());
        let found = Store::open(copy.path().join("chartseal.db")).await.unwrap();
        for seed in &acknowledged {
            let commit = record(*seed);
            assert!(found.record(commit.record.content_hash).await.unwrap().is_some());
            let bytes = found.outbox(&commit.record.content_hash.to_string()).await.unwrap();
            assert_eq!(bytes, Some(commit.sealed));
        }
    }
}

/// Whether any file of the database holds the bytes.
fn files_hold(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

/// 60 bytes that occur nowhere else: as long as a sealed release key.
fn sealed(seed: u32) -> Vec<u8> {
    let (a, b) = (word("sealed", seed), word("sealed too", seed));
    [&a[..], &b[..28]].concat()
}

#[tokio::test]
async fn a_destroyed_key_is_in_no_file_and_its_neighbours_stay() {
    let stage = Stage::open().await;
    let (store, folder) = (&stage.store, stage.folder.path());
    let key = |seed| VaultKey::new(ORG, "release-key", format!("slot/{seed}"));
    for seed in 0..3 {
        store.vault_put(&key(seed), &sealed(seed), NOW).await.unwrap();
    }
    assert!(files_hold(folder, &sealed(1)));
    assert_eq!(store.vault_delete(&[key(1)]).await.unwrap(), 1);
    assert!(!files_hold(folder, &sealed(1)));
    assert_eq!(store.vault_get(&key(1)).await.unwrap(), None);
    assert_eq!(store.vault_get(&key(2)).await.unwrap().unwrap(), sealed(2));
    assert_eq!(store.vault_delete(&[key(1)]).await.unwrap(), 0);
    assert!(matches!(
        store.vault_put(&key(2), b"other", NOW).await,
        Err(Error::Exists { .. })
    ));
    let places: Vec<_> = store
        .vault_list(ORG, "release-key")
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.key.place)
        .collect();
    assert_eq!(places, ["slot/0", "slot/2"]);
}

/// Pages split, merge and are rebuilt as rows come and go; a copy left behind by any of that would be found here.
#[tokio::test]
async fn no_trace_of_a_destroyed_key_stays_however_the_rows_moved_before() {
    let stage = Stage::open().await;
    let (store, folder) = (&stage.store, stage.folder.path());
    let key = |seed: u32| VaultKey::new(ORG, "release-key", keccak256(seed.to_be_bytes()).to_string());
    let mut gone = vec![];
    for round in 0..30u32 {
        let fresh: Vec<_> = (round * 60..round * 60 + 60)
            .map(|seed| (key(seed), sealed(seed).into()))
            .collect();
        store.vault_put_all(&fresh, NOW).await.unwrap();
        let doomed: Vec<u32> = (0..round * 60 + 60)
            .filter(|seed| word("doom", seed * 31 + round)[0] < 40)
            .collect();
        store
            .vault_delete(&doomed.iter().map(|seed| key(*seed)).collect::<Vec<_>>())
            .await
            .unwrap();
        gone.extend(doomed);
    }
    let files: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    // One pass over the files: every destroyed key's first 16 bytes, looked up at each position.
    let needles: std::collections::HashMap<[u8; 16], u32> = gone
        .iter()
        .map(|seed| (sealed(*seed)[..16].try_into().unwrap(), *seed))
        .collect();
    assert!(needles.len() > 800);
    let mut found = std::collections::BTreeSet::<u32>::new();
    for file in &files {
        for window in file.windows(16) {
            let window: &[u8; 16] = window.try_into().unwrap();
            found.extend(needles.get(window));
        }
    }
    assert_eq!(
        found.len(),
        0,
        "{} of {} destroyed keys left a trace",
        found.len(),
        needles.len()
    );
}

fn tombstone(slot: Slot, serial: u64) -> Tombstone {
    Tombstone {
        slot,
        org: ORG,
        serial,
        refused_at: NOW + serial % 100,
        receipt: serde_json::json!({ "serial": serial }),
    }
}

fn at(org: Address, slot: Slot, serial: u64) -> ReleaseKeyPlace {
    ReleaseKeyPlace {
        org,
        slot,
        serial,
        epoch: 1,
        wrap: word("wrap", serial as u32),
    }
}

#[tokio::test]
async fn a_refused_slot_loses_its_release_keys_in_every_vault_and_its_serial_only_rises() {
    let stage = Stage::open().await;
    let store = &stage.store;
    let (slot, neighbour) = (Slot(word("slot", 1)), Slot(word("slot", 2)));
    let former = Address::repeat_byte(0xF0);
    // As text 10 comes before 2 and 9; as a serial after both.
    let (refused, kept) = (
        [at(ORG, slot, 2), at(former, slot, 9)],
        [at(ORG, slot, 10), at(ORG, neighbour, 2)],
    );
    for (seed, key) in (0..).zip(refused.iter().chain(&kept)) {
        assert!(store.keep_release_key(key, &sealed(seed), NOW).await.unwrap());
    }
    assert_eq!(store.refuse_slot(&tombstone(slot, 9)).await.unwrap(), 2);
    for (seed, key) in (0..).zip(&refused) {
        assert_eq!(store.vault_get(&key.key()).await.unwrap(), None);
        assert!(!files_hold(stage.folder.path(), &sealed(seed)));
    }
    for key in &kept {
        assert!(store.vault_get(&key.key()).await.unwrap().is_some());
    }
    store.refuse_slot(&tombstone(slot, 8)).await.unwrap();
    assert_eq!(store.tombstone(slot).await.unwrap(), Some(tombstone(slot, 9)));
    store.refuse_slot(&tombstone(slot, 10)).await.unwrap();
    assert_eq!(store.tombstone(slot).await.unwrap(), Some(tombstone(slot, 10)));
    assert_eq!(store.vault_get(&kept[0].key()).await.unwrap(), None);
}

#[tokio::test]
async fn no_release_key_is_kept_that_a_refusal_forbids() {
    let stage = Stage::open().await;
    let store = &stage.store;
    let slot = Slot(word("slot", 1));
    store.refuse_slot(&tombstone(slot, 3)).await.unwrap();
    for serial in [1, 3] {
        assert!(
            !store
                .keep_release_key(&at(ORG, slot, serial), &sealed(1), NOW)
                .await
                .unwrap()
        );
    }
    assert_eq!(store.vault_list(ORG, "release-key").await.unwrap(), []);
    for serial in [4, u64::MAX] {
        assert!(
            store
                .keep_release_key(&at(ORG, slot, serial), &sealed(1), NOW)
                .await
                .unwrap()
        );
    }
    store.refuse_slot(&tombstone(slot, i64::MAX as u64)).await.unwrap();
    assert!(
        !store
            .keep_release_key(&at(ORG, slot, u64::MAX), &sealed(1), NOW)
            .await
            .unwrap()
    );
    assert_eq!(store.vault_list(ORG, "release-key").await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_kept_while_the_slot_is_refused_are_gone_or_refused() {
    let stage = Stage::open().await;
    for round in 0..20 {
        let slot = Slot(word("slot", round));
        let keeping = (0..8).map(|epoch| {
            let (store, place) = (
                stage.store.clone(),
                ReleaseKeyPlace {
                    epoch,
                    ..at(ORG, slot, 1)
                },
            );
            tokio::spawn(async move { store.keep_release_key(&place, &sealed(epoch), NOW).await.unwrap() })
        });
        let keeping: Vec<_> = keeping.collect();
        stage.store.refuse_slot(&tombstone(slot, 1)).await.unwrap();
        for task in keeping {
            task.await.unwrap();
        }
        assert_eq!(stage.store.vault_list(ORG, "release-key").await.unwrap(), []);
    }
}

#[tokio::test]
async fn leftovers_of_refused_slots_are_swept_and_nothing_else() {
    let stage = Stage::open().await;
    let store = &stage.store;
    let (slot, neighbour) = (Slot(word("slot", 1)), Slot(word("slot", 2)));
    store.refuse_slot(&tombstone(slot, 9)).await.unwrap();
    // As an older program, or a restored copy, would have left it.
    let (leftover, kept) = (at(ORG, slot, 9), [at(ORG, slot, 10), at(ORG, neighbour, 9)]);
    store.vault_put(&leftover.key(), &sealed(1), NOW).await.unwrap();
    for key in &kept {
        store.keep_release_key(key, &sealed(2), NOW).await.unwrap();
    }
    assert_eq!(store.destroy_refused_keys().await.unwrap(), 1);
    assert!(!files_hold(stage.folder.path(), &sealed(1)));
    assert_eq!(store.vault_list(ORG, "release-key").await.unwrap().len(), 2);
    assert_eq!(store.destroy_release_keys(neighbour, 9).await.unwrap(), 1);
    assert_eq!(store.destroy_release_keys(neighbour, 9).await.unwrap(), 0);
    assert!(store.vault_get(&kept[0].key()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_log_that_a_reader_keeps_busy_is_reported_and_wiped_afterwards() {
    let stage = Stage::open().await;
    let key = VaultKey::new(ORG, "root", PATIENT.to_string());
    stage.store.vault_put(&key, &sealed(5), NOW).await.unwrap();
    // A backup program reads while the key is destroyed.
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(stage.path())
        .read_only(true);
    let mut reading = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM vault")
        .execute(&mut reading)
        .await
        .unwrap();
    let wiping = tokio::spawn({
        let (store, key) = (stage.store.clone(), key.clone());
        async move { store.vault_delete(&[key]).await }
    });
    while stage.store.vault_get(&key).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    assert!(!wiping.is_finished());
    sqlx::raw_sql("COMMIT").execute(&mut reading).await.unwrap();
    assert_eq!(wiping.await.unwrap().unwrap(), 1);
    assert!(!files_hold(stage.folder.path(), &sealed(5)));
}

#[tokio::test]
async fn a_schema_from_the_future_or_with_another_text_is_refused() {
    for statement in [
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)",
        "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
    ] {
        let stage = Stage::open().await;
        stage.store.close().await;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(stage.path());
        let mut raw = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut raw).await.unwrap();
        sqlx::Connection::close(raw).await.unwrap();
        assert!(
            matches!(Store::open(stage.path()).await, Err(Error::Schema(_))),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn processes_that_start_at_one_instant_share_one_schema_and_the_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chartseal.db");
    let open = || tokio::spawn(Store::open(path.clone()));
    for opening in [open(), open(), open(), open()] {
        opening.await.unwrap().unwrap();
    }
    #[cfg(unix)]
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.unwrap().metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0);
    }
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_a_number_too_large_is_refused() {
    let stage = Stage::open().await;
    let mut late = record(1);
    late.record.authored_at = u64::MAX;
    assert!(matches!(
        stage.store.commit_record(late).await,
        Err(Error::TooLarge(u64::MAX))
    ));
    stage.store.close().await;
    assert!(matches!(stage.store.commit_record(record(2)).await, Err(Error::Closed)));
}
