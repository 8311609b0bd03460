//! `POST /fhir/R4/<type>`: a new record.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chartseal_record::state::RecordState;
use chartseal_store::KeptAnswer;

use super::{
    json::Json,
    kind::Kind,
    once::{self, Answer, Look},
    outcome::Outcome,
    reference::{self, PatientRef},
    request::{Resource, Who},
    respond,
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
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
    if headers.contains_key("if-none-exist") {
        // Who may write need not be able to read, so "none exists" is nothing this server could promise.
        let text = "conditional creates are not offered; repeat a create safely with an Idempotency-Key";
        return Err(Outcome::new(Code::NotImplemented, text));
    }
    let key = match once::look(&app, &caller, &headers, &request_of(kind, &body.bytes)).await? {
        Look::Answered(before) => return told(&headers, &before),
        Look::Fresh(key) => Some(key),
        Look::None => None,
    };
    check_author(&app, &caller)?;
    let upload = Upload {
        kind: kind.as_str(),
        patient: patient(&app, kind, &body.json),
        resource: resolved(kind, body.json),
        replaces: None,
        scope: None,
    };
    let prepared = write::prepare(&app, &caller, upload).await?;
    let keep = |stored: &Stored, resource: &[u8]| match key {
        Some(key) => Ok(Some(key.keep(
            &app,
            &caller,
            &answer(&app, kind, StatusCode::CREATED, stored, resource)?,
        )?)),
        None => Ok(None),
    };
    finish(&app, &caller, kind, &headers, StatusCode::CREATED, prepared, keep).await
}

/// Commits and answers; shared with update.
pub async fn finish(
    app: &App,
    caller: &Caller,
    kind: Kind,
    headers: &HeaderMap,
    status: StatusCode,
    prepared: Prepared,
    keep: impl Fn(&Stored, &[u8]) -> Result<Option<KeptAnswer>, Problem>,
) -> Result<Response, Outcome> {
    let (stored, resource) = write::sign_and_commit(app, caller, prepared, keep).await?;
    told(headers, &answer(app, kind, status, &stored, &resource)?)
}

/// What the client is told of a stored record, and told again under its Idempotency-Key.
fn answer(app: &App, kind: Kind, status: StatusCode, stored: &Stored, resource: &[u8]) -> Result<Answer, Problem> {
    let resource = Json::parse(resource)?;
    let served = respond::served(&app.config, resource, stored.content, RecordState::Stored);
    let location = format!("/fhir/R4/{}/{}/_history/{}", kind.as_str(), stored.id, stored.version);
    Ok(Answer {
        status,
        location: app.config.url(&location),
        body: served.to_bytes(),
    })
}

fn told(headers: &HeaderMap, answer: &Answer) -> Result<Response, Outcome> {
    Ok(respond::written(
        headers,
        answer.status,
        &answer.location,
        &Json::parse(&answer.body)?,
    ))
}

/// The same bytes to another type are another request.
fn request_of(kind: Kind, body: &[u8]) -> Vec<u8> {
    [b"POST ", kind.as_str().as_bytes(), b"\n", body].concat()
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

/// A conditional reference (`Patient?identifier=…`) becomes the identifier it names: what is stored must not have to
/// be searched for again.
pub fn resolved(kind: Kind, mut resource: Json) -> Json {
    let subject = kind.subject().and_then(|element| resource.get_mut(element));
    let Some(subject) = subject else { return resource };
    let identifier = subject
        .text("reference")
        .and_then(|text| text.strip_prefix("Patient?identifier="));
    if let Some((system, value)) = identifier.and_then(|text| text.split_once('|')) {
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

    #[test]
    fn the_same_body_to_another_type_is_another_request() {
        assert_ne!(request_of(Kind::Claim, b"{}"), request_of(Kind::Patient, b"{}"));
    }
}
