//! `/livez` and `/metrics`, on a listener of their own.

use std::net::SocketAddr;

use axum::{Router, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Buckets of everything counted in gas, records and seconds.
const BUCKETS: [f64; 14] = [
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1000.0,
    8192.0,
    50_000.0,
    100_000.0,
    200_000.0,
    500_000.0,
    2_000_000.0,
];

/// Makes the process's recorder. Once per process.
pub fn recorder() -> anyhow::Result<PrometheusHandle> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Prefix("chartseal_".into()), &BUCKETS)?
        .install_recorder()?)
}

/// Serves until `stop`.
pub async fn serve(listen: SocketAddr, metrics: PrometheusHandle, stop: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let routes = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/metrics", get(async move || metrics.render()));
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await?;
    Ok(())
}
