//! Each thing a database says is damaged behind its back; `fsck` names it, and mends what can be mended without loss.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use chartseal_record::{B256, manifest};
use chartseal_stack::{
    client::Gateway,
    configuration::Served,
    decide::{READ, grant_entry},
    samples::denis_note,
    seed,
    supervise::Process,
    up::{Options, Stack},
};
use chartseal_stage::Kubo;
use chartseal_tests::{program, sign_in};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row, SqlitePool, sqlite::SqliteRow};

#[tokio::test]
async fn what_was_damaged_is_named_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Stack::start(Options::in_folder(folder.path()), &|_| {}).await.unwrap();
    let mut world = World::prepare(&mut stack).await;
    world.expect(&[], &[]).await;

    // Each: what is done, what fsck calls it. All of these it mends.
    let mend = [
        (
            "DELETE FROM chain_event WHERE (block, log_index) = (SELECT block, log_index FROM chain_event WHERE name = 'Granted' LIMIT 1)",
            "events",
        ),
        (
            "UPDATE chain_event SET data = replace(data, '\"permission\":3', '\"permission\":1') WHERE name = 'Granted'",
            "events",
        ),
        ("DELETE FROM tombstone", "refusal"),
        ("UPDATE epoch_mark SET highest = 0", "epoch-mark"),
        (
            "UPDATE batch SET block_hash = zeroblob(32) WHERE id = (SELECT max(id) FROM batch)",
            "anchor",
        ),
    ];
    for (damage, kind) in mend {
        world.sql(damage).await;
        world.expect(&[kind], &[]).await;
    }
    // What the backup of a thief, or of yesterday, brings back.
    world.put_back("vault").await;
    world.expect(&["forbidden-key"], &[]).await;
    let left = world.sql("SELECT count(*) FROM vault WHERE kind = 'release-key' AND EXISTS (SELECT 1 FROM tombstone t WHERE place LIKE '0x' || lower(hex(t.slot)) || '|1|%')").await;
    assert_eq!(left[0].get::<i64, _>(0), 0);
    for table in ["record_index", "attachment"] {
        world
            .sql(&format!(
                "DELETE FROM {table} WHERE record = (SELECT max(seq) FROM record)"
            ))
            .await;
    }
    world
        .sql("DELETE FROM record WHERE seq = (SELECT max(seq) FROM record)")
        .await;
    world.expect(&["rows"], &[]).await;
    // A CAR is gone and its blocks are still in the outbox, as before the anchor had its confirmations.
    world.put_back("outbox").await;
    fs::remove_file(world.newest_car().await).unwrap();
    world.expect(&["content", "manifest"], &[]).await;
    world.sql("DELETE FROM outbox").await;
    world.expect(&[], &[]).await;

    // What cannot be mended is named, and nothing is done to it.
    let car = world.newest_car().await;
    let bytes = fs::read(&car).unwrap();
    let mut cut = bytes.clone();
    let middle = cut.len() / 2;
    cut[middle] ^= 1;
    fs::write(&car, cut).unwrap();
    world.expect(&["content"], &["content"]).await;
    fs::write(&car, bytes).unwrap();
    for (damage, kind) in [
        (
            "UPDATE vault SET sealed = zeroblob(60) WHERE kind = 'encryption-key'",
            "vault",
        ),
        (
            "UPDATE audit SET recorded_at = recorded_at + 1 WHERE seq = 2",
            "journal",
        ),
        ("UPDATE record SET epoch = epoch + 1 WHERE seq = 1", "row"),
    ] {
        let before = fs::read(world.file()).unwrap();
        world.sql(damage).await;
        world.expect(&[kind], &[kind]).await;
        world.close().await;
        fs::write(world.file(), before).unwrap();
        world.open().await;
    }
    world.expect(&[], &[]).await;

    // The batch that was queued again is anchored again, and what was taken in again is read.
    world.close().await;
    stack.resume(Process::Submitter).await.unwrap();
    stack.resume(Process::Gateway).await.unwrap();
    let hospital = sign_in(&stack.json(), "hospital").await;
    let bob = stack.json().samples.patients[1].address;
    let records = seed::anchored(&hospital.gateway, bob).await.unwrap();
    assert!(
        records
            .iter()
            .any(|record| record["recordId"].as_str().unwrap().ends_with(&world.note))
    );
    let path = format!("/fhir/R4/DocumentReference/{}", world.note);
    assert_eq!(hospital.gateway.get(&path).await.unwrap().status, 200);
    stack.stop().await;
}

#[tokio::test]
async fn what_kubo_would_collect_is_pinned_again() {
    let Some(node) = Kubo::start("what_kubo_would_collect_is_pinned_again") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        served: Served {
            content: Some(node.location()),
            ..Served::default()
        },
        ..Options::in_folder(folder.path())
    };
    let mut stack = Stack::start(options, &|_| {}).await.unwrap();
    let world = World::prepare(&mut stack).await;
    world.expect(&[], &[]).await;
    let pins = node.ipfs(&["pin", "ls", "--type=recursive", "--quiet"]);
    let pins: Vec<&str> = pins.lines().collect();
    assert!(pins.len() > 5, "{pins:?}");
    node.ipfs(&[&["pin", "rm"], &pins[..]].concat());
    world.expect(&["pin"], &[]).await;
    node.ipfs(&["repo", "gc", "--silent"]);
    world.expect(&[], &[]).await;
    stack.stop().await;
}

