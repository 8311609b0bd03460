//! GET /v1/records: what is stored of a patient, and how far each record has come. Nothing is opened.

use std::collections::HashMap;

use alloy::primitives::{Address, B256};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
};
use chartseal_record::{Compartment, Scope, state::RecordState};
use chartseal_store::{Record, RecordQuery};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Asked;
use crate::{
    app::App,
    audit,
    auth::{caller::Caller, scopes::Interaction},
    custody::{epochs, single},
    openapi,
    openapi::words::{AddressSchema, HashSchema, RecordStateSchema, ScopeSchema},
    problem::Problem,
    read,
};

/// Records on a page, unless the caller asks for fewer.
const PAGE: u32 = 200;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Input {
    /// Absent: every patient the caller may read.
    patient: Option<Address>,
    scope: Option<Scope>,
    /// Only the newest version of each record: one that the caller may not see is not replaced by an older one.
    #[serde(default)]
    newest: bool,
    /// The last record of the page before, by its `sequence`.
    before: Option<i64>,
    /// 1 to 200; 200 if absent.
    limit: Option<u32>,
}

/// One version of one record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Record)]
struct Listed {
    /// Its place in the list; the cursor of pages.
    sequence: i64,
    #[schema(value_type = openapi::words::CidSchema)]
    cid: String,
    /// The same for every version. Without 0x it is the FHIR id.
    record_id: B256,
    version: u32,
    patient: Address,
    scope: Scope,
    epoch: u32,
    state: RecordState,
    author: Address,
    /// Unix seconds.
    authored_at: u64,
    /// FHIR's.
    resource_type: String,
    /// Written after somebody lost the permission to read who still holds this epoch's key: the patient's device had not
    /// opened the next epoch yet.
    exposed: bool,
}

impl Listed {
    fn of(row: Record, exposed: bool) -> Self {
        Self {
            sequence: row.seq,
            cid: row.content_hash.to_string(),
            record_id: row.record_id,
            version: row.version,
            patient: row.patient,
            scope: row.scope,
            epoch: row.epoch,
            state: row.state,
            author: row.author,
            authored_at: row.authored_at,
            resource_type: row.resource_type,
            exposed,
        }
    }
}

/// What is stored of a patient, and how far each record has come, newest first. Nothing is opened.
#[utoipa::path(
    get,
    path = "/v1/records",
    operation_id = "listRecords",
    tag = "records",
    params(Input),
    responses((
        status = 200,
        body = Vec<Listed>,
        headers(("Link" = String, description = "rel=\"next\": the next page, if there may be one. A page may be short.")),
    )),
    security(("session" = []), ("smart" = [])),
    extensions(("x-refusals" = json!(["not-registered"]))),
)]
// A patient the caller may not read has no records to it, like one that does not exist.
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(input): Asked<Input>,
) -> Result<(HeaderMap, Json<Vec<Listed>>), Problem> {
    let patients: Vec<Address> = input.patient.into_iter().collect();
    let compartments = read::compartments(&app, &caller, &patients, input.scope.as_ref()).await?;
    let limit = input.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let query = RecordQuery {
        compartments: Some(compartments),
        newest_only: input.newest,
        before: input.before,
        limit,
        ..RecordQuery::default()
    };
    let mut rows = app.store.find_records(&query).await?;
    let alone = single::live_values(&app, caller.account, &patients).await?;
    let query = RecordQuery {
        compartments: None,
        index: vec![alone],
        ..query
    };
    rows.extend(app.store.find_records(&query).await?);
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.dedup_by_key(|row| row.seq);
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| rows.len() == limit as usize).map(|row| row.seq);
    // What a system's scopes do not let it search is left out, so a page may be short; the link still leads on.
    let wanted = |row: &Record| input.scope.as_ref().is_none_or(|scope| *scope == row.scope);
    rows.retain(|row| wanted(row) && caller.may(&row.resource_type, Interaction::Search).is_ok());
    let searched = audit::searched(&app, &caller, read::purpose(&caller), &rows)?;
    audit::write(&app, searched).await?;
    let mut headers = HeaderMap::new();
    if let Some(next) = last.and_then(|last| next_page(&app, &input, limit, last)) {
        headers.insert(header::LINK, next);
    }
    Ok((headers, Json(listed(&app, rows).await?)))
}

/// Rows of one epoch share what is known of it.
async fn listed(app: &App, rows: Vec<Record>) -> Result<Vec<Listed>, Problem> {
    let mut known: HashMap<(Compartment, u32), Option<u64>> = HashMap::new();
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        let at = (row.compartment, row.epoch);
        let since = match known.get(&at) {
            Some(since) => *since,
            None => epochs::exposed_since(app, row.patient, &row.scope, row.epoch).await?,
        };
        known.insert(at, since);
        let exposed = since.is_some_and(|since| row.received_at >= since);
        listed.push(Listed::of(row, exposed));
    }
    Ok(listed)
}

fn next_page(app: &App, input: &Input, limit: u32, before: i64) -> Option<HeaderValue> {
    let mut url = app.config.url(&format!("/v1/records?limit={limit}&before={before}"));
    if let Some(patient) = input.patient {
        url.push_str(&format!("&patient={patient}"));
    }
    if let Some(scope) = &input.scope {
        url.push_str(&format!("&scope={scope}"));
    }
    if input.newest {
        url.push_str("&newest=true");
    }
    HeaderValue::from_str(&format!("<{url}>; rel=\"next\"")).ok()
}
