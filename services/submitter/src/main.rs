//! `chartseal-submitter`: anchors batches and relays signed decisions.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use chartseal_submitter::{Config, SAMPLE, run, serve};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How long the turns under way may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);

/// Anchors batches of sealed records and relays signed decisions; the only process that holds publisher and relayer
/// keys.
#[derive(Parser)]
#[command(version, after_long_help = format!("Configuration:\n\n{SAMPLE}"))]
struct Arguments {
    /// The configuration file (TOML).
    #[arg(long, env = "CHARTSEAL_CONFIG")]
    config: Option<PathBuf>,
    /// Reads configuration, deployment and keys, says whether they can be used, and ends.
    #[arg(long)]
    check_config: bool,
    /// What to log, for example `info` or `chartseal_submitter=debug`.
    #[arg(long, env = "CHARTSEAL_LOG", default_value = "info")]
    log: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chartseal-submitter: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config::load(arguments.config.as_deref())?;
    if arguments.check_config {
        let (relayer, publishers) = config.keys()?;
        config.deployment()?;
        config.database.password()?;
        println!("usable: relayer {}, {} publishers", relayer.address(), publishers.len());
        return Ok(());
    }
    let filter = EnvFilter::try_new(&arguments.log).context("--log")?;
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    tracing::debug!(?config, "configuration");

    let stop = CancellationToken::new();
    let metrics = serve::recorder()?;
    let listening = config
        .metrics_listen
        .map(|listen| tokio::spawn(serve::serve(listen, metrics, stop.clone())));
    let mut working = tokio::spawn({
        let stop = stop.clone();
        async move { run(&config, stop).await }
    });
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = &mut working => return ended.context("the workers")?,
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing the turns under way"),
        _ = tokio::signal::ctrl_c() => tracing::info!("interrupted: finishing the turns under way"),
    }
    stop.cancel();
    match tokio::time::timeout(DRAIN, working).await {
        Ok(ended) => ended.context("the workers")??,
        Err(_) => bail!(
            "a turn was not finished within {} s; the rows say where to go on",
            DRAIN.as_secs()
        ),
    }
    if let Some(listening) = listening {
        listening.await??;
    }
    Ok(())
}
