//! /livez: the process answers. /readyz: it can serve. No token, no detail about anybody.

use std::sync::atomic::Ordering;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready))
}

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "live",
    tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain", description = "It does.")),
)]
async fn live() -> &'static str {
    "ok\n"
}

/// What serving needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
struct Ready {
    /// It answers.
    database: bool,
    /// Its newest block is young enough to decide by.
    chain: bool,
    /// The process is about to end.
    draining: bool,
    /// The newest block that is followed.
    block: Option<u64>,
}

/// Whether everything that serving needs is there.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "operations",
    responses(
        (status = 200, body = Ready),
        (status = 503, body = Ready, description = "Something is not."),
    ),
)]
// The chain counts as away when its newest block is too old to decide by; uploads go on without it.
async fn ready(State(app): State<App>) -> (StatusCode, Json<Ready>) {
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
    let body = Ready {
        database,
        chain,
        draining,
        block: head.map(|h| h.number),
    };
    (status, Json(body))
}
