//! Rows for the tests, each on a database of its own, on each engine.

use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, Bytes};
use chartseal_record::{Compartment, ContentHash, Scope, merkle};
use chartseal_stage::{Database, Postgres};
use chartseal_store::{Location, NewIntent, NewRecord, RecordCommit, Store};
use tempfile::TempDir;

pub const ORG: Address = Address::repeat_byte(0xaa);
pub const PATIENT: Address = Address::repeat_byte(0x11);
pub const NOW: u64 = 1_800_000_000;

/// A database and a store that is open on it.
pub struct Stage {
    pub engine: Engine,
    pub store: Store,
}

pub enum Engine {
    Sqlite(TempDir),
    Postgres(&'static Postgres, Database),
}

impl Stage {
    /// The same story is told on both engines.
    pub async fn each() -> Vec<Self> {
        let mut stages = vec![];
        for engine in Engine::each() {
            stages.push(Self::open(engine).await);
        }
        stages
    }

    pub async fn sqlite() -> Self {
        Self::open(Engine::sqlite()).await
    }

    pub async fn postgres() -> Option<Self> {
        Some(Self::open(Engine::postgres()?).await)
    }

    async fn open(engine: Engine) -> Self {
        // Shown if the test fails: which of the two it was.
        println!("on {}", engine.location());
        let store = engine.connect().await.unwrap();
        Self { engine, store }
    }

    /// Ends this process's part of the database and begins again, as after a crash between two calls.
    pub async fn reopen(self) -> Self {
        self.store.close().await;
        let store = self.engine.connect().await.unwrap();
        Self { store, ..self }
    }

    /// A second process on the same database.
    pub async fn another(&self) -> Store {
        self.engine.connect().await.unwrap()
    }
}

impl Engine {
    /// A new database on SQLite, then one on PostgreSQL where it is installed.
    pub fn each() -> Vec<Self> {
        [Some(Self::sqlite()), Self::postgres()].into_iter().flatten().collect()
    }

    fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    fn postgres() -> Option<Self> {
        let thread = std::thread::current();
        let server = Postgres::of_this_process(thread.name().unwrap_or("a story of the store"))?;
        Some(Self::Postgres(server, server.database()))
    }

    pub fn location(&self) -> Location {
        match self {
            Self::Sqlite(folder) => Location::Sqlite(file(folder.path())),
            Self::Postgres(_, database) => database.url.parse().unwrap(),
        }
    }

    /// The folder of the SQLite files.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(folder) => folder.path(),
            Self::Postgres(..) => panic!("a test of files is one of SQLite"),
        }
    }

    /// Whether a vault still gives these bytes: on SQLite anything in its files, on PostgreSQL its rows.
    pub fn holds(&self, sealed: &[u8]) -> bool {
        match self {
            Self::Sqlite(folder) => files_hold(folder.path(), sealed),
            Self::Postgres(server, database) => {
                let hex = alloy_primitives::hex::encode(sealed);
                let rows = format!("SELECT count(*) FROM vault WHERE sealed = '\\x{hex}'");
                server.psql(database.name(), &rows).trim() != "0"
            }
        }
    }

    pub async fn connect(&self) -> Result<Store, chartseal_store::Error> {
        let password = match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_, database) => Some(&*database.password),
        };
        Store::connect(&self.location(), password).await
    }

    /// Runs a statement behind the store's back.
    pub async fn run(&self, sql: &'static str) {
        match self {
            Self::Sqlite(folder) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file(folder.path()));
                let mut raw = sqlx::ConnectOptions::connect(&options).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut raw).await.unwrap();
                sqlx::Connection::close(raw).await.unwrap();
            }
            Self::Postgres(server, database) => drop(server.psql(database.name(), sql)),
        }
    }
}

/// Whether any file of the database holds the bytes.
pub fn files_hold(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

/// 60 bytes that occur nowhere else: as long as a sealed release key.
pub fn sealed(seed: u32) -> Vec<u8> {
    let (a, b) = (word("sealed", seed), word("sealed too", seed));
    [&a[..], &b[..28]].concat()
}

pub fn file(folder: &Path) -> PathBuf {
    folder.join("chartseal.db")
}

/// A record of the clinical scope whose sealed bytes are made from `seed`.
pub fn record(seed: u32) -> RecordCommit {
    let sealed: Bytes = format!("sealed {seed}").repeat(20).into_bytes().into();
    let scope = Scope::clinical();
    let compartment = Compartment::of(PATIENT, &scope);
    let content_hash = ContentHash::of(&sealed);
    RecordCommit {
        record: NewRecord {
            org: ORG,
            patient: PATIENT,
            scope,
            compartment,
            epoch: 1,
            content_hash,
            record_id: word("id", seed),
            version: 1,
            previous: B256::ZERO,
            digest: word("digest", seed),
            author: ORG,
            authored_at: NOW,
            resource_type: "DocumentReference".into(),
            leaf: merkle::leaf(compartment, 1, content_hash),
            received_at: NOW,
        },
        sealed,
        attachments: vec![],
        index: vec![],
        answer: None,
        staged: vec![],
        audit: vec![],
        sealing: None,
        standing: None,
        condition: None,
    }
}

/// The version after `before`, with bytes of its own.
pub fn next_version(before: &RecordCommit, seed: u32) -> RecordCommit {
    let mut next = record(seed);
    next.record.record_id = before.record.record_id;
    next.record.version = before.record.version + 1;
    next.record.previous = before.record.digest;
    next
}

pub fn word(what: &str, seed: u32) -> B256 {
    alloy_primitives::keccak256(format!("{what} {seed}"))
}

pub fn intent(id: &str) -> NewIntent {
    NewIntent {
        id: id.into(),
        org: ORG,
        kind: "grant".into(),
        account: PATIENT,
        payload: serde_json::json!({ "scope": "clinical" }),
        parent: None,
        after: None,
        created_at: NOW,
        expires_at: NOW + 3600,
    }
}
