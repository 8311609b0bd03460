//! Resources as they should be, and what becomes of them.

use serde_json::{Value, json};

use super::{odd_text, one};

/// A whole resource of a type.
pub fn whole(kind: &str, account: &str) -> Value {
    let patient = json!({ "identifier": { "system": "urn:chartseal:account", "value": account } });
    let money = json!({ "value": 1.10, "currency": "USD" });
    match kind {
        "Patient" => {
            json!({ "resourceType": "Patient", "identifier": [patient["identifier"]], "name": [{ "family": "x" }], "birthDate": "1980-01-01" })
        }
        "Claim" => json!({
            "resourceType": "Claim", "status": "active", "use": "claim", "patient": patient, "created": "2026-11-22", "type": {},
            "identifier": [{ "system": "urn:x", "value": "C" }], "provider": {}, "priority": {}, "total": money,
            "insurance": [{ "sequence": 1, "focal": true, "coverage": {} }],
            "item": [{ "sequence": 1, "productOrService": {}, "unitPrice": money }],
            "supportingInfo": [{ "sequence": 1, "category": {}, "valueAttachment": { "contentType": "text/plain", "data": "eA==" } }],
        }),
        "ClaimResponse" => json!({
            "resourceType": "ClaimResponse", "status": "active", "use": "claim", "patient": patient, "created": "2026-11-22", "type": {},
            "insurer": {}, "outcome": "complete", "request": { "reference": "Claim/1" },
        }),
        "Coverage" => json!({ "resourceType": "Coverage", "status": "active", "beneficiary": patient, "payor": [{}] }),
        "List" => json!({
            "resourceType": "List", "status": "current", "mode": "working", "subject": patient,
            "entry": [{ "item": { "reference": "DocumentReference/1" } }],
        }),
        "Binary" => json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "eA==" }),
        _ => json!({
            "resourceType": "DocumentReference", "status": "current", "subject": patient, "date": "2026-11-22T10:00:00Z",
            "meta": { "tag": [{ "system": "urn:chartseal:scope", "code": "clinical" }], "security": [] },
            "type": { "coding": [{ "system": "http://loinc.org", "code": "34117-2" }] },
            "content": [{ "attachment": { "contentType": "text/plain", "data": "eA==", "size": 1 } }],
            "relatesTo": [{ "code": "appends", "target": { "reference": "DocumentReference/1" } }],
        }),
    }
}

/// Changes a few places of a value at random.
pub fn mutated(rng: &mut fastrand::Rng, mut value: Value) -> Value {
    for _ in 0..rng.usize(0..4) {
        let places = places(&value);
        let place = one(rng, &places).clone();
        if let Some(at) = value.pointer_mut(&place) {
            mutate(rng, at);
        }
    }
    value
}

fn mutate(rng: &mut fastrand::Rng, at: &mut Value) {
    *at = match rng.u8(..13) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(*one(rng, &[i64::MIN, -1, 0, 1, i64::MAX])),
        3 => json!(*one(rng, &[f64::MIN, -0.0, 1e-300, 0.1, f64::MAX])),
        4 => json!(odd_text(rng)),
        5 => json!([]),
        6 => json!({}),
        7 => Value::Array(vec![at.take(); rng.usize(1..600)]),
        8 => (0..rng.usize(1..80)).fold(at.take(), |inner, i| {
            if i % 2 == 0 {
                json!([inner])
            } else {
                json!({ "x": inner })
            }
        }),
        9 => json!({ odd_text(rng): at.take() }),
        10 => {
            if let Some(members) = at.as_object_mut() {
                let names: Vec<String> = members.keys().cloned().collect();
                if !names.is_empty() {
                    members.remove(one(rng, &names));
                }
            }
            return;
        }
        11 => {
            if let Some(members) = at.as_object_mut() {
                members.insert(odd_text(rng), json!(odd_text(rng)));
            }
            return;
        }
        _ => json!(one(
            rng,
            &[
                "2026-02-30",
                "9999-12-31T23:59:60Z",
                "0000",
                "Patient/",
                "Binary/staged-x",
                "ipfs://x",
                "****",
                "urn:uuid:1"
            ]
        )),
    };
}

/// JSON pointers to every value.
fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate().take(20) {
                found.extend(places(item).into_iter().map(|rest| format!("/{i}{rest}")));
            }
        }
        Value::Object(members) => {
            for (name, inner) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                found.extend(places(inner).into_iter().map(|rest| format!("/{name}{rest}")));
            }
        }
        _ => {}
    }
    found
}

/// The bytes of a value, damaged now and then in ways a JSON value cannot be.
pub fn bytes(rng: &mut fastrand::Rng, value: &Value) -> Vec<u8> {
    let mut text = value.to_string().into_bytes();
    match rng.u8(..12) {
        0 => text.truncate(rng.usize(..=text.len())),
        1 if !text.is_empty() => {
            let at = rng.usize(..text.len());
            text[at] ^= 1 << rng.u8(..8);
        }
        2 => text
            .splice(0..text.len().min(1), *b"{\"status\":1,\"status\":2,")
            .for_each(drop),
        3 => text = std::iter::repeat_with(|| rng.u8(..)).take(200).collect(),
        4 => text = format!("{}{}", "[".repeat(rng.usize(..20_000)), "]").into_bytes(),
        5 => text.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
        _ => {}
    }
    text
}
