//! ETags: `W/"3"` is version 3. Clients write them three ways. And what a client says it has already.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{date, outcome::Outcome};
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
        Ok(text) => of(text).map(Some).ok_or_else(|| refuse(&header::IF_MATCH)),
        Err(_) => Err(refuse(&header::IF_MATCH)),
    }
}

/// Whether the client has this version already, so that 304 says enough: `If-None-Match` names it, or, where there is
/// no such header, nothing changed after `If-Modified-Since` (RFC 9110 §13.2.2).
pub fn is_known(headers: &HeaderMap, version: u32, changed_at: Option<u64>) -> bool {
    let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        return tags
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim() == "*" || of(tag) == Some(version));
    }
    let since = headers.get(header::IF_MODIFIED_SINCE);
    let since = since.and_then(|value| date::read_http(value.to_str().ok()?));
    matches!((changed_at, since), (Some(changed), Some(since)) if changed <= since)
}

/// The version a tag names.
pub fn of(tag: &str) -> Option<u32> {
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
            assert!(is_known(&with(header::IF_NONE_MATCH, tag), 3, None), "{tag}");
        }
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        assert!(if_match(&with(header::IF_MATCH, "W/\"abc\"")).is_err());
        assert!(!is_known(&with(header::IF_NONE_MATCH, "W/\"2\""), 3, None));
    }

    #[test]
    fn a_date_counts_only_where_there_is_no_tag() {
        let mut headers = with(header::IF_MODIFIED_SINCE, "Sun, 22 Nov 2026 10:00:00 GMT");
        assert!(is_known(&headers, 3, Some(1_795_341_600)));
        assert!(!is_known(&headers, 3, Some(1_795_341_601)));
        assert!(!is_known(&headers, 3, None));
        headers.insert(header::IF_NONE_MATCH, "W/\"2\"".parse().unwrap());
        assert!(!is_known(&headers, 3, Some(0)));
    }

    #[test]
    fn the_tag_is_weak() {
        assert_eq!(etag(7), "W/\"7\"");
    }
}
