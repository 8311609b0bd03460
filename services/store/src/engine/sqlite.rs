//! SQLite: one file, one writer.

use std::{fs::OpenOptions, path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{BUSY, Pool, Pools, READERS, schema_error};
use crate::Error;

/// The schema, embedded.
static SCHEMA: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// Before the first connection is tried again.
const AGAIN: Duration = Duration::from_millis(20);

pub(super) async fn open(path: &Path) -> Result<Pools, Error> {
    create_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged record must survive a power cut, so every commit waits for the disk.
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON");
    // One connection: writers of one process queue here in order, instead of polling the file lock.
    let writer = first(pool(1), &options).await?;
    migrate(&writer).await?;
    let readers = pool(READERS).connect_with(options.pragma("query_only", "ON")).await?;
    Ok(Pools {
        readers: Pool::Sqlite(readers),
        writers: Pool::Sqlite(writer),
    })
}

/// A file's connection does not die while it rests, so nobody asks it before each statement, which would cost as much as a small
/// statement does.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
}

/// The first connection makes a new file one with a write-ahead log. Two processes that do so at one instant do not wait
/// for each other, whatever the busy timeout says, so the one that was told to come back does.
async fn first(pool: SqlitePoolOptions, options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let mut left = BUSY;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && !left.is_zero() => {
                tokio::time::sleep(AGAIN).await;
                left = left.saturating_sub(AGAIN);
            }
            result => return result,
        }
    }
}

/// SQLITE_BUSY: the low byte of the extended code.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// Creates the file for this user only. The engine gives its log files the same permissions.
fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// Gateway and submitter may start at the same instant: the second waits for the first's lock and then finds nothing to
/// do.
async fn migrate(writer: &SqlitePool) -> Result<(), Error> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    SCHEMA.run_direct(None, &mut *tx, false).await.map_err(schema_error)?;
    Ok(tx.commit().await?)
}

/// Moves the write-ahead log into the database and truncates it to nothing.
pub(super) async fn wipe_log(writer: &SqlitePool) -> Result<(), Error> {
    // Each try waits up to BUSY for readers and the other process; between the tries the writer's connection serves
    // others.
    for _ in 0..3 {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(writer)
            .await?;
        if busy == 0 {
            return Ok(());
        }
    }
    Err(Error::LogNotWiped)
}
