//! GET /v1/deployment: which chain, which contracts, whom this gateway serves. For strangers too.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/deployment", get(show))
}

async fn show(State(app): State<App>) -> Json<Value> {
    let c = app.contracts;
    let organisations: Vec<Value> = app
        .config
        .organisations
        .iter()
        .map(|o| json!({ "account": o.account, "name": o.name, "registrar": o.registrar }))
        .collect();
    Json(json!({
        "chainId": c.chain_id,
        "contracts": { "directory": c.directory, "consent": c.consent, "anchors": c.anchors },
        "firstBlock": app.deployment.block,
        "confirmations": app.config.chain.confirmations,
        "organisations": organisations,
    }))
}
