//! POST /oauth2/token: SMART Backend Services, client_credentials with private_key_jwt.

use alloy::primitives::{B256, keccak256};
use axum::{
    Form, Json,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chartseal_store::AccessToken;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    assertion::{self, Refused},
    bearer, fetch, jwks,
    scopes::Scopes,
};
use crate::{app::App, problem::Failure};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(token))
}

/// RFC 6749 §4.4 with RFC 7523 §2.2. What lacks is refused in OAuth's words.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TokenRequest)]
struct Input {
    #[schema(required, pattern = "^client_credentials$")]
    grant_type: Option<String>,
    /// SMART scopes, separated by spaces; all the client is registered for, if absent.
    scope: Option<String>,
    #[schema(required, pattern = "^urn:ietf:params:oauth:client-assertion-type:jwt-bearer$")]
    client_assertion_type: Option<String>,
    /// A JWT signed by the client's key (RS384 or ES384), for this endpoint, of at most five minutes, with a fresh `jti`.
    #[schema(required)]
    client_assertion: Option<String>,
}

/// RFC 6749 §5.1.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
struct Output {
    access_token: String,
    /// `bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    scope: String,
}

/// RFC 6749 §5.2.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenRefused)]
struct Told {
    /// invalid_request, unsupported_grant_type, invalid_scope, invalid_client or temporarily_unavailable.
    error: &'static str,
    error_description: String,
}

/// RFC 6749 §5.2.
#[derive(Debug)]
enum OAuthError {
    InvalidRequest(&'static str),
    UnsupportedGrantType,
    InvalidScope(String),
    /// Clients are not told which check failed beyond a sentence; none of them depends on a secret of ours.
    InvalidClient(String),
    Failed,
}

impl From<Failure> for OAuthError {
    fn from(failure: Failure) -> Self {
        tracing::error!(error = %failure, "the token endpoint failed");
        Self::Failed
    }
}

impl From<chartseal_store::Error> for OAuthError {
    fn from(error: chartseal_store::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<Refused> for OAuthError {
    fn from(refused: Refused) -> Self {
        Self::InvalidClient(refused.to_string())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why.to_owned()),
            Self::UnsupportedGrantType => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "grant_type must be client_credentials".to_owned(),
            ),
            Self::InvalidScope(why) => (StatusCode::BAD_REQUEST, "invalid_scope", why),
            Self::InvalidClient(why) => (StatusCode::UNAUTHORIZED, "invalid_client", why),
            Self::Failed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "try again".to_owned(),
            ),
        };
        let body = Json(Told {
            error,
            error_description: description,
        });
        (status, no_store(), body).into_response()
    }
}

fn no_store() -> HeaderMap {
    HeaderMap::from_iter([
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ])
}

/// SMART Backend Services: a registered system gets a token, bound to exactly one account.
#[utoipa::path(
    post,
    path = "/oauth2/token",
    operation_id = "issueToken",
    tag = "tokens",
    request_body(content = Input, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = Output),
        (status = 400, body = Told, description = "invalid_request, unsupported_grant_type or invalid_scope"),
        (status = 401, body = Told, description = "invalid_client"),
        (status = 503, body = Told, description = "temporarily_unavailable"),
    ),
)]
async fn token(
    State(app): State<App>,
    input: Result<Form<Input>, FormRejection>,
) -> Result<impl IntoResponse, OAuthError> {
    let malformed = "the body is application/x-www-form-urlencoded, each parameter at most once";
    let Form(input) = input.map_err(|_| OAuthError::InvalidRequest(malformed))?;
    match input.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(OAuthError::UnsupportedGrantType),
        None => return Err(OAuthError::InvalidRequest("grant_type is missing")),
    }
    if input.client_assertion_type.as_deref() != Some(ASSERTION_TYPE) {
        return Err(OAuthError::InvalidRequest(
            "client_assertion_type must be the one for JWT bearer assertions",
        ));
    }
    let assertion = input
        .client_assertion
        .ok_or(OAuthError::InvalidRequest("client_assertion is missing"))?;
    let client = authenticate(&app, &assertion).await?;
    let registered = Scopes::parse(&client.scopes).map_err(|_| Failure::Broken("a client's scopes do not parse"))?;
    let asked = match input.scope {
        Some(asked) => Scopes::asked(&asked).map_err(|why| OAuthError::InvalidScope(why.to_string()))?,
        // RFC 6749 §3.3: without the parameter a documented default counts, and the answer names it.
        None => registered.clone(),
    };
    if !registered.cover(&asked) {
        return Err(OAuthError::InvalidScope(
            "the client is not registered for all of the scopes it asks for".into(),
        ));
    }
    let (token, hash) = bearer::issue(bearer::Kind::Client)?;
    let expires = app.clock.seconds() + bearer::TOKEN_LIFE;
    let kept = AccessToken {
        token_hash: hash,
        client_id: client.client_id,
        org: client.org,
        account: client.account,
        scopes: asked.to_string(),
        expires_at: expires,
    };
    app.store.insert_token(&kept).await?;
    let body = Output {
        access_token: token,
        token_type: "bearer",
        expires_in: bearer::TOKEN_LIFE,
        scope: asked.to_string(),
    };
    Ok((no_store(), Json(body)))
}

/// The client that made the assertion. Its jti is used up only when all else holds, so nobody else can use it up.
async fn authenticate(app: &App, token: &str) -> Result<chartseal_store::Client, OAuthError> {
    let unknown = || OAuthError::InvalidClient("no such client".into());
    let now = app.clock.seconds();
    let id = assertion::claimed_client(token)?;
    let client = app
        .store
        .client(&id)
        .await?
        .filter(|c| c.disabled_at.is_none())
        .ok_or_else(unknown)?;
    if !app.index.account(client.account).is_some_and(|a| a.is_active(now)) {
        return Err(OAuthError::InvalidClient("the client's account is not active".into()));
    }
    let keys = match (&client.jwks, &client.jwks_uri) {
        (Some(kept), _) => serde_json::from_str(kept)
            .ok()
            .and_then(|json| jwks::check(&json).ok())
            .ok_or(Failure::Broken("a client's key set does not parse"))?,
        (None, Some(url)) => fetch::keys(app, url)
            .await
            .map_err(|e| OAuthError::InvalidClient(e.to_string()))?,
        (None, None) => return Err(unknown()),
    };
    let claims = assertion::verify(token, &keys, client.jwks_uri.as_deref(), &app.config.token_url(), now)?;
    if !app
        .store
        .use_once("jti", jti_hash(&claims.iss, &claims.jti), claims.exp)
        .await?
    {
        return Err(OAuthError::InvalidClient(
            "this assertion was used before; make a new one with a fresh jti".into(),
        ));
    }
    Ok(client)
}

fn jti_hash(issuer: &str, jti: &str) -> B256 {
    keccak256(serde_json::json!([issuer, jti]).to_string())
}
