//! The client assertion of SMART Backend Services: a JWT that proves which client asks for a token.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous, jwk::JwkSet};
use serde::Deserialize;

use super::jwks;

/// The algorithms offered.
pub const ALGORITHMS: [&str; 2] = ["ES384", "RS384"];
/// Bytes of the longest assertion that is read.
const LONGEST: usize = 8192;
/// Seconds an assertion may live.
const LIFE: u64 = 300;
/// Seconds a client's clock may be ahead of ours.
const SKEW: u64 = 30;

/// Why an assertion proves nothing. Clients are told only `invalid_client`; this is for their operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("client_assertion is not a JWT with iss, sub, aud, exp and jti")]
    Shape,
    #[error("iss and sub must both be the client id")]
    Subject,
    #[error("alg must be ES384 or RS384")]
    Algorithm,
    #[error("typ must be JWT")]
    Type,
    #[error("kid must name exactly one registered key that fits alg")]
    Key,
    #[error("jku must be the registered JWKS URL")]
    KeyUrl,
    #[error("the signature is not by that key, or aud is not the token URL")]
    Signature,
    #[error("the assertion has expired")]
    Expired,
    #[error("exp must be at most 5 minutes ahead")]
    TooLong,
    #[error("the assertion is not valid yet")]
    TooEarly,
    #[error("jti must be 1 to 256 characters")]
    Id,
}

/// What a valid assertion says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub exp: u64,
    pub jti: String,
    #[serde(default)]
    pub nbf: Option<u64>,
    #[serde(default)]
    pub iat: Option<u64>,
}

/// Who the assertion says it is from. Nothing is proven yet.
pub fn claimed_client(token: &str) -> Result<String, Refused> {
    if token.len() > LONGEST {
        return Err(Refused::Shape);
    }
    let claims: Claims = dangerous::insecure_decode_claims(token).map_err(|_| Refused::Shape)?;
    if claims.iss != claims.sub || claims.iss.is_empty() {
        return Err(Refused::Subject);
    }
    Ok(claims.iss)
}

/// Checks everything but the single use of `jti`, which is the caller's, once all else holds.
pub fn verify(token: &str, keys: &JwkSet, jwks_uri: Option<&str>, audience: &str, now: u64) -> Result<Claims, Refused> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Shape)?;
    if !matches!(header.alg, Algorithm::ES384 | Algorithm::RS384) {
        return Err(Refused::Algorithm);
    }
    if header.crit.is_some() || header.typ.as_deref().is_some_and(|t| !t.eq_ignore_ascii_case("JWT")) {
        return Err(Refused::Type);
    }
    if header.jku.is_some() && header.jku.as_deref() != jwks_uri {
        return Err(Refused::KeyUrl);
    }
    let key = header
        .kid
        .as_deref()
        .and_then(|kid| jwks::select(keys, kid, header.alg))
        .ok_or(Refused::Key)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| Refused::Key)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation(header.alg, audience))
        .map_err(|_| Refused::Signature)?
        .claims;
    in_time(&claims, now)?;
    if claims.jti.is_empty() || claims.jti.len() > 256 {
        return Err(Refused::Id);
    }
    if claims.iss != claims.sub {
        return Err(Refused::Subject);
    }
    Ok(claims)
}

/// Times are checked by us: the library reads the machine's clock, and knows no upper bound.
fn validation(algorithm: Algorithm, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.validate_exp = false;
    validation.leeway = 0;
    validation
}

fn in_time(claims: &Claims, now: u64) -> Result<(), Refused> {
    if claims.exp <= now {
        return Err(Refused::Expired);
    }
    if claims.exp > now + LIFE + SKEW {
        return Err(Refused::TooLong);
    }
    let ahead = |t: Option<u64>| t.is_some_and(|t| t > now + SKEW);
    if ahead(claims.nbf) || ahead(claims.iat) {
        Err(Refused::TooEarly)
    } else {
        Ok(())
    }
}
