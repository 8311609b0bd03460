//! `chartseal-gateway --config FILE [COMMAND]`

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use chartseal_gateway::{App, Config, backup::Backup, fsck::Fsck, rebuild::Rebuild, serve};
use chartseal_record::clock::SystemClock;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The gateway of an organisation: FHIR, intents, releases. Without a command it serves.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// TOML file; services/gateway/sample.toml explains every key. CHARTSEAL_* variables stand above it.
    #[arg(long, env = "CHARTSEAL_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Checks the configuration and the files it names, prints it without secrets, and ends.
    #[arg(long)]
    check_config: bool,
    /// What is logged, as in RUST_LOG: info, chartseal_gateway=debug, … Without it, info while it serves, else warn.
    #[arg(long, env = "CHARTSEAL_LOG", global = true)]
    log: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Backup(Backup),
    Rebuild(Rebuild),
    Fsck(Fsck),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let usual = if arguments.command.is_some() { "warn" } else { "info" };
    let filter = EnvFilter::try_new(arguments.log.as_deref().unwrap_or(usual)).context("--log is not a filter")?;
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let config = Config::load(arguments.config.as_deref())?;
    if arguments.check_config {
        config.deployment()?;
        config.master_key()?;
        config.database.password()?;
        for organisation in &config.organisations {
            organisation.statement_key()?;
        }
        println!("{config:#?}");
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.command {
        None => run(config).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Backup(backup)) => backup.run(&config).await,
        Some(Command::Rebuild(rebuild)) => rebuild.run(config).await,
        Some(Command::Fsck(fsck)) => fsck.run(config).await,
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let listener = serve::bind(config.listen).await?;
    let handle = serve::metrics();
    let metrics = match config.metrics_listen {
        Some(address) => Some((serve::bind(address).await?, handle)),
        None => None,
    };
    let app = App::open(config, Arc::new(SystemClock)).await?;
    tracing::info!(address = %listener.local_addr()?, "the gateway listens");
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    serve::serve(app, listener, metrics, stop).await?;
    tracing::info!("the gateway ended in order");
    Ok(())
}

async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard; stop the process by killing it");
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("asked to stop; requests at work are finished first");
    stop.cancel();
}
