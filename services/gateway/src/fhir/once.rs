//! Idempotency-Key on a FHIR create: the answer is committed with the record it is about, so the pair cannot come
//! apart, and it is given again byte for byte.

use alloy::primitives::B256;
use axum::http::{HeaderMap, StatusCode};
use chartseal_store::KeptAnswer;

use crate::{
    app::App,
    auth::caller::Caller,
    idempotency,
    problem::{Code, Failure, Problem},
    vault::Kind,
};

/// What a client is told of a record it made.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub location: String,
    /// The resource as served.
    pub body: Vec<u8>,
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
    /// It was answered; the answer stands.
    Answered(Answer),
    /// It is new.
    Fresh(Key),
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
    let body = app.vault.open(caller.org, Kind::Answer, &name, &kept.body)?;
    Ok(Look::Answered(Answer {
        status: StatusCode::from_u16(kept.status).unwrap_or(StatusCode::CREATED),
        location: kept.location.unwrap_or_default(),
        body: body.to_vec(),
    }))
}

impl Key {
    /// The row that keeps the answer, to be committed with the record.
    pub fn keep(&self, app: &App, caller: &Caller, answer: &Answer) -> Result<KeptAnswer, Failure> {
        let name = caller.name();
        let body = app.vault.seal(caller.org, Kind::Answer, &name, &answer.body)?;
        Ok(KeptAnswer {
            caller: name,
            key_hash: self.key,
            request_hash: self.request,
            status: answer.status.as_u16(),
            location: Some(answer.location.clone()),
            body: body.into(),
            expires_at: idempotency::expiry(app),
        })
    }
}
