//! GET /v1/grants?patient=|grantee=: the grants one takes part in, live or not.

use alloy::primitives::{Address, B256};
use axum::{Json, extract::State};
use chartseal_record::{Slot, account::Role, grant::GrantState, typed};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asked, OneRecord};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    custody::live::{self, NotLive},
    openapi::words::{AddressSchema, HashSchema, RoleSchema},
    problem::{Code, Problem},
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Input {
    /// This or `grantee` is the caller.
    patient: Option<Address>,
    grantee: Option<Address>,
}

/// A grant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Grant)]
struct Shown {
    /// (patient, grantee, target) in one word.
    slot: Slot,
    /// Counts the slot's grants.
    serial: u64,
    patient: Address,
    grantee: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    grantee_role: Option<Role>,
    /// Empty if the grant is of one record.
    scope: String,
    /// The commitment to that record; zero if the grant is of a scope.
    record: B256,
    /// Which record that is, as far as it is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    opens: Option<OneRecord>,
    /// READ = 1, WRITE = 2, both = 3.
    permission: u8,
    /// Unix seconds, exclusive.
    until: u64,
    purpose: String,
    live: bool,
    /// Why not, if it is not live.
    reason: Option<String>,
    /// The newest epoch wrapped for the grantee; 0 without READ.
    epoch: u32,
}

/// The grants one takes part in, live or not: given by the caller, or given to it. A grant is about no resource type,
/// so a system needs `system/*.rs`.
#[utoipa::path(
    get,
    path = "/v1/grants",
    operation_id = "listGrants",
    tag = "grants",
    params(Input),
    responses((status = 200, body = Vec<Shown>)),
    security(("session" = []), ("smart" = ["system/*.rs"])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden", "not-found"]))),
)]
async fn list(State(app): State<App>, caller: Caller, Asked(input): Asked<Input>) -> Result<Json<Vec<Shown>>, Problem> {
    if [Interaction::Read, Interaction::Search]
        .iter()
        .any(|how| caller.may("*", *how).is_err())
    {
        return Err(Problem::new(
            Code::Forbidden,
            "grants are listed for tokens with system/*.rs; ask the token endpoint for it",
        ));
    }
    let me = caller.account;
    let mine = |who: Option<Address>| who.is_none_or(|who| who == me);
    let found = match (input.patient, input.grantee) {
        (Some(patient), grantee) if patient == me => {
            let all = app.index.grants_of_patient(me);
            all.into_iter()
                .filter(|(_, s)| of(s, |t| grantee.is_none_or(|g| g == t.grantee)))
                .collect()
        }
        (patient, grantee) if mine(grantee) && (patient.is_some() || grantee.is_some()) => {
            let all = app.index.grants_to(me);
            all.into_iter()
                .filter(|(_, s)| of(s, |t| patient.is_none_or(|p| p == t.patient)))
                .collect::<Vec<_>>()
        }
        (None, None) => {
            return Err(Problem::new(
                Code::Malformed,
                "name a patient or a grantee; one of them is the caller",
            ));
        }
        _ => return Err(Problem::not_found()),
    };
    let mut shown = Vec::with_capacity(found.len());
    for (slot, state) in found {
        shown.extend(show(&app, slot, state).await?);
    }
    Ok(Json(shown))
}

fn of(state: &GrantState, fits: impl FnOnce(&chartseal_record::grant::Terms) -> bool) -> bool {
    state.terms.as_ref().is_some_and(fits)
}

async fn show(app: &App, slot: Slot, state: GrantState) -> Result<Option<Shown>, Problem> {
    let Some(terms) = state.terms.as_ref() else {
        return Ok(None);
    };
    let reason = match live::slot(app, slot, terms.patient, terms.grantee, terms.permission).await {
        Ok(_) => None,
        Err(NotLive::Failed(failure)) => return Err(failure.into()),
        Err(why) => Some(why.to_string()),
    };
    let read = terms.permission & typed::READ != 0;
    Ok(Some(Shown {
        slot,
        serial: terms.serial,
        patient: terms.patient,
        grantee: terms.grantee,
        grantee_role: app.index.account(terms.grantee).map(|account| account.role),
        scope: terms.scope.clone(),
        record: terms.record,
        opens: match terms.record {
            B256::ZERO => None,
            _ => OneRecord::of(app, slot).await?,
        },
        permission: terms.permission,
        until: terms.until,
        purpose: terms.purpose.clone(),
        live: reason.is_none(),
        reason,
        epoch: state.wraps.iter().map(|w| w.epoch).max().filter(|_| read).unwrap_or(0),
    }))
}
