//! POST /v1/drafts and PUT /v1/drafts/{id}/signature: a version whose author signs with a wallet.
//!
//! The draft holds everything but the signature, sealed, for a day. What is signed is what is stored: the resource's
//! bytes are fixed when the draft is made. Grant and epoch are looked at again when the signature comes.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{post, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_envelope::record::AttachmentRef;
use chartseal_record::{Compartment, Scope, statement::Statement};
use chartseal_store::{AttachmentPlace, NewAttachment};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{At, Body};
use crate::{
    app::App,
    auth::{caller::Caller, signature},
    fhir::{
        create,
        json::Json as Fhir,
        kind::Kind,
        outcome::Outcome,
        reference::{self, PatientRef, RecordId},
        request,
    },
    index::Epoch,
    problem::{Code, Failure, Problem},
    read, staging,
    write::{self, Prepared, SealedDocument, Upload},
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/drafts", post(create).layer(DefaultBodyLimit::disable()))
        .route("/v1/drafts/{id}/signature", put(sign))
}

/// A prepared version as it waits. Large documents are in the content store already.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Draft {
    kind: String,
    patient: Address,
    scope: Scope,
    epoch: u32,
    statement: Statement,
    resource: String,
    documents: Vec<Document>,
    index: Vec<(String, B256)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    reference: AttachmentRef,
    sealed_size: u64,
    /// Base64 of the sealed bytes, where they are to wait in the outbox.
    sealed: Option<String>,
    /// A UUID.
    staged: Option<String>,
    kept: bool,
}

/// The patient, the resource, and what it replaces.
struct Input {
    patient: PatientRef,
    scope: Option<Scope>,
    kind: Kind,
    resource: Fhir,
    replaces: Option<RecordId>,
}

async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Response, Problem> {
    caller.person()?;
    write::may_author(&app, &caller)?;
    let (parts, body) = request.into_parts();
    let bytes = request::read(parts.headers, body, app.config.limits.fhir_json_bytes)
        .await
        .map_err(told)?;
    let mut input = Input::parse(&app, Fhir::parse(&bytes)?)?;
    about_the_patient(&app, &mut input).await?;
    let replaces = match input.replaces {
        Some(id) => Some(replaced(&app, &caller, input.kind, id).await?),
        None => None,
    };
    let upload = Upload {
        kind: input.kind.as_str(),
        resource: create::resolved(input.kind, input.resource),
        patient: Some(input.patient),
        replaces: replaces.map(Arc::new),
        scope: input.scope,
    };
    let prepared = write::prepare(&app, &caller, upload).await.map_err(told)?;
    let draft = serde_json::to_vec(&Draft::of(&prepared)?).map_err(|_| Failure::Broken("a draft is not JSON"))?;
    let staged = match staging::put_draft(&app, &caller, draft).await {
        Ok(staged) => staged,
        Err(problem) => {
            prepared.give_up(&app).await;
            return Err(problem);
        }
    };
    let signer = app.index.account(caller.account).map(|account| account.controller);
    let body = json!({
        "id": staged.id.to_string(),
        "sign": [{ "as": "author", "signer": signer, "typedData": write::typed_data(&app, &prepared.statement) }],
    });
    Ok(created(&app.config.url(&format!("/v1/drafts/{}", staged.id)), body))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    signature: Bytes,
}

