//! GET /v1/intents?kind=&state=: one's own decisions; for registrars also registrations that wait for them.

use axum::{Json, extract::State};
use chartseal_record::state::IntentState;
use chartseal_store::IntentFilter;
use serde::Deserialize;
use serde_json::Value;

use super::show;
use crate::{app::App, auth::caller::Visitor, intent::Decision, problem::Problem, v1::Asked};

/// Intents of one answer.
const PAGE: u32 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    kind: Option<String>,
    state: Option<IntentState>,
}

pub async fn list(
    State(app): State<App>,
    Visitor(caller): Visitor,
    Asked(input): Asked<Input>,
) -> Result<Json<Vec<Value>>, Problem> {
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
