//! The floor: a table of claims, asked by its primary key over HTTP, by a process of its own as the gateway is one.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{Path as Named, State},
    http::StatusCode,
    routing::get,
};
use chartseal_stack::samples::xray_claim;
use clap::Args;
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use super::number;

/// Serves the table of `lookup` by its primary key, and prints where.
#[derive(Args)]
pub struct Rows {
    table: PathBuf,
}

impl Rows {
    pub fn run(self) -> Result<()> {
        tokio::runtime::Runtime::new()?.block_on(async {
            let pool =
                SqlitePool::connect_with(SqliteConnectOptions::new().filename(&self.table).read_only(true)).await?;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            println!("http://{}", listener.local_addr()?);
            Ok(axum::serve(listener, Router::new().route("/{number}", get(row)).with_state(pool)).await?)
        })
    }
}

async fn row(State(pool): State<SqlitePool>, Named(number): Named<String>) -> Result<Vec<u8>, StatusCode> {
    sqlx::query_scalar("SELECT body FROM claim WHERE number = ?")
        .bind(number)
        .fetch_optional(&pool)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        .ok_or(StatusCode::NOT_FOUND)
}

/// The same claims in the clear, one row each.
pub async fn fill(folder: &Path, claims: u64) -> Result<PathBuf> {
    let table = folder.join("rows.db");
    let options = SqliteConnectOptions::new()
        .filename(&table)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Delete);
    let mut database = SqliteConnection::connect_with(&options).await?;
    let mut all = database.begin().await?;
    sqlx::query("CREATE TABLE claim (number TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
        .execute(&mut *all)
        .await?;
    for nth in 0..claims {
        let number = number(nth);
        let body = xray_claim("floor", &number, &[]).to_string().into_bytes();
        sqlx::query("INSERT INTO claim (number, body) VALUES (?, ?)")
            .bind(number)
            .bind(body)
            .execute(&mut *all)
            .await?;
    }
    all.commit().await?;
    database.close().await?;
    Ok(table)
}

/// The process that serves it; it ends with this.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    pub fn start(table: &Path) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("rows")
            .arg(table)
            .stdout(Stdio::piped())
            .spawn()?;
        let told = child.stdout.take().context("its output is piped")?;
        let mut url = String::new();
        BufReader::new(told).read_line(&mut url)?;
        let url = url.trim().to_owned();
        Ok(Self { child, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
