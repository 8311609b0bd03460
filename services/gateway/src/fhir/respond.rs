//! Answers that are one resource.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chartseal_record::{ContentHash, state::RecordState};
use serde_json::json;

use super::{attachment, date, json::Json, media::FHIR_JSON, meta, outcome::SYSTEM, request::prefers, version};
use crate::config::Config;

/// Rewrites what is sealed into what is served: URLs of this gateway, and the record's CID and state.
pub fn served(config: &Config, mut resource: Json, content: ContentHash, state: RecordState) -> Json {
    attachment::serve(&mut resource, &config.url("/fhir/R4"));
    meta::serve(&mut resource, &content.to_string(), state);
    resource
}

/// A resource with its ETag and Last-Modified. 304 if the client has this version already.
pub fn resource(headers: &HeaderMap, status: StatusCode, resource: &Json) -> Response {
    let known = |v| version::is_known(headers, v, changed_at(resource));
    let known = status == StatusCode::OK && version_of(resource).is_some_and(known);
    if known {
        return with_version(StatusCode::NOT_MODIFIED.into_response(), resource);
    }
    let response = (status, [(header::CONTENT_TYPE, FHIR_JSON)], resource.to_bytes()).into_response();
    with_version(response, resource)
}

/// The answer to a create or update, in the form the client prefers.
pub fn written(headers: &HeaderMap, status: StatusCode, location: &str, resource: &Json) -> Response {
    let mut response = if prefers(headers, "return=minimal") {
        (status, Body::empty()).into_response()
    } else if prefers(headers, "return=OperationOutcome") {
        (status, [(header::CONTENT_TYPE, FHIR_JSON)], stored().to_string()).into_response()
    } else {
        (status, [(header::CONTENT_TYPE, FHIR_JSON)], resource.to_bytes()).into_response()
    };
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    with_version(response, resource)
}

/// Where a write went, for who may not be shown it (again).
pub fn placed(status: StatusCode, location: &str, version: u32) -> Response {
    let mut response = (status, [(header::ETAG, version::etag(version))]).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn stored() -> serde_json::Value {
    json!({ "resourceType": "OperationOutcome", "issue": [{
        "severity": "information",
        "code": "informational",
        "details": { "coding": [{ "system": SYSTEM, "code": "stored" }],
            "text": "stored; its receipt exists once the batch is anchored" },
    }] })
}

fn version_of(resource: &Json) -> Option<u32> {
    resource.get("meta")?.text("versionId")?.parse().ok()
}

/// Unix seconds of `meta.lastUpdated`.
fn changed_at(resource: &Json) -> Option<u64> {
    let span = date::Span::parse(resource.get("meta")?.text("lastUpdated")?)?;
    u64::try_from(span.start / 1_000_000_000).ok()
}

fn with_version(mut response: Response, resource: &Json) -> Response {
    let headers = response.headers_mut();
    if let Some(version) = version_of(resource) {
        headers.insert(header::ETAG, version::etag(version));
    }
    if let Some(value) = changed_at(resource).and_then(|seconds| HeaderValue::from_str(&date::http(seconds)).ok()) {
        headers.insert(header::LAST_MODIFIED, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Json {
        Json::parse(
            br#"{"resourceType":"Claim","id":"a","meta":{"versionId":"3","lastUpdated":"2026-11-22T10:00:00Z"}}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_resource_carries_its_version_and_time() {
        let response = resource(&HeaderMap::new(), StatusCode::OK, &claim());
        assert_eq!(response.headers()["etag"], "W/\"3\"");
        assert_eq!(response.headers()["last-modified"], "Sun, 22 Nov 2026 10:00:00 GMT");
        assert_eq!(response.headers()["content-type"], FHIR_JSON);
    }

    #[test]
    fn a_client_that_has_the_version_gets_no_body() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, "W/\"3\"".parse().unwrap());
        assert_eq!(
            resource(&headers, StatusCode::OK, &claim()).status(),
            StatusCode::NOT_MODIFIED
        );
    }

    #[tokio::test]
    async fn the_client_chooses_what_a_write_returns() {
        let body = |prefer: &'static str| async move {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", prefer.parse().unwrap());
            let response = written(&headers, StatusCode::CREATED, "http://x/Claim/a/_history/3", &claim());
            assert_eq!(response.headers()["location"], "http://x/Claim/a/_history/3");
            axum::body::to_bytes(response.into_body(), 4096).await.unwrap()
        };
        assert!(body("return=minimal").await.is_empty());
        assert!(String::from_utf8_lossy(&body("return=OperationOutcome").await).contains("informational"));
        assert!(String::from_utf8_lossy(&body("return=representation").await).contains("Claim"));
    }
}
