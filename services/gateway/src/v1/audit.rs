//! GET /v1/audit?patient=&after=: who did what with the patient's records, for the patient.
//! POST /v1/audit/seal: what is there is sealed as a record and anchored now, not only at the next round.

use alloy::primitives::Address;
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde::Deserialize;

use super::Asked;
use crate::{
    app::App,
    audit::{self, Action, Recorded, Subject, seal},
    auth::caller::Caller,
    custody::Patient,
    problem::{Code, Problem},
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/audit", get(list))
        .route("/v1/audit/seal", post(seal_now))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    patient: Option<Address>,
    /// Sequence of the last entry already known; at most 500 entries come at once.
    #[serde(default)]
    after: u64,
}

/// Reading the journal is itself an entry; it shows at the next reading.
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(input): Asked<Input>,
) -> Result<Json<Vec<Recorded>>, Problem> {
    if i64::try_from(input.after).is_err() {
        return Err(Problem::new(Code::Malformed, "after is the sequence of an entry"));
    }
    let who = input.patient.unwrap_or(caller.account);
    if who != caller.account {
        return Err(Problem::not_found());
    }
    let patient = Patient::of(&app, who).map_err(|_| Problem::not_found())?;
    let entries = audit::list(&app, patient.custodian, who, input.after, audit::PAGE).await?;
    let subject = Subject {
        scope: "audit".into(),
        ..Subject::default()
    };
    let entry = audit::by(&caller, who, Action::Read, "PATRQT", subject);
    audit::append(&app, patient.custodian, entry).await?;
    Ok(Json(entries))
}

/// For the patient alone. Asked again with nothing new it makes nothing.
async fn seal_now(State(app): State<App>, caller: Caller) -> Result<Json<seal::Sealed>, Problem> {
    let patient = Patient::of(&app, caller.account).map_err(|_| Problem::not_found())?;
    Ok(Json(seal::journal_of(&app, &patient).await?))
}
