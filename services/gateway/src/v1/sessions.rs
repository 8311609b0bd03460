//! Signing in and out with a wallet.

use alloy::primitives::{Bytes, eip191_hash_message, keccak256};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use chartseal_store::Session;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    auth::{
        bearer::{self, Kind},
        caller::{self, Visitor},
        signature, siwe,
    },
    problem::{Code, Problem},
    v1::Body,
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/sessions/nonce", get(nonce))
        .route("/v1/sessions", post(sign_in).delete(sign_out))
}

async fn nonce(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let nonce = app.nonces.issue(app.clock.seconds())?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({ "nonce": nonce }))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    message: String,
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

/// An address that is not registered may sign in too: it has to, to register.
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
    let body = json!({
        "token": token,
        "account": account.as_ref().map_or(asked.address, |a| a.id),
        "role": account.as_ref().map(|a| a.role),
        "expires": expires,
    });
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, "no-store")],
        Json::<Value>(body),
    ))
}

async fn sign_out(State(app): State<App>, _: Visitor, headers: HeaderMap) -> Result<StatusCode, Problem> {
    if let Some((Kind::Session, hash)) = bearer::read(&headers) {
        app.store.delete_session(hash).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
