//! Idempotency-Key: a creating request that is sent twice creates once.
//!
//! The first answer is kept for a day, sealed, and given again for the same key and the same bytes, except for what is
//! shown once. The same key with
//! other bytes is a mistake of the caller. Two at the same instant: the second is told to come back.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use alloy::primitives::{Address, B256, keccak256};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chartseal_store::{Error as StoreError, KeptAnswer};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::Sha256;
use utoipa::IntoParams;

use crate::{
    app::App,
    auth::caller::Caller,
    problem::{Code, Failure, Problem},
    vault::Kind,
};

const NAME: HeaderName = HeaderName::from_static("idempotency-key");
/// Characters of a key.
const LONGEST: usize = 255;
/// Seconds an answer is kept.
const LIFE: u64 = 24 * 3600;
/// The member of an answer that is shown once: the backup of a patient's root with its passphrase. Kept, it would be a
/// second copy of every key the patient has.
const SHOWN_ONCE: &str = "backup";

/// What a creating request may name itself by.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `key` reads")]
pub struct Named {
    /// Of the client's choosing, new for each request. Sent again within a day with the same body, the request is
    /// answered as the first time and creates nothing; with another body it is refused.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, required = false)]
    idempotency_key: Option<String>,
}

/// What was created.
#[derive(Debug, Clone)]
pub struct Created {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: Value,
}

impl Created {
    /// 201 with a place.
    pub fn at(location: String, body: impl Serialize) -> Self {
        Self {
            status: StatusCode::CREATED,
            location: Some(location),
            body: json!(body),
        }
    }
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
        if let Some(location) = self.location.and_then(|l| HeaderValue::from_str(&l).ok()) {
            headers.insert(header::LOCATION, location);
        }
        (self.status, headers, Json(self.body)).into_response()
    }
}

/// The keys at work in this process.
#[derive(Debug, Default)]
pub struct AtWork(Mutex<HashSet<(String, B256)>>);

/// One request's turn; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a AtWork, (String, B256));

impl AtWork {
    /// Takes the turn of a key, or refuses who comes meanwhile.
    pub fn begin(&self, caller: &str, key: B256) -> Result<Turn<'_>, Problem> {
        let name = (caller.to_owned(), key);
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !set.insert(name.clone()) {
            return Err(Problem::new(
                Code::StillAtWork,
                "the first request with this Idempotency-Key is not answered yet; send this one again",
            ));
        }
        Ok(Turn(self, name))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// The key of a request, if it has one. A quoted key (as the draft has it) and a bare one are the same.
pub fn key(headers: &HeaderMap) -> Result<Option<B256>, Problem> {
    let Some(value) = headers.get(NAME) else {
        return Ok(None);
    };
    let text = value.to_str().map(|t| t.trim_matches('"')).unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST {
        return Err(Problem::new(
            Code::Malformed,
            "Idempotency-Key is 1 to 255 visible characters",
        ));
    }
    Ok(Some(keccak256(text)))
}

/// What is kept of a request to compare with: a hash under a key of ours, so that the row tells nobody what was sent.
pub fn request_hash(app: &App, org: Address, bytes: &[u8]) -> B256 {
    let key = app.vault.subkey("idempotency", org);
    let mac = Hmac::<Sha256>::new_from_slice(&key[..]).expect("HMAC takes keys of any length");
    B256::from_slice(&mac.chain_update(bytes).finalize().into_bytes())
}

/// When an answer kept now expires.
pub fn expiry(app: &App) -> u64 {
    app.clock.seconds() + LIFE
}

/// The answer given before to this key, if it was the same request.
pub async fn answered(app: &App, caller: &Caller, key: B256, request: B256) -> Result<Option<Created>, Problem> {
    let name = caller.name();
    let Some(kept) = app.store.kept_answer(&name, key, app.clock.seconds()).await? else {
        return Ok(None);
    };
    if kept.request_hash != request {
        return Err(Problem::new(
            Code::KeyReused,
            "this Idempotency-Key was used with another body; use a new key",
        ));
    }
    let body = app.vault.open(caller.org, Kind::Answer, &name, &kept.body)?;
    Ok(Some(Created {
        status: StatusCode::from_u16(kept.status).unwrap_or(StatusCode::CREATED),
        location: kept.location,
        body: serde_json::from_slice(&body).map_err(|_| Failure::Vault(Kind::Answer.as_str()))?,
    }))
}

/// The row that keeps an answer; commit it together with what was created where that is possible.
pub fn answer(app: &App, caller: &Caller, key: B256, request: B256, created: &Created) -> Result<KeptAnswer, Failure> {
    let name = caller.name();
    let mut body = created.body.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove(SHOWN_ONCE);
    }
    let sealed = app
        .vault
        .seal(caller.org, Kind::Answer, &name, body.to_string().as_bytes())?;
    Ok(KeptAnswer {
        caller: name,
        key_hash: key,
        request_hash: request,
        status: created.status.as_u16(),
        location: created.location.clone(),
        body: sealed.into(),
        expires_at: expiry(app),
    })
}

/// Runs `create` once per key.
pub async fn once<F>(app: &App, caller: &Caller, key: Option<B256>, bytes: &[u8], create: F) -> Result<Created, Problem>
where
    F: Future<Output = Result<Created, Problem>>,
{
    let Some(key) = key else {
        return create.await;
    };
    let request = request_hash(app, caller.org, bytes);
    let _turn = app.at_work.begin(&caller.name(), key)?;
    if let Some(before) = answered(app, caller, key, request).await? {
        return Ok(before);
    }
    let created = create.await?;
    match app
        .store
        .keep_answer(&answer(app, caller, key, request, &created)?)
        .await
    {
        // Another process was as fast: its answer is as good as ours, and ours was given to nobody else.
        Ok(()) | Err(StoreError::IdempotencyKeyUsed) => Ok(created),
        Err(error) => Err(error.into()),
    }
}

/// A JSON body together with its bytes and its Idempotency-Key.
pub struct Keyed<T> {
    pub input: T,
    key: Option<B256>,
    bytes: Bytes,
}

impl<T> Keyed<T> {
    /// Runs `create` once per key.
    pub async fn once(
        self,
        app: &App,
        caller: &Caller,
        create: impl AsyncFnOnce(T) -> Result<Created, Problem>,
    ) -> Result<Created, Problem> {
        once(app, caller, self.key, &self.bytes, create(self.input)).await
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        let most = app.config.limits.request_bytes;
        let too_large = |_| Problem::new(Code::TooLarge, format!("a request here is at most {most} bytes"));
        let bytes = Bytes::from_request(request, app).await.map_err(too_large)?;
        let input = serde_json::from_slice(&bytes).map_err(|e| Problem::new(Code::Malformed, e.to_string()))?;
        Ok(Self { input, key, bytes })
    }
}
