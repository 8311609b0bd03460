//! Resources nobody uploads: they are what the chain, the journal and the statements say, written as FHIR. Read and
//! searched, never written; each type decides in its own file what its caller may see.

mod audit_event;
mod consent;
mod directory;
mod party;
mod provenance;
pub mod task;

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

pub use self::audit_event::journal;
use self::{
    audit_event::AuditEvent,
    consent::Consent,
    directory::{Organization, Practitioner},
    provenance::Provenance,
    task::Task,
};
use super::{
    bundle::{self, Page},
    find,
    json::Json,
    media::FHIR_JSON,
    outcome::Outcome,
    paging,
    request::{Who, prefers},
    respond,
    search::{Here, Query, read_form},
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
};

/// A type of resource made here.
trait Derived: 'static {
    const NAME: &'static str;

    /// Those the caller may see that can match, in an order that stays. The search is held against them.
    fn visible(app: &App, caller: &Caller, query: &Query) -> impl Future<Output = Result<Vec<Json>, Outcome>> + Send;

    /// The one with this id, if the caller may see it.
    fn one(app: &App, caller: &Caller, id: &str) -> impl Future<Output = Result<Option<Json>, Outcome>> + Send;
}

/// Their routes.
pub fn routes() -> Router<App> {
    of::<Practitioner>()
        .merge(of::<Organization>())
        .merge(of::<Consent>())
        .merge(of::<AuditEvent>())
        .merge(of::<Provenance>())
        .merge(of::<Task>())
}

fn of<D: Derived>() -> Router<App> {
    Router::new()
        .route(&format!("/{}", D::NAME), get(by_query::<D>))
        .route(&format!("/{}/_search", D::NAME), post(by_form::<D>))
        .route(&format!("/{}/{{id}}", D::NAME), get(read::<D>))
}

async fn read<D: Derived>(
    State(app): State<App>,
    Who(caller): Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    caller.may(D::NAME, Interaction::Read)?;
    let found = D::one(&app, &caller, &id).await?.ok_or_else(Problem::not_found)?;
    Ok(respond::resource(&headers, StatusCode::OK, &found))
}

async fn by_query<D: Derived>(
    State(app): State<App>,
    Who(caller): Who,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    search::<D>(&app, &caller, read_form(&query.unwrap_or_default()), &headers).await
}

async fn by_form<D: Derived>(
    State(app): State<App>,
    Who(caller): Who,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Outcome> {
    let pairs = find::form(query, &headers, body).await?;
    search::<D>(&app, &caller, pairs, &headers).await
}

async fn search<D: Derived>(
    app: &App,
    caller: &Caller,
    pairs: Vec<(String, String)>,
    headers: &HeaderMap,
) -> Result<Response, Outcome> {
    caller.may(D::NAME, Interaction::Search)?;
    let base = app.config.url("/fhir/R4");
    let here = Here {
        base: &base,
        chain_id: app.contracts.chain_id,
    };
    let pairs = paging::unfold(app, caller, pairs)?;
    let query = Query::parse(D::NAME, &pairs, prefers(headers, "handling=strict"), here)?;
    let visible = matching::<D>(app, caller, &query).await?;
    let total = visible.len();
    let page = visible.into_iter().skip(query.window.offset).take(query.window.count);
    let matches = page.map(|resource| (resource.text("id").unwrap_or_default().to_owned(), resource));
    let page = Page {
        matches: matches.collect(),
        total,
    };
    let url = format!("{base}/{}", D::NAME);
    let next = match query.window.next(total) {
        Some(next) => Some(paging::next(app, caller, &url, &query.form(next)).map_err(Problem::from)?),
        None => None,
    };
    let bundle = bundle::searchset(page, &query, &url, next);
    Ok(([(header::CONTENT_TYPE, FHIR_JSON)], bundle).into_response())
}

async fn matching<D: Derived>(app: &App, caller: &Caller, query: &Query) -> Result<Vec<Json>, Outcome> {
    let base = app.config.url("/fhir/R4");
    let mut visible = D::visible(app, caller, query).await?;
    visible.retain(|resource| query.admits(resource, &base));
    Ok(visible)
}

/// The ids of those of the Directory that a search finds: whom a document names as author or keeper.
pub async fn ids(app: &App, caller: &Caller, name: &str, query: &Query) -> Result<Vec<String>, Outcome> {
    let found = match name {
        Practitioner::NAME => matching::<Practitioner>(app, caller, query).await?,
        Organization::NAME => matching::<Organization>(app, caller, query).await?,
        _ => {
            let text = "resources of this type are not searched for in references; refer to an id";
            return Err(Outcome::new(Code::NotSupported, text));
        }
    };
    let ids = found.iter().filter_map(|resource| resource.text("id"));
    Ok(ids.map(str::to_owned).collect())
}

/// A JSON value of ours as a resource.
fn resource(value: &serde_json::Value) -> Result<Json, Outcome> {
    Ok(Json::parse(value.to_string().as_bytes())?)
}
