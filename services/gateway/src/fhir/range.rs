//! HTTP Range on a document's own bytes (RFC 9110 §14): one range, in bytes.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What of a document a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, one that cannot be read, several at once, or one of another state of the document.
    Whole,
    /// These bytes, and at least one.
    Part(Range<u64>),
    /// Bytes beyond its end.
    Nothing,
}

/// Reads `Range` and `If-Range` for a document of `size` bytes whose strong ETag is `tag`.
pub fn wanted(headers: &HeaderMap, size: u64, tag: &str) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE).and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    // A date can be no strong validator here: documents do not change, their names would.
    if headers.contains_key(header::IF_RANGE) && text(header::IF_RANGE) != Some(tag) {
        return Wanted::Whole;
    }
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a size has are beyond every end.
        true => Some(text.parse().unwrap_or(u64::MAX)),
        false => None,
    };
    let Some((first, last)) = range.split_once('-') else {
        return Wanted::Whole;
    };
    let range = match (first.trim(), last.trim()) {
        ("", "") => return Wanted::Whole,
        ("", suffix) => number(suffix).map(|n| size.saturating_sub(n)..size),
        (first, "") => number(first).map(|first| first..size),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(size)),
            _ => None,
        },
    };
    match range {
        Some(range) if range.start < range.end => Wanted::Part(range),
        Some(_) => Wanted::Nothing,
        None => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        wanted(&headers, 100, "\"a\"")
    }

    #[test]
    fn one_range_is_read_in_its_three_forms() {
        assert_eq!(of("bytes=0-0"), Wanted::Part(0..1));
        assert_eq!(of("bytes=10-19"), Wanted::Part(10..20));
        assert_eq!(of("bytes=90-1000"), Wanted::Part(90..100));
        assert_eq!(of("bytes=90-99999999999999999999999"), Wanted::Part(90..100));
        assert_eq!(of("bytes=95-"), Wanted::Part(95..100));
        assert_eq!(of("bytes=-5"), Wanted::Part(95..100));
        assert_eq!(of("bytes=-500"), Wanted::Part(0..100));
    }

    #[test]
    fn what_lies_beyond_the_end_is_told_from_what_is_no_range() {
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(of(beyond), Wanted::Nothing, "{beyond}");
        }
        for none in [
            "bytes=",
            "bytes=-",
            "bytes=b-c",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes 0-1",
        ] {
            assert_eq!(of(none), Wanted::Whole, "{none}");
        }
    }

    #[test]
    fn a_range_of_another_state_is_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=0-0".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"a\"".parse().unwrap());
        assert_eq!(wanted(&headers, 100, "\"a\""), Wanted::Part(0..1));
        assert_eq!(wanted(&headers, 100, "\"b\""), Wanted::Whole);
        headers.insert(header::IF_RANGE, "W/\"a\"".parse().unwrap());
        assert_eq!(wanted(&headers, 100, "\"a\""), Wanted::Whole);
    }
}
