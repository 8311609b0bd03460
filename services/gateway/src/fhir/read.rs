//! `GET /fhir/R4/<type>/<id>` and `…/_history/<version>`: one record, opened.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chartseal_store::Record;

use super::{kind::Kind, outcome::Outcome, reference::RecordId, request::Who, respond, update::newest};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::Problem,
    read,
};

/// The newest version.
pub async fn read_newest(
    State(app): State<App>,
    Who(caller): Who,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    caller.may(kind.as_str(), Interaction::Read)?;
    let row = newest(&app, kind, &id).await?;
    answer(&app, &caller, row, &headers).await
}

/// One version.
pub async fn read_version(
    State(app): State<App>,
    Who(caller): Who,
    kind: Kind,
    Path((_, id, version)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    caller.may(kind.as_str(), Interaction::Read)?;
    let row = match (id.parse::<RecordId>(), version.parse::<u32>()) {
        (Ok(RecordId(id)), Ok(version)) => app.store.record_version(id, version).await.map_err(Problem::from)?,
        _ => None,
    };
    answer(
        &app,
        &caller,
        row.filter(|row| row.resource_type == kind.as_str()),
        &headers,
    )
    .await
}

async fn answer(app: &App, caller: &Caller, row: Option<Record>, headers: &HeaderMap) -> Result<Response, Outcome> {
    let row = row.ok_or_else(Problem::not_found)?;
    let opened = read::open(app, caller, &row, read::purpose(caller))
        .await
        .map_err(read::hide)?;
    let served = respond::served(&app.config, opened.json, row.content_hash, row.state);
    Ok(respond::resource(headers, StatusCode::OK, &served))
}
