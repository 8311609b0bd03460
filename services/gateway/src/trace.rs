//! W3C Trace Context: a request that belongs to a caller's trace says so in its log lines, and so do the requests it
//! makes of others. Nothing is taken from `tracestate`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::Failure;

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    /// Of the request at work.
    pub static TRACE: Trace;
}

/// A trace, and this request's place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Trace {
    /// The caller's trace with a span of our own in it; a new trace if the caller sent none, or two, or none that can be
    /// read: what does not parse is ignored, as the specification wants it.
    pub fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut sent = headers.get_all(TRACEPARENT).iter();
        let one = sent.next().filter(|_| sent.next().is_none());
        let given = one.and_then(|value| parse(value.as_bytes()));
        let mut span = [0; 8];
        getrandom::fill(&mut span).map_err(|_| Failure::Random)?;
        if let Some((id, sampled)) = given {
            return Ok(Self { id, span, sampled });
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Failure::Random)?;
        let sampled = false;
        Ok(Self { id, span, sampled })
    }

    /// The trace id, for the log.
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }

    /// What goes with a request that we make.
    pub fn header(&self) -> HeaderValue {
        let text = format!(
            "00-{}-{}-{:02x}",
            hex::encode(self.id),
            hex::encode(self.span),
            u8::from(self.sampled)
        );
        HeaderValue::from_str(&text).expect("hexadecimal digits and dashes are a header's value")
    }
}

/// `traceparent` for a request made on behalf of the one at work.
pub fn onwards() -> HeaderMap {
    let header = TRACE.try_with(|trace| (TRACEPARENT, trace.header()));
    header.into_iter().collect()
}

/// Trace id and sampled flag of a `traceparent`. Later versions may have more after the flags; version ff never is.
fn parse(text: &[u8]) -> Option<([u8; 16], bool)> {
    let (known, more) = text.split_at_checked(55)?;
    let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    let version = digits::<1>(&known[..2])?;
    let id = digits::<16>(&known[3..35])?;
    let parent = digits::<8>(&known[36..52])?;
    let [flags] = digits::<1>(&known[53..55])?;
    let ends = match version {
        [0xff] => false,
        [0] => more.is_empty(),
        _ => more.is_empty() || more[0] == b'-',
    };
    (dashes && ends && id != [0; 16] && parent != [0; 8]).then_some((id, flags & 1 == 1))
}

/// Lower-case hexadecimal digits.
fn digits<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(values: &[&str]) -> Trace {
        let headers = values
            .iter()
            .map(|value| (TRACEPARENT, HeaderValue::from_str(value).unwrap()));
        Trace::of(&headers.collect()).unwrap()
    }

    #[test]
    fn a_trace_goes_on_under_a_span_of_ours() {
        let onwards = of(&[GIVEN]).header();
        let onwards = onwards.to_str().unwrap();
        assert!(onwards.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && onwards.ends_with("-01"));
        assert!(!onwards.contains("00f067aa0ba902b7"));
        assert!(parse(onwards.as_bytes()).is_some());
    }

    #[tokio::test]
    async fn what_a_request_asks_of_others_belongs_to_its_trace() {
        assert!(onwards().is_empty(), "nothing is at work");
        let trace = of(&[GIVEN]);
        let sent = TRACE.scope(trace, async { onwards() }).await;
        assert_eq!(sent[TRACEPARENT], trace.header());
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        assert!(parse(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
        assert!(parse(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more").is_none());
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        ] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
            assert_ne!(of(&[bad]).id(), of(&[bad]).id());
        }
        assert_ne!(of(&[GIVEN, GIVEN]).id(), of(&[GIVEN]).id(), "two are none");
    }
}
