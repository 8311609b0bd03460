//! A refusal stores nothing: the tables a write would touch are counted before and after.

use std::path::Path;

use chartseal_stack::client::Answer;
use chartseal_tests::{System, system};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

/// Tests of refusals count rows, so they go one after the other.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Audit records and their batches come and go by themselves, so they are not counted.
const COUNTS: &str = "/* rows a write touches */ SELECT
    (SELECT count(*) FROM record WHERE scope <> 'audit'),
    (SELECT count(*) FROM attachment),
    (SELECT count(*) FROM record_index),
    (SELECT count(*) FROM staged),
    (SELECT count(*) FROM intent_signature),
    (SELECT count(*) FROM request),
    (SELECT count(*) FROM client),
    (SELECT count(*) FROM tombstone)";

type Counts = (i64, i64, i64, i64, i64, i64, i64, i64);

pub async fn database(write: bool) -> SqliteConnection {
    let file = system().json.data.join("chartseal.db");
    SqliteConnectOptions::new()
        .filename(file)
        .read_only(!write)
        .connect()
        .await
        .unwrap()
}

async fn counts() -> Counts {
    let mut database = database(false).await;
    sqlx::query_as(COUNTS).fetch_one(&mut database).await.unwrap()
}

/// Files that hold content: sealed records are only ever added to.
fn content_files(data: &Path) -> usize {
    chartseal_stack::thief::files(&data.join("staging")).map_or(0, |files| files.len())
}

/// Runs `work`, which ends in a refusal, and checks that nothing was stored by it.
pub async fn refused<F>(expected: (u16, &str), work: impl FnOnce(&'static System) -> F)
where
    F: Future<Output = Answer>,
{
    let system = system();
    let _one = ONE_AT_A_TIME.lock().await;
    let before = (counts().await, content_files(&system.json.data));
    let answer = work(system).await;
    let shown = format!("{} {}", answer.what, String::from_utf8_lossy(&answer.body));
    assert_eq!((answer.status, answer.code().as_str()), expected, "{shown}");
    assert_eq!(
        (counts().await, content_files(&system.json.data)),
        before,
        "the refusal stored something: {shown}"
    );
}

/// Runs `work` while no refusal is being counted.
pub async fn alone<T>(work: impl Future<Output = T>) -> T {
    let _one = ONE_AT_A_TIME.lock().await;
    work.await
}
