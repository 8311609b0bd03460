//! POST /v1/drafts: everything but the signature.

use std::sync::Arc;

use axum::extract::{Request, State};
use chartseal_record::Scope;
use serde::Serialize;
use utoipa::ToSchema;

use super::{super::ToSign, file::Draft};
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{
        create as fhir,
        json::Json as Fhir,
        kind::Kind,
        outcome::Outcome,
        reference::{self, PatientRef, RecordId},
        request,
    },
    idempotency::{self, Created, Named},
    openapi::words::FhirResource,
    openapi::words::ScopeSchema,
    problem::{Code, Failure, Problem},
    read, staging,
    write::{self, Upload},
};

/// The patient, the resource, and what it replaces.
struct Input {
    patient: PatientRef,
    scope: Option<Scope>,
    kind: Kind,
    resource: Fhir,
    replaces: Option<RecordId>,
}

/// A version to lay out.
#[derive(Debug, ToSchema)]
#[schema(as = NewDraft)]
#[expect(
    dead_code,
    reason = "the body is read by hand, so that the resource keeps its digits and order"
)]
struct Body {
    /// An account's address, `eip155:<chainId>:<address>`, or `Patient/<id>` of this server.
    patient: String,
    /// Where the resource belongs, if not where its codes lead.
    #[schema(nullable = false)]
    scope: Option<Scope>,
    resource: FhirResource,
    /// The id of the record that this is a new version of, with or without 0x.
    replaces: Option<String>,
}

/// A version laid out for its author's signature.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Draft)]
struct Laid {
    /// A UUID.
    id: String,
    #[schema(value_type = Vec<ToSign>)]
    sign: [ToSign; 1],
}

/// Everything of a new version but the signature: its documents are sealed, its bytes are fixed. It waits for a day.
#[utoipa::path(
    post,
    path = "/v1/drafts",
    operation_id = "createDraft",
    tag = "drafts",
    params(Named),
    request_body(content = Body, description = "At most `limits.fhir_json_bytes` (32 MiB by default)."),
    responses((status = 201, body = Laid, headers(("Location" = String, description = "The draft.")))),
    security(("session" = [])),
    extensions(("x-refusals" = json!([
        "not-registered", "forbidden", "not-found", "invalid", "no-write-grant", "patient-not-enrolled",
        "unregistered-author", "malformed-resource", "invalid-element", "content-hash-mismatch", "stale", "wrong-state",
        "too-large", "unsupported-media-type", "content-corrupt", "not-supported",
    ]))),
)]
pub async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Created, Problem> {
    caller.person()?;
    write::may_author(&app, &caller)?;
    let (parts, body) = request.into_parts();
    let key = idempotency::key(&parts.headers)?;
    let _room = request::room(&app, &parts.headers, app.config.limits.fhir_json_bytes)?;
    let bytes = request::read(parts.headers, body, app.config.limits.fhir_json_bytes)
        .await
        .map_err(told)?;
    idempotency::once(&app, &caller, key, &bytes, draft(&app, &caller, &bytes)).await
}

async fn draft(app: &App, caller: &Caller, body: &[u8]) -> Result<Created, Problem> {
    let mut input = Input::parse(app, Fhir::parse(body)?)?;
    about_the_patient(app, &mut input).await?;
    let replaces = match input.replaces {
        Some(id) => Some(replaced(app, caller, input.kind, id).await?),
        None => None,
    };
    let upload = Upload {
        kind: input.kind.as_str(),
        resource: fhir::resolved(input.kind, input.resource),
        patient: Some(input.patient),
        id: None,
        replaces: replaces.map(Arc::new),
        scope: input.scope,
    };
    let prepared = write::prepare(app, caller, upload).await.map_err(told)?;
    let draft = serde_json::to_vec(&Draft::of(&prepared)?).map_err(|_| Failure::Broken("a draft is not JSON"))?;
    let staged = match staging::put_draft(app, caller, draft).await {
        Ok(staged) => staged,
        Err(problem) => {
            prepared.give_up(app).await;
            return Err(problem);
        }
    };
    let signer = app.index.account(caller.account).map(|account| account.controller);
    let body = Laid {
        id: staged.id.to_string(),
        sign: [ToSign {
            opens: None,
            part: "author".into(),
            signer,
            typed_data: write::typed_data(app, &prepared.statement),
        }],
    };
    Ok(Created::at(app.config.url(&format!("/v1/drafts/{}", staged.id)), body))
}

