//! A plain HTTP client of the gateway: what a hospital system, a browser or a person with curl can do, and no more.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Why a call did not give what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The gateway answered, with another status than expected.
    #[error("{what}: expected {expected}, the gateway answered {status} {code}: {detail}")]
    Refused {
        what: String,
        expected: u16,
        status: u16,
        code: String,
        detail: String,
    },
    /// Nothing answered.
    #[error("{what}: no answer from the gateway ({source}); is it running?")]
    Unreachable {
        what: String,
        #[source]
        source: reqwest::Error,
    },
    /// The answer lacks something the API promises.
    #[error("{what}: the answer has no {missing}")]
    Incomplete { what: String, missing: String },
}

/// One gateway, and who asks it: nobody, or the holder of a token.
#[derive(Clone, Debug)]
pub struct Gateway {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub what: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Gateway {
    /// `base` is the public URL without a trailing slash, e.g. `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .context("the TLS library did not start")?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            token: None,
        })
    }

    /// The same gateway, asked with `token`.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The token this gateway is asked with.
    pub fn bearer(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// The authority of the public URL: the domain of Sign-In with Ethereum.
    pub fn authority(&self) -> &str {
        self.base.split_once("://").map_or(self.base.as_str(), |(_, rest)| rest)
    }

    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub async fn get_as(&self, path: &str, accept: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, &[("accept", accept)], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.json(Method::POST, path, &[], body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.json(Method::PUT, path, &[], body).await
    }

    /// A JSON body with further headers (`If-Match`, `Idempotency-Key`, …). FHIR paths get the FHIR media type.
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, ClientError> {
        let media = if path.starts_with("/fhir/") {
            "application/fhir+json"
        } else {
            "application/json"
        };
        let headers: Vec<_> = std::iter::once(("content-type", media))
            .chain(headers.iter().copied())
            .collect();
        self.send(method, path, &headers, body.to_string().into_bytes()).await
    }

    /// Any bytes, with exactly these headers. `path` may be an absolute URL the gateway gave out earlier.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        // The query is left out: it may hold an identifier, and this text ends in errors that people paste.
        let what = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let mut request = self.http.request(method, url).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| incomplete(&what, "valid header name"))?;
            let value = HeaderValue::from_str(value).map_err(|_| incomplete(&what, "valid header value"))?;
            request = request.header(name, value);
        }
        let unreachable = |source: reqwest::Error| ClientError::Unreachable {
            what: what.clone(),
            source: source.without_url(),
        };
        let response = request.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(unreachable)?.to_vec();
        Ok(Answer {
            what,
            status,
            headers,
            body,
        })
    }

    /// An RFC 6749 form, for the token endpoint.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, ClientError> {
        let what = format!("POST {path}");
        let unreachable = |source: reqwest::Error| ClientError::Unreachable {
            what: what.clone(),
            source: source.without_url(),
        };
        let url = format!("{}{path}", self.base);
        let response = self.http.post(url).form(fields).send().await.map_err(unreachable)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(unreachable)?.to_vec();
        Ok(Answer {
            what,
            status,
            headers,
            body,
        })
    }
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The stable code of a refusal: RFC 9457 `code`, the coding of an OperationOutcome, or an OAuth `error`.
    pub fn code(&self) -> String {
        let body = self.value();
        [
            body.pointer("/code"),
            body.pointer("/issue/0/details/coding/0/code"),
            body.pointer("/issue/0/code"),
            body.pointer("/error"),
        ]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)
        .unwrap_or("")
        .to_owned()
    }

    fn detail(&self) -> String {
        let body = self.value();
        [
            body.pointer("/detail"),
            body.pointer("/issue/0/diagnostics"),
            body.pointer("/issue/0/details/text"),
            body.pointer("/error_description"),
        ]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)
        .unwrap_or("")
        .to_owned()
    }

    /// The JSON body, if the status is the expected one.
    pub fn expect(self, status: u16) -> Result<Value, ClientError> {
        self.bytes(status)
            .map(|body| serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The body's bytes, if the status is the expected one.
    pub fn bytes(self, status: u16) -> Result<Vec<u8>, ClientError> {
        if self.status == status {
            return Ok(self.body);
        }
        Err(ClientError::Refused {
            code: self.code(),
            detail: self.detail(),
            what: self.what,
            expected: status,
            status: self.status,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// A string member of an answer, or an error naming what the API owes us.
pub fn text(value: &Value, member: &str) -> Result<String, ClientError> {
    value
        .pointer(&format!("/{member}"))
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| incomplete("an answer of the gateway", member))
}

pub(crate) fn incomplete(what: &str, missing: &str) -> ClientError {
    ClientError::Incomplete {
        what: what.to_owned(),
        missing: missing.to_owned(),
    }
}
