//! RFC 9457 problems: what a client is told when the answer is no.
//!
//! "Your input is refused" is a [`Problem`] with one of the codes below; "we failed" is a [`Failure`],
//! logged once where it becomes a problem, and told to the client without its insides.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Every stable code there is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            /// The word in `code` and at the end of `type`.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $code),* } }
            /// The HTTP status.
            pub fn status(self) -> StatusCode { match self { $(Self::$name => StatusCode::$status),* } }
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The human title; the same for every problem of this code.
            pub fn title(self) -> &'static str { match self { $(Self::$name => $title),* } }
        }
    };
}

codes! {
    /// The request cannot be read.
    Malformed = "malformed", BAD_REQUEST, "The request cannot be read";
    /// It can be read and makes no sense.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "The request asks for something that cannot be";
    /// No token, or one that is not (or no longer) valid.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A valid bearer token is needed";
    /// The token's scopes or the account's role do not allow this.
    Forbidden = "forbidden", FORBIDDEN, "This account may not do this";
    /// No live WRITE grant of the patient.
    NoWriteGrant = "no-write-grant", FORBIDDEN, "The patient has not granted this";
    /// The grant is not live.
    NotLive = "not-live", FORBIDDEN, "The grant is not live";
    /// The grantee's encryption key is on its own device.
    OwnKey = "own-key", FORBIDDEN, "The key that opens this is on the reader's own device";
    /// A signature is not by who should have signed, or not over this.
    BadSignature = "bad-signature", FORBIDDEN, "The signature does not fit";
    /// A nonce or a signed message was used before.
    Replayed = "replayed", CONFLICT, "This was used before";
    /// The time in a signed message is too far from now.
    OutOfTime = "out-of-time", FORBIDDEN, "The signed time is too far from now";
    /// Nothing there, or not for this caller; the two look alike.
    NotFound = "not-found", NOT_FOUND, "Not found";
    /// This address has an account.
    AlreadyRegistered = "already-registered", CONFLICT, "The address is registered already";
    /// This address has no account.
    NotRegistered = "not-registered", CONFLICT, "The address is not registered";
    /// The patient has not enrolled for this scope.
    NotEnrolled = "patient-not-enrolled", UNPROCESSABLE_ENTITY, "The patient is not enrolled for this";
    /// The intent, request or record is past the point where this can be done.
    WrongState = "wrong-state", CONFLICT, "It is too late, or too early, for this";
    /// The record's receipt does not exist yet.
    NotAnchored = "not-anchored", CONFLICT, "The record is not anchored yet";
    /// Another version came first.
    Stale = "stale", PRECONDITION_FAILED, "Another version came first";
    /// The patient's keys moved on while the record was on its way.
    EpochMoved = "epoch-moved", CONFLICT, "The patient's keys have moved on";
    /// The Idempotency-Key was used for another request.
    KeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key belongs to another request";
    /// The first request with this Idempotency-Key is still at work.
    StillAtWork = "still-at-work", CONFLICT, "The first request with this key is still at work";
    /// Too many of a kind are open.
    TooMany = "too-many", TOO_MANY_REQUESTS, "Too many are open";
    /// More requests in a time than one client may make.
    TooOften = "too-often", TOO_MANY_REQUESTS, "Too many requests in this time";
    /// Larger than the limit.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "Larger than the limit";
    /// A FHIR resource is not JSON, not an object, or nests or repeats in ways readers disagree about.
    MalformedResource = "malformed-resource", BAD_REQUEST, "The resource cannot be read";
    /// A FHIR resource lacks an element, or an element has a value it cannot have.
    InvalidElement = "invalid-element", BAD_REQUEST, "An element of the resource is missing or wrong";
    /// A search parameter cannot be read, or asks for more than one search may cost.
    InvalidSearch = "invalid-search", BAD_REQUEST, "The search cannot be carried out";
    /// The author has no active account in the Directory.
    UnregisteredAuthor = "unregistered-author", UNPROCESSABLE_ENTITY, "The author is not a registered, active account";
    /// The gateway holds no statement key of the author: its wallet signs.
    DraftRequired = "draft-required", FORBIDDEN, "The author's wallet signs this";
    /// The bytes of a document are not those its hash or size announce.
    ContentHashMismatch = "content-hash-mismatch", UNPROCESSABLE_ENTITY, "The document is not what its hash or size says";
    /// Stored bytes are not what was sealed, signed or anchored.
    ContentCorrupt = "content-corrupt", INTERNAL_SERVER_ERROR, "Stored content fails its proof";
    /// No byte of the range asked for is in the document.
    OutOfRange = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "The range lies outside the document";
    /// Nothing this server can say is acceptable to the client.
    NotAcceptable = "not-acceptable", NOT_ACCEPTABLE, "No acceptable representation";
    /// The body is in a format this server does not read.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body's media type is not read here";
    /// A resource type or path this server does not have.
    NotSupported = "not-supported", NOT_FOUND, "Not offered by this server";
    /// An interaction FHIR defines and this server does not offer.
    NotImplemented = "not-implemented", NOT_IMPLEMENTED, "The interaction is not offered by this server";
    /// The method is not offered here.
    NotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not offered here";
    /// The chain, the database or the content store is away.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Something this needs is away; try again";
    /// We failed.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The gateway failed";
}

