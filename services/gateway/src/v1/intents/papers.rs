//! /v1/intents/{id}/papers: what an applicant hands in for the registrar's eyes, sealed in the applicant's browser.
//!
//! The key is derived from the master key and never leaves this process: the database, its backups and whatever stands
//! between the browser and here hold ciphertext. A registrar reads through its gateway, and the journal says so.

use alloy::primitives::Address;
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use chartseal_envelope::{age, key::Identity};
use chartseal_record::state::IntentState;
use chartseal_store::{Error as StoreError, Intent};

use super::show::{self, Shown};
use crate::{
    app::App,
    audit::{self, Action, Subject},
    auth::caller::{Caller, Visitor},
    fhir::request,
    intent::Decision,
    openapi::words::Octets,
    problem::{Code, Problem},
    v1::At,
};

/// The registrar's key, as this gateway holds it.
fn identity(app: &App) -> Identity {
    Identity::from_bytes(*app.vault.subkey("papers", Address::ZERO))
}

/// To whom papers are sealed, as age writes it.
pub fn recipient(app: &App) -> String {
    identity(app).public_key().to_string()
}

/// Attaches papers to one's own signed registration, once: an age file for the deployment's `papersRecipient`.
#[utoipa::path(
    put,
    path = "/v1/intents/{id}/papers",
    operation_id = "attachPapers",
    tag = "intents",
    params(("id" = String, Path, description = "The registration's.")),
    request_body(
        content = Octets,
        content_type = "application/octet-stream",
        description = "At most `limits.papers_bytes` (2 MiB by default).",
    ),
    responses((status = 200, body = Shown)),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["invalid", "wrong-state", "too-large"]))),
)]
pub async fn attach(
    State(app): State<App>,
    Visitor(caller): Visitor,
    At(id): At<String>,
    request: Request,
) -> Result<Json<Shown>, Problem> {
    let intent = registration(&app, &caller, &id).await?;
    if intent.account != caller.account {
        return Err(Problem::not_found());
    }
    if intent.state != IntentState::Prepared || !intent.signatures.contains_key("account") {
        let why = format!(
            "papers belong to a registration that is signed and waits for the registrar; this one is {}",
            intent.state
        );
        return Err(Problem::new(Code::WrongState, why));
    }
    let (parts, body) = request.into_parts();
    let limit = app.config.limits.papers_bytes;
    let _room = request::room(&app, &parts.headers, limit)?;
    let papers = request::read(parts.headers, body, limit)
        .await
        .map_err(|outcome| outcome.problem)?;
    if age::open(&identity(&app), &papers).is_err() {
        return Err(Problem::new(
            Code::Invalid,
            "the papers are not an age file that the registrar can open; seal them to papersRecipient of /v1/deployment",
        ));
    }
    match app.store.put_papers(&id, &papers, app.clock.seconds()).await {
        Ok(()) => {}
        Err(StoreError::Exists { .. }) => {
            return Err(Problem::new(
                Code::WrongState,
                "this registration has its papers already",
            ));
        }
        Err(StoreError::Moved { .. }) => {
            return Err(Problem::new(
                Code::WrongState,
                "the registration was decided or has expired",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Json(show::view(&app, &caller, &id).await?))
}

/// The papers, opened, for a registrar, while the registration waits.
#[utoipa::path(
    get,
    path = "/v1/intents/{id}/papers",
    operation_id = "readPapers",
    tag = "intents",
    params(("id" = String, Path, description = "The registration's.")),
    responses((
        status = 200,
        description = "What the applicant sealed. Whatever it is, it comes from a stranger.",
        content((Octets = "application/octet-stream")),
    )),
    security(("session" = [])),
    extensions(("x-refusals" = json!(["forbidden"]))),
)]
pub async fn read(State(app): State<App>, Visitor(caller): Visitor, At(id): At<String>) -> Result<Response, Problem> {
    let intent = registration(&app, &caller, &id).await?;
    if !app.chain.is_registrar(caller.person()?).await? {
        return Err(Problem::new(
            Code::Forbidden,
            "only a registrar reads an applicant's papers",
        ));
    }
    let papers = app.store.papers(&id).await?.ok_or_else(Problem::not_found)?;
    let opened = age::open(&identity(&app), &papers).map_err(crate::problem::Failure::from)?;
    // Written down before anything is shown.
    let subject = Subject {
        scope: "papers".into(),
        ..Subject::default()
    };
    let entry = audit::by(&caller, intent.account, Action::Administer, "HSYSADMIN", subject);
    audit::append(&app, audit::journal(&app, intent.account, intent.org), entry).await?;
    let mut response = Body::from(Bytes::from_owner(opened)).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"papers\""),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The registration of this id, if the caller takes part in it.
pub async fn registration(app: &App, caller: &Caller, id: &str) -> Result<Intent, Problem> {
    match show::find(app, caller, id).await? {
        (intent, Decision::Register { .. }) => Ok(intent),
        _ => Err(Problem::not_found()),
    }
}
