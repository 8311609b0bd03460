//! GET /v1/epochs: the epochs of the caller's own scopes, for the device that makes or advances their keys.

use alloy::primitives::{B256, Bytes};
use axum::{Json, extract::State};
use chartseal_record::{Compartment, Scope, account::Role};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    auth::caller::Caller,
    custody::{Patient, epochs, take_over},
    openapi::words::{HashSchema, HexSchema, ScopeSchema},
    problem::{Code, Problem},
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The newest epoch of one scope. The chain is the proof; this is what is known here, on its way included.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Epoch)]
struct Shown {
    scope: Scope,
    compartment: B256,
    epoch: u32,
    /// Its X25519 public key.
    key: Bytes,
    /// It is on its way and not on the chain yet.
    pending: bool,
    /// The custodian holds the root it was made from.
    kept: bool,
    /// Somebody who holds its secret may not read any more: the next epoch is to be opened before anything else is written.
    due: bool,
    /// The next number that was never used. A device that makes a key for another one is refused.
    next: u32,
}

/// The newest epochs of the caller's own scopes.
#[utoipa::path(
    get,
    path = "/v1/epochs",
    operation_id = "listEpochs",
    tag = "grants",
    responses((status = 200, body = Vec<Shown>)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden", "patient-not-enrolled"]))),
)]
async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Vec<Shown>>, Problem> {
    caller.person()?;
    if caller.role != Some(Role::Patient) {
        return Err(Problem::new(Code::Forbidden, "only patients have epochs"));
    }
    let patient = Patient::of(&app, caller.account)?;
    let kept: Vec<Scope> = take_over::kept(&app, &patient)
        .await?
        .into_iter()
        .map(|k| k.scope)
        .collect();
    let mut shown = Vec::new();
    for scope in epochs::scopes(&app, patient.id()) {
        let compartment = Compartment::of(patient.id(), &scope);
        let Some((newest, intent)) = epochs::current(&app, compartment) else {
            continue;
        };
        shown.push(Shown {
            compartment: compartment.0,
            epoch: newest.number,
            key: Bytes::copy_from_slice(&newest.key),
            pending: intent.is_some(),
            kept: kept.contains(&scope),
            due: epochs::is_due(&app, patient.id(), &scope, newest.number, None).await?,
            next: app.store.epoch_mark(compartment).await?.max(newest.number) + 1,
            scope,
        });
    }
    Ok(Json(shown))
}
