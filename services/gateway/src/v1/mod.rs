//! The native API. One endpoint, one file; every refusal is an RFC 9457 problem.

pub mod accounts;
pub mod audit;
pub mod claims;
pub mod clients;
pub mod deployment;
pub mod drafts;
pub mod epochs;
pub mod grants;
pub mod intents;
pub mod ipfs;
pub mod packets;
pub mod receipts;
pub mod records;
pub mod releases;
pub mod requests;
pub mod sessions;
pub mod system;

use alloy::primitives::{Address, B256};
use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
};
use chartseal_record::{Scope, Slot};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    app::App,
    custody::single,
    openapi::words::{AddressSchema, HashSchema, ScopeSchema},
    problem::{Code, Failure, Problem},
};

/// Every route; each brings its description along.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(accounts::routes())
        .merge(audit::routes())
        .merge(claims::routes())
        .merge(clients::routes())
        .merge(deployment::routes())
        .merge(drafts::routes())
        .merge(epochs::routes())
        .merge(grants::routes())
        .merge(intents::routes())
        .merge(ipfs::routes())
        .merge(packets::routes())
        .merge(receipts::routes())
        .merge(records::routes())
        .merge(releases::routes())
        .merge(requests::routes())
        .merge(sessions::routes())
        .merge(system::routes())
}

/// A signature that is asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToSign {
    /// What the signature is called where it is handed in.
    #[serde(rename = "as")]
    pub part: String,
    /// Whose it must be.
    pub signer: Option<Address>,
    #[schema(value_type = crate::openapi::words::TypedData)]
    pub typed_data: Value,
    /// The record, where the typed data names one by a commitment only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens: Option<OneRecord>,
}

/// One version of one record: what a grant of one record opens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OneRecord {
    #[schema(value_type = crate::openapi::words::CidSchema)]
    pub cid: String,
    /// Without 0x it is the FHIR id.
    pub record_id: B256,
    pub version: u32,
    /// FHIR's.
    pub resource_type: String,
    pub scope: Scope,
}

impl OneRecord {
    /// The record a slot is of, if it is known here.
    pub async fn of(app: &App, slot: Slot) -> Result<Option<Self>, Failure> {
        Ok(single::record(app, slot).await?.map(|row| Self {
            cid: row.content_hash.to_string(),
            record_id: row.record_id,
            version: row.version,
            resource_type: row.resource_type,
            scope: row.scope,
        }))
    }
}

/// A JSON body, refused as a problem.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, app).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::BytesRejection(e)) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
                Code::TooLarge,
                format!("a request here is at most {} bytes", app.config.limits.request_bytes),
            )),
            // serde names fields and shapes, and quotes what it did not expect: nothing the sender does not know.
            Err(refused) => Err(Problem::new(Code::Malformed, refused.body_text())),
        }
    }
}

/// A query string, refused as a problem.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let refused = |e: axum::extract::rejection::QueryRejection| Problem::new(Code::Malformed, e.body_text());
        Query::<T>::from_request_parts(parts, app)
            .await
            .map(|Query(value)| Self(value))
            .map_err(refused)
    }
}

/// A part of the path; one that does not parse leads nowhere.
#[derive(Debug)]
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let found = Path::<T>::from_request_parts(parts, app).await;
        found.map(|Path(value)| Self(value)).map_err(|_| Problem::not_found())
    }
}
