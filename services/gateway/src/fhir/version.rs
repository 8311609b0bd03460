//! ETags: `W/"3"` is version 3. Clients write them three ways.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::outcome::Outcome;
use crate::problem::Code;

/// The ETag of a version.
pub fn etag(version: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("W/\"{version}\"")).expect("digits and quotes are a header value")
}

/// The version `If-Match` demands. `None` if there is no such header or it is `*`.
pub fn if_match(headers: &HeaderMap) -> Result<Option<u32>, Outcome> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok("*") => Ok(None),
        Ok(text) => read(text).map(Some).ok_or_else(|| refuse(&header::IF_MATCH)),
        Err(_) => Err(refuse(&header::IF_MATCH)),
    }
}

/// Whether `If-None-Match` names this version already, so that 304 says enough.
pub fn is_known(headers: &HeaderMap, version: u32) -> bool {
    let values = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|tag| read(tag) == Some(version))
}

fn read(tag: &str) -> Option<u32> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.trim_matches('"').parse().ok()
}

fn refuse(name: &HeaderName) -> Outcome {
    Outcome::new(Code::Malformed, format!("{name} must name one version, like W/\"3\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_version_is_read_in_every_spelling_clients_use() {
        for tag in ["W/\"3\"", "\"3\"", "3"] {
            assert_eq!(if_match(&with(header::IF_MATCH, tag)).unwrap(), Some(3), "{tag}");
            assert!(is_known(&with(header::IF_NONE_MATCH, tag), 3), "{tag}");
        }
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        assert!(if_match(&with(header::IF_MATCH, "W/\"abc\"")).is_err());
        assert!(!is_known(&with(header::IF_NONE_MATCH, "W/\"2\""), 3));
    }

    #[test]
    fn the_tag_is_weak() {
        assert_eq!(etag(7), "W/\"7\"");
    }
}
