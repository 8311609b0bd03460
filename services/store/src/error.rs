//! What can go wrong between a caller and the database.

/// Why a store operation did not happen. Unless a message says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine reported an error that is not about the rows: disk, lock, file, connection.
    #[error("the database did not answer as expected: {0}; nothing was changed, try again")]
    Database(#[from] sqlx::Error),
    /// The database file could not be created or opened.
    #[error("the database file {path} could not be opened: {source}; check the folder and its permissions")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file with the database's password could not be read.
    #[error("the database's password cannot be read from {path}: {source}; check database.password_file")]
    Password {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The schema in the file is not the one this binary was built with.
    #[error(
        "the database has a schema this program does not know ({0}); start the program version that wrote it, or a newer one"
    )]
    Schema(sqlx::migrate::MigrateError),
    /// The schema is older than this program, and the role may not change it.
    #[error(
        "the database's schema is older than this program, or this role may not see it; start the gateway first, which brings it up to date, then run migrations/roles.sql"
    )]
    SchemaBehind,
    /// The server acknowledges before the bytes are on disk.
    #[error("the database server runs with {setting} = off, so a power cut would take acknowledged records; set it on")]
    NotDurable {
        /// The server's setting.
        setting: &'static str,
    },
    /// The server was lost between the request to commit and its answer.
    #[error("the database was lost while it committed ({0}): the change may have happened; read before you repeat it")]
    Doubtful(String),
    /// A group of commits was rolled back together.
    #[error("the transaction was not committed: {0}; nothing was kept, try again")]
    NotCommitted(String),
    /// The store was closed while the call waited.
    #[error("the store is closed; nothing was kept")]
    Closed,
    /// A row was not in the state the change starts from: somebody else moved it, or it does not exist.
    #[error("{table} {key} is not {expected}; read it again and decide anew")]
    Moved {
        /// Table.
        table: &'static str,
        /// The row.
        key: String,
        /// The state the change starts from.
        expected: &'static str,
    },
    /// Another version was committed first, or the one named as previous is not here.
    #[error("version {version} of record {record} is stale; expected a version that follows the newest one")]
    StaleVersion {
        /// Record id.
        record: alloy_primitives::B256,
        /// The version refused.
        version: u32,
    },
    /// A slot of the compartment was refused, or an epoch number taken, since the commit was made up.
    #[error("the custody of compartment {} has changed; admit the writer and seal to the newest epoch again", .0.0)]
    StandingChanged(chartseal_record::Compartment),
    /// Another record was created under the same condition since it was looked for.
    #[error("another record was created under this condition since it was looked for; look again")]
    ConditionMet,
    /// The same sealed bytes are already a record.
    #[error("record {0} is stored already; expected bytes sealed anew")]
    RecordExists(chartseal_record::ContentHash),
    /// An answer is already kept under the caller's key.
    #[error("this Idempotency-Key was answered already; read the kept answer instead")]
    IdempotencyKeyUsed,
    /// A row with this key exists.
    #[error("{table} {key} exists already; expected a new key")]
    Exists {
        /// Table.
        table: &'static str,
        /// The row.
        key: String,
    },
    /// Another block of this number is stored: it left the chain, or the one to be appended did.
    #[error("block {number} is stored with another hash; remove the re-organised blocks first")]
    AnotherBlock {
        /// The block's number.
        number: u64,
    },
    /// The block below is not stored: another process took it back, or never brought it.
    #[error("block {number} stands on a block that is not stored; append that one first")]
    Unfounded {
        /// The number of the block to be appended.
        number: u64,
    },
    /// The row is gone, but the write-ahead log still holds its bytes because a reader or writer kept it busy.
    #[error(
        "the row is deleted, but the write-ahead log could not be emptied: another connection kept it busy; call `wipe_log` until it succeeds"
    )]
    LogNotWiped,
    /// A number does not fit into the database's 64-bit signed integers.
    #[error("{0} is too large to be stored; expected at most 9223372036854775807")]
    TooLarge(u64),
    /// A cell holds something this program did not write.
    #[error(
        "the cell {table}.{column} holds something unexpected: {reason}; the file was changed by something else or is damaged"
    )]
    Broken {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// What was wrong.
        reason: String,
    },
}

/// A row must have moved, exactly one.
pub(crate) fn one_moved(
    rows: u64,
    table: &'static str,
    key: impl ToString,
    expected: &'static str,
) -> Result<(), Error> {
    if rows == 1 {
        Ok(())
    } else {
        Err(Error::Moved {
            table,
            key: key.to_string(),
            expected,
        })
    }
}
