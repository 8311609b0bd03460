//! What is asked, of what there is and of what there is not.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Request, odd_text, one, resources};

/// What the fuzzer may name, so that some of its requests get further than the door.
pub struct Known {
    pub account: String,
    /// Paths below the base.
    pub patient: String,
    pub document: String,
    pub binary: String,
    /// The document as it was answered.
    pub stored: Value,
}

const KINDS: [&str; 7] = [
    "Patient",
    "DocumentReference",
    "Claim",
    "ClaimResponse",
    "Coverage",
    "List",
    "Binary",
];
const TYPES: [&str; 14] = [
    "Patient",
    "DocumentReference",
    "Claim",
    "ClaimResponse",
    "Coverage",
    "List",
    "Binary",
    "Consent",
    "AuditEvent",
    "Provenance",
    "Practitioner",
    "Organization",
    "Observation",
    "x",
];
const MEDIA: [&str; 9] = [
    "application/fhir+json",
    "application/json",
    "application/fhir+json; charset=utf-8",
    "application/fhir+xml",
    "text/plain",
    "application/fhir+json; fhirVersion=3.0",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    ";;;",
];
const PARAMETERS: [&str; 24] = [
    "_id",
    "_lastUpdated",
    "patient",
    "subject",
    "patient.identifier",
    "identifier",
    "type",
    "category",
    "status",
    "date",
    "period",
    "_count",
    "_offset",
    "_page",
    "_summary",
    "_sort",
    "_include",
    "_format",
    "_since",
    "target",
    "agent",
    "created",
    "request",
    "status:not",
];
const VALUES: [&str; 16] = [
    "",
    "a",
    "a|b",
    "|",
    "|b",
    "a,b,c",
    "ge2026",
    "le2026-13",
    "2026-02-30",
    "-1",
    "0",
    "99999999999999999999",
    "true",
    "json",
    "xml",
    "Patient/1",
];

impl Request {
    /// The request of this number under this seed.
    pub fn draw(seed: u64, number: u64, known: &Known) -> Self {
        let rng = &mut fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        let mut request = match rng.u8(..10) {
            0..=2 => create(rng, known),
            3 => update(rng, known),
            4 | 5 => search(rng, known),
            6 => transaction(rng, known),
            7 => binary(rng, known),
            _ => anything(rng, known),
        };
        for (name, values) in [
            ("accept", &MEDIA[..]),
            (
                "prefer",
                &[
                    "return=minimal",
                    "return=OperationOutcome",
                    "handling=strict",
                    "return=x;;,",
                ],
            ),
            ("if-match", &["W/\"1\"", "1", "*", "W/", "x"]),
            ("if-none-match", &["W/\"1\"", "*", "\"x\", 1"]),
            ("if-modified-since", &["Sun, 22 Nov 2026 10:00:00 GMT", "yesterday"]),
            (
                "if-none-exist",
                &["identifier=1", "", "?", "date=x", "identifier=doc-1&status=current"],
            ),
            ("idempotency-key", &["1", "\"2\"", ""]),
            ("x-security-context", &["Patient/1", "x"]),
        ] {
            if rng.u8(..14) == 0 {
                request.headers.push((name, (*one(rng, values)).to_owned()));
            }
        }
        request.with_token = rng.u8(..40) > 0;
        request
    }
}

fn plain(method: Method, path: String) -> Request {
    Request {
        method,
        path,
        headers: vec![],
        body: vec![],
        with_token: true,
    }
}

fn with_body(rng: &mut fastrand::Rng, method: Method, path: String, value: &Value) -> Request {
    let media = if rng.u8(..8) > 0 { MEDIA[0] } else { *one(rng, &MEDIA) };
    Request {
        headers: vec![("content-type", media.to_owned())],
        body: resources::bytes(rng, value),
        ..plain(method, path)
    }
}

fn create(rng: &mut fastrand::Rng, known: &Known) -> Request {
    let kind = *one(rng, &KINDS);
    let resource = resources::mutated(rng, resources::whole(kind, &known.account));
    let path = if rng.u8(..20) > 0 {
        format!("/{kind}")
    } else {
        format!("/{}", one(rng, &TYPES))
    };
    with_body(rng, Method::POST, path, &resource)
}

fn update(rng: &mut fastrand::Rng, known: &Known) -> Request {
    let path = one(rng, &[&known.document, &known.patient, &known.binary]).to_string();
    let resource = resources::mutated(rng, known.stored.clone());
    with_body(rng, Method::PUT, path, &resource)
}

