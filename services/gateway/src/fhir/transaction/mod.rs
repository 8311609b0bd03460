//! `POST /fhir/R4`: a transaction Bundle, as IHE's ITI-65 sends documents. Everything is stored, or nothing is.
//!
//! Every entry is read and admitted, every document sealed, before the one commit that makes all records true together.
//! What its entries call each other (`urn:uuid:…`) is known before anything is signed: ids of new records are drawn first.

mod answer;
mod entry;
mod names;
mod plan;
mod searched;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use self::{entry::Entry, plan::Planned};
use super::{
    create,
    json::Json,
    media,
    outcome::Outcome,
    request::{self, Who},
};
use crate::{app::App, problem::Code, write};

/// Entries of one transaction. All of them are sealed in memory before the commit.
const MOST: usize = 200;

/// The handler.
pub async fn transaction(
    State(app): State<App>,
    Who(caller): Who,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Outcome> {
    media::check_json_body(&headers)?;
    create::check_author(&app, &caller)?;
    if headers.contains_key("idempotency-key") {
        let text =
            "a transaction is made safe to repeat by request.ifNoneExist in its entries, not by an Idempotency-Key";
        return Err(Outcome::new(Code::NotImplemented, text));
    }
    let limit = app.config.limits.fhir_json_bytes;
    let _room = request::room(&app, &headers, limit)?;
    let bytes = request::read(headers.clone(), body, limit).await?;
    let entries = entries(Json::parse(&bytes)?)?;
    drop(bytes);
    for entry in &entries {
        entry.allowed(&caller).map_err(|refused| entry.refused(refused))?;
    }
    let planned = plan::plan(&app, &caller, entries).await?;
    let (records, places): (Vec<_>, Vec<_>) = planned.into_iter().map(Planned::split).unzip();
    let records: Vec<_> = records.into_iter().flatten().collect();
    let contents = answer::contents(&records);
    let stored = match records.is_empty() {
        true => vec![],
        false => write::sign_and_commit_all(&app, &caller, records).await?,
    };
    let bundle = answer::bundle(&app, &headers, places, stored, &contents)?;
    Ok((
        StatusCode::OK,
        [(axum::http::header::CONTENT_TYPE, media::FHIR_JSON)],
        bundle,
    )
        .into_response())
}

fn entries(mut bundle: Json) -> Result<Vec<Entry>, Outcome> {
    let refuse = |text: &str, path: &str| Err(Outcome::new(Code::InvalidElement, text).at(path.to_owned()));
    if bundle.text("resourceType") != Some("Bundle") {
        let text = "the base takes a Bundle of type transaction; single resources are posted to their type";
        return Err(Outcome::new(Code::MalformedResource, text).at("resourceType"));
    }
    match bundle.text("type") {
        Some("transaction") => {}
        Some("batch") => {
            let text = "batches are not offered; send a transaction, or resources one by one";
            return Err(Outcome::new(Code::NotImplemented, text).at("Bundle.type"));
        }
        _ => return refuse("Bundle.type must be transaction", "Bundle.type"),
    }
    let entries = match bundle.remove("entry") {
        Some(Json::List(entries)) => entries,
        None => return Ok(vec![]),
        Some(_) => return refuse("Bundle.entry must be a list of objects", "Bundle.entry"),
    };
    if entries.len() > MOST {
        let text = format!("a transaction has at most {MOST} entries; send several");
        return Err(Outcome::new(Code::TooLarge, text).at("Bundle.entry"));
    }
    entries
        .into_iter()
        .enumerate()
        .map(|(at, entry)| Entry::read(at, entry))
        .collect()
}
