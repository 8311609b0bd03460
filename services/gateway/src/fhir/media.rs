//! Which representation a client sends and wants: JSON only, in the spellings real clients use.

use axum::http::{HeaderMap, header};

use crate::problem::{Code, Problem};

/// What this server answers unless it is asked for plain JSON.
pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";
/// The same bytes under the name some clients ask for.
pub const JSON: &str = "application/json; charset=utf-8";

/// How a resource is labelled on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/fhir+json`
    FhirJson,
    /// `application/json`
    Json,
}

impl Format {
    /// The Content-Type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::FhirJson => FHIR_JSON,
            Self::Json => JSON,
        }
    }
}

/// What a client wants of `Binary/<id>`: the resource or the bytes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryFormat {
    /// The resource around base64.
    Resource(Format),
    /// The bytes with their own content type.
    Raw,
}

/// Chooses the representation. `_format` wins over `Accept`, as R4 demands.
pub fn answer(headers: &HeaderMap, format: Option<&str>) -> Result<Format, Problem> {
    if let Some(format) = format {
        return named(format).ok_or_else(not_acceptable);
    }
    let ranges = accepted(headers);
    if ranges.is_empty() {
        return Ok(Format::FhirJson);
    }
    ranges
        .iter()
        .find_map(|range| wildcard(range).or_else(|| named(range)))
        .ok_or_else(not_acceptable)
}

/// Chooses for `Binary`: the resource only for who names a FHIR (or JSON) type, raw bytes for everyone else
/// who takes `stored` or anything.
pub fn answer_binary(headers: &HeaderMap, format: Option<&str>, stored: &str) -> Result<BinaryFormat, Problem> {
    if let Some(format) = format {
        return named(format).map(BinaryFormat::Resource).ok_or_else(not_acceptable);
    }
    let ranges = accepted(headers);
    if ranges.is_empty() {
        return Ok(BinaryFormat::Raw);
    }
    let essence = essence(stored);
    let kind = essence.split('/').next().unwrap_or_default();
    let pick = |range: &String| {
        let range = self::essence(range);
        if range == essence && range != "application/fhir+json" {
            return Some(BinaryFormat::Raw);
        }
        if let Some(format) = named(&range) {
            return Some(BinaryFormat::Resource(format));
        }
        let any = range == "*/*" || range.strip_suffix("/*").is_some_and(|r| r == kind);
        any.then_some(BinaryFormat::Raw)
    };
    ranges.iter().find_map(pick).ok_or_else(not_acceptable)
}

/// Checks that a body claims to be JSON of FHIR R4.
pub fn check_json_body(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if named(given).is_some() {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        "this server reads JSON only; send Content-Type: application/fhir+json",
    ))
}

/// Whether a content type is a JSON one, so that the body may be a Binary resource.
pub fn is_json(content_type: &str) -> bool {
    named(content_type).is_some()
}

/// The media type without parameters, in lower case.
pub fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The media ranges of `Accept` with q > 0, most wanted first; equal ones keep their order.
fn accepted(headers: &HeaderMap) -> Vec<String> {
    let mut ranges: Vec<(u16, String)> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|range| !range.trim().is_empty())
        .map(|range| (quality(range), range.trim().to_owned()))
        .filter(|(q, _)| *q > 0)
        .collect();
    ranges.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    ranges.into_iter().map(|(_, range)| range).collect()
}

/// The q parameter in thousandths; 1000 where it is absent or unreadable.
fn quality(range: &str) -> u16 {
    let q = range
        .split(';')
        .skip(1)
        .find_map(|p| p.trim().strip_prefix("q=").map(str::trim));
    let parsed = q
        .and_then(|q| q.parse::<f32>().ok())
        .filter(|q| (0.0..=1.0).contains(q));
    parsed.map_or(1000, |q| (q * 1000.0) as u16)
}

fn wildcard(range: &str) -> Option<Format> {
    matches!(essence(range).as_str(), "*/*" | "application/*").then_some(Format::FhirJson)
}