fn search(rng: &mut fastrand::Rng, known: &Known) -> Request {
    let kind = *one(rng, &TYPES);
    let pairs: Vec<String> = (0..rng.usize(0..5))
        .map(|_| {
            let value = match rng.u8(..4) {
                0 => encoded(&odd_text(rng).chars().take(300).collect::<String>()),
                1 => known.patient[1..].to_owned(),
                _ => encoded(one::<&str>(rng, &VALUES)),
            };
            format!("{}={value}", one(rng, &PARAMETERS))
        })
        .collect();
    let query = pairs.join(if rng.u8(..10) > 0 { "&" } else { "&&=&" });
    if rng.bool() {
        return plain(Method::GET, format!("/{kind}?{query}"));
    }
    let mut request = plain(Method::POST, format!("/{kind}/_search"));
    let form = if rng.u8(..8) > 0 { MEDIA[6] } else { *one(rng, &MEDIA) };
    request.headers.push(("content-type", form.to_owned()));
    request.body = if rng.u8(..10) > 0 {
        query.into_bytes()
    } else {
        vec![0xff; 100]
    };
    request
}

fn transaction(rng: &mut fastrand::Rng, known: &Known) -> Request {
    let entries: Vec<Value> = (0..rng.usize(0..6))
        .map(|i| {
            let kind = *one(rng, &KINDS);
            let resource = resources::whole(kind, &known.account);
            let method = if rng.u8(..8) > 0 {
                "POST"
            } else {
                *one(rng, &["PUT", "GET", "DELETE", "PATCH", ""])
            };
            let mut entry = json!({
                "fullUrl": format!("urn:uuid:{i}"), "resource": resource, "request": { "method": method, "url": kind },
            });
            if rng.u8(..6) == 0 {
                entry["request"]["ifNoneExist"] = json!("identifier=1");
            }
            if rng.u8(..3) == 0 {
                resources::mutated(rng, entry)
            } else {
                entry
            }
        })
        .collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    let bundle = if rng.u8(..6) == 0 {
        resources::mutated(rng, bundle)
    } else {
        bundle
    };
    let path = *one(rng, &["", "/", "/?"]);
    with_body(rng, Method::POST, path.to_owned(), &bundle)
}

fn binary(rng: &mut fastrand::Rng, known: &Known) -> Request {
    if rng.bool() {
        let mut request = plain(Method::POST, "/Binary".into());
        let media = if rng.bool() {
            "application/pdf".to_owned()
        } else {
            (*one(rng, &MEDIA)).to_owned()
        };
        request.headers.push(("content-type", media));
        let size = rng.usize(..3_000);
        request.body = std::iter::repeat_with(|| rng.u8(..)).take(size).collect();
        return request;
    }
    let mut request = plain(
        if rng.bool() { Method::GET } else { Method::HEAD },
        known.binary.clone(),
    );
    let ranges = [
        "bytes=0-1",
        "bytes=1-",
        "bytes=-3",
        "bytes=9-",
        "bytes=3-1",
        "bytes=0-0,2-3",
        "bytes=-",
        "lines=1",
        "bytes=99999999999999999999-",
    ];
    request.headers.push(("range", (*one(rng, &ranges)).to_owned()));
    request
}

fn anything(rng: &mut fastrand::Rng, known: &Known) -> Request {
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];
    let method = Method::from_bytes(one(rng, &methods).as_bytes()).unwrap();
    let id = match rng.u8(..4) {
        0 => "0".repeat(64),
        1 => encoded(&odd_text(rng).chars().take(60).collect::<String>()),
        2 => known.document.rsplit('/').next().unwrap().to_owned(),
        _ => "staged-x".to_owned(),
    };
    let kind = *one(rng, &TYPES);
    let path = match rng.u8(..9) {
        0 => format!("/{kind}/{id}"),
        1 => format!("/{kind}/{id}/_history"),
        2 => format!(
            "/{kind}/{id}/_history/{}",
            one(rng, &["1", "0", "-1", "x", "99999999999"])
        ),
        3 => format!("/{kind}/{id}/$everything"),
        4 => format!("/{kind}"),
        5 => "/metadata".to_owned(),
        6 => format!("/{kind}//{id}"),
        7 => "/_history".to_owned(),
        _ => format!("/{}", encoded(&odd_text(rng).chars().take(60).collect::<String>())),
    };
    let body = resources::mutated(rng, resources::whole("DocumentReference", &known.account));
    with_body(rng, method, path, &body)
}

/// Percent-encoded, whatever it is.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                (b as char).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
