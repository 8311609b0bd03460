//! FHIR as a client speaks it.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use super::{ALICE, People, Person, terms, wallet};

pub const SCOPES: [&str; 4] = ["demographics", "clinical", "laboratory", "claims"];
pub const READ: u8 = 1;
pub const WRITE: u8 = 2;
pub const READ_AND_WRITE: u8 = 3;

/// Alice opens the scopes; the hospital may write them all and read what it wrote, except claims.
pub async fn enrol(people: &People<'_>) {
    let hospital = people.hospital.address();
    let grant = |scope: &str| terms(hospital, scope, if scope == "claims" { WRITE } else { READ_AND_WRITE });
    let grants: Vec<Value> = SCOPES.iter().map(|scope| grant(scope)).collect();
    people
        .alice
        .decide("enrol", json!({ "scopes": SCOPES, "grants": grants }))
        .await;
}

pub fn alice() -> Value {
    let address = wallet(ALICE).address();
    json!({ "identifier": { "system": "urn:chartseal:account", "value": format!("eip155:31337:{address}") } })
}

pub fn document(bytes: &[u8]) -> Value {
    json!({
        "resourceType": "DocumentReference", "status": "current", "subject": alice(), "date": "2026-11-22T10:00:00Z",
        "identifier": [{ "system": "http://hospital.example/documents", "value": "doc-1" }],
        "type": { "coding": [{ "system": "http://loinc.org", "code": "34117-2" }] },
        "content": [{ "attachment": { "contentType": "text/plain", "data": STANDARD.encode(bytes) } }],
    })
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The stable code of an OperationOutcome.
    pub fn code(&self) -> (u16, String) {
        let code = &self.json()["issue"][0]["details"]["coding"][0]["code"];
        (self.status, code.as_str().unwrap_or_default().to_owned())
    }
}

pub async fn send(
    who: &Person<'_>,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Answer {
    let url = if path.starts_with("http") {
        path.to_owned()
    } else {
        format!("{}/fhir/R4{path}", who.world.base)
    };
    let mut request = who.world.http.request(method, url).bearer_auth(&who.token).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer {
        status,
        headers,
        bytes: answer.bytes().await.unwrap().to_vec(),
    }
}

pub async fn get(who: &Person<'_>, path: &str) -> Answer {
    send(who, Method::GET, path, &[], "").await
}

pub async fn create(who: &Person<'_>, kind: &str, resource: &Value) -> Answer {
    let headers = [("content-type", "application/fhir+json")];
    send(who, Method::POST, &format!("/{kind}"), &headers, resource.to_string()).await
}
