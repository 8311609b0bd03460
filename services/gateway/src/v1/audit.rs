//! GET /v1/audit?patient=&after=: who did what with the patient's records, for the patient.

use alloy::primitives::Address;
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Asked;
use crate::{
    app::App,
    audit::{self, Action, Entry, Recorded, Subject},
    auth::caller::Caller,
    custody::Patient,
    openapi::words::AddressSchema,
    problem::{Code, Problem},
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Input {
    /// The caller, who may leave it out.
    patient: Option<Address>,
    /// Sequence of the last entry already known; at most 500 entries come at once.
    #[serde(default)]
    after: u64,
}

/// Who did what with the patient's records, oldest first, for the patient. Reading the journal is itself an entry; it
/// shows at the next reading.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "listAudit",
    tag = "audit",
    params(Input),
    responses((status = 200, body = Vec<Recorded>, description = "At most 500 entries.")),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "not-found"]))),
)]
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
    let entries = audit::list(&app, patient.custodian, who, input.after).await?;
    let subject = Subject {
        scope: "audit".into(),
        ..Subject::default()
    };
    let entry = Entry::of(&caller, who, Action::Read, "PATRQT", subject);
    audit::append(&app, patient.custodian, entry).await?;
    Ok(Json(entries))
}