/// The format a media type or a `_format` value names; `None` if it is not JSON of R4 in UTF-8.
fn named(media: &str) -> Option<Format> {
    let format = match essence(media).as_str() {
        "application/fhir+json" | "json" | "text/json" => Format::FhirJson,
        // A `+` in an unescaped query string arrives as a space.
        "application/fhir json" => Format::FhirJson,
        "application/json" => Format::Json,
        _ => return None,
    };
    let readable = media
        .split(';')
        .skip(1)
        .filter_map(|p| p.split_once('='))
        .all(|(name, value)| {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "charset" => value.eq_ignore_ascii_case("utf-8"),
                "fhirversion" => matches!(value, "4.0" | "4.0.1"),
                _ => true,
            }
        });
    readable.then_some(format)
}

fn not_acceptable() -> Problem {
    Problem::new(
        Code::NotAcceptable,
        "this server answers in JSON of FHIR 4.0.1; ask for application/fhir+json",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().unwrap());
        headers
    }

    #[test]
    fn clients_get_json_under_the_name_they_ask_for() {
        for (asked, expected) in [
            ("application/fhir+json", Format::FhirJson),
            ("application/fhir+json, */*; q=0.1", Format::FhirJson),
            ("application/fhir+json; fhirVersion=4.0", Format::FhirJson),
            ("application/json", Format::Json),
            ("application/fhir+xml, application/fhir+json;q=0.8", Format::FhirJson),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::FhirJson),
        ] {
            assert_eq!(answer(&accept(asked), None).unwrap(), expected, "{asked}");
        }
        assert_eq!(answer(&HeaderMap::new(), None).unwrap(), Format::FhirJson);
    }

    #[test]
    fn xml_and_other_fhir_versions_are_not_acceptable() {
        for asked in [
            "application/fhir+xml",
            "application/fhir+json; fhirVersion=3.0",
            "*/*;q=0",
        ] {
            let refused = answer(&accept(asked), None);
            if asked.starts_with('*') {
                assert!(refused.is_ok(), "q=0 leaves no range, which is as good as no header");
            } else {
                assert_eq!(refused.unwrap_err().code, Code::NotAcceptable, "{asked}");
            }
        }
        assert_eq!(
            answer(&HeaderMap::new(), Some("xml")).unwrap_err().code,
            Code::NotAcceptable
        );
        assert!(answer(&accept("application/fhir+xml"), Some("json")).is_ok());
        assert!(answer(&HeaderMap::new(), Some("application/fhir json")).is_ok());
    }

    #[test]
    fn a_binary_is_raw_unless_its_resource_is_asked_for() {
        let pdf = "application/pdf";
        let of = |asked: &str| answer_binary(&accept(asked), None, pdf);
        assert_eq!(of("*/*").unwrap(), BinaryFormat::Raw);
        assert_eq!(of("application/pdf").unwrap(), BinaryFormat::Raw);
        assert_eq!(of("application/*").unwrap(), BinaryFormat::Raw);
        assert_eq!(
            of("application/fhir+json, */*; q=0.1").unwrap(),
            BinaryFormat::Resource(Format::FhirJson)
        );
        assert_eq!(of("application/json").unwrap(), BinaryFormat::Resource(Format::Json));
        assert_eq!(of("image/png").unwrap_err().code, Code::NotAcceptable);
        assert_eq!(answer_binary(&HeaderMap::new(), None, pdf).unwrap(), BinaryFormat::Raw);
        assert_eq!(
            answer_binary(&accept("application/json"), None, "application/json").unwrap(),
            BinaryFormat::Raw
        );
    }

    #[test]
    fn bodies_must_say_that_they_are_json() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            check_json_body(&headers)
        };
        assert!(with("application/fhir+json; charset=UTF-8").is_ok());
        assert!(with("application/json").is_ok());
        for refused in [
            "application/fhir+xml",
            "text/plain",
            "application/fhir+json; charset=latin1",
        ] {
            assert_eq!(with(refused).unwrap_err().code, Code::UnsupportedMediaType, "{refused}");
        }
        assert!(check_json_body(&HeaderMap::new()).is_err());
    }
}
