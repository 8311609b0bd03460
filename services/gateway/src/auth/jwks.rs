//! A client's public keys: given at registration, or fetched from the URL registered then.

use jsonwebtoken::{
    Algorithm,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

/// The most keys one client may have.
const MOST: usize = 16;

/// Why a key set cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    #[error("the key set is not a JSON Web Key Set with 1 to 16 keys")]
    Shape,
    #[error(
        "a key set for registration holds public keys only; this one holds a private part, so consider that key lost"
    )]
    Private,
    #[error("every key needs a kid, and each kid stands once")]
    Kid,
    #[error("keys are P-384 (ES384) or RSA of at least 2048 bits (RS384)")]
    Kind,
}

/// Checks a key set before it is kept.
pub fn check(json: &serde_json::Value) -> Result<JwkSet, BadKeys> {
    let keys = json.get("keys").and_then(|k| k.as_array()).ok_or(BadKeys::Shape)?;
    if keys.is_empty() || keys.len() > MOST {
        return Err(BadKeys::Shape);
    }
    if keys.iter().any(|k| k.get("d").is_some() || k.get("k").is_some()) {
        return Err(BadKeys::Private);
    }
    let set: JwkSet = serde_json::from_value(json.clone()).map_err(|_| BadKeys::Shape)?;
    let mut kids: Vec<&str> = set.keys.iter().filter_map(|k| k.common.key_id.as_deref()).collect();
    kids.sort_unstable();
    kids.dedup();
    if kids.len() != set.keys.len() {
        return Err(BadKeys::Kid);
    }
    if !set
        .keys
        .iter()
        .all(|k| signs(k, Algorithm::ES384) || signs(k, Algorithm::RS384))
    {
        return Err(BadKeys::Kind);
    }
    Ok(set)
}

/// The one key with this kid that can sign with this algorithm; none if there are two.
pub fn select<'a>(set: &'a JwkSet, kid: &str, algorithm: Algorithm) -> Option<&'a Jwk> {
    let mut fitting = set
        .keys
        .iter()
        .filter(|k| k.common.key_id.as_deref() == Some(kid) && signs(k, algorithm));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Some(key),
        _ => None,
    }
}

fn signs(key: &Jwk, algorithm: Algorithm) -> bool {
    let named = match algorithm {
        Algorithm::ES384 => KeyAlgorithm::ES384,
        _ => KeyAlgorithm::RS384,
    };
    let kind = match &key.algorithm {
        AlgorithmParameters::EllipticCurve(ec) => algorithm == Algorithm::ES384 && ec.curve == EllipticCurve::P384,
        // 2048 bits are 342 characters of base64url.
        AlgorithmParameters::RSA(rsa) => algorithm == Algorithm::RS384 && rsa.n.len() >= 342,
        _ => false,
    };
    kind && key.common.key_algorithm.is_none_or(|a| a == named)
        && key
            .common
            .public_key_use
            .as_ref()
            .is_none_or(|u| *u == PublicKeyUse::Signature)
}