async fn sign(
    State(app): State<App>,
    caller: Caller,
    At(id): At<String>,
    Body(input): Body<Signature>,
) -> Result<Response, Problem> {
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    let staged = staging::find_draft(&app, &caller, id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let draft = staged.open(&app).await?.all().await?;
    let draft: Draft = serde_json::from_slice(&draft).map_err(|_| Failure::Broken("a draft is not one"))?;
    let author = write::may_author(&app, &caller)?;
    by_author(&app, author, draft.statement.digest(&app.contracts), &input.signature).await?;
    let admitted = write::admit_again(&app, &caller, draft.patient, &draft.scope).await?;
    if admitted.epoch.number != draft.epoch && draft.documents.iter().any(|document| !document.kept) {
        // Its documents are sealed to a key that somebody may have, whose grant has ended since.
        let text = "the patient's keys have moved on since the draft was made; make it again";
        return Err(Problem::new(Code::Stale, text));
    }
    let prepared = draft.into_prepared(admitted.epoch, caller.org)?;
    let (stored, _) = write::commit_draft(&app, &caller, prepared, input.signature, id).await?;
    staging::delete_file(&app, id).await;
    let (version, record_id) = (stored.version, stored.id.0);
    let location = app.config.url(&format!("/v1/receipts/{}", stored.content));
    Ok(created(
        &location,
        json!({ "cid": stored.content.to_string(), "recordId": record_id, "version": version }),
    ))
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
        let kind = kind.ok_or_else(|| invalid("'resource' must be a DocumentReference, Claim or Patient"))?;
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
    let named = write::patient_of(app, create::patient(app, input.kind, &input.resource)).await?;
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

/// The controller of the author's account, or a statement key of it, signed.
async fn by_author(app: &App, author: Address, digest: B256, bytes: &[u8]) -> Result<(), Problem> {
    let refused = || {
        Problem::new(
            Code::BadSignature,
            "the signature is not by the author's wallet over this draft",
        )
    };
    let account = app.index.account(author).ok_or_else(refused)?;
    let head = app.index.head().map_or(0, |head| head.number);
    let by_key = app
        .verified
        .recover(digest, bytes)
        .is_some_and(|signer| account.is_statement_key(signer, head));
    if by_key || signature::is_by(app, account.controller, digest, bytes).await? {
        Ok(())
    } else {
        Err(refused())
    }
}

impl Draft {
    fn of(prepared: &Prepared) -> Result<Self, Failure> {
        let resource =
            String::from_utf8(prepared.resource.clone()).map_err(|_| Failure::Broken("a resource is not text"))?;
        Ok(Self {
            kind: prepared.kind.clone(),
            patient: prepared.admitted.patient,
            scope: prepared.admitted.scope.clone(),
            epoch: prepared.admitted.epoch.number,
            statement: prepared.statement,
            resource,
            documents: prepared.documents.iter().map(Document::of).collect(),
            index: prepared.index.clone(),
        })
    }

    fn into_prepared(self, epoch: Epoch, org: Address) -> Result<Prepared, Failure> {
        let documents = self
            .documents
            .into_iter()
            .map(Document::into_sealed)
            .collect::<Result<_, _>>()?;
        let compartment = Compartment::of(self.patient, &self.scope);
        Ok(Prepared {
            admitted: write::Admitted {
                patient: self.patient,
                scope: self.scope,
                compartment,
                author: self.statement.author,
                org,
                epoch,
            },
            kind: self.kind,
            statement: self.statement,
            resource: self.resource.into_bytes(),
            documents,
            index: self.index,
        })
    }
}

impl Document {
    fn of(document: &SealedDocument) -> Self {
        Self {
            reference: document.reference.clone(),
            sealed_size: document.stored.sealed_size,
            sealed: match &document.stored.place {
                AttachmentPlace::Outbox(bytes) => Some(STANDARD.encode(bytes)),
                AttachmentPlace::Content => None,
            },
            staged: document.staged.map(|id| id.to_string()),
            kept: document.kept,
        }
    }

    fn into_sealed(self) -> Result<SealedDocument, Failure> {
        let place = match self.sealed {
            Some(text) => {
                let bytes = STANDARD
                    .decode(text)
                    .map_err(|_| Failure::Broken("a draft's document is not base64"))?;
                AttachmentPlace::Outbox(bytes.into())
            }
            None => AttachmentPlace::Content,
        };
        let staged = match self.staged {
            Some(id) => Some(Uuid::try_parse(&id).map_err(|_| Failure::Broken("a draft's upload is not a UUID"))?),
            None => None,
        };
        let cid = self.reference.cid.to_string();
        Ok(SealedDocument {
            reference: self.reference,
            stored: NewAttachment {
                cid,
                sealed_size: self.sealed_size,
                place,
            },
            staged,
            kept: self.kept,
        })
    }
}

/// Unpins what an expired draft had brought into the content store.
pub async fn give_up(app: &App, draft: &[u8]) -> Result<(), Problem> {
    let draft: Draft = serde_json::from_slice(draft).map_err(|_| Failure::Broken("a draft is not one"))?;
    let documents: Vec<SealedDocument> = draft
        .documents
        .into_iter()
        .map(Document::into_sealed)
        .collect::<Result<_, _>>()?;
    write::give_up(app, &documents).await;
    Ok(())
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

fn created(location: &str, body: Value) -> Response {
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
