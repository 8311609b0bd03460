//! This crate holds the database: records and their outbox, batches, intents, chain events, sealed vault rows,
//! tombstones, sessions, the audit chain. Every method is one short transaction; a change names the state it starts
//! from and fails if the row has left it.
//!
//! It must not know plaintext, keys, the chain's or the content store's address. What it is given sealed it keeps
//! sealed; what it is asked to forget (`vault_delete`) is overwritten and leaves the write-ahead log before the call
//! returns. Not promised: file system snapshots, backups and wear levelling of the disk keep older pages; whoever owns
//! the file can roll it back as a whole.
//!
//! On PostgreSQL less is promised about what is forgotten: see [`Store::vault_delete`].
//!
//! All times are unix seconds and come from the caller. The schema with every column's meaning is `migrations/sqlite` and
//! `migrations/postgres`, which say the same.
#![warn(missing_docs)]

mod anchored;
mod application;
mod audit;
mod backlog;
mod batch;
mod cell;
mod client;
mod commit;
mod condition;
mod engine;
mod epoch_mark;
mod error;
mod event;
mod idempotency;
mod inspect;
mod intent;
mod lease;
mod location;
mod lookup;
mod meta;
mod outbox;
mod record;
mod relay;
mod release_key;
mod replaced;
mod replay;
mod request;
mod search;
mod session;
mod snapshot;
mod staged;
mod standing;
mod sweep;
mod token;
mod tombstone;
mod vault;
mod waiting;

use std::{path::Path, sync::Arc};

pub use crate::{
    anchored::{AnchoredBatch, AnchoredRecord, TakenIn},
    application::{Application, Refusal},
    audit::{AuditEntry, NewAudit, Sealing, Unsealed},
    backlog::Backlog,
    batch::{Batch, BatchId, Mined, SentTransaction},
    client::Client,
    commit::{AttachmentPlace, NewAttachment, NewRecord, RecordCommit},
    condition::Condition,
    error::Error,
    event::{Block, BlockPlace},
    idempotency::KeptAnswer,
    intent::{Intent, IntentFilter, NewIntent},
    lease::Lease,
    location::{Database, Location, LocationError},
    lookup::Named,
    outbox::OutboxBlock,
    record::{Attachment, Record},
    release_key::ReleaseKeyPlace,
    request::{AccessRequest, RequestState},
    search::RecordQuery,
    session::Session,
    snapshot::{Restored, Snapshot},
    staged::Staged,
    standing::Standing,
    sweep::Swept,
    token::AccessToken,
    tombstone::{Refusals, Tombstone},
    vault::{VaultEntry, VaultKey},
    waiting::{NewBatch, WaitingRecord},
};

/// The database of one gateway and its submitter. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pools: engine::Pools,
    group: commit::Group,
}

impl Store {
    /// Opens a SQLite file: [`Store::connect`] with [`Location::Sqlite`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::connect(&Location::Sqlite(path.as_ref().to_owned()), None).await
    }

    /// Opens a database and brings its schema up to date; a SQLite file is created, readable by this user only. Refuses a
    /// schema this binary does not know, and a server that does not wait for its disk. Must be called within a tokio
    /// runtime.
    pub async fn connect(location: &Location, password: Option<&str>) -> Result<Self, Error> {
        let pools = engine::open(location, password).await?;
        let group = commit::Group::start(&pools.writers);
        Ok(Self {
            inner: Arc::new(Inner { pools, group }),
        })
    }

    /// Waits for commits under way and closes the connections. Calls after it fail.
    pub async fn close(&self) {
        self.inner.group.finish().await;
        self.inner.pools.readers.close().await;
        self.inner.pools.writers.close().await;
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}
