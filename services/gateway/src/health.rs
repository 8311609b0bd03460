//! /livez: the process answers. /readyz: it can serve. No token, no detail about anybody.

use std::sync::atomic::Ordering;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
}

/// The chain counts as away when its newest block is too old to decide by; uploads go on without it.
async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let database = app.store.meta("chain.id").await.is_ok();
    let now = app.clock.seconds();
    let head = app.index.head();
    let chain = head.is_some_and(|h| now.saturating_sub(h.timestamp) <= app.config.chain.max_head_age);
    let draining = app.draining.load(Ordering::Relaxed);
    let status = if database && chain && !draining {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "database": database,
        "chain": chain,
        "draining": draining,
        "block": head.map(|h| h.number),
    });
    (status, Json(body))
}
