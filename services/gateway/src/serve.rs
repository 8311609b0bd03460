//! Runs a gateway: its listeners, the tasks behind them, and their orderly end.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use axum::{Router, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{app::App, audit, connections, custody::mend, index, problem::Failure, router::router, staging};

/// How long requests at work may take to end. An orchestrator kills after 30 seconds.
const DRAIN: Duration = Duration::from_secs(25);
/// How often expired rows are swept.
const SWEEP: Duration = Duration::from_secs(300);
/// Upper bounds of the duration histogram, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Why a gateway stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error("cannot listen on {address}: {source}; is another process there?")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the listener failed: {0}")]
    Listener(#[from] std::io::Error),
    #[error("{0}")]
    Index(Failure),
    #[error("a task of the gateway panicked")]
    Panicked,
}

/// Binds the configured addresses.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Stopped> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Stopped::Listen { address, source })
}

/// Serves until `stop` is cancelled, then drains. Ends by itself if the chain or the database cannot be followed any
/// more: nothing may be decided by an index that stands still.
pub async fn serve(
    app: App,
    listener: TcpListener,
    metrics: Option<(TcpListener, PrometheusHandle)>,
    stop: CancellationToken,
) -> Result<(), Stopped> {
    let mut tasks = JoinSet::new();
    let following = app.clone();
    tasks.spawn(async move { index::follow(following).await.map_err(Stopped::Index) });
    let mending = app.clone();
    tasks.spawn(async move {
        mend::run(mending).await;
        Ok(())
    });
    let sealing = app.clone();
    tasks.spawn(async move {
        audit::seal::run(sealing).await;
        Ok(())
    });
    let elsewhere = app.clone();
    tasks.spawn(async move {
        crate::elsewhere::run(elsewhere).await;
        Ok(())
    });
    let sweeping = app.clone();
    tasks.spawn(async move {
        sweep(sweeping).await;
        Ok(())
    });
    if let Some((listener, handle)) = metrics {
        let page = Router::new().route("/metrics", get(async move || handle.render()));
        tasks.spawn(async move { Ok(axum::serve(listener, page).await?) });
    }
    let ended = stop.child_token();
    let limits = app.config.limits;
    let mut server = tokio::spawn(connections::accept(
        listener,
        router(app.clone()),
        limits,
        ended.clone(),
    ));
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        task = tasks.join_next() => match task {
            Some(Ok(outcome)) => outcome,
            _ => Err(Stopped::Panicked),
        },
        _ = &mut server => return Err(Stopped::Panicked),
    };
    app.draining.store(true, Ordering::Relaxed);
    ended.cancel();
    if tokio::time::timeout(DRAIN, server).await.is_err() {
        tracing::warn!(
            "some requests did not end within {} s and were cut off",
            DRAIN.as_secs()
        );
    }
    tasks.shutdown().await;
    app.store.close().await;
    outcome
}

/// The process's metrics. Only one recorder can be installed; a second gateway in one process shares the first's.
pub fn metrics() -> PrometheusHandle {
    let duration = Matcher::Suffix("_seconds".into());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(duration, &BUCKETS)
        .expect("the buckets are not empty")
        .build_recorder();
    let handle = recorder.handle();
    let _ = metrics::set_global_recorder(recorder);
    handle
}

async fn sweep(app: App) {
    loop {
        tokio::time::sleep(SWEEP).await;
        match app.store.sweep(app.clock.seconds()).await {
            Ok(swept) => {
                for staged in &swept.staged {
                    if let Err(problem) = staging::discard(&app, staged).await {
                        tracing::warn!(
                            code = problem.code.as_str(),
                            "an expired upload's bytes could not be deleted"
                        );
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "expired rows could not be swept; trying again"),
        }
        if let Err(error) = staging::sweep(&app).await {
            tracing::warn!(%error, "the staging folder could not be swept; trying again");
        }
    }
}
