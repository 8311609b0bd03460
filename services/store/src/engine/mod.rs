//! The one place that knows which engine this is: how it is opened, how a write begins, what a violated constraint is
//! called, what two writers must not do at one time, how deleted bytes leave the disk.

mod lock;
mod postgres;
mod query;
mod sqlite;

use std::time::Duration;

use sqlx::{Connection, PgPool, Postgres, Sqlite, SqlitePool, Transaction, migrate::MigrateError};

pub(crate) use self::{
    lock::Locks,
    query::{On, Query, Row, Value, pieces, query},
};
use crate::{Error, Location, Store};

/// How long one process waits for the other's write. Writes are short (no I/O of ours inside), so waiting longer means
/// a stuck disk.
const BUSY: Duration = Duration::from_secs(10);

/// Reads in parallel; more connections than this only fight for two cores.
const READERS: u32 = 8;

/// Connections to one of the two engines.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

pub(crate) struct Pools {
    /// Refuse to write.
    pub readers: Pool,
    pub writers: Pool,
}

/// A transaction, or a savepoint in one. Dropped without a commit it changes nothing.
pub(crate) enum Tx<'c> {
    Sqlite(Transaction<'c, Sqlite>),
    Postgres(Transaction<'c, Postgres>),
}

pub(crate) async fn open(location: &Location, password: Option<&str>) -> Result<Pools, Error> {
    match location {
        Location::Sqlite(path) => sqlite::open(path).await,
        Location::Postgres(server) => {
            let server = server.as_ref().clone();
            postgres::open(password.into_iter().fold(server, |server, word| server.password(word))).await
        }
    }
}

/// Both engines refuse a database with a migration that is not embedded here, or with one whose text differs.
fn schema_error(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(e) => Error::Database(e),
        other => Error::Schema(other),
    }
}

impl Pool {
    /// A write. On SQLite it takes the file's write lock at once: a transaction that began as a reader would fail when
    /// it upgrades, however long it waited. On PostgreSQL each statement sees what was committed before it, so that what
    /// is read under a lock ([`Tx::lock`]) is the newest there is.
    pub async fn begin(&self) -> Result<Tx<'static>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?),
        })
    }

    /// A read of several statements that belong together.
    pub async fn begin_reading(&self) -> Result<Tx<'static>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?),
        })
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx<'_> {
    pub async fn savepoint(&mut self) -> Result<Tx<'_>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(tx) => Tx::Sqlite(tx.begin().await?),
            Self::Postgres(tx) => Tx::Postgres(tx.begin().await?),
        })
    }

    /// Durable when it returns. [`Error::Doubtful`] if the server was lost while it committed: it may have.
    pub async fn commit(self) -> Result<(), Error> {
        let done = match self {
            Self::Sqlite(tx) => return Ok(tx.commit().await?),
            Self::Postgres(tx) => tx.commit().await,
        };
        done.map_err(|error| match error {
            sqlx::Error::Database(_) => Error::Database(error),
            _ => Error::Doubtful(error.to_string()),
        })
    }

    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await,
            Self::Postgres(tx) => tx.rollback().await,
        }
    }

    /// The text of this engine, for the few statements that the dialects do not share.
    pub fn dialect(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}

/// What a violated constraint protects.
pub(crate) enum Violated {
    RecordBytes,
    RecordVersion,
    IdempotencyKey,
    Other,
}

/// PostgreSQL names the constraint; SQLite names its columns, at the end of its message.
pub(crate) fn violated(error: &sqlx::Error) -> Option<Violated> {
    let error = error.as_database_error()?;
    if !error.is_unique_violation() {
        return None;
    }
    let columns = || error.message().rsplit(": ").next().unwrap_or_default();
    Some(match error.constraint().unwrap_or_else(columns) {
        "record.content_hash" | "record_content_hash_key" => Violated::RecordBytes,
        "record.record_id, record.version" | "record_record_id_version_key" => Violated::RecordVersion,
        "idempotency.caller, idempotency.key_hash" | "idempotency_pkey" => Violated::IdempotencyKey,
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

/// Whether PostgreSQL ended a transaction because it and another waited for each other: the same once more may succeed.
/// SQLSTATE `serialization_failure`, `deadlock_detected`.
pub(crate) fn collided(error: &Error) -> bool {
    let Error::Database(error) = error else { return false };
    matches!(sqlstate(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether there was no database to answer, rather than an answer.
pub(crate) fn lost(error: &Error) -> bool {
    match error {
        Error::Doubtful(_) => true,
        Error::Database(error) => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed
        ),
        _ => false,
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}

impl Store {
    pub(crate) async fn write(&self) -> Result<Tx<'static>, Error> {
        Ok(self.inner.pools.writers.begin().await?)
    }

    pub(crate) fn reader(&self) -> &Pool {
        &self.inner.pools.readers
    }

    /// Empties the write-ahead log, so that bytes overwritten in the database are not left in the log. On SQLite it is
    /// moved into the database and truncated to nothing; [`Error::LogNotWiped`] if other connections kept it busy for
    /// the whole waiting time, several times over. On PostgreSQL there is nothing a client can do, and this does nothing:
    /// see [`Store::vault_delete`].
    pub async fn wipe_log(&self) -> Result<(), Error> {
        match &self.inner.pools.writers {
            Pool::Sqlite(writer) => sqlite::wipe_log(writer).await,
            Pool::Postgres(_) => Ok(()),
        }
    }
}