/// Seconds after which to try again what needs something that is away or in use.
const SOON: u64 = 5;

/// A refusal, as a client sees it.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    /// What happened, what was expected, what to do. Never a name, an identifier of a person or a key.
    pub detail: String,
    /// Seconds after which asking again may help.
    pub retry_after: Option<u64>,
}

/// A refusal by RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Told<'a> {
    /// `urn:chartseal:problem:` and the code.
    r#type: String,
    /// The same for every problem of this code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, what was expected, what to do.
    detail: &'a str,
    /// Stable: the word to decide by.
    code: &'static str,
}

/// The schema of every refusal, by its name.
pub fn schema() -> (String, Value) {
    (Told::name().into_owned(), json!(Told::schema()))
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: matches!(code, Code::Unavailable | Code::TooMany).then_some(SOON),
        }
    }

    /// Nothing there, or not for this caller.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing here that this caller may see")
    }

    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// The headers that say what to do.
    pub fn advise(&self, headers: &mut HeaderMap) {
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
    }

    fn told(&self) -> Told<'_> {
        Told {
            r#type: format!("urn:chartseal:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.told())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        self.advise(headers);
        response
    }
}

/// We failed: not the client's doing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the database refused: {0}")]
    Store(#[from] chartseal_store::Error),
    #[error("the chain did not answer as it should: {0}")]
    Chain(Box<chartseal_chain::Error>),
    #[error("the content store failed: {0}")]
    Content(Box<chartseal_ipfs::Error>),
    #[error("sealing or opening failed: {0}")]
    Envelope(#[from] chartseal_envelope::Error),
    #[error("a staged file could not be written or read: {0}; check the staging folder beside the database")]
    Staging(std::io::Error),
    #[error("the operating system gave no random bytes")]
    Random,
    #[error(
        "a vault row is not what was sealed there ({0}); the database was changed from outside, or this is another master key"
    )]
    Vault(&'static str),
    #[error("{0}")]
    Broken(&'static str),
}

impl From<chartseal_chain::Error> for Failure {
    fn from(error: chartseal_chain::Error) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl From<chartseal_ipfs::Error> for Failure {
    fn from(error: chartseal_ipfs::Error) -> Self {
        Self::Content(Box::new(error))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let code = match &failure {
            Failure::Store(_) | Failure::Chain(_) | Failure::Content(_) => Code::Unavailable,
            Failure::Envelope(_) | Failure::Staging(_) | Failure::Random | Failure::Vault(_) | Failure::Broken(_) => {
                Code::Internal
            }
        };
        tracing::error!(error = %failure, code = code.as_str(), "a request failed");
        Self::new(
            code,
            "the gateway could not do this; the operator's log has the reason under the request's id",
        )
    }
}

macro_rules! failures {
    ($($error:ty),*) => { $(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self { Failure::from(error).into() }
        }
    )* };
}
failures!(
    chartseal_store::Error,
    chartseal_chain::Error,
    chartseal_ipfs::Error,
    chartseal_envelope::Error
);

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_problem_carries_its_code_four_ways() {
        let response = Problem::new(Code::NotLive, "revoked").into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body: Value = serde_json::from_slice(&to_bytes(response.into_body(), 4096).await.unwrap()).unwrap();
        assert_eq!(body["type"], "urn:chartseal:problem:not-live");
        assert_eq!(body["code"], "not-live");
        assert_eq!(body["status"], 403);
    }

    #[tokio::test]
    async fn a_failure_tells_the_client_nothing_of_its_insides() {
        let problem = Problem::from(Failure::Vault("root"));
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.detail.contains("vault"));
    }
}
