//! The `lookup` part: claims by their numbers among very many, beside a table that is asked by its primary key with nothing
//! around it; and whether the time of an answer tells a claim that is forbidden from one that is not there.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use chartseal_stack::{
    client::{Gateway, text},
    decide::{READ, UNTIL, WRITE},
    enrol::{self, ScopeGrant},
    samples::{self, CLAIM_SYSTEM, xray_claim},
    seed::{self, AccountEntry},
    session::Session,
    stack_json::StackJson,
    supervise::Process,
    up::{Options, Stack},
    wallet::Wallet,
};
use clap::Args;
use serde_json::json;

use crate::{
    measure,
    pace::{self, Pace, line},
};

mod rows;
mod timing;

pub use rows::Rows;

/// Prints what looking a claim up costs over HTTP, right after a start with nothing in memory and warm, beside a bare axum server
/// over a table with the number as its primary key; then Welch's t of absent against forbidden numbers. The client shares the
/// cores.
#[derive(Args)]
pub struct Lookup {
    /// Claims to look among
    #[arg(long, default_value_t = 100_000)]
    claims: u64,
    /// Seconds of each go
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Pairs of an absent and a forbidden number
    #[arg(long, default_value_t = 10_000)]
    pairs: u64,
    /// How many clients ask at once
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    clients: Vec<usize>,
}

/// Patients who share the claims among them.
const PATIENTS: u64 = 16;
/// Of them the insurer may read all but the last two.
const OPEN: u64 = 14;
/// Clients that upload at once.
const UPLOADERS: u64 = 64;
/// Numbers that are asked for again and again where everything is warm.
const WARM: u64 = 1_000;
/// Between two looks at what is on its way.
const SETTLING: Duration = Duration::from_secs(2);
/// The budget at 16 clients, milliseconds at the 99th percentile.
const BUDGET: f64 = 20.0;

/// A prime above every number of claims: its multiples come by all of them, each once, in no order the disk knows.
const STRIDE: u64 = 1_000_000_007;

/// The number of the nth claim.
fn number(nth: u64) -> String {
    format!("L-{nth:08}")
}

/// The nth of the claims that the insurer may read.
fn open(nth: u64) -> u64 {
    nth / OPEN * PATIENTS + nth % OPEN
}

/// The nth of those it may not.
fn forbidden(nth: u64) -> u64 {
    let closed = PATIENTS - OPEN;
    nth / closed * PATIENTS + OPEN + nth % closed
}

impl Lookup {
    pub fn run(self) -> Result<()> {
        tokio::runtime::Runtime::new()?.block_on(self.measure())
    }

    async fn measure(&self) -> Result<()> {
        let least = PATIENTS * (WARM.div_ceil(OPEN) + self.pairs.div_ceil(PATIENTS - OPEN));
        let claims = self.claims;
        ensure!(
            claims >= least,
            "--claims is {claims}; so many pairs take at least {least}"
        );
        let folder = tempfile::tempdir_in(".")?;
        println!(
            "lookup: a claim number a request, among {claims} claims, {} s a go",
            self.seconds
        );
        let table = rows::fill(folder.path(), claims).await?;
        let what = "bare axum + SQL by primary key";
        for cold in [true, false] {
            for clients in &self.clients {
                if cold {
                    forget(&table)?;
                }
                let server = rows::Server::start(&table)?;
                let bare = Gateway::new(&server.url)?;
                let ask = move |nth| {
                    let (bare, path) = (bare.clone(), format!("/{}", number(open(nth))));
                    async move { Ok(bare.get(&path).await?.bytes(200).map(drop)?) }
                };
                show(what, cold, *clients, &self.go(*clients, cold, ask).await?);
            }
        }
        println!();
        let mut stack = Stack::start(Options::in_folder(folder.path().join("data")), &|_| {}).await?;
        self.upload(&stack.json()).await?;
        settled(&stack.json()).await?;
        for cold in [true, false] {
            for clients in &self.clients {
                if cold {
                    stack.hold(Process::Gateway).await?;
                    forget(folder.path())?;
                    stack.resume(Process::Gateway).await?;
                }
                let insurer = system(&stack.json(), "insurer").await?;
                let ask = move |nth| {
                    let (insurer, value) = (insurer.clone(), number(open(nth)));
                    async move { looked_up(&insurer, &value, 1).await }
                };
                let pace = self.go(*clients, cold, ask).await?;
                show("POST /v1/claims/lookup", cold, *clients, &pace);
                if *clients == 16 {
                    let p99 = pace.p99.as_secs_f64() * 1e3;
                    measure::goal("20 ms by the 99th percentile of 16 clients", BUDGET / p99, 1.0);
                }
            }
        }
        self.tell_apart(&system(&stack.json(), "insurer").await?).await?;
        stack.stop().await;
        Ok(())
    }

