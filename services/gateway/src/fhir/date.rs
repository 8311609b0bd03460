//! FHIR times: instants out, and partial dates in, as the span of time they stand for.

use std::{cmp::Ordering, str::FromStr};

use time::{
    Date, Month, OffsetDateTime, PrimitiveDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use super::json::Json;

/// The one form of HTTP date that is still written (RFC 9110 §5.6.7).
const HTTP: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The half-open span `[start, end)` that a date, however precise, stands for. Nanoseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: i128,
    pub end: i128,
}

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

impl Span {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or a full time with its zone.
    pub fn parse(text: &str) -> Option<Self> {
        match text.len() {
            4 => {
                let year = digits(text, 0..4)?;
                Some(Self {
                    start: day(year, 1, 1)?,
                    end: day(year + 1, 1, 1)?,
                })
            }
            7 => {
                let (year, month) = (digits(text, 0..4)?, digits(text, 5..7)?);
                let next = if month == 12 {
                    day(year + 1, 1, 1)
                } else {
                    day(year, month + 1, 1)
                };
                (text.as_bytes()[4] == b'-').then_some(Self {
                    start: day(year, month, 1)?,
                    end: next?,
                })
            }
            10 => {
                let dashes = text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
                let start = day(digits(text, 0..4)?, digits(text, 5..7)?, digits(text, 8..10)?)?;
                dashes.then_some(Self {
                    start,
                    end: start + DAY,
                })
            }
            _ => {
                let start = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
                // A time without a fraction stands for its whole second.
                let width = if text.contains('.') { 1_000_000 } else { SECOND };
                Some(Self {
                    start,
                    end: start + width,
                })
            }
        }
    }
}

/// The span of a date, a time or a Period; an end that is missing is not reached.
pub fn span_of(value: &Json) -> Option<Span> {
    if let Some(text) = value.as_str() {
        return Span::parse(text);
    }
    let edge = |name| value.text(name).and_then(Span::parse);
    let (start, end) = (edge("start"), edge("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    Some(Span {
        start: start.map_or(i128::MIN, |span| span.start),
        end: end.map_or(i128::MAX, |span| span.end),
    })
}

fn digits(text: &str, range: std::ops::Range<usize>) -> Option<i32> {
    let part = text.get(range)?;
    if part.bytes().all(|b| b.is_ascii_digit()) {
        part.parse().ok()
    } else {
        None
    }
}

fn day(year: i32, month: i32, day: i32) -> Option<i128> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    Some(date.midnight().assume_utc().unix_timestamp_nanos())
}

/// A date a search asks for: `ge2026-01-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    comparison: Comparison,
    span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Starts,
    Ends,
}

impl FromStr for Sought {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (prefix, rest) = text.split_at_checked(2).ok_or(())?;
        let (comparison, date) = match prefix {
            "eq" => (Comparison::Equal, rest),
            "ne" => (Comparison::NotEqual, rest),
            "gt" => (Comparison::Greater, rest),
            "lt" => (Comparison::Less, rest),
            "ge" => (Comparison::GreaterOrEqual, rest),
            "le" => (Comparison::LessOrEqual, rest),
            "sa" => (Comparison::Starts, rest),
            "eb" => (Comparison::Ends, rest),
            _ => (Comparison::Equal, text),
        };
        Ok(Self {
            comparison,
            span: Span::parse(date).ok_or(())?,
        })
    }
}

impl Sought {
    /// Whether a resource's time satisfies the search, after R4's table of prefixes.
    pub fn admits(&self, found: Span) -> bool {
        let asked = self.span;
        let inside = found.start >= asked.start && found.end <= asked.end;
        match self.comparison {
            Comparison::Equal => inside,
            Comparison::NotEqual => !inside,
            Comparison::Greater => found.end.cmp(&asked.end) == Ordering::Greater,
            Comparison::Less => found.start < asked.start,
            Comparison::GreaterOrEqual => inside || found.end > asked.end,
            Comparison::LessOrEqual => inside || found.start < asked.start,
            Comparison::Starts => found.start >= asked.end,
            Comparison::Ends => found.end <= asked.start,
        }
    }
}

/// A FHIR instant: `2026-11-22T10:00:00Z`.
pub fn instant(seconds: u64) -> String {
    moment(seconds)
        .format(&Rfc3339)
        .expect("every moment() has a year of four digits")
}

/// An HTTP date for Last-Modified.
pub fn http(seconds: u64) -> String {
    moment(seconds)
        .format(HTTP)
        .expect("every component of the format exists in a date-time")
}

/// Seconds since 1970 of an HTTP date.
pub fn read_http(text: &str) -> Option<u64> {
    let date = PrimitiveDateTime::parse(text, HTTP).ok()?;
    u64::try_from(date.assume_utc().unix_timestamp()).ok()
}

/// Seconds since 1970 as a date; beyond the year 9999 the last second of it.
fn moment(seconds: u64) -> OffsetDateTime {
    const LAST: i64 = 253_402_300_799;
    let seconds = i64::try_from(seconds).unwrap_or(LAST).min(LAST);
    OffsetDateTime::from_unix_timestamp(seconds).expect("0..=9999-12-31T23:59:59Z is in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(asked: &str, found: &str) -> bool {
        asked.parse::<Sought>().unwrap().admits(Span::parse(found).unwrap())
    }

    #[test]
    fn partial_dates_stand_for_their_whole_span() {
        assert!(admits("2026", "2026-11-22"));
        assert!(admits("2026-11", "2026-11-30T23:59:59Z"));
        assert!(!admits("2026-11", "2026-12-01T00:00:00Z"));
        assert!(admits("2026-11-22T10:00:00Z", "2026-11-22T11:00:00+01:00"));
        assert!(!admits("2026-11-22", "2026"));
    }

    #[test]
    fn prefixes_compare_as_the_specification_says() {
        assert!(admits("ge2026-11-22", "2026-11-22"));
        assert!(admits("le2026-11-22", "2026-11-22T00:00:00Z"));
        assert!(admits("gt2026-11-21", "2026-11-22"));
        assert!(!admits("gt2026-11-22", "2026-11-22"));
        assert!(admits("lt2027", "2026-12-31"));
        assert!(admits("sa2026-11-21", "2026-11-22"));
        assert!(admits("eb2026-11-23", "2026-11-22"));
        assert!(admits("ne2025", "2026"));
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in [
            "",
            "2",
            "20x6",
            "2026-13",
            "2026-02-30",
            "2026-1-1",
            "2026-11-22T10:00",
            "ge",
            "é026-01-01",
        ] {
            assert!(text.parse::<Sought>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_fhir_and_http_want_them() {
        assert_eq!(instant(1_795_341_600), "2026-11-22T10:00:00Z");
        assert_eq!(http(1_795_341_600), "Sun, 22 Nov 2026 10:00:00 GMT");
        assert_eq!(instant(u64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(read_http("Sun, 22 Nov 2026 10:00:00 GMT"), Some(1_795_341_600));
        assert_eq!(read_http("2026-11-22T10:00:00Z"), None);
    }
}
