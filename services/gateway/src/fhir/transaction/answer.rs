//! The transaction-response: one entry for each, in the order they came.

use std::collections::HashMap;

use axum::http::HeaderMap;
use chartseal_record::state::RecordState;
use serde_json::{Value, json};
use uuid::Uuid;

use super::plan::Place;
use crate::{
    app::App,
    fhir::{bundle, date, json::Json, kind::Kind, outcome::Outcome, reference::RecordId, request::prefers, respond},
    problem::{Failure, Problem},
    write::{Prepared, Stored},
};

/// The CID each staged upload has become part of the records under.
pub fn contents(records: &[Prepared]) -> HashMap<Uuid, String> {
    let documents = records.iter().flat_map(|record| &record.documents);
    documents
        .filter_map(|document| Some((document.staged?, document.reference.cid.to_string())))
        .collect()
}

/// Writes the Bundle. Resources stand in it only for who prefers a representation.
pub fn bundle(
    app: &App,
    headers: &HeaderMap,
    places: Vec<Place>,
    stored: Vec<(Stored, Vec<u8>)>,
    contents: &HashMap<Uuid, String>,
) -> Result<String, Outcome> {
    let shown = prefers(headers, "return=representation");
    let mut stored = stored.into_iter();
    let mut entries = Vec::with_capacity(places.len());
    for place in places {
        entries.push(match place {
            Place::Staged(id) => {
                let name = contents.get(&id).cloned().unwrap_or_else(|| format!("staged-{id}"));
                json!({ "response": { "status": "201 Created", "location": format!("Binary/{name}") } })
            }
            Place::Existing(kind, row, json) => {
                let served = respond::served(&app.config, json, row.content_hash, row.state);
                let response = response("200 OK", kind, RecordId(row.record_id), row.version, row.authored_at);
                entry(app, response, kind, RecordId(row.record_id), shown.then_some(served))
            }
            Place::Record(kind) => {
                let lost = || {
                    Problem::from(Failure::Broken(
                        "a transaction stored fewer records than it has entries",
                    ))
                };
                let (stored, bytes) = stored.next().ok_or_else(lost)?;
                let status = if stored.version == 1 { "201 Created" } else { "200 OK" };
                let response = response(status, kind, stored.id, stored.version, stored.authored_at);
                let resource = match shown {
                    true => Some(respond::served(
                        &app.config,
                        Json::parse(&bytes)?,
                        stored.content,
                        RecordState::Stored,
                    )),
                    false => None,
                };
                entry(app, response, kind, stored.id, resource)
            }
        });
    }
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries });
    Ok(bundle::without_nothing(bundle).to_string())
}

fn response(status: &str, kind: Kind, id: RecordId, version: u32, changed_at: u64) -> Value {
    json!({
        "status": status,
        "location": format!("{}/{id}/_history/{version}", kind.as_str()),
        "etag": format!("W/\"{version}\""),
        "lastModified": date::instant(changed_at),
    })
}

fn entry(app: &App, response: Value, kind: Kind, id: RecordId, resource: Option<Json>) -> Value {
    let mut entry = json!({ "response": response });
    if let Some(resource) = resource {
        entry["fullUrl"] = app.config.url(&format!("/fhir/R4/{}/{id}", kind.as_str())).into();
        entry["resource"] = json!(resource);
    }
    entry
}
