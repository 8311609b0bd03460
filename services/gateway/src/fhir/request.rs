//! What every FHIR handler extracts: the caller, and a body that is one resource.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, header, request::Parts},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{create, json::Json, kind::Kind, media, outcome::Outcome};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
};

/// The caller, refused in FHIR's words.
#[derive(Debug, Clone)]
pub struct Who(pub Caller);

impl FromRequestParts<App> for Who {
    type Rejection = Outcome;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Outcome> {
        // Kept for the extractor of the body, which asks again.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(Self(caller.clone()));
        }
        let caller = Caller::from_request_parts(parts, app).await?;
        parts.extensions.insert(caller.clone());
        Ok(Self(caller))
    }
}

/// A body that is one JSON object. Put it after [`Who`], so that nothing of a stranger's body is read.
#[derive(Debug)]
pub struct Resource {
    pub json: Json,
    /// The bytes as they came: what an Idempotency-Key stands for.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl FromRequest<App> for Resource {
    type Rejection = Outcome;

    async fn from_request(request: Request, app: &App) -> Result<Self, Outcome> {
        media::check_json_body(request.headers())?;
        let (mut parts, body) = request.into_parts();
        // Who may not write this at all is told so before a byte of it is read.
        let Who(caller) = Who::from_request_parts(&mut parts, app).await?;
        let kind = Kind::from_request_parts(&mut parts, app).await?;
        let how = match parts.method {
            Method::PUT => Interaction::Update,
            _ => Interaction::Create,
        };
        caller.may(kind.as_str(), how)?;
        create::check_author(app, &caller)?;
        let limit = app.config.limits.fhir_json_bytes;
        let room = room(app, &parts.headers, limit)?;
        let bytes = read(parts.headers, body, limit).await?;
        Ok(Self {
            json: Json::parse(&bytes)?,
            bytes,
            _room: room,
        })
    }
}

/// Room for a body, to be kept as long as what is made of it; none is needed for a small one.
pub fn room(app: &App, headers: &HeaderMap, limit: u64) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    let size = announced(headers).unwrap_or(limit).min(limit);
    if size <= app.config.limits.request_bytes as u64 {
        return Ok(None);
    }
    let kib = u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX);
    let kib = kib.min(app.config.limits.large_bodies_kib());
    match app.room.clone().try_acquire_many_owned(kib) {
        Ok(room) => Ok(Some(room)),
        Err(_) => Err(Problem::new(
            Code::Unavailable,
            "too many large bodies are at work; try again in a moment",
        )),
    }
}

/// The length a body is announced with.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body of at most `limit` bytes.
pub async fn read(headers: HeaderMap, body: Body, limit: u64) -> Result<Bytes, Outcome> {
    // A length that is announced saves the client from sending what will be refused.
    if announced(&headers).is_some_and(|size| size > limit) {
        return Err(too_large(limit).into());
    }
    let limit_here = usize::try_from(limit).unwrap_or(usize::MAX);
    match to_bytes(body, limit_here).await {
        Ok(bytes) => Ok(bytes),
        Err(error) if is_length_limit(&error) => Err(too_large(limit).into()),
        Err(_) => Err(Outcome::new(
            Code::Malformed,
            "the body ended before its announced length; send it again",
        )),
    }
}

/// 413, naming the limit.
pub fn too_large(limit: u64) -> Problem {
    let text = format!(
        "this is larger than the limit of {limit} bytes; documents go up as Binary resources, which have a limit of their own"
    );
    Problem::new(Code::TooLarge, text)
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.to_string() == "length limit exceeded" {
            return true;
        }
        source = inner.source();
    }
    false
}

/// Whether the client prefers a value: `Prefer: return=minimal`.
pub fn prefers(headers: &HeaderMap, preference: &str) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split([',', ';']))
        .any(|p| p.trim().eq_ignore_ascii_case(preference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_by_the_limits_name() {
        let body = || Body::from(vec![b'x'; 11]);
        assert_eq!(read(HeaderMap::new(), body(), 11).await.unwrap().len(), 11);
        let refused = read(HeaderMap::new(), body(), 10).await.unwrap_err();
        assert_eq!(refused.problem.code, Code::TooLarge);
        assert!(refused.problem.detail.contains("10 bytes"));
        let mut announced = HeaderMap::new();
        announced.insert(header::CONTENT_LENGTH, "11".parse().unwrap());
        assert!(read(announced, Body::empty(), 10).await.is_err());
    }

    #[test]
    fn preferences_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", "respond-async, return=minimal".parse().unwrap());
        assert!(prefers(&headers, "return=minimal"));
        assert!(!prefers(&headers, "return=representation"));
    }
}
