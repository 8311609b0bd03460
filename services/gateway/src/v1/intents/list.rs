//! GET /v1/intents?kind=&state=: one's own decisions; for registrars also registrations that wait for them.

use axum::{Json, extract::State};
use chartseal_record::state::IntentState;
use chartseal_store::IntentFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::show::{self, Shown};
use crate::{
    app::App, auth::caller::Visitor, intent::Decision, openapi::words::IntentStateSchema, problem::Problem, v1::Asked,
};

/// Intents of one answer.
const PAGE: u32 = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Input {
    /// register, grant, revoke, …
    kind: Option<String>,
    state: Option<IntentState>,
}

/// One's own decisions, newest first; for registrars also the registrations that wait for them.
#[utoipa::path(
    get,
    path = "/v1/intents",
    operation_id = "listIntents",
    tag = "intents",
    params(Input),
    responses((status = 200, body = Vec<Shown>, description = "At most 100, and 100 that wait for a registrar.")),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["forbidden"]))),
)]
pub async fn list(
    State(app): State<App>,
    Visitor(caller): Visitor,
    Asked(input): Asked<Input>,
) -> Result<Json<Vec<Shown>>, Problem> {
    let address = caller.person()?;
    let mut filter = IntentFilter {
        account: Some(caller.account),
        kind: input.kind,
        state: input.state,
        limit: PAGE,
        ..IntentFilter::default()
    };
    let mut found = app.store.find_intents(&filter).await?;
    let asks_for_registrations = filter.kind.as_deref().is_none_or(|kind| kind == "register");
    if asks_for_registrations && app.chain.is_registrar(address).await? {
        filter.account = None;
        filter.kind = Some("register".into());
        filter.state = Some(input.state.unwrap_or(IntentState::Prepared));
        let waiting = app.store.find_intents(&filter).await?;
        found.extend(waiting.into_iter().filter(|intent| intent.account != caller.account));
    }
    let mut shown = Vec::with_capacity(found.len());
    for intent in found {
        let decision = Decision::read(&intent.payload)?;
        shown.push(show::render(&app, &caller, &intent, &decision).await?);
    }
    Ok(Json(shown))
}
