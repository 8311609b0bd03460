//! `PUT /fhir/R4/<type>/<id>`: the next version of a record.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    create,
    json::Json,
    kind::Kind,
    once::{self, Look},
    outcome::Outcome,
    reference::RecordId,
    request::{Resource, Who},
    version,
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
    read,
    write::{self, Upload},
};

/// The handler. `If-Match` is honoured if it is sent; a stale one is 412, except for who sends under an Idempotency-Key what
/// was done already.
pub async fn update(
    State(app): State<App>,
    Who(caller): Who,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Resource,
) -> Result<Response, Outcome> {
    caller.may(kind.as_str(), Interaction::Update)?;
    if !kind.is_updated() {
        return Ok(not_updated());
    }
    check_id(&body.json, &id)?;
    create::check_author(&app, &caller)?;
    let request = once::request("PUT", &format!("{}/{id}", kind.as_str()), &body.bytes);
    let key = match once::look(&app, &caller, &headers, &request).await? {
        Look::Answered(before) => return create::again(&app, &caller, kind, &headers, &before).await,
        Look::Fresh(key) => Some(key),
        Look::None => None,
    };
    let before = newest(&app, kind, &id).await?.ok_or_else(Problem::not_found)?;
    let expected = version::if_match(&headers)?;
    let patient = create::patient(&app, kind, &body.json);
    let upload = Upload {
        kind: kind.as_str(),
        resource: create::resolved(kind, body.json),
        patient,
        id: None,
        replaces: Some(Arc::new(before.clone())),
        scope: None,
    };
    let prepared = match write::prepare(&app, &caller, upload).await {
        Ok(prepared) => prepared,
        Err(refused) => return Err(hidden(&app, &caller, &before, refused).await?),
    };
    // Compared only now: whether a version is stale is nothing a stranger is told.
    if expected.is_some_and(|version| version != before.version) {
        prepared.give_up(&app).await;
        return Err(stale());
    }
    create::finish(&app, &caller, kind, &headers, StatusCode::OK, prepared, key).await
}

/// Shares its path with types that can be updated, so what the router says in Allow would be wrong.
fn not_updated() -> Response {
    let text = "resources of this type are not updated here; create another one, see metadata";
    let mut response = Outcome::new(Code::NotAllowed, text).into_response();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The newest version of a record of this type.
pub async fn newest(app: &App, kind: Kind, id: &str) -> Result<Option<chartseal_store::Record>, Problem> {
    let Ok(RecordId(id)) = id.parse() else { return Ok(None) };
    let row = app.store.newest_version(id).await?;
    Ok(row.filter(|row| row.resource_type == kind.as_str()))
}

/// The id in a resource is the one in its path.
pub fn check_id(resource: &Json, id: &str) -> Result<(), Outcome> {
    if resource.text("id") == Some(id) {
        return Ok(());
    }
    Err(Outcome::new(Code::InvalidElement, "the resource's id must be the id in the path").at("id"))
}

/// Refuses who may neither read nor write a record, in the words for one that is not there.
pub async fn visible(app: &App, caller: &Caller, row: &chartseal_store::Record) -> Result<(), Problem> {
    let may =
        read::may(app, caller, row).await? || write::may_write(app, caller.account, row.patient, &row.scope).await?;
    if may { Ok(()) } else { Err(Problem::not_found()) }
}

/// Who may neither write nor read the record is not told that it exists.
async fn hidden(
    app: &App,
    caller: &Caller,
    before: &chartseal_store::Record,
    refused: Outcome,
) -> Result<Outcome, Problem> {
    if refused.problem.code == Code::NoWriteGrant && !read::may(app, caller, before).await? {
        return Ok(Problem::not_found().into());
    }
    Ok(refused)
}

/// 412.
pub fn stale() -> Outcome {
    Outcome::new(
        Code::Stale,
        "If-Match names another version than the newest one; read it and edit that one",
    )
}