impl Input {
    /// Read by hand, so that the resource keeps its digits and order.
    fn parse(app: &App, mut body: Fhir) -> Result<Self, Problem> {
        let invalid = |text: &str| Problem::new(Code::Malformed, text);
        let patient = body.text("patient").and_then(|text| patient(app, text));
        let patient =
            patient.ok_or_else(|| invalid("'patient' must be an account's address or Patient/<id> of this server"))?;
        let scope = match body.get("scope") {
            None => None,
            Some(scope) => Some(Scope::new(scope.as_str().unwrap_or_default()).map_err(|e| invalid(&e.to_string()))?),
        };
        let replaces = match body.get("replaces") {
            None | Some(Fhir::Null) => None,
            Some(id) => {
                let id = id.as_str().unwrap_or_default();
                let id = id.strip_prefix("0x").unwrap_or(id).parse();
                Some(id.map_err(|_| invalid("'replaces' must be a record's id: 64 lower-case hex digits"))?)
            }
        };
        let resource = body.remove("resource").filter(Fhir::is_object);
        let resource = resource.ok_or_else(|| invalid("'resource' must be a FHIR resource"))?;
        let kind = Kind::of(resource.text("resourceType").unwrap_or_default());
        let kind = kind.ok_or_else(|| invalid("'resource' must be of a type this server keeps; see metadata"))?;
        Ok(Self {
            patient,
            scope,
            kind,
            resource,
            replaces,
        })
    }
}

/// A resource without a subject gets the draft's patient; one about somebody else is refused.
async fn about_the_patient(app: &App, input: &mut Input) -> Result<(), Problem> {
    let patient = write::patient_of(app, Some(input.patient)).await?;
    if let Some(element) = input.kind.subject()
        && input.resource.get(element).is_none()
    {
        let value = reference::account_id(patient, app.contracts.chain_id);
        let identifier = Fhir::from([("system", reference::ACCOUNT.into()), ("value", value.into())]);
        input.resource.set(element, Fhir::from([("identifier", identifier)]));
        return Ok(());
    }
    let named = write::patient_of(app, fhir::patient(app, input.kind, &input.resource)).await?;
    if named == patient {
        return Ok(());
    }
    Err(Problem::new(
        Code::Invalid,
        "the resource is about another patient than the draft",
    ))
}

fn patient(app: &App, text: &str) -> Option<PatientRef> {
    let chain_id = app.contracts.chain_id;
    let address = text.parse().ok().map(PatientRef::Account);
    let account = || reference::account(text, chain_id);
    address
        .or_else(account)
        .or_else(|| reference::patient_at(text, &app.config.url("/fhir/R4"), chain_id))
}

/// The version that is replaced. One that the caller may neither write nor read looks like none; whether it may write
/// is decided with the draft.
async fn replaced(app: &App, caller: &Caller, kind: Kind, id: RecordId) -> Result<chartseal_store::Record, Problem> {
    let row = app
        .store
        .newest_version(id.0)
        .await?
        .filter(|row| row.resource_type == kind.as_str());
    let row = row.ok_or_else(Problem::not_found)?;
    let may =
        read::may(app, caller, &row).await? || write::may_write(app, caller.account, row.patient, &row.scope).await?;
    if may { Ok(row) } else { Err(Problem::not_found()) }
}

/// FHIR's refusal in the native API's words: the element at fault stands in the sentence.
fn told(outcome: Outcome) -> Problem {
    match outcome.expression {
        Some(path) if !outcome.problem.detail.contains(&path) => {
            let detail = format!("{path}: {}", outcome.problem.detail);
            Problem {
                detail,
                ..outcome.problem
            }
        }
        _ => outcome.problem,
    }
}
