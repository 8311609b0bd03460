//! Idempotency-Key on a FHIR create or update: where the record went is committed with the record, so the pair cannot come apart.
//!
//! Only the status and the place are kept. What a repeated request is shown of the resource is read again, with a live
//! grant and an audit entry: a kept copy would outlive the revocation, outside every epoch's key.

use alloy::primitives::{B256, Bytes};
use axum::http::{HeaderMap, StatusCode};
use chartseal_store::KeptAnswer;

use crate::{
    app::App,
    auth::caller::Caller,
    idempotency,
    problem::{Code, Problem},
};

/// What a client was told of a record it made.
#[derive(Debug, Clone)]
pub struct Told {
    pub status: StatusCode,
    pub location: String,
}

/// A request under an Idempotency-Key that was not answered before.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    key: B256,
    request: B256,
}

/// What an Idempotency-Key says of a request.
#[derive(Debug)]
pub enum Look {
    /// There is none.
    None,
    /// It was answered.
    Answered(Told),
    /// It is new.
    Fresh(Key),
}

/// What a key stands for: the same bytes sent to another place are another request.
pub fn request(method: &str, place: &str, body: &[u8]) -> Vec<u8> {
    [method.as_bytes(), b" ", place.as_bytes(), b"\n", body].concat()
}

/// Looks for the answer to a request. The same key with another request is refused.
pub async fn look(app: &App, caller: &Caller, headers: &HeaderMap, request: &[u8]) -> Result<Look, Problem> {
    let Some(key) = idempotency::key(headers)? else {
        return Ok(Look::None);
    };
    let request = idempotency::request_hash(app, caller.org, request);
    let name = caller.name();
    let Some(kept) = app.store.kept_answer(&name, key, app.clock.seconds()).await? else {
        return Ok(Look::Fresh(Key { key, request }));
    };
    if kept.request_hash != request {
        return Err(Problem::new(
            Code::KeyReused,
            "this Idempotency-Key was used with another request; use a new key",
        ));
    }
    Ok(Look::Answered(Told {
        status: StatusCode::from_u16(kept.status).unwrap_or(StatusCode::CREATED),
        location: kept.location.unwrap_or_default(),
    }))
}

impl Key {
    /// The row that keeps the answer, to be committed with the record.
    pub fn keep(&self, app: &App, caller: &Caller, told: Told) -> KeptAnswer {
        KeptAnswer {
            caller: caller.name(),
            key_hash: self.key,
            request_hash: self.request,
            status: told.status.as_u16(),
            location: Some(told.location),
            body: Bytes::new(),
            expires_at: idempotency::expiry(app),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_body_to_another_place_is_another_request() {
        let claim = request("POST", "Claim", b"{}");
        assert_ne!(claim, request("POST", "Patient", b"{}"));
        assert_ne!(claim, request("PUT", "Claim", b"{}"));
    }
}
