//! GET /v1/audit?patient=&after=: who did what with the patient's records, for the patient.
//! POST /v1/audit/seal: what is there is sealed as a record and anchored now, not only at the next round.

use alloy::primitives::{Address, B256};
use axum::{Json, extract::State};
use chartseal_record::account::Role;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Asked;
use crate::{
    app::App,
    audit::{self, Action, Recorded, Subject, seal},
    auth::caller::Caller,
    custody::Patient,
    openapi::words::{AddressSchema, HashSchema, RoleSchema},
    problem::{Code, Problem},
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(seal_now))
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

/// One entry of a journal, as `docs/format.md` binds it to the one before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
struct Shown {
    /// The organisation that keeps the journal.
    keeper: Address,
    /// 1, 2, 3, … without gaps.
    sequence: u64,
    /// Unix seconds.
    recorded_at: u64,
    /// Hash of the entry before; zero for the first.
    previous: B256,
    hash: B256,
    nonce: B256,
    patient: Address,
    actor: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// create, read, update, search, release, grant, revoke or administer.
    action: String,
    /// The problem's code, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// Purpose of use.
    purpose: String,
    subject: ShownSubject,
    /// The system, if one acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

/// What it was done to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditSubject)]
struct ShownSubject {
    /// A scope, or several with spaces between; what was decided, for `administer`.
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
}

/// Who did what with the patient's records, oldest first, for the patient. Reading the journal is itself an entry; it
/// shows at the next reading.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "listAudit",
    tag = "audit",
    params(Input),
    responses((status = 200, body = Vec<Shown>, description = "At most 500 entries.")),
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
    let entries = audit::list(&app, patient.custodian, who, input.after, audit::PAGE).await?;
    let subject = Subject {
        scope: "audit".into(),
        ..Subject::default()
    };
    let entry = audit::by(&caller, who, Action::Read, "PATRQT", subject);
    audit::append(&app, patient.custodian, entry).await?;
    Ok(Json(entries))
}

/// What the patient's journal gained is sealed as a record of theirs and anchored now, not only at the next round. Asked
/// again with nothing new it makes nothing.
#[utoipa::path(
    post,
    path = "/v1/audit/seal",
    operation_id = "sealAudit",
    tag = "audit",
    responses((status = 200, body = seal::Sealed)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "not-found", "patient-not-enrolled"]))),
)]
async fn seal_now(State(app): State<App>, caller: Caller) -> Result<Json<seal::Sealed>, Problem> {
    let patient = Patient::of(&app, caller.account).map_err(|_| Problem::not_found())?;
    Ok(Json(seal::journal_of(&app, &patient).await?))
}
