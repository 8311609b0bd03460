//! `chartseal`: brings a whole development system up, tells the demo's story on one, deploys, gets tokens.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use alloy::primitives::Address;
use anyhow::{Context, Result};
use chartseal_stack::{
    client::Gateway,
    configuration::{Database, Served},
    deploy::{self, Outcome},
    enrol::{self, ScopeGrant},
    stack_json::StackJson,
    story::{self, Sabotage, Stage},
    up::{self, Options, Stack},
};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Chartseal: sealed medical records on IPFS, anchored to a chain.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Brings a development system up and keeps it up until Ctrl-C: chain, gateway, submitter, sample people with
    /// anchored documents. Example: chartseal up --data data
    Up {
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
        /// The gateway's port on 127.0.0.1; 0 takes a free one.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Removes what an earlier system left in the folder first.
        #[arg(long)]
        fresh: bool,
        /// Leaves the system empty: no sample people.
        #[arg(long)]
        empty: bool,
        /// An empty PostgreSQL database instead of a SQLite file in the data folder.
        /// Example: --database postgres://chartseal@localhost/chartseal --database-password-file word
        #[arg(long, value_name = "URL")]
        database: Option<String>,
        /// Holds the password of the role in the URL.
        #[arg(long, value_name = "FILE", requires = "database")]
        database_password_file: Option<PathBuf>,
        /// A Kubo node instead of a folder of CAR files in the data folder. Example: --content kubo+http://127.0.0.1:5001
        #[arg(long, value_name = "URL")]
        content: Option<String>,
        /// Serves the hospital alone, without sample people: other organisations have gateways of their own.
        #[arg(long)]
        hospital_only: bool,
        /// The folder of a built portal, served at the gateway's `/`. Example: services/portal/dist/samples
        #[arg(long, value_name = "DIR")]
        portal: Option<PathBuf>,
    },
    /// Tells the whole story on a system of its own, checks each step, ends with gas and time. Fails if a check fails.
    Demo {
        /// Keeps the system's folder here; otherwise it is a temporary one.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Breaks one step on purpose, to see its check fail.
        #[arg(long, value_name = "STEP")]
        sabotage: Option<Sabotage>,
    },
    /// Registers and enrols patients with fresh wallets at a running development system, one JSON line each.
    /// Example: chartseal enrol --count 20 --grant clinical:rw --grant claims:w
    Enrol {
        /// How many.
        #[arg(long, default_value_t = 1)]
        count: usize,
        /// What the sample hospital may do, scope:r, scope:w or scope:rw; may be repeated. Otherwise all of the
        /// samples' scopes, rw.
        #[arg(long = "grant", value_name = "SCOPE:PERMISSION")]
        grants: Vec<ScopeGrant>,
        /// The data folder of the running system.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Puts the contracts on a chain, once. Run again, it checks them.
    /// Example: chartseal deploy --rpc http://127.0.0.1:8545 --key-file deployer.key
    Deploy {
        /// JSON-RPC of a node of the chain.
        #[arg(long, env = "ETH_RPC_URL", hide_env_values = true)]
        rpc: String,
        /// Holds the key that pays, as 64 hex digits.
        #[arg(long)]
        key_file: PathBuf,
        /// Administrator of the Directory and first registrar, best a multisig; otherwise the key that pays.
        #[arg(long)]
        registrar: Option<Address>,
        /// Where to write down the deployment; otherwise deployments/<chain id>.json.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Prints an access token of a sample system (SMART Backend Services, private_key_jwt).
    /// Example: curl -H "Authorization: Bearer $(chartseal token --client hospital)" …
    Token {
        /// Which client, by (the beginning of) its name in stack.json.
        #[arg(long, default_value = "hospital")]
        client: String,
        /// The data folder of the running system.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("CHARTSEAL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .init();
    let done = match Arguments::parse().command {
        Command::Up {
            data,
            port,
            fresh,
            empty,
            database,
            database_password_file,
            content,
            hospital_only,
            portal,
        } => {
            run(Options {
                data,
                port,
                fresh,
                samples: !empty && !hospital_only,
                database: Database {
                    url: database,
                    password_file: database_password_file,
                },
                served: Served {
                    hospital_only,
                    content,
                    portal,
                    limits: vec![],
                },
            })
            .await
        }
        Command::Demo { data, sabotage } => demo(data, sabotage).await,
        Command::Enrol { count, grants, data } => enrol_patients(&data, count, grants).await,
        Command::Deploy {
            rpc,
            key_file,
            registrar,
            out,
        } => put(&rpc, key_file, registrar, out).await,
        Command::Token { client, data } => token(&client, data).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chartseal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    println!("… {line}");
}

async fn run(options: Options) -> Result<()> {
    let mut stop = Box::pin(asked_to_stop()?);
    let Some(started) = start(options, &mut stop).await? else {
        return Ok(());
    };
    println!("{}", invitation(&started.json()));
    stop.await;
    println!("… stopping");
    started.stop().await;
    Ok(())
}

/// A running system, or none if somebody asked to stop before it ran.
async fn start(options: Options, stop: &mut (impl Future<Output = ()> + Unpin)) -> Result<Option<Stack>> {
    let data = options.data.clone();
    tokio::select! {
        started = Stack::start(options, &say) => started.map(Some),
        () = stop => {
            up::end_leftovers(&data, &say)?;
            Ok(None)
        }
    }
}

/// SIGINT, SIGTERM, or the terminal going away.
fn asked_to_stop() -> Result<impl Future<Output = ()>> {
    let mut signals = Vec::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        signals.push(signal(kind).context("signals cannot be listened for")?);
    }
    Ok(async move {
        let asked = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(asked).await;
    })
}

fn invitation(json: &StackJson) -> String {
    let own = std::env::args().next().unwrap_or_else(|| "chartseal".into());
    let here = std::env::current_dir().unwrap_or_default();
    let data = json.data.strip_prefix(&here).unwrap_or(&json.data).display();
    let mut lines = vec![
        format!(
            "\nChartseal runs at {} (published development keys; Ctrl-C stops it).",
            json.gateway
        ),
        format!("Accounts, keys and URLs: {data}/stack.json; logs: {data}/logs."),
    ];
    if let Some(patient) = json.samples.patients.first() {
        lines.push("In another terminal:".into());
        lines.push(format!("  T=$({own} token --client hospital --data {data})"));
        lines.push(format!(
            "  curl -s -H \"Authorization: Bearer $T\" {}/Patient/{}",
            json.fhir, patient.fhir_id
        ));
        let found = format!("{}/DocumentReference?patient={}", json.fhir, patient.fhir_id);
        lines.push(format!("  curl -s -H \"Authorization: Bearer $T\" '{found}'"));
        lines.push(format!("  curl -s {}/v1/deployment", json.gateway));
    }
    lines.join("\n")
}

async fn demo(data: Option<PathBuf>, sabotage: Option<Sabotage>) -> Result<()> {
    let temporary = tempfile::tempdir().context("there is no place for temporary files")?;
    let options = Options {
        fresh: true,
        ..Options::empty_in(data.unwrap_or_else(|| temporary.path().to_owned()))
    };
    let mut stop = Box::pin(asked_to_stop()?);
    let Some(stack) = start(options, &mut stop).await? else {
        anyhow::bail!("interrupted")
    };
    let json = stack.json();
    let stage = Stage {
        gateway: json.gateway,
        rpc: json.rpc,
        data: json.data,
        reader: up::program("chartseal-reader")?,
    };
    let told = tokio::select! {
        told = story::tell(stage, sabotage) => told,
        () = &mut stop => Err(anyhow::anyhow!("interrupted")),
    };
    stack.stop().await;
    told
}

async fn enrol_patients(data: &Path, count: usize, grants: Vec<ScopeGrant>) -> Result<()> {
    let mut done = 0;
    let tell = |patient| {
        println!("{}", serde_json::to_string(&patient)?);
        done += 1;
        eprint!("\r{done} of {count} patients enrolled");
        Ok(())
    };
    enrol::enrol(&StackJson::read(data)?, count, grants, tell).await?;
    eprintln!();
    Ok(())
}

async fn put(rpc: &str, key_file: PathBuf, registrar: Option<Address>, out: Option<PathBuf>) -> Result<()> {
    let key = deploy::read_key(&key_file)?;
    let (outcome, file) = deploy::deploy(rpc, key, registrar, out.as_deref()).await?;
    let c = outcome.deployment().contracts;
    let what = match outcome {
        Outcome::Made(_) => "deployed",
        Outcome::Found(_) => "already deployed and unchanged",
    };
    println!("{what} on chain {}: {}", c.chain_id, file.display());
    println!(
        "directory {}\nconsent   {}\nanchors   {}",
        c.directory, c.consent, c.anchors
    );
    Ok(())
}

async fn token(client: &str, data: PathBuf) -> Result<()> {
    let json = StackJson::read(&data)?;
    let machine = json.client(client)?.machine();
    let gateway = machine.token(&Gateway::new(&json.gateway)?).await?;
    println!("{}", gateway.bearer().context("the gateway gave no token")?);
    Ok(())
}
