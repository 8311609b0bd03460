//! `POST /fhir/R4/<type>`: a new record.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chartseal_record::state::RecordState;
use chartseal_store::Record;

use super::{
    conditional::{self, Found},
    json::Json,
    kind::Kind,
    once::{self, Key, Look, Told},
    outcome::Outcome,
    reference::{self, PatientRef, RecordId},
    request::{Resource, Who, prefers},
    respond,
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Failure, Problem},
    read,
    write::{self, Prepared, Stored, Upload},
};

/// The handler.
pub async fn create(
    State(app): State<App>,
    Who(caller): Who,
    kind: Kind,
    headers: HeaderMap,
    body: Resource,
) -> Result<Response, Outcome> {
    caller.may(kind.as_str(), Interaction::Create)?;
    // Before the condition: it is met by what the first of two requests created, which the second is to be told as the first.
    let request = once::request("POST", kind.as_str(), &body.bytes);
    let key = match once::look(&app, &caller, &headers, &request).await? {
        Look::Answered(before) => return again(&app, &caller, kind, &headers, &before).await,
        Look::Fresh(key) => Some(key),
        Look::None => None,
    };
    let condition = match headers.get("if-none-exist") {
        None => None,
        Some(query) => {
            match conditional::look(&app, &caller, kind, query.to_str().unwrap_or_default(), &body.json).await? {
                Found::None(condition) => Some(condition),
                Found::One(row, json) => return Ok(existing(&app, kind, &headers, &row, json)),
            }
        }
    };
    check_author(&app, &caller)?;
    let upload = Upload {
        kind: kind.as_str(),
        patient: patient(&app, kind, &body.json),
        resource: resolved(kind, body.json),
        id: None,
        replaces: None,
        scope: None,
    };
    let mut prepared = write::prepare(&app, &caller, upload).await?;
    prepared.condition = condition;
    finish(&app, &caller, kind, &headers, StatusCode::CREATED, prepared, key).await
}

/// Commits and answers, and keeps the answer under its key; shared with update.
pub async fn finish(
    app: &App,
    caller: &Caller,
    kind: Kind,
    headers: &HeaderMap,
    status: StatusCode,
    prepared: Prepared,
    key: Option<Key>,
) -> Result<Response, Outcome> {
    let keep = |stored: &Stored| {
        let location = location(app, kind, stored);
        key.map(|key| key.keep(app, caller, Told { status, location }))
    };
    let (stored, resource) = write::sign_and_commit(app, caller, prepared, keep).await?;
    let resource = Json::parse(&resource)?;
    let served = respond::served(&app.config, resource, stored.content, RecordState::Stored);
    Ok(respond::written(
        headers,
        status,
        &location(app, kind, &stored),
        &served,
    ))
}

/// What a conditional create found: 200, and nothing was stored.
fn existing(app: &App, kind: Kind, headers: &HeaderMap, row: &Record, json: Json) -> Response {
    let served = respond::served(&app.config, json, row.content_hash, row.state);
    let place = format!(
        "/fhir/R4/{}/{}/_history/{}",
        kind.as_str(),
        RecordId(row.record_id),
        row.version
    );
    respond::written(headers, StatusCode::OK, &app.config.url(&place), &served)
}

fn location(app: &App, kind: Kind, stored: &Stored) -> String {
    app.config.url(&format!(
        "/fhir/R4/{}/{}/_history/{}",
        kind.as_str(),
        stored.id,
        stored.version
    ))
}

/// The answer to a request that was answered before. Who may read the record sees it again, as any reader does; who may
/// not (WRITE alone never reads back) is told where it is.
pub async fn again(
    app: &App,
    caller: &Caller,
    kind: Kind,
    headers: &HeaderMap,
    before: &Told,
) -> Result<Response, Outcome> {
    check_author(app, caller)?;
    let Some((id, version)) = version_at(&before.location) else {
        return Err(Problem::from(Failure::Broken("a kept answer names no version")).into());
    };
    let may = !prefers(headers, "return=minimal") && caller.may(kind.as_str(), Interaction::Read).is_ok();
    let row = match may {
        true => app.store.record_version(id.0, version).await.map_err(Problem::from)?,
        false => None,
    };
    if let Some(row) = row {
        match read::open(app, caller, &row, read::purpose(caller)).await {
            Ok(opened) => {
                let served = respond::served(&app.config, opened.json, row.content_hash, row.state);
                return Ok(respond::written(headers, before.status, &before.location, &served));
            }
            Err(problem) if matches!(problem.code, Code::NotLive | Code::OwnKey) => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    Ok(respond::placed(before.status, &before.location, version))
}

/// Record and version of `…/<id>/_history/<version>`.
fn version_at(location: &str) -> Option<(RecordId, u32)> {
    let (place, version) = location.rsplit_once("/_history/")?;
    let (_, id) = place.rsplit_once('/')?;
    Some((id.parse().ok()?, version.parse().ok()?))
}

/// Whose statements this gateway may sign at once: the organisations it serves. A person's wallet signs drafts.
pub fn check_author(app: &App, caller: &Caller) -> Result<(), Problem> {
    let author = write::may_author(app, caller)?;
    if app.config.organisation(author).is_some() {
        return Ok(());
    }
    Err(Problem::new(
        Code::DraftRequired,
        "what this account writes is signed by its wallet: POST /v1/drafts, sign, PUT /v1/drafts/{id}/signature",
    ))
}

/// Whom the resource says it is about.
pub fn patient(app: &App, kind: Kind, resource: &Json) -> Option<PatientRef> {
    let chain_id = app.contracts.chain_id;
    match kind.subject() {
        Some(element) => reference::patient(resource.get(element)?, &app.config.url("/fhir/R4"), chain_id),
        None => reference::account_of_patient(resource, chain_id).map(PatientRef::Account),
    }
}

/// A reference to the patient by the account (`Patient?identifier=urn:chartseal:account|…`) becomes the identifier it
/// names: what is stored must not have to be searched for again.
pub fn resolved(kind: Kind, mut resource: Json) -> Json {
    let subject = kind.subject().and_then(|element| resource.get_mut(element));
    let Some(subject) = subject else { return resource };
    let identifier = subject
        .text("reference")
        .and_then(|text| text.strip_prefix("Patient?identifier="));
    if let Some((system, value)) = identifier.and_then(|text| text.split_once('|'))
        && system == reference::ACCOUNT
    {
        let identifier = Json::from([("system", system.into()), ("value", value.into())]);
        subject.remove("reference");
        subject.set("identifier", identifier);
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conditional_reference_is_kept_as_the_identifier_it_names() {
        let sent = br#"{"resourceType":"Claim","patient":{"reference":"Patient?identifier=urn:chartseal:account|eip155:1:0xab"}}"#;
        let kept = resolved(Kind::Claim, Json::parse(sent).unwrap());
        assert_eq!(
            String::from_utf8(kept.to_bytes()).unwrap(),
            r#"{"resourceType":"Claim","patient":{"identifier":{"system":"urn:chartseal:account","value":"eip155:1:0xab"}}}"#
        );
    }
}
