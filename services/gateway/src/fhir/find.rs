//! `GET /fhir/R4/<type>?…` and `POST …/_search`: records found by blind index, opened, and held against the search.

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chartseal_store::{NewAudit, Record};

use super::{
    bundle::{self, Page},
    candidates::candidates,
    json::Json,
    kind::Kind,
    media::{self, FHIR_JSON},
    outcome::Outcome,
    paging,
    reference::RecordId,
    request::{self, Who, prefers},
    respond,
    search::{Here, Query, Window, read_form},
};
use crate::{
    app::App,
    audit,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
    read::{self, many},
};

/// Bytes of a search form.
const FORM: u64 = 64 * 1024;
/// Candidates one search may open, where it asks for what only the opened resource tells.
const MOST_OPENED: usize = 1_000;

/// The handler of GET.
pub async fn by_query(
    State(app): State<App>,
    Who(caller): Who,
    kind: Kind,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    search(&app, &caller, kind, read_form(&query.unwrap_or_default()), &headers).await
}

/// The handler of POST: identifiers stay out of URLs and logs.
pub async fn by_form(
    State(app): State<App>,
    Who(caller): Who,
    kind: Kind,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Outcome> {
    let pairs = form(query, &headers, body).await?;
    search(&app, &caller, kind, pairs, &headers).await
}

/// The parameters of a search that is posted, after those in its URL.
pub async fn form(query: Option<String>, headers: &HeaderMap, body: Body) -> Result<Vec<(String, String)>, Outcome> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if media::essence(given) != "application/x-www-form-urlencoded" {
        let text = "a search is posted as application/x-www-form-urlencoded";
        return Err(Outcome::new(Code::UnsupportedMediaType, text));
    }
    let form = request::read(headers.clone(), body, FORM).await?;
    let form = std::str::from_utf8(&form).map_err(|_| Outcome::new(Code::Malformed, "the form is not UTF-8"))?;
    let mut pairs = read_form(&query.unwrap_or_default());
    pairs.extend(read_form(form));
    Ok(pairs)
}

async fn search(
    app: &App,
    caller: &Caller,
    kind: Kind,
    pairs: Vec<(String, String)>,
    headers: &HeaderMap,
) -> Result<Response, Outcome> {
    caller.may(kind.as_str(), Interaction::Search)?;
    let base = app.config.url("/fhir/R4");
    let here = Here {
        base: &base,
        chain_id: app.contracts.chain_id,
    };
    let pairs = paging::unfold(app, caller, pairs)?;
    let query = Query::parse(kind.as_str(), &pairs, prefers(headers, "handling=strict"), here)?;
    let candidates = candidates(app, caller, kind, &query).await?;
    let page = page(app, caller, candidates, &query).await?;
    let url = format!("{base}/{}", kind.as_str());
    let next = match query.window.next(page.total) {
        Some(next) => Some(paging::next(app, caller, &url, &query.form(next)).map_err(Problem::from)?),
        None => None,
    };
    let bundle = bundle::searchset(page, &query, &url, next);
    Ok(([(header::CONTENT_TYPE, FHIR_JSON)], bundle).into_response())
}

/// Every match, opened, for who needs them all.
pub async fn matches(app: &App, caller: &Caller, kind: Kind, query: &Query) -> Result<Vec<(Record, Json)>, Outcome> {
    let candidates = candidates(app, caller, kind, query).await?;
    let searched = searched(app, caller, &candidates)?;
    let searched = few(app, &candidates, searched).await?;
    let base = app.config.url("/fhir/R4");
    let opened = many::open(app, caller, candidates, searched, |json| query.admits(json, &base)).await?;
    Ok(opened.into_iter().map(|(row, opened)| (row, opened.json)).collect())
}

fn searched(app: &App, caller: &Caller, candidates: &[Record]) -> Result<Vec<NewAudit>, Problem> {
    Ok(audit::searched(app, caller, read::purpose(caller), candidates)?)
}

/// Refuses to open too many. That they are too many tells something of them, so it is written down first.
async fn few(app: &App, candidates: &[Record], searched: Vec<NewAudit>) -> Result<Vec<NewAudit>, Outcome> {
    if candidates.len() <= MOST_OPENED {
        return Ok(searched);
    }
    audit::write(app, searched).await?;
    let text =
        format!("more than {MOST_OPENED} records would have to be opened; name a patient, an identifier or a type");
    Err(Outcome::new(Code::InvalidSearch, text))
}

/// Opens what the page needs: only the page where the index decides alone, every candidate where it does not.
async fn page(app: &App, caller: &Caller, candidates: Vec<Record>, query: &Query) -> Result<Page, Outcome> {
    let Window { count, offset } = query.window;
    let searched = searched(app, caller, &candidates)?;
    if !query.needs_opening() {
        let total = candidates.len();
        let chosen: Vec<Record> = candidates.into_iter().skip(offset).take(count).collect();
        let matches = open(app, caller, chosen, searched, query).await?;
        return Ok(Page { matches, total });
    }
    let searched = few(app, &candidates, searched).await?;
    let all = open(app, caller, candidates, searched, query).await?;
    let total = all.len();
    let matches = all.into_iter().skip(offset).take(count).collect();
    Ok(Page { matches, total })
}

/// Opens records and keeps those that match, as they are served.
async fn open(
    app: &App,
    caller: &Caller,
    rows: Vec<Record>,
    searched: Vec<NewAudit>,
    query: &Query,
) -> Result<Vec<(String, Json)>, Outcome> {
    let base = app.config.url("/fhir/R4");
    let opened = many::open(app, caller, rows, searched, |json| query.admits(json, &base)).await?;
    let served = opened.into_iter().map(|(row, opened)| {
        let served = respond::served(&app.config, opened.json, row.content_hash, row.state);
        (RecordId(row.record_id).to_string(), served)
    });
    Ok(served.collect())
}