/// A held system's files.
struct World {
    data: PathBuf,
    database: SqlitePool,
    note: String,
    /// Rows that were there earlier, as SQL.
    earlier: Vec<(&'static str, String)>,
}

impl World {
    /// A doctor was granted and revoked, and a note was uploaded and anchored.
    async fn prepare(stack: &mut Stack) -> Self {
        let json = stack.json();
        let (alice, doctor) = (
            sign_in(&stack.json(), "alice").await,
            sign_in(&stack.json(), "doctor").await,
        );
        let terms = grant_entry(doctor.account, "clinical", READ, "TREAT");
        alice.decide("grant", terms).await.unwrap();
        let data = json.data.clone();
        let database = pool(&data).await;
        let mut world = Self {
            data,
            database,
            note: String::new(),
            earlier: vec![],
        };
        world.keep("vault", "kind = 'release-key'").await;
        let revoked = json!({ "grantee": doctor.account, "scope": "clinical" });
        alice.decide("revoke", revoked).await.unwrap();
        stack.hold(Process::Submitter).await.unwrap();
        let client = json.client("hospital").unwrap().machine();
        let system = client.token(&Gateway::new(&json.gateway).unwrap()).await.unwrap();
        let note = seed::create(&system, &denis_note(&json.samples.patients[1].fhir_id))
            .await
            .unwrap();
        world.note = note["id"].as_str().unwrap().to_owned();
        world.keep("outbox", "TRUE").await;
        stack.resume(Process::Submitter).await.unwrap();
        let hospital = sign_in(&stack.json(), "hospital").await;
        seed::anchored(&hospital.gateway, json.samples.patients[1].address)
            .await
            .unwrap();
        stack.hold(Process::Gateway).await.unwrap();
        stack.hold(Process::Submitter).await.unwrap();
        world
    }

    fn file(&self) -> PathBuf {
        self.data.join("chartseal.db")
    }

    async fn open(&mut self) {
        self.database = pool(&self.data).await;
    }

    /// With all of it in one file.
    async fn close(&self) {
        self.database.close().await;
    }

    async fn sql(&self, sql: &str) -> Vec<SqliteRow> {
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&self.database)
            .await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.database)
            .await
            .unwrap();
        rows
    }

    /// Remembers rows of a table.
    async fn keep(&mut self, table: &'static str, which: &str) {
        let columns = match table {
            "vault" => ["org", "kind", "place", "sealed", "created_at"].as_slice(),
            _ => &["cid", "org", "record", "bytes"],
        };
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let select = format!("SELECT {} FROM {table} WHERE {which}", quoted.join(" || ',' || "));
        for row in self.sql(&select).await {
            let values = row.get::<String, _>(0);
            self.earlier.push((
                table,
                format!(
                    "INSERT OR IGNORE INTO {table} ({}) VALUES ({values})",
                    columns.join(",")
                ),
            ));
        }
        assert!(
            self.earlier.iter().any(|(kept, _)| *kept == table),
            "{table} had nothing to keep"
        );
    }

    async fn put_back(&self, table: &str) {
        for (_, insert) in self.earlier.iter().filter(|(kept, _)| *kept == table) {
            self.sql(insert).await;
        }
    }

    /// The content file of the newest batch.
    async fn newest_car(&self) -> PathBuf {
        let row = self.sql("SELECT manifest FROM batch ORDER BY id DESC LIMIT 1").await;
        let name = manifest::cid(B256::from_slice(&row[0].get::<Vec<u8>, _>(0)));
        self.data.join("content").join(format!("{name}.car"))
    }

    /// fsck finds these kinds, mends all but `left`, and finds those only afterwards.
    async fn expect(&self, kinds: &[&str], left: &[&str]) {
        let named = |found: &[Value]| -> BTreeSet<String> {
            found
                .iter()
                .map(|one| one["kind"].as_str().unwrap().to_owned())
                .collect()
        };
        let set = |kinds: &[&str]| -> BTreeSet<String> { kinds.iter().map(|kind| (*kind).to_owned()).collect() };
        let (code, found) = self.fsck(&[]);
        assert_eq!(named(&found), set(kinds), "{found:#?}");
        assert_eq!(code, i32::from(!kinds.is_empty()));
        let (code, found) = self.fsck(&["--repair"]);
        assert_eq!(named(&found), set(kinds), "{found:#?}");
        let unmended: Vec<_> = found.into_iter().filter(|one| one["mended"] == false).collect();
        assert_eq!(named(&unmended), set(left), "{unmended:#?}");
        assert_eq!(code, i32::from(!left.is_empty()));
        let (_, found) = self.fsck(&[]);
        assert_eq!(named(&found), set(left), "{found:#?}");
    }

    fn fsck(&self, arguments: &[&str]) -> (i32, Vec<Value>) {
        let output = Command::new(program("chartseal-gateway"))
            .arg("--config")
            .arg(self.data.join("gateway.toml"))
            .args(["fsck", "--json"])
            .args(arguments)
            .output()
            .unwrap();
        let list: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let found = list["differences"].as_array().unwrap().clone();
        (output.status.code().unwrap(), found)
    }
}

async fn pool(data: &std::path::Path) -> SqlitePool {
    SqlitePool::connect(&format!("sqlite:{}", data.join("chartseal.db").display()))
        .await
        .unwrap()
}