    /// Forbidden numbers against numbers that nobody has.
    async fn tell_apart(&self, insurer: &Gateway) -> Result<()> {
        let closed = self.claims / PATIENTS * (PATIENTS - OPEN);
        println!("\n  forbidden beside absent, {} pairs, one client", self.pairs);
        let lookup = async |value: String| looked_up(insurer, &value, 0).await;
        timing::compare("POST /v1/claims/lookup", self.pairs, closed, lookup).await?;
        let search = async |value: String| {
            let path = format!("/fhir/R4/Claim?identifier={CLAIM_SYSTEM}|{value}");
            let found = insurer.get(&path).await?.expect(200)?;
            ensure!(found["total"] == 0, "a claim was found");
            Ok(())
        };
        timing::compare("GET /fhir/R4/Claim?identifier=", self.pairs, closed, search).await
    }

    /// Patients, of whom most let the insurer read their claims, and all the claims, through the front door.
    async fn upload(&self, json: &StackJson) -> Result<()> {
        let writes = |scope: &str| ScopeGrant {
            scope: scope.to_owned(),
            permission: WRITE,
        };
        let mut patients = Vec::new();
        let grants = vec![writes("demographics"), writes("claims")];
        enrol::enrol(json, PATIENTS as usize, grants, |patient| {
            patients.push(patient);
            Ok(())
        })
        .await?;
        let (hospital, gateway) = (system(json, "hospital").await?, Gateway::new(&json.gateway)?);
        let insurer = named(json, "insurer")?.address;
        let mut ids = Vec::new();
        for (nth, patient) in (0..).zip(&patients) {
            let wallet = Wallet::from_private_key("patient", &patient.private_key.to_string())?;
            let session = Session::sign_in(&gateway, &wallet).await?;
            if nth < OPEN {
                let terms = json!({
                    "grantee": insurer, "scope": "claims", "permission": READ, "until": UNTIL, "purpose": "HPAYMT",
                });
                session.decide("grant", terms).await?;
            }
            let resource = samples::martina(json.chain_id, &session.account.to_string());
            ids.push(text(&seed::create(&hospital, &resource).await?, "id")?);
        }
        let (ids, next, begun) = (Arc::new(ids), Arc::new(AtomicU64::new(0)), Instant::now());
        let mut tasks = Vec::new();
        for _ in 0..UPLOADERS {
            let (hospital, ids, next, claims) = (hospital.clone(), ids.clone(), next.clone(), self.claims);
            tasks.push(tokio::spawn(async move {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= claims {
                        return anyhow::Ok(());
                    }
                    if nth > 0 && nth % 10_000 == 0 {
                        eprintln!("  {nth} claims are stored after {:.0} s", begun.elapsed().as_secs_f64());
                    }
                    let claim = xray_claim(&ids[(nth % PATIENTS) as usize], &number(nth), &[]);
                    hospital.post("/fhir/R4/Claim", &claim).await?.expect(201)?;
                }
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok(())
    }

    /// Cold: each number once. Warm: a few again and again, after each was asked for once.
    async fn go<F>(&self, clients: usize, cold: bool, ask: impl Fn(u64) -> F + Clone + Send + 'static) -> Result<Pace>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let among = self.claims / PATIENTS * OPEN;
        if !cold {
            for nth in 0..WARM {
                ask(nth).await?;
            }
        }
        let asked = Arc::new(AtomicU64::new(0));
        let next = move || {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            ask(if cold { nth * STRIDE % among } else { nth % WARM })
        };
        pace::together(clients, self.seconds, next).await
    }
}

fn show(what: &str, cold: bool, clients: usize, pace: &Pace) {
    let what = format!("{what}, {}", if cold { "cold" } else { "warm" });
    line(&what, clients, pace, None);
}

async fn looked_up(insurer: &Gateway, value: &str, times: usize) -> Result<()> {
    let asked = json!({ "numbers": [{ "system": CLAIM_SYSTEM, "value": value }] });
    let answer = insurer.post("/v1/claims/lookup", &asked).await?.expect(200)?;
    let found = answer["answers"][0]["claims"].as_array().map_or(0, Vec::len);
    ensure!(found == times, "{value} is found {found} times instead of {times}");
    Ok(())
}

/// Waits until everything is anchored: a batch of thousands holds the database's writer for longer than a lookup takes.
async fn settled(json: &StackJson) -> Result<()> {
    let wallet = Wallet::from_private_key("admin", &named(json, "admin")?.private_key.to_string())?;
    let admin = Session::sign_in(&Gateway::new(&json.gateway)?, &wallet).await?;
    loop {
        let system = admin.gateway.get("/v1/system").await?.expect(200)?;
        let left = |what: &str| system["backlog"][what].as_u64().context("a count");
        let (records, batches) = (left("records")?, left("batches")?);
        if records == 0 && batches == 0 {
            return Ok(());
        }
        eprintln!("  {records} records wait for a batch, {batches} batches for the chain");
        tokio::time::sleep(SETTLING).await;
    }
}

async fn system(json: &StackJson, name: &str) -> Result<Gateway> {
    json.client(name)?.machine().token(&Gateway::new(&json.gateway)?).await
}

fn named<'a>(json: &'a StackJson, name: &str) -> Result<&'a AccountEntry> {
    let named = json.samples.accounts.iter().find(|account| account.name == name);
    named.with_context(|| format!("stack.json names no {name}"))
}

/// Empties the kernel's page cache, so that files are read from the disk of `of` again.
fn forget(of: &Path) -> Result<()> {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3")
        .with_context(|| format!("the page cache of {} is emptied by root only", of.display()))
}
