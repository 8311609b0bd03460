//! PostgreSQL: many writers, in several gateways and submitters.

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::{Migrate, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{BUSY, Pool, Pools, READERS, schema_error};
use crate::Error;

/// The schema, embedded.
static SCHEMA: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Writes in parallel of one process. With four gateways and submitters this and [`READERS`] stay below the server's
/// usual 100 connections.
const WRITERS: u32 = 8;

pub(super) async fn open(server: PgConnectOptions) -> Result<Pools, Error> {
    let server = server.application_name("chartseal");
    let mut first = server.clone().connect().await?;
    let synchronous_commit = durability(&mut first).await?;
    migrate(&mut first).await?;
    first.close().await?;

    let busy = format!("{}s", BUSY.as_secs());
    let server = server.options([
        // As it was found durable, whatever the role's or the database's default becomes while this process runs.
        ("synchronous_commit", synchronous_commit.as_str()),
        ("lock_timeout", &busy),
        // Nothing of ours waits inside a transaction; what does has lost its process, and holds its locks.
        ("idle_in_transaction_session_timeout", &busy),
    ]);
    let pool = |connections| PgPoolOptions::new().max_connections(connections).acquire_timeout(BUSY);
    let readers: PgPool = pool(READERS)
        .connect_with(server.clone().options([("default_transaction_read_only", "on")]))
        .await?;
    let writers: PgPool = pool(WRITERS).connect_with(server).await?;
    Ok(Pools {
        readers: Pool::Postgres(readers),
        writers: Pool::Postgres(writers),
    })
}

/// Refuses a server that acknowledges what a power cut would take back. Returns its `synchronous_commit`.
async fn durability(conn: &mut PgConnection) -> Result<String, Error> {
    let (fsync, synchronous_commit): (String, String) =
        sqlx::query_as("-- durability\nSELECT current_setting('fsync'), current_setting('synchronous_commit')")
            .fetch_one(conn)
            .await?;
    for (setting, value) in [("fsync", &fsync), ("synchronous_commit", &synchronous_commit)] {
        if value == "off" {
            return Err(Error::NotDurable { setting });
        }
    }
    Ok(synchronous_commit)
}

/// Looks first and changes only what is behind, so that a role that may not change the schema (the submitter's) can use
/// one that is up to date. Of several processes that start at one instant one brings it up to date, under sqlx's own
/// lock, and the others wait.
async fn migrate(conn: &mut PgConnection) -> Result<(), Error> {
    if is_current(conn).await? {
        return Ok(());
    }
    SCHEMA
        .run_direct(None, conn, false)
        .await
        .map_err(|error| match &error {
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) if refused_by_role(e) => {
                Error::SchemaBehind
            }
            _ => schema_error(error),
        })
}

async fn is_current(conn: &mut PgConnection) -> Result<bool, Error> {
    let exists: bool = sqlx::query_scalar("-- schema_exists\nSELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await?;
    if !exists {
        return Ok(false);
    }
    let applied = conn.list_applied_migrations(&SCHEMA.table_name).await;
    let applied = applied.map_err(|error| match &error {
        MigrateError::Execute(e) if refused_by_role(e) => Error::SchemaBehind,
        _ => schema_error(error),
    })?;
    let known = SCHEMA.iter().map(|m| (m.version, &m.checksum));
    Ok(known.eq(applied.iter().map(|m| (m.version, &m.checksum))))
}

/// SQLSTATE `insufficient_privilege`.
fn refused_by_role(error: &sqlx::Error) -> bool {
    super::sqlstate(error).as_deref() == Some("42501")
}
