//! GET /v1/system: how the gateway stands, for registrars. Counts and blocks; nothing about anybody.

use std::sync::atomic::Ordering;

use alloy::primitives::Address;
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    auth::caller::Visitor,
    problem::{Code, Problem},
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// How the gateway stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct System {
    /// Of the gateway.
    version: &'static str,
    /// The process is about to end.
    draining: bool,
    chain: Chain,
    content: Content,
    backlog: Backlog,
}

/// The chain, as the node tells it and as it is followed here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SystemChain)]
struct Chain {
    /// The node answers.
    reachable: bool,
    /// The node's newest block.
    newest: Option<u64>,
    /// The newest block that is followed here.
    followed: Option<u64>,
    /// Seconds since the followed block was made.
    age: Option<u64>,
    /// The followed block is young enough to decide by: otherwise nothing is opened.
    fresh: bool,
}

/// Where ciphertext is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SystemContent)]
struct Content {
    /// The folder or the IPFS node answers.
    reachable: bool,
}

/// What is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SystemBacklog)]
struct Backlog {
    /// Records stored and without a batch.
    records: u64,
    /// Seconds the oldest of them has waited.
    oldest: Option<u64>,
    /// Batches that are not anchored.
    batches: u64,
    /// Decisions signed or sent, and not confirmed.
    decisions: u64,
    /// Registrations that wait for signatures.
    registrations: u64,
}

/// How the gateway stands, for registrars. That it answers says that its database does.
#[utoipa::path(
    get,
    path = "/v1/system",
    operation_id = "showSystem",
    tag = "system",
    responses((status = 200, body = System)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["forbidden"]))),
)]
async fn show(State(app): State<App>, Visitor(caller): Visitor) -> Result<Json<System>, Problem> {
    registrar(&app, caller.person()?).await?;
    let head = app.chain.head().await;
    let now = app.clock.seconds();
    let followed = app.index.head();
    let age = followed.map(|head| now.saturating_sub(head.timestamp));
    let waiting = app.store.backlog().await?;
    Ok(Json(System {
        version: env!("CARGO_PKG_VERSION"),
        draining: app.draining.load(Ordering::Relaxed),
        chain: Chain {
            reachable: head.is_ok(),
            newest: head.ok().map(|head| head.number),
            followed: followed.map(|head| head.number),
            age,
            fresh: age.is_some_and(|age| age <= app.config.chain.max_head_age),
        },
        content: Content {
            reachable: app.content.ready().await.is_ok(),
        },
        backlog: Backlog {
            records: waiting.records,
            oldest: waiting.oldest_record.map(|at| now.saturating_sub(at)),
            batches: waiting.batches,
            decisions: waiting.decisions,
            registrations: waiting.registrations,
        },
    }))
}

/// By the chain; while that is away, which is when somebody looks here, by the configuration.
async fn registrar(app: &App, who: Address) -> Result<(), Problem> {
    let is = match app.chain.is_registrar(who).await {
        Ok(is) => is,
        Err(_) => {
            let named = app.config.organisations.iter().filter_map(|o| o.registrar);
            named.chain(app.deployment.registrar).any(|registrar| registrar == who)
        }
    };
    if is {
        return Ok(());
    }
    Err(Problem::new(
        Code::Forbidden,
        "how the system stands is shown to registrars of the Directory",
    ))
}
