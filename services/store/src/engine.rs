//! The one place that knows which engine this is: how a file is opened, how a write begins, what a violated constraint
//! is called, how deleted bytes leave the disk.

use std::{fs::OpenOptions, path::Path, time::Duration};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Error, Store};

/// The schema, embedded. sqlx refuses a file with a migration it does not find here, or with one whose text differs.
static SCHEMA: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// How long one process waits for the other's write. Writes are short (no I/O of ours inside), so waiting longer means
/// a stuck disk.
const BUSY: Duration = Duration::from_secs(10);

/// Reads in parallel; more connections than this only fight for two cores.
const READERS: u32 = 8;

pub(crate) struct Pools {
    pub readers: SqlitePool,
    /// One connection: writers of one process queue here in order, instead of polling the file lock.
    pub writer: SqlitePool,
}

pub(crate) async fn open(path: &Path) -> Result<Pools, Error> {
    create_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged record must survive a power cut, so every commit waits for the disk.
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON");
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    migrate(&writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options.pragma("query_only", "ON"))
        .await?;
    Ok(Pools { readers, writer })
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
    SCHEMA.run_direct(None, &mut *tx, false).await.map_err(|e| match e {
        MigrateError::Execute(e) => Error::Database(e),
        other => Error::Schema(other),
    })?;
    Ok(tx.commit().await?)
}

/// What a violated constraint protects, by its columns: the engine names no constraint.
pub(crate) enum Violated {
    RecordBytes,
    RecordVersion,
    IdempotencyKey,
    Other,
}

pub(crate) fn violated(error: &sqlx::Error) -> Option<Violated> {
    let error = error.as_database_error()?;
    if !error.is_unique_violation() {
        return None;
    }
    Some(match error.message().rsplit(": ").next() {
        Some("record.content_hash") => Violated::RecordBytes,
        Some("record.record_id, record.version") => Violated::RecordVersion,
        Some("idempotency.caller, idempotency.key_hash") => Violated::IdempotencyKey,
        _ => Violated::Other,
    })
}

/// Turns a unique violation into `Exists`.
pub(crate) fn exists(error: sqlx::Error, table: &'static str, key: impl ToString) -> Error {
    match violated(&error) {
        Some(_) => Error::Exists {
            table,
            key: key.to_string(),
        },
        None => Error::Database(error),
    }
}

impl Store {
    /// A write. `BEGIN IMMEDIATE` takes the file's write lock at once; a transaction that began as a reader would fail
    /// when it upgrades, however long it waited.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.inner.pools.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.inner.pools.readers
    }

    /// Moves the write-ahead log into the database and truncates it to nothing, so that bytes overwritten in the
    /// database are not left in the log. [`Error::LogNotWiped`] if other connections kept the log busy for the whole
    /// waiting time, several times over.
    pub async fn wipe_log(&self) -> Result<(), Error> {
        // Each try waits up to BUSY for readers and the other process; between the tries the writer's connection serves
        // others.
        for _ in 0..3 {
            let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(&self.inner.pools.writer)
                .await?;
            if busy == 0 {
                return Ok(());
            }
        }
        Err(Error::LogNotWiped)
    }
}
