//! What the disk, the databases and Kubo do by themselves, with the same durability.

use std::{
    io::Write,
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::Result;
use chartseal_stage::{Kubo, Postgres};
use sqlx::{
    ConnectOptions, Connection, Executor,
    postgres::{PgConnectOptions, PgConnection},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{file, noise};
use crate::pace::Pace;

/// Appends, one durable write after the other.
pub fn write_and_sync(folder: &Path, length: usize, seconds: u64) -> Result<Pace> {
    let mut log = std::fs::File::create(folder.join("log"))?;
    let bytes = noise(length, 1);
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_secs(seconds) {
        let sent = Instant::now();
        log.write_all(&bytes)?;
        log.sync_data()?;
        times.push(sent.elapsed());
    }
    Ok(Pace::of(times, begun.elapsed()))
}

/// New files, each durable before the next.
pub fn documents(folder: &Path, length: usize, count: usize) -> Result<Pace> {
    let mut bytes = noise(length, 2);
    let (begun, mut times) = (Instant::now(), Vec::new());
    for at in 0..count {
        bytes[0] = at as u8;
        let sent = Instant::now();
        file(folder, &format!("document-{at}"), &bytes)?;
        times.push(sent.elapsed());
    }
    Ok(Pace::of(times, begun.elapsed()))
}

/// The command line of the node's own program, as it comes.
pub fn ipfs_add(node: &Kubo, folder: &Path, length: usize, count: usize) -> Result<Pace> {
    let mut bytes = noise(length, 3);
    let path = folder.join("added");
    let (mut times, mut spent) = (Vec::new(), Duration::ZERO);
    for at in 0..count {
        bytes[0] = at as u8;
        std::fs::write(&path, &bytes)?;
        let sent = Instant::now();
        node.ipfs(&[
            "add".as_ref(),
            "--quieter".as_ref(),
            "--cid-version=1".as_ref(),
            "--raw-leaves".as_ref(),
            "--chunker=size-1048576".as_ref(),
            path.as_os_str(),
        ]);
        times.push(sent.elapsed());
        spent += sent.elapsed();
    }
    Ok(Pace::of(times, spent))
}

/// Random keys, one row a transaction, WAL, `synchronous=FULL`.
pub async fn sqlite(folder: &Path, length: usize, seconds: u64) -> Result<Pace> {
    let mut database = SqliteConnectOptions::new()
        .filename(folder.join("floor.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    database
        .execute("CREATE TABLE kept (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
        .await?;
    let (begun, mut times, body) = (Instant::now(), Vec::new(), noise(length, 4));
    while begun.elapsed() < Duration::from_secs(seconds) {
        let (sent, id) = (Instant::now(), key(0, times.len()));
        sqlx::query("INSERT INTO kept (id, body) VALUES (?, ?)")
            .bind(&id[..])
            .bind(&body[..])
            .execute(&mut database)
            .await?;
        times.push(sent.elapsed());
    }
    database.close().await?;
    Ok(Pace::of(times, begun.elapsed()))
}

/// The same by so many clients at once; the server gathers what commits together.
pub async fn postgres(server: &Postgres, length: usize, seconds: u64, clients: &[usize]) -> Result<Vec<(usize, Pace)>> {
    let database = server.database();
    let options = PgConnectOptions::from_str(&database.url)?.password(&database.password);
    let mut first = PgConnection::connect_with(&options).await?;
    first
        .execute("CREATE TABLE kept (id BYTEA PRIMARY KEY, body BYTEA NOT NULL)")
        .await?;
    let mut paces = Vec::new();
    for (round, clients) in clients.iter().enumerate() {
        let begun = Instant::now();
        let mut tasks = Vec::new();
        for client in 0..*clients {
            let mut connection = PgConnection::connect_with(&options).await?;
            let body = noise(length, 5);
            tasks.push(tokio::spawn(async move {
                let mut times = Vec::new();
                while begun.elapsed() < Duration::from_secs(seconds) {
                    let (sent, id) = (Instant::now(), key(round * 1000 + client + 1, times.len()));
                    sqlx::query("INSERT INTO kept (id, body) VALUES ($1, $2)")
                        .bind(&id[..])
                        .bind(&body[..])
                        .execute(&mut connection)
                        .await?;
                    times.push(sent.elapsed());
                }
                anyhow::Ok(times)
            }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        paces.push((*clients, Pace::of(times, begun.elapsed())));
    }
    Ok(paces)
}

/// 32 bytes in no order, as hashes are.
fn key(client: usize, at: usize) -> Vec<u8> {
    noise(
        32,
        (client as u64 + 1)
            .wrapping_mul(0x1_0000_0000)
            .wrapping_add(at as u64 + 1),
    )
}
