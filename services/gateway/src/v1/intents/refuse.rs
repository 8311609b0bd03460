//! PUT /v1/intents/{id}/refusal: a registrar says no to a registration, and why.

use axum::{Json, extract::State};
use chartseal_store::{Error as StoreError, Refusal};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    papers::registration,
    show::{self, Shown},
};
use crate::{
    app::App,
    audit::{self, Action, Subject},
    auth::caller::Visitor,
    problem::{Code, Problem},
    v1::{At, Body},
    vault::Kind,
};

/// Bytes of a reason.
const REASON: usize = 500;

/// Why not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRefusal)]
pub struct Input {
    /// For the applicant to read: what was wrong, and what to do.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// A registrar refuses a registration that waits. The applicant sees the reason and may register again; its papers are
/// forgotten.
#[utoipa::path(
    put,
    path = "/v1/intents/{id}/refusal",
    operation_id = "refuseRegistration",
    tag = "intents",
    params(("id" = String, Path, description = "The registration's.")),
    request_body = Input,
    responses((status = 200, body = Shown)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["forbidden", "invalid", "wrong-state"]))),
)]
pub async fn refuse(
    State(app): State<App>,
    Visitor(caller): Visitor,
    At(id): At<String>,
    Body(input): Body<Input>,
) -> Result<Json<Shown>, Problem> {
    let intent = registration(&app, &caller, &id).await?;
    let by = caller.person()?;
    if !app.chain.is_registrar(by).await? {
        return Err(Problem::new(Code::Forbidden, "only a registrar refuses a registration"));
    }
    let reason = input.reason.trim();
    if reason.is_empty() || reason.len() > REASON {
        let why = "reason is a text of 1 to 500 bytes that tells the applicant what to do";
        return Err(Problem::new(Code::Invalid, why));
    }
    let refusal = Refusal {
        reason: app
            .vault
            .seal(intent.org, Kind::Refusal, &id, reason.as_bytes())?
            .into(),
        by,
        at: app.clock.seconds(),
    };
    match app.store.refuse_application(&id, &refusal).await {
        Ok(()) => {}
        Err(StoreError::Moved { .. }) => {
            let why = format!(
                "the registration is {}; only one that waits can be refused",
                intent.state
            );
            return Err(Problem::new(Code::WrongState, why));
        }
        Err(error) => return Err(error.into()),
    }
    let subject = Subject {
        scope: "refuse".into(),
        ..Subject::default()
    };
    let entry = audit::by(&caller, intent.account, Action::Administer, "HSYSADMIN", subject);
    audit::append(&app, audit::journal(&app, intent.account, intent.org), entry).await?;
    Ok(Json(show::view(&app, &caller, &id).await?))
}
