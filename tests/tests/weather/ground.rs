//! One system to ruin, and what the weather does to it.

use std::{
    collections::HashMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use alloy::primitives::B256;
use anyhow::{Context, Result, bail, ensure};
use chartseal_ipfs::Content;
use chartseal_record::ContentHash;
use chartseal_stack::{
    configuration::Database,
    rpc::Node,
    stack_json::StackJson,
    supervise::{Process, signal},
    up::{Options, Stack},
};
use chartseal_stage::{Kubo, Postgres};
use chartseal_tests::program;
use rustix::process::Signal;
use serde_json::json;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::step::Weather;

/// How long anything may take to be right again once the weather is over.
const PATIENCE: Duration = Duration::from_secs(120);

/// As `chartseal up` has them.
const BLOCK_SECONDS: u64 = 1;

/// Ends, when this process is gone, whatever names the data folder (`$0`) on its command line. Ctrl-C reaches it as well
/// as this process, and must not end it first.
const GUARD: &str = r#"trap '' INT TERM HUP
cat >/dev/null
for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" = $$ ] || ! grep -q "$0" "$process/cmdline" 2>/dev/null || kill -9 "$pid"
done"#;

enum Engine {
    Sqlite,
    Postgres(Postgres, String),
}

pub struct Ground {
    // First: the processes end before their folder goes.
    pub stack: Stack,
    pub json: StackJson,
    pub node: Node,
    pub content: Content,
    /// What each manifest on the chain lists: it never changes.
    pub manifests: HashMap<B256, Vec<ContentHash>>,
    engine: Engine,
    kubo: Option<Kubo>,
    _guard: Child,
    folder: TempDir,
}

impl Ground {
    /// A SQLite file and CAR files.
    pub async fn of_files() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Self::start(folder, Engine::Sqlite, Database::default(), None).await
    }

    /// A PostgreSQL server and a Kubo node of one's own. `None`, and a word about it, where they are not installed.
    pub async fn of_servers(test: &str) -> Result<Option<Self>> {
        let (Some(server), Some(kubo)) = (Postgres::alone(test, ""), Kubo::start(test)) else {
            return Ok(None);
        };
        let database = server.database();
        let folder = tempfile::tempdir()?;
        let word = folder.path().join("password");
        std::fs::write(&word, &database.password)?;
        let settings = Database {
            url: Some(database.url.clone()),
            password_file: Some(word),
        };
        let engine = Engine::Postgres(server, database.name().to_owned());
        Self::start(folder, engine, settings, Some(kubo)).await.map(Some)
    }

    async fn start(folder: TempDir, engine: Engine, database: Database, kubo: Option<Kubo>) -> Result<Self> {
        // Built once, from today's sources.
        program("chartseal-gateway");
        let data = folder.path().join("data");
        let guard = Command::new("sh")
            .args(["-c", GUARD])
            .arg(&data)
            .stdin(Stdio::piped())
            .spawn()?;
        let options = Options {
            database,
            served: chartseal_stack::configuration::Served {
                content: kubo.as_ref().map(Kubo::location),
                ..Default::default()
            },
            ..Options::in_folder(&data)
        };
        let stack = Stack::start(options, &|_| {}).await?;
        let json = stack.json();
        let content = match &kubo {
            Some(kubo) => Content::open(&kubo.location()).await?,
            None => Content::open_reading(data.join("content").to_str().context("UTF-8")?).await?,
        };
        Ok(Self {
            stack,
            node: Node::new(&json.rpc),
            json,
            content,
            manifests: HashMap::new(),
            engine,
            kubo,
            _guard: guard,
            folder,
        })
    }

    /// Leaves the folder where it is, with the logs and the database of a system that broke a promise.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// Whether database and content store are servers, which can go away.
    pub fn has_servers(&self) -> bool {
        self.kubo.is_some()
    }

    /// The node of a system that has servers.
    pub fn kubo(&self) -> &Kubo {
        self.kubo.as_ref().expect("a system of servers")
    }

    /// The chain's clock loses the seconds of the blocks that a re-org took back, each time again; a chain whose newest
    /// block is two minutes old is none that a gateway decides by.
    async fn catch_up(&self) -> Result<()> {
        let newest = self.node.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        let stamp = newest["timestamp"].as_str().context("a block's time")?;
        let then = u64::from_str_radix(stamp.trim_start_matches("0x"), 16)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        match now.saturating_sub(then) {
            0 => Ok(()),
            behind => self.node.call("evm_increaseTime", json!([behind])).await.map(drop),
        }
    }

    /// No block may come in between: anvil (1.7.1) then keeps a block whose effects it has taken back, or cannot go back to one
    /// it has and says "Resource not found".
    async fn reorg(&self, depth: u64) -> Result<()> {
        self.node.call("evm_setIntervalMining", json!([0])).await?;
        // Waits for the one that is being made.
        self.node.call("evm_mine", json!([])).await?;
        let done = self.node.call("anvil_reorg", json!([depth, []])).await;
        self.node.call("evm_setIntervalMining", json!([BLOCK_SECONDS])).await?;
        done.map(drop)
    }

    pub async fn strike(&mut self, weather: Weather) -> Result<()> {
        match weather {
            Weather::Kill(process) => self.kill(process).await,
            Weather::Reorg(depth) => {
                self.reorg(depth).await?;
                self.catch_up().await
            }
            Weather::Jump(seconds) => self.node.call("evm_increaseTime", json!([seconds])).await.map(drop),
            Weather::ChainAway(pause) => {
                let pid = self.stack.pid(Process::Anvil).context("anvil does not run")?;
                signal(pid, Signal::STOP)?;
                tokio::time::sleep(pause).await;
                signal(pid, Signal::CONT)
            }
            Weather::ContentAway(pause) => {
                let Some(kubo) = &self.kubo else { return Ok(()) };
                kubo.crash();
                tokio::time::sleep(pause).await;
                tokio::task::block_in_place(|| kubo.start_again());
                Ok(())
            }
            Weather::DatabaseAway(pause) => {
                let Engine::Postgres(server, _) = &self.engine else {
                    return Ok(());
                };
                server.crash();
                tokio::time::sleep(pause).await;
                tokio::task::block_in_place(|| server.start_again());
                Ok(())
            }
        }
    }

    /// SIGKILL, and up again.
    async fn kill(&mut self, process: Process) -> Result<()> {
        self.stack.hold(process).await?;
        if process == Process::Submitter {
            self.expire_leases().await?;
        }
        self.stack.resume(process).await
    }

    /// The dead hold their leases for 15 seconds. So does waiting, which other tests do.
    pub async fn expire_leases(&self) -> Result<()> {
        self.texts("UPDATE lease SET until = 0 RETURNING name").await.map(drop)
    }

    /// One column of text, in whichever database it is.
    pub async fn texts(&self, sql: &str) -> Result<Vec<String>> {
        match &self.engine {
            Engine::Sqlite => {
                let file = self.json.data.join("chartseal.db");
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .busy_timeout(Duration::from_secs(30));
                let mut connection = options.connect().await?;
                let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                    .fetch_all(&mut connection)
                    .await?;
                Ok(rows)
            }
            Engine::Postgres(server, name) => {
                let said = tokio::task::block_in_place(|| server.psql(name, sql));
                Ok(said.lines().map(str::to_owned).collect())
            }
        }
    }

    /// A column of bytes, as lower-case hex in the engine's words.
    pub fn hex(&self, column: &str) -> String {
        match &self.engine {
            Engine::Sqlite => format!("lower(hex({column}))"),
            Engine::Postgres(..) => format!("encode({column}, 'hex')"),
        }
    }

    pub async fn count(&self, sql: &str) -> Result<u64> {
        let found = self.texts(&format!("SELECT CAST(({sql}) AS TEXT)")).await?;
        Ok(found.first().context("a count")?.parse()?)
    }

    /// Waits until the count is nought.
    pub async fn none(&self, what: &str, sql: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let left = self.count(sql).await?;
            if left == 0 {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{left} {what} after {} s of fair weather", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until `blocks` more blocks stand.
    pub async fn mined(&self, blocks: u64) -> Result<()> {
        let goal = self.node.head().await? + blocks;
        let begun = Instant::now();
        while self.node.head().await? < goal {
            ensure!(begun.elapsed() < PATIENCE, "the chain stands still");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Waits until the weather's marks are gone: processes answer, decisions are confirmed, records are anchored.
    pub async fn heal(&self) -> Result<()> {
        for process in [Process::Anvil, Process::Gateway, Process::Submitter] {
            self.stack.ready(process).await?;
        }
        // Enough blocks for the submitter to see that the chain was rewritten, and for k confirmations.
        self.mined(3).await?;
        self.none("decisions are on their way", ON_THEIR_WAY).await?;
        self.none("records are not anchored", NOT_ANCHORED).await
    }
}

const ON_THEIR_WAY: &str = "SELECT count(*) FROM intent WHERE state IN ('signed', 'submitted')";
/// Audit records are made all the time, by reading.
pub const NOT_ANCHORED: &str = "SELECT count(*) FROM record r LEFT JOIN batch b ON b.id = r.batch
    WHERE r.scope <> 'audit' AND b.state IS DISTINCT FROM 'anchored'";
