//! Bearer tokens: 32 random bytes, of which the database keeps only the SHA-256.

use alloy::primitives::B256;
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::problem::Failure;

/// Seconds a person stays signed in.
pub const SESSION_LIFE: u64 = 8 * 3600;
/// Seconds a client's token lives.
pub const TOKEN_LIFE: u64 = 300;

/// Who a token stands for, told by its first characters so that one look-up is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Session,
    Client,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Session => "css_",
            Self::Client => "cst_",
        }
    }
}

/// A fresh token and what is kept of it.
pub fn issue(kind: Kind) -> Result<(String, B256), Failure> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| Failure::Random)?;
    let token = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random));
    let hash = hash(&token);
    Ok((token, hash))
}

/// The token in a request's Authorization header, as what is kept of it.
pub fn read(headers: &HeaderMap) -> Option<(Kind, B256)> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if all.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.len() != 47 {
        return None;
    }
    let kind = [Kind::Session, Kind::Client]
        .into_iter()
        .find(|kind| token.starts_with(kind.prefix()))?;
    Some((kind, hash(token)))
}

/// SHA-256: the token has 256 random bits, so there is nothing to guess and nothing to slow down.
pub fn hash(token: &str) -> B256 {
    B256::from_slice(&Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_token_is_found_by_its_hash_only() {
        let (token, kept) = issue(Kind::Client).unwrap();
        assert_eq!(read(&header(&format!("Bearer {token}"))), Some((Kind::Client, kept)));
        assert_eq!(read(&header(&format!("bearer {token}"))), Some((Kind::Client, kept)));
    }

    #[test]
    fn anything_else_is_no_token() {
        let (token, _) = issue(Kind::Session).unwrap();
        for bad in [
            token.clone(),
            format!("Basic {token}"),
            format!("Bearer {token}x"),
            "Bearer ".into(),
            "Bearer x".into(),
        ] {
            assert_eq!(read(&header(&bad)), None, "{bad}");
        }
        let mut twice = header(&format!("Bearer {token}"));
        twice.append(header::AUTHORIZATION, "Bearer other".parse().unwrap());
        assert_eq!(read(&twice), None);
    }
}
