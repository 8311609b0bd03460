//! /v1/requests: a doctor, hospital or insurer asks a patient; the custodian shows it: who, what, why, until when.

use alloy::primitives::{Address, B256, Bytes};
use axum::{Json, extract::State, response::IntoResponse};
use chartseal_record::{Scope, account::Role, typed};
use chartseal_store::{AccessRequest, Error as StoreError, RequestState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Asked, At, Body, ToSign,
    intents::{claim_of, open_request},
};
use crate::{
    app::App,
    auth::{caller::Caller, signature},
    custody::Patient,
    idempotency::{Created, Keyed, Named},
    openapi,
    openapi::words::{AddressSchema, HashSchema, HexSchema, RoleSchema, ScopeSchema},
    problem::{Code, Failure, Problem},
    vault::Kind,
};

/// Bytes of a purpose and of a reason: what a wallet can show.
const PURPOSE: usize = 64;
const REASON: usize = 500;
/// Requests of one answer.
const PAGE: u32 = 100;
/// Requests of one grantee to one patient that may be open at one time.
const OPEN: u32 = 20;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(ask, list)).routes(routes!(sign))
}

/// What is asked of a patient.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRequest)]
pub struct Input {
    pub patient: Address,
    pub scope: Scope,
    /// READ = 1, WRITE = 2, both = 3.
    #[schema(minimum = 1, maximum = 3)]
    pub permission: u8,
    /// Unix seconds, exclusive; in the future.
    pub until: u64,
    /// A purpose of use, such as TREAT or HPAYMT.
    #[schema(min_length = 1, max_length = 64)]
    pub purpose: String,
    /// For the patient to read.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub reason: String,
}

/// A doctor, hospital or insurer asks a patient. It is sent when it is signed.
#[utoipa::path(
    post,
    path = "/v1/requests",
    operation_id = "askPatient",
    tag = "requests",
    params(Named),
    request_body = Input,
    responses((status = 201, body = Prepared, headers(("Location" = String, description = "The request.")))),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden", "not-found", "invalid", "patient-not-enrolled"]))),
)]
async fn ask(State(app): State<App>, caller: Caller, keyed: Keyed<Input>) -> Result<impl IntoResponse, Problem> {
    let (app, caller) = (&app, &caller);
    keyed
        .once(app, caller, async |input| prepare(app, caller, input).await)
        .await
}

async fn prepare(app: &App, caller: &Caller, input: Input) -> Result<Created, Problem> {
    caller.person()?;
    if caller.registered()? == Role::Patient {
        return Err(Problem::new(
            Code::Forbidden,
            "doctors, hospitals and insurers ask; patients decide",
        ));
    }
    let (row, request) = lay_out(app, caller.account, input, None).await?;
    app.store.insert_request(&row).await?;
    let body = Prepared {
        id: row.digest,
        state: RequestState::Prepared.as_str(),
        sign: [ToSign {
            part: "account".into(),
            signer: Some(controller(app, caller.account)),
            typed_data: typed::typed_data_json(&request, &app.contracts.consent_domain()),
            opens: None,
        }],
    };
    Ok(Created::at(format!("/v1/requests/{}", row.digest), body))
}

/// A request as it can be signed, and its row, which is not kept yet. `task` is the FHIR Task it was asked by, and is sealed
/// with it.
pub async fn lay_out(
    app: &App,
    grantee: Address,
    input: Input,
    task: Option<&Value>,
) -> Result<(AccessRequest, typed::Request), Problem> {
    let invalid = |why: &str| Err(Problem::new(Code::Invalid, why));
    if !(1..=3).contains(&input.permission) {
        return invalid("permission is 1 (READ), 2 (WRITE) or 3 (both)");
    }
    if input.until <= app.clock.seconds() {
        return invalid("until lies in the past; it is the unix second in which the grant ends");
    }
    if input.purpose.is_empty() || input.purpose.len() > PURPOSE || input.reason.len() > REASON {
        return invalid("purpose is a code of 1 to 64 bytes, reason a text of at most 500 bytes");
    }
    let patient = Patient::of(app, input.patient)?;
    for state in [RequestState::Prepared, RequestState::Open] {
        let open = app
            .store
            .find_requests(Some(patient.id()), Some(grantee), Some(state), None, OPEN)
            .await?;
        if open.len() >= OPEN as usize {
            return Err(Problem::new(
                Code::TooMany,
                format!("{OPEN} requests to this patient are open; withdraw some, or wait"),
            ));
        }
    }
    let mut nonce = B256::ZERO;
    getrandom::fill(&mut nonce[..]).map_err(|_| Failure::Random)?;
    let request = typed::Request {
        patient: patient.id(),
        grantee,
        scope: input.scope.to_string(),
        permission: input.permission,
        until: input.until,
        purpose: input.purpose,
        reason: input.reason,
        nonce,
        time: app.clock.seconds(),
        custodian: patient.custodian,
    };
    let digest = digest(app, &request);
    let mut json = serde_json::to_value(&request).map_err(|_| Failure::Broken("a request is not JSON"))?;
    if let Some(task) = task {
        json["task"] = task.clone();
    }
    let place = digest.to_string();
    let sealed = app
        .vault
        .seal(patient.custodian, Kind::Request, &place, json.to_string().as_bytes())?;
    let row = AccessRequest {
        seq: 0,
        digest,
        org: patient.custodian,
        patient: request.patient,
        grantee: request.grantee,
        state: RequestState::Prepared,
        sealed: sealed.into(),
        signature: None,
        created_at: request.time,
        decided_at: None,
    };
    Ok((row, request))
}

