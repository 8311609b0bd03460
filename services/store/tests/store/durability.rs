//! What is acknowledged is on disk; what is unknown is refused.

use std::{collections::BTreeSet, path::Path};

use chartseal_store::{Error, Store};
use futures::future::join_all;

use crate::stage::{Engine, Stage, record};

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
    let stage = Stage::sqlite().await;
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
        copy_files(stage.engine.folder(), copy.path());
        let found = Store::open(copy.path().join("chartseal.db")).await.unwrap();
        for seed in &acknowledged {
            let commit = record(*seed);
            assert!(found.record(commit.record.content_hash).await.unwrap().is_some());
            let bytes = found.outbox(&commit.record.content_hash.to_string()).await.unwrap();
            assert_eq!(bytes, Some(commit.sealed));
        }
    }
}

#[tokio::test]
async fn a_schema_from_the_future_or_with_another_text_is_refused() {
    for statement in [
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM _sqlx_migrations WHERE version = 2) WHERE version = 1",
    ] {
        for stage in Stage::each().await {
            stage.store.close().await;
            stage.engine.run(statement).await;
            let refused = stage.engine.connect().await.unwrap_err();
            assert!(matches!(refused, Error::Schema(_)), "{statement}: {refused}");
            assert!(refused.to_string().contains("start the program version that wrote it"));
        }
    }
}

#[tokio::test]
async fn processes_that_start_at_one_instant_share_one_schema_and_the_file_is_private() {
    for engine in Engine::each() {
        for opened in join_all([(); 4].map(|()| engine.connect())).await {
            opened.unwrap();
        }
        if let Engine::Sqlite(folder) = &engine {
            #[cfg(unix)]
            for file in std::fs::read_dir(folder.path()).unwrap() {
                let mode = std::os::unix::fs::PermissionsExt::mode(&file.unwrap().metadata().unwrap().permissions());
                assert_eq!(mode & 0o077, 0);
            }
        }
    }
}

/// The numbers and names of an engine's migrations, and the tables they make.
fn migrations(engine: &str) -> (Vec<String>, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../migrations")
        .join(engine);
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let texts = names
        .iter()
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    (names.clone(), texts.collect())
}

/// A migration's columns, by table and name in alphabetical order, and its indexes.
fn columns(text: &str) -> BTreeSet<String> {
    let mut table = "";
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("CREATE"), Some("TABLE"), Some(name)) => table = name,
            (Some("CREATE"), ..) => drop(found.insert(line.to_owned())),
            (Some(name), Some(_), _)
                if line.starts_with("    ") && name.chars().all(|c| c.is_lowercase() || c == '_') =>
            {
                found.insert(format!("{table}.{name}"));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn both_engines_have_the_same_migrations_with_the_same_columns_and_indexes() {
    let (sqlite, postgres) = (migrations("sqlite"), migrations("postgres"));
    assert_eq!(sqlite.0, postgres.0);
    for (name, (one, other)) in sqlite.0.iter().zip(sqlite.1.iter().zip(&postgres.1)) {
        assert!(!columns(one).is_empty());
        assert_eq!(columns(one), columns(other), "{name}");
    }
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_a_number_too_large_is_refused() {
    for stage in Stage::each().await {
        let mut late = record(1);
        late.record.authored_at = u64::MAX;
        assert!(matches!(
            stage.store.commit_record(late).await,
            Err(Error::TooLarge(u64::MAX))
        ));
        stage.store.close().await;
        assert!(matches!(stage.store.commit_record(record(2)).await, Err(Error::Closed)));
    }
}
