//! `GET /fhir/R4/<type>?…` and `POST …/_search`: records found by blind index, opened, and held against the search.

use std::collections::{BTreeMap, HashMap};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chartseal_record::Compartment;
use chartseal_store::Record;

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
    search::{Here, Query, read_form},
};
use crate::{
    app::App,
    audit,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
    read,
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
    search(&app, &caller, kind, pairs, &headers).await
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
    audit::searched(app, caller, read::purpose(caller), &candidates).await?;
    let page = page(app, caller, candidates, &query).await?;
    let url = format!("{base}/{}", kind.as_str());
    let next = match page.next {
        Some(offset) => Some(paging::next(app, caller, &url, &query.form(offset)).map_err(Problem::from)?),
        None => None,
    };
    let bundle = bundle::searchset(page, &query, &url, next);
    Ok(([(header::CONTENT_TYPE, FHIR_JSON)], bundle).into_response())
}

/// Opens what the page needs: only the page where the index decides alone, every candidate where it does not.
async fn page(app: &App, caller: &Caller, candidates: Vec<Record>, query: &Query) -> Result<Page, Outcome> {
    let end = query.offset.saturating_add(query.count);
    if !query.needs_opening() {
        let total = candidates.len();
        let chosen: Vec<Record> = candidates.into_iter().skip(query.offset).take(query.count).collect();
        let matches = open(app, caller, chosen, query).await?;
        return Ok(Page {
            matches,
            total,
            next: (end < total && query.count > 0).then_some(end),
        });
    }
    if candidates.len() > MOST_OPENED {
        let text =
            format!("more than {MOST_OPENED} records would have to be opened; name a patient, an identifier or a type");
        return Err(Outcome::new(Code::InvalidSearch, text));
    }
    let all = open(app, caller, candidates, query).await?;
    let total = all.len();
    let matches = all.into_iter().skip(query.offset).take(query.count).collect();
    Ok(Page {
        matches,
        total,
        next: (end < total && query.count > 0).then_some(end),
    })
}

/// Opens records, one audit entry per compartment and epoch that names them all, and keeps those that match.
async fn open(app: &App, caller: &Caller, rows: Vec<Record>, query: &Query) -> Result<Vec<(String, Json)>, Outcome> {
    let mut names: BTreeMap<(Compartment, u32), Vec<String>> = BTreeMap::new();
    for row in &rows {
        names
            .entry((row.compartment, row.epoch))
            .or_default()
            .push(RecordId(row.record_id).to_string());
    }
    let mut secrets = HashMap::new();
    let mut matches = Vec::with_capacity(rows.len());
    for row in rows {
        let place = (row.compartment, row.epoch);
        if let Some(names) = names.remove(&place) {
            let secret = read::secret(app, caller, &row, read::purpose(caller), Some(names.join(" "))).await;
            // A grant that ended since the candidates were listed hides its records, as if it had ended before.
            match secret {
                Ok(secret) => drop(secrets.insert(place, secret)),
                Err(problem) if problem.code == Code::NotLive => continue,
                Err(problem) => return Err(problem.into()),
            }
        }
        let Some(secret) = secrets.get(&place) else { continue };
        let opened = read::open_with(app, secret, &row).await?;
        if query.admits(&opened.json) {
            let served = respond::served(&app.config, opened.json, row.content_hash, row.state);
            matches.push((RecordId(row.record_id).to_string(), served));
        }
    }
    Ok(matches)
}
