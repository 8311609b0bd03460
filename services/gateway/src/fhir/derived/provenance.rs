//! Provenance: who authored a version, with the signature over its statement. The signature is inside the sealed record, so
//! this is shown to who may open it, after an audit entry.

use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_record::ContentHash;
use chartseal_store::Record;
use serde_json::json;

use super::{Derived, party, resource};
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{
        date,
        json::Json,
        meta,
        outcome::Outcome,
        reference::RecordId,
        search::{Criterion, Query},
    },
    problem::{Code, Problem},
    read::{self, Opened, many},
};

pub struct Provenance;

impl Derived for Provenance {
    const NAME: &'static str = "Provenance";

    async fn visible(app: &App, caller: &Caller, query: &Query) -> Result<Vec<Json>, Outcome> {
        let targets = query.criteria.iter().find_map(|criterion| match criterion {
            Criterion::Record {
                column: "target", any, ..
            } => Some(any),
            _ => None,
        });
        let Some(targets) = targets else {
            let text = "name what it is about: target=DocumentReference/<id>";
            return Err(Outcome::new(Code::InvalidSearch, text));
        };
        let mut rows = Vec::new();
        for RecordId(id) in targets {
            let versions = app.store.record_history(*id).await.map_err(Problem::from)?;
            rows.extend(read::readable(app, caller, versions).await?);
        }
        let opened = many::open(app, caller, rows, vec![], |_| true).await?;
        opened.iter().map(|(row, opened)| show(app, row, opened)).collect()
    }

    async fn one(app: &App, caller: &Caller, id: &str) -> Result<Option<Json>, Outcome> {
        let Ok(RecordId(hash)) = id.parse() else {
            return Ok(None);
        };
        let Some(row) = app.store.record(ContentHash(hash)).await.map_err(Problem::from)? else {
            return Ok(None);
        };
        let opened = read::open(app, caller, &row, read::purpose(caller))
            .await
            .map_err(read::hide)?;
        show(app, &row, &opened).map(Some)
    }
}

fn show(app: &App, row: &Record, opened: &Opened) -> Result<Json, Outcome> {
    let version = |version: u32| {
        let place = format!("{}/{}/_history/{version}", row.resource_type, RecordId(row.record_id));
        json!({ "reference": place })
    };
    let author = party::of(app, row.author);
    let when = date::instant(row.authored_at);
    let operation = if row.version == 1 { "CREATE" } else { "UPDATE" };
    let mut provenance = json!({
        "resourceType": "Provenance",
        "id": RecordId(row.content_hash.0).to_string(),
        "meta": {},
        "target": [version(row.version)],
        "recorded": when,
        "activity": party::concept("http://terminology.hl7.org/CodeSystem/v3-DataOperation", operation),
        "agent": [{
            "type": party::concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "author"),
            "who": author,
        }],
        "signature": [{
            "type": [{ "system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1" }],
            "when": when,
            "who": author,
            "sigFormat": "application/octet-stream",
            "data": STANDARD.encode(&opened.header.signature),
        }],
    });
    if row.version > 1 {
        provenance["entity"] = json!([{ "role": "revision", "what": version(row.version - 1) }]);
    }
    let mut provenance = resource(&provenance)?;
    meta::serve(&mut provenance, &row.content_hash.to_string(), row.state);
    Ok(provenance)
}
