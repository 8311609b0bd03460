//! `GET /fhir/R4/<type>/<id>/_history`: every version of one record, newest first.

use axum::{
    extract::{Path, RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};
use chartseal_store::Record;
use serde_json::{Value, json};

use super::{
    bundle, date,
    kind::Kind,
    media::FHIR_JSON,
    outcome::Outcome,
    paging,
    reference::RecordId,
    request::Who,
    respond,
    search::{Window, read_form},
};
use crate::{
    app::App,
    auth::scopes::Interaction,
    problem::Problem,
    read::{self, many},
};

/// The handler. Who may not read the record is not told how many versions it has.
pub async fn history(
    State(app): State<App>,
    Who(caller): Who,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Outcome> {
    caller.may(kind.as_str(), Interaction::Read)?;
    let pairs = paging::unfold(&app, &caller, read_form(&query.unwrap_or_default()))?;
    let window = Window::parse(&pairs)?;
    let since = since(&pairs)?;
    let mut rows = versions(&app, kind, &id).await?;
    rows = read::readable(&app, &caller, rows).await?;
    if rows.is_empty() {
        return Err(Problem::not_found().into());
    }
    rows.retain(|row| i128::from(row.authored_at) * 1_000_000_000 >= since);
    let total = rows.len();
    let page: Vec<Record> = rows.into_iter().skip(window.offset).take(window.count).collect();
    let entries = many::open(&app, &caller, page, vec![], |_| true).await?.into_iter();
    let entries = entries.map(|(row, opened)| {
        let served = respond::served(&app.config, opened.json, row.content_hash, row.state);
        entry(&app, &row, json!(served))
    });
    let url = app.config.url(&format!("/fhir/R4/{}/{id}/_history", kind.as_str()));
    let used: Vec<_> = pairs.iter().filter(|(name, _)| name == "_since").cloned().collect();
    let next = match window.next(total) {
        Some(next) => Some(paging::next(&app, &caller, &url, &next.form(&used)).map_err(Problem::from)?),
        None => None,
    };
    let links = bundle::links(format!("{url}?{}", window.form(&used)), next);
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "history",
        "total": total,
        "link": links,
        "entry": entries.collect::<Vec<Value>>(),
    });
    Ok((
        [(header::CONTENT_TYPE, FHIR_JSON)],
        bundle::without_nothing(bundle).to_string(),
    )
        .into_response())
}

async fn versions(app: &App, kind: Kind, id: &str) -> Result<Vec<Record>, Problem> {
    let Ok(RecordId(id)) = id.parse() else {
        return Ok(vec![]);
    };
    let rows = app.store.record_history(id).await?;
    Ok(rows
        .into_iter()
        .filter(|row| row.resource_type == kind.as_str())
        .collect())
}

/// What made the version, and what it was told.
fn entry(app: &App, row: &Record, resource: Value) -> Value {
    let kind = &row.resource_type;
    let id = RecordId(row.record_id);
    let (method, url, status) = match row.version {
        1 => ("POST", kind.clone(), "201 Created"),
        _ => ("PUT", format!("{kind}/{id}"), "200 OK"),
    };
    json!({
        "fullUrl": app.config.url(&format!("/fhir/R4/{kind}/{id}")),
        "resource": resource,
        "request": { "method": method, "url": url },
        "response": {
            "status": status,
            "etag": format!("W/\"{}\"", row.version),
            "lastModified": date::instant(row.authored_at),
        },
    })
}

/// Nanoseconds since 1970 from which on versions are wanted.
fn since(pairs: &[(String, String)]) -> Result<i128, Outcome> {
    let Some((_, text)) = pairs.iter().find(|(name, _)| name == "_since") else {
        return Ok(i128::MIN);
    };
    let span = date::Span::parse(text);
    span.map(|span| span.start).ok_or_else(|| {
        Outcome::new(
            crate::problem::Code::InvalidSearch,
            "_since: expected an instant like 2026-11-22T10:00:00Z",
        )
    })
}
