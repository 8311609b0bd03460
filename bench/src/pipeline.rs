//! The `pipeline` part: uploads over HTTP through whole processes, beside what the same disk and the same servers do
//! with nothing around them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use chartseal_stack::{
    client::Gateway,
    configuration::{Database, Served},
    samples::{CLAIM_SYSTEM, xray_claim},
    stack_json::StackJson,
    up::{Options, Stack},
};
use chartseal_stage::{Kubo, Postgres};
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::pace::{self, Pace, line};

mod floor;

/// Prints what durable uploads of small records cost on SQLite and on PostgreSQL, and of 10 MiB documents into a folder and
/// into Kubo, beside raw inserts of the same durability and `ipfs add` of the same bytes. The client shares the cores.
#[derive(Args)]
pub struct Pipeline {
    /// Seconds of each go
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Documents of 10 MiB of each go
    #[arg(long, default_value_t = 20)]
    documents: usize,
    /// How many clients upload at once
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    clients: Vec<usize>,
}

/// Bytes of a small record's resource; about as many are sealed.
const SMALL: usize = 4096;
/// Bytes of a large document.
const LARGE: usize = 10 << 20;

impl Pipeline {
    pub fn run(self) -> Result<()> {
        tokio::runtime::Runtime::new()?.block_on(self.measure())
    }

    async fn measure(&self) -> Result<()> {
        let folder = tempfile::tempdir_in(".")?;
        println!(
            "pipeline: {} s a go; small records of {SMALL} bytes, documents of {} MiB, on the disk of {}",
            self.seconds,
            LARGE >> 20,
            std::env::current_dir()?.display()
        );
        let sync = floor::write_and_sync(folder.path(), SMALL, self.seconds)?;
        line("write 4 KiB + fdatasync", 1, &sync, None);

        println!("\nSQLite, folder of CAR files");
        let raw = floor::sqlite(folder.path(), SMALL, self.seconds).await?;
        line("raw insert, synchronous=FULL", 1, &raw, None);
        let data = folder.path().join("files");
        let stack = Stack::start(Options::in_folder(&data), &|_| {}).await?;
        self.small(&stack.json(), raw.per_second).await?;
        let written = floor::documents(folder.path(), LARGE, self.documents)?;
        line("write 10 MiB + fdatasync", 1, &written, Some(LARGE));
        self.large(&stack.json(), written.per_second).await?;
        stack.stop().await;

        let server = Postgres::alone("the pipeline on PostgreSQL", "").context("PostgreSQL is not installed")?;
        let node = Kubo::start("the pipeline into Kubo").context("IPFS_BIN names no Kubo")?;
        println!("\nPostgreSQL, Kubo");
        let raw = floor::postgres(&server, SMALL, self.seconds, &self.clients).await?;
        for (clients, pace) in &raw {
            line("raw insert, one a transaction", *clients, pace, None);
        }
        let database = server.database();
        let word = folder.path().join("password");
        std::fs::write(&word, &database.password)?;
        let options = Options {
            database: Database {
                url: Some(database.url.clone()),
                password_file: Some(word),
            },
            served: Served {
                content: Some(node.location()),
                ..Served::default()
            },
            ..Options::in_folder(folder.path().join("servers"))
        };
        let stack = Stack::start(options, &|_| {}).await?;
        self.small(&stack.json(), raw[0].1.per_second).await?;
        let added = floor::ipfs_add(&node, folder.path(), LARGE, self.documents)?;
        line("ipfs add", 1, &added, Some(LARGE));
        self.large(&stack.json(), added.per_second).await?;
        stack.stop().await;
        Ok(())
    }

    /// Claims of 4 KiB, each a record of its own with its index and its audit entry.
    async fn small(&self, json: &StackJson, floor: f64) -> Result<()> {
        let patient = &json.samples.patients[0].fhir_id;
        let made = Arc::new(AtomicU64::new(0));
        for clients in &self.clients {
            let (system, made, patient) = (system(json).await?, made.clone(), patient.clone());
            let go = move || {
                let number = format!("B-{:08}", made.fetch_add(1, Ordering::Relaxed));
                let claim = padded(xray_claim(&patient, &number, &[]), SMALL);
                let system = system.clone();
                async move { Ok(system.post("/fhir/R4/Claim", &claim).await?.expect(201).map(drop)?) }
            };
            let pace = pace::together(*clients, self.seconds, go).await?;
            line("durable uploads over HTTP", *clients, &pace, None);
            println!("{:>58.2} × the raw insert of one client", pace.per_second / floor);
        }
        // Nothing of it was only acknowledged.
        let last = format!("B-{:08}", made.load(Ordering::Relaxed) - 1);
        let path = format!("/fhir/R4/Claim?identifier={CLAIM_SYSTEM}|{last}");
        let found = system(json).await?.get(&path).await?.expect(200)?;
        ensure!(found["total"] == 1, "{last} is not found");
        Ok(())
    }

    async fn large(&self, json: &StackJson, floor: f64) -> Result<()> {
        for clients in [1usize, 4] {
            let system = system(json).await?;
            let left = Arc::new(AtomicU64::new(self.documents as u64));
            let begun = Instant::now();
            let mut tasks = Vec::new();
            for client in 0..clients as u64 {
                let (system, left) = (system.clone(), left.clone());
                tasks.push(tokio::spawn(async move {
                    let mut times = Vec::new();
                    let mut document = noise(LARGE, client);
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        document[0] = document[0].wrapping_add(1);
                        let (sent, headers) = (Instant::now(), [("content-type", "application/pdf")]);
                        let answer = system
                            .send(Method::POST, "/fhir/R4/Binary", &headers, document.clone())
                            .await?;
                        answer.bytes(201)?;
                        times.push(sent.elapsed());
                    }
                    anyhow::Ok(times)
                }));
            }
            let mut times = Vec::new();
            for task in tasks {
                times.extend(task.await??);
            }
            let pace = Pace::of(times, begun.elapsed());
            line("documents over HTTP", clients, &pace, Some(LARGE));
            println!(
                "{:>58.2} × the line above it that knows no HTTP, no sealing",
                pace.per_second / floor
            );
        }
        Ok(())
    }
}

async fn system(json: &StackJson) -> Result<Gateway> {
    json.client("hospital")?
        .machine()
        .token(&Gateway::new(&json.gateway)?)
        .await
}

/// With a narrative that makes it so long.
fn padded(mut claim: Value, length: usize) -> Value {
    let missing = length.saturating_sub(claim.to_string().len() + 90);
    let text = "as told by the patient ".repeat(missing / 23);
    claim["text"] = serde_json::json!({
        "status": "additional",
        "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{text}</div>"),
    });
    claim
}

/// Bytes that nothing compresses and no store knows yet.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(length / 8)
    .flatten()
    .collect()
}

/// A file of its own in `folder`.
fn file(folder: &Path, name: &str, bytes: &[u8]) -> Result<std::fs::File> {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join(name))?;
    file.write_all(bytes)?;
    file.sync_data()?;
    Ok(file)
}
