//! `POST /fhir/R4/Task` and `PUT /fhir/R4/Task/<id>`: an organisation's system asks a patient for data (Da Vinci CDex,
//! task-based), and takes the question back.
//!
//! A Task **is** a request (`/v1/requests`): the same row, the same words before the patient, the same decisions. It is
//! signed by the organisation's statement key, since a system has no wallet: asking decides nothing, so the key that
//! speaks for the organisation in records may ask in its name, and only a controller's or a patient's signature grants.
//! The Task as it was sent is sealed with the request; its status is never stored, but follows from what was decided
//! (`derived/task.rs`).

pub mod about;
pub mod asked;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{post, put},
};
use chartseal_record::{account::Role, typed};
use serde_json::Value;

use self::asked::{Data, invalid};
use super::{
    create, derived::task, json::Json, media, outcome::Outcome, reference, reference::RecordId, request, request::Who,
    respond, update,
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    idempotency::{self, Created},
    problem::{Code, Failure, Problem},
    statement,
    v1::{intents, requests},
    write,
};

const NAME: &str = "Task";

pub fn routes() -> Router<App> {
    Router::new().route("/Task", post(ask)).route("/Task/{id}", put(change))
}

async fn ask(State(app): State<App>, Who(caller): Who, headers: HeaderMap, body: Body) -> Result<Response, Outcome> {
    caller.may(NAME, Interaction::Create)?;
    asker(&app, &caller)?;
    if headers.contains_key("if-none-exist") {
        let text = "a Task is not created conditionally; an Idempotency-Key keeps it from being created twice";
        return Err(Outcome::new(Code::Invalid, text));
    }
    let key = idempotency::key(&headers)?;
    let (bytes, task) = read(&app, &headers, body).await?;
    let asked = new(&app, &caller, task)?;
    let created = idempotency::once(&app, &caller, key, &bytes, keep(&app, &caller, asked)).await?;
    let place = created.location.unwrap_or_default();
    let resource = Json::parse(created.body.to_string().as_bytes())?;
    Ok(respond::written(&headers, created.status, &place, &resource))
}

/// Reads one JSON object, which repeats no member.
async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<(axum::body::Bytes, Value), Outcome> {
    media::check_json_body(headers)?;
    let bytes = request::read(headers.clone(), body, app.config.limits.request_bytes as u64).await?;
    let json = Json::parse(&bytes)?;
    if json.text("resourceType") != Some(NAME) {
        return Err(Outcome::new(Code::MalformedResource, "a Task is expected here").at("Task.resourceType"));
    }
    let task = serde_json::from_slice(&bytes).map_err(|_| Failure::Broken("a JSON tree is no JSON value"));
    Ok((bytes, task.map_err(Problem::from)?))
}

/// Insurers and hospitals whose statement key is kept here ask by their systems; doctors ask by wallet.
fn asker(app: &App, caller: &Caller) -> Result<(), Problem> {
    if !matches!(caller.registered()?, Role::Insurer | Role::Hospital) {
        let text = "organisations ask by Task; a doctor asks by wallet: POST /v1/requests";
        return Err(Problem::new(Code::Forbidden, text));
    }
    create::check_author(app, caller)
}

/// A Task that can be asked.
struct New {
    task: Value,
    data: Data,
    patient: reference::PatientRef,
}

fn new(app: &App, _: &Caller, task: Value) -> Result<New, Outcome> {
    for (element, expected) in [("status", "requested"), ("intent", "order")] {
        if task[element] != expected {
            return Err(invalid(
                format!("a new Task has the {element} '{expected}'"),
                &format!("Task.{element}"),
            ));
        }
    }
    let data = Data::of(&task)?;
    let subject = Json::parse(task["for"].to_string().as_bytes()).ok();
    let base = app.config.url("/fhir/R4");
    let patient = subject.and_then(|subject| reference::patient(&subject, &base, app.contracts.chain_id));
    let patient = patient.ok_or_else(|| {
        invalid(
            "'for' refers to Patient/<id> of this server, or to the account by its identifier",
            "Task.for",
        )
    })?;
    Ok(New { task, data, patient })
}

/// Lays the request out, signs it and sends it to the patient.
async fn keep(app: &App, caller: &Caller, asked: New) -> Result<Created, Problem> {
    let New { task, data, patient } = asked;
    let refused = |outcome: Outcome| outcome.problem;
    let patient = write::patient_of(app, Some(patient)).await?;
    data.query(app, patient).map_err(refused)?;
    let ask = requests::Input {
        patient,
        scope: data.scope(app, &task).map_err(refused)?,
        permission: typed::READ,
        until: asked::until(app, &task).map_err(refused)?,
        purpose: asked::purpose(&task),
        reason: asked::reason(&task, &data),
    };
    let (row, _) = requests::lay_out(app, caller.account, ask, Some(&task)).await?;
    let signature = statement::sign(app, caller.account, row.digest).await?;
    app.store.insert_request(&row).await?;
    app.store.open_request(row.digest, &signature).await?;
    let row = app.store.request(row.digest).await?.ok_or_else(Problem::not_found)?;
    let shown = task::shown(app, caller, &row).await.map_err(refused)?;
    let shown = shown.ok_or(Failure::Broken("a Task was kept without its Task"))?;
    let place = app.config.url(&format!("/fhir/R4/{NAME}/{}", RecordId(row.digest)));
    Ok(Created {
        status: StatusCode::CREATED,
        location: Some(place),
        body: shown,
    })
}

/// The requester takes the question back; nothing else of a Task changes by hand.
async fn change(
    State(app): State<App>,
    Who(caller): Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Outcome> {
    caller.may(NAME, Interaction::Update)?;
    let (bytes, task) = read(&app, &headers, body).await?;
    update::check_id(&Json::parse(&bytes)?, &id)?;
    let row = task::row(&app, &caller, &id)
        .await?
        .filter(|row| row.grantee == caller.account);
    let row = row.ok_or_else(Problem::not_found)?;
    let before = task::shown(&app, &caller, &row).await?.ok_or_else(Problem::not_found)?;
    if task["status"] == "cancelled" && before["status"] != "cancelled" {
        asker(&app, &caller)?;
        intents::withdraw_for(&app, &row).await?;
    } else if task["status"] != before["status"] {
        let text = "a Task's status follows from what the patient decides; its requester can set it to 'cancelled'";
        return Err(invalid(text, "Task.status"));
    }
    let row = task::row(&app, &caller, &id).await?.ok_or_else(Problem::not_found)?;
    let after = task::shown(&app, &caller, &row).await?.ok_or_else(Problem::not_found)?;
    let place = app.config.url(&format!("/fhir/R4/{NAME}/{id}"));
    let resource = Json::parse(after.to_string().as_bytes())?;
    Ok(respond::written(&headers, StatusCode::OK, &place, &resource))
}