/// A request laid out for signing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PreparedRequest)]
struct Prepared {
    /// Its EIP-712 digest.
    id: B256,
    #[schema(value_type = openapi::words::RequestStateSchema)]
    state: &'static str,
    #[schema(value_type = Vec<ToSign>)]
    sign: [ToSign; 1],
}

fn digest(app: &App, request: &typed::Request) -> B256 {
    typed::digest(request, &app.contracts.consent_domain())
}

fn controller(app: &App, account: Address) -> Address {
    app.index.account(account).map_or(account, |a| a.controller)
}

/// The asking account's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RequestSignature)]
struct Signature {
    /// Always `account`; there is nobody else to sign.
    #[serde(default, rename = "as")]
    _as: Option<String>,
    signature: Bytes,
}

/// The request is signed, and so sent to the patient. The same signature again is answered as the first time.
#[utoipa::path(
    put,
    path = "/v1/requests/{id}/signature",
    operation_id = "signRequest",
    tag = "requests",
    params(("id" = B256, Path, description = "The request's.")),
    request_body = Signature,
    responses((status = 200, body = Shown)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["not-registered", "bad-signature", "wrong-state"]))),
)]
async fn sign(
    State(app): State<App>,
    caller: Caller,
    At(id): At<B256>,
    Body(input): Body<Signature>,
) -> Result<Json<Shown>, Problem> {
    let row = app
        .store
        .request(id)
        .await?
        .filter(|r| r.grantee == caller.account)
        .ok_or_else(Problem::not_found)?;
    if !signature::is_by(&app, controller(&app, row.grantee), row.digest, &input.signature).await? {
        return Err(Problem::new(
            Code::BadSignature,
            "the signature is not by the asking account over this request",
        ));
    }
    if row.signature.as_ref() != Some(&input.signature) {
        match app.store.open_request(id, &input.signature).await {
            Ok(()) => {}
            Err(StoreError::Moved { .. }) => {
                return Err(Problem::new(Code::WrongState, format!("the request is {}", row.state)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let row = app.store.request(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(show(&app, &caller, &row).await?))
}

/// What a grantee asks of a patient.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Request)]
struct Shown {
    /// Its EIP-712 digest.
    id: B256,
    #[schema(value_type = openapi::words::RequestStateSchema)]
    state: &'static str,
    patient: Address,
    grantee: Address,
    grantee_role: Option<Role>,
    #[schema(value_type = Scope)]
    scope: String,
    /// READ = 1, WRITE = 2, both = 3.
    permission: u8,
    /// Unix seconds, exclusive.
    until: u64,
    purpose: String,
    reason: String,
    /// The claim it is about, by its record id: the patient may grant that and what it cites alone, by kind grantClaim.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<B256>,
    /// Unix seconds.
    asked_at: u64,
    /// Unix seconds.
    decided_at: Option<u64>,
}

async fn show(app: &App, caller: &Caller, row: &AccessRequest) -> Result<Shown, Problem> {
    let request = open_request(app, row)?;
    // Who asks is not told whether a claim it named is the patient's.
    let claim = match caller.account == row.patient {
        true => claim_of(app, row).await?,
        false => None,
    };
    Ok(Shown {
        id: row.digest,
        state: row.state.as_str(),
        patient: request.patient,
        grantee: request.grantee,
        grantee_role: app.index.account(request.grantee).map(|a| a.role),
        scope: request.scope,
        permission: request.permission,
        until: request.until,
        purpose: request.purpose,
        reason: request.reason,
        claim,
        asked_at: row.created_at,
        decided_at: row.decided_at,
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Query {
    #[param(value_type = Option<openapi::words::RequestStateSchema>)]
    state: Option<String>,
}

/// A patient sees what was signed and sent to it; others see what they asked. Newest first.
#[utoipa::path(
    get,
    path = "/v1/requests",
    operation_id = "listRequests",
    tag = "requests",
    params(Query),
    responses((status = 200, body = Vec<Shown>, description = "At most 100.")),
    security(("session" = []), ("smart" = [])),
    extensions(("x-refusals" = json!(["not-registered"]))),
)]
async fn list(State(app): State<App>, caller: Caller, Asked(query): Asked<Query>) -> Result<Json<Vec<Shown>>, Problem> {
    let me = Some(caller.account);
    let patient = caller.registered()? == Role::Patient;
    let state = query.state.map(|s| s.parse::<RequestState>()).transpose();
    let state = state.map_err(|why| Problem::new(Code::Malformed, why))?;
    let (to, by) = if patient { (me, None) } else { (None, me) };
    let mut shown = Vec::new();
    for row in app.store.find_requests(to, by, state, None, PAGE).await? {
        if !patient || row.state != RequestState::Prepared {
            shown.push(show(&app, &caller, &row).await?);
        }
    }
    Ok(Json(shown))
}
