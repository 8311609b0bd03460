//! What SQLite is told to destroy is in none of its files any more.

use alloy_primitives::keccak256;
use chartseal_store::{Error, VaultKey};

use crate::stage::{NOW, ORG, PATIENT, Stage, file, files_hold, sealed, word};

#[tokio::test]
async fn a_destroyed_key_is_in_no_file_and_its_neighbours_stay() {
    let stage = Stage::sqlite().await;
    let (store, folder) = (&stage.store, stage.engine.folder());
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
    let stage = Stage::sqlite().await;
    let (store, folder) = (&stage.store, stage.engine.folder());
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

#[tokio::test]
async fn a_log_that_a_reader_keeps_busy_is_reported_and_wiped_afterwards() {
    let stage = Stage::sqlite().await;
    let key = VaultKey::new(ORG, "root", PATIENT.to_string());
    stage.store.vault_put(&key, &sealed(5), NOW).await.unwrap();
    // A backup program reads while the key is destroyed.
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file(stage.engine.folder()))
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
    assert!(!files_hold(stage.engine.folder(), &sealed(5)));
}
