//! Requests drawn from a seed: the same seed and number give the same request on every machine.

pub mod requests;
mod resources;

use reqwest::Method;

/// One request.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// Below the base.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub with_token: bool,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = &self.body[..self.body.len().min(2_000)];
        let body = String::from_utf8_lossy(body);
        write!(
            f,
            "{} {} {:?}\n({} bytes) {body}",
            self.method,
            self.path,
            self.headers,
            self.body.len()
        )
    }
}

/// One of several.
pub fn one<'a, T>(rng: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

/// A text nobody expects: empty, long, or of odd characters, some of which are no FHIR string.
pub fn odd_text(rng: &mut fastrand::Rng) -> String {
    const ODD: [&str; 18] = [
        "",
        " ",
        "\u{0}",
        "\u{7}\u{1b}[31m",
        "\u{202e}live",
        "\u{feff}",
        "\u{fffd}",
        "e\u{301}\u{301}\u{301}",
        "🏥👩‍⚕️",
        "\u{10ffff}",
        "../../etc/passwd",
        "%00%ff",
        "' OR 1=1 --",
        "<script>",
        "urn:uuid:",
        "$everything",
        "Patient?identifier=a|b",
        "\\,|$",
    ];
    match rng.u8(..8) {
        0 => "x".repeat(rng.usize(..70_000)),
        1 => std::iter::repeat_with(|| rng.char(..)).take(20).collect(),
        2 => format!("{}{}", one(rng, &ODD), rng.u64(..)),
        _ => (*one(rng, &ODD)).to_owned(),
    }
}
