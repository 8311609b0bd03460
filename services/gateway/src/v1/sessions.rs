//! Signing in and out with a wallet.

use alloy::primitives::{Address, Bytes, eip191_hash_message, keccak256};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use chartseal_record::account::Role;
use chartseal_store::Session;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    auth::{
        bearer::{self, Kind},
        caller::{self, Visitor},
        signature, siwe,
    },
    openapi::words::{AddressSchema, HexSchema, RoleSchema},
    problem::{Code, Problem},
    v1::Body,
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(nonce))
        .routes(routes!(sign_in, sign_out))
}

/// A nonce for one sign-in.
#[derive(Debug, Serialize, ToSchema)]
struct Nonce {
    nonce: String,
}

/// The nonce that a Sign-In with Ethereum message must carry.
#[utoipa::path(
    get,
    path = "/v1/sessions/nonce",
    operation_id = "issueNonce",
    tag = "sessions",
    responses((status = 200, body = Nonce)),
)]
async fn nonce(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let nonce = app.nonces.issue(app.clock.seconds())?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Nonce { nonce })))
}

/// A signed message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignIn)]
struct Input {
    /// EIP-4361, for this gateway's domain, origin and chain, with a nonce of this gateway.
    message: String,
    /// EIP-191, by the address in the message.
    signature: Bytes,
}

impl From<siwe::Refused> for Problem {
    fn from(why: siwe::Refused) -> Self {
        let code = match why {
            siwe::Refused::Shape => Code::Malformed,
            siwe::Refused::Domain | siwe::Refused::Chain => Code::BadSignature,
            siwe::Refused::Time => Code::OutOfTime,
            siwe::Refused::Nonce => Code::Replayed,
        };
        Self::new(code, why.to_string())
    }
}

/// A session, until it expires or is ended.
#[derive(Debug, Serialize, ToSchema)]
struct SignedIn {
    /// The bearer token; shown here only.
    token: String,
    /// The account the address acts for; for one that is not registered, the address.
    account: Address,
    /// None if the address is not registered: it can only register.
    role: Option<Role>,
    /// Unix seconds.
    expires: u64,
}

/// Signs in with Ethereum (EIP-4361). An address that is not registered may sign in too: it has to, to register.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    operation_id = "signIn",
    tag = "sessions",
    request_body = Input,
    responses((status = 201, body = SignedIn)),
    extensions(("x-refusals" = json!(["unauthenticated", "bad-signature", "out-of-time", "replayed"]))),
)]
async fn sign_in(State(app): State<App>, Body(input): Body<Input>) -> Result<impl IntoResponse, Problem> {
    let now = app.clock.seconds();
    let domain = app.config.domain();
    let expected = siwe::Expected {
        domain: &domain,
        origin: &app.config.public_url,
        chain_id: app.contracts.chain_id,
        now,
    };
    let asked = siwe::read(&input.message, expected)?;
    let nonce_expires = app.nonces.expiry(&asked.nonce, now).ok_or(siwe::Refused::Nonce)?;
    let digest = eip191_hash_message(input.message.as_bytes());
    if !signature::is_by(&app, asked.address, digest, &input.signature).await? {
        return Err(Problem::new(
            Code::BadSignature,
            "the signature is not by the address in the message, or over another text",
        ));
    }
    let account = caller::acts_for(&app, asked.address)?;
    // Last, so that a nonce is not used up by somebody who cannot sign.
    if !app
        .store
        .use_once("sign-in", keccak256(&asked.nonce), nonce_expires)
        .await?
    {
        return Err(siwe::Refused::Nonce.into());
    }
    let (token, hash) = bearer::issue(Kind::Session)?;
    let expires = now + bearer::SESSION_LIFE;
    let session = Session {
        token_hash: hash,
        account: asked.address,
        created_at: now,
        expires_at: expires,
    };
    app.store.insert_session(&session).await?;
    let body = SignedIn {
        token,
        account: account.as_ref().map_or(asked.address, |a| a.id),
        role: account.as_ref().map(|a| a.role),
        expires,
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)))
}

/// The session ends.
#[utoipa::path(
    delete,
    path = "/v1/sessions",
    operation_id = "signOut",
    tag = "sessions",
    responses((status = 204, description = "The token is no longer valid.")),
    security(("session" = [])),
)]
async fn sign_out(State(app): State<App>, _: Visitor, headers: HeaderMap) -> Result<StatusCode, Problem> {
    if let Some((Kind::Session, hash)) = bearer::read(&headers) {
        app.store.delete_session(hash).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
