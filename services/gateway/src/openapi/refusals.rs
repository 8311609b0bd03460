//! What an operation refuses: the codes that stand with it (`x-refusals`), and those that follow from its shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::problem::Code;

/// Where a handler names its codes.
const NAMED: &str = "x-refusals";

/// Adds a response for each status, with the codes it may come with. Operations for those who watch the process refuse
/// nothing.
pub fn add(operation: &mut Value) {
    if operation["tags"][0] == "operations" {
        return;
    }
    let named = operation.as_object_mut().and_then(|members| members.remove(NAMED));
    let mut codes: Vec<Code> = named
        .iter()
        .flat_map(|codes| codes.as_array().into_iter().flatten())
        .map(|word| code(word.as_str().unwrap_or_default()))
        .collect();
    codes.extend(by_shape(operation));
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let of_status = by_status.entry(code.status().as_u16()).or_default();
        if !of_status.contains(&code) {
            of_status.push(code);
        }
    }
    for (status, codes) in by_status {
        let response = &mut operation["responses"][status.to_string()];
        let said = response["description"].as_str().filter(|text| !text.is_empty());
        let titles = codes
            .iter()
            .map(|code| format!("`{}`: {}.", code.as_str(), code.title()));
        let said: Vec<String> = said.map(str::to_owned).into_iter().chain(titles).collect();
        response["description"] = said.join("\n\n").into();
        response["content"]["application/problem+json"]["schema"] = schema(&codes);
        if let Some(headers) = headers(&codes) {
            response["headers"] = headers;
        }
    }
}

fn code(word: &str) -> Code {
    let known = Code::ALL.iter().find(|code| code.as_str() == word);
    *known.unwrap_or_else(|| panic!("'{word}' among x-refusals is no problem's code"))
}

fn by_shape(operation: &Value) -> Vec<Code> {
    let mut codes = vec![Code::TooOften, Code::TooMany, Code::Unavailable, Code::Internal];
    let parameters = operation["parameters"].as_array();
    let takes = |place: &str| parameters.is_some_and(|all| all.iter().any(|p| p["in"] == place));
    if operation["security"].is_array() {
        codes.push(Code::Unauthenticated);
    }
    if takes("path") {
        codes.push(Code::NotFound);
    }
    if takes("query") {
        codes.push(Code::Malformed);
    }
    // The token endpoint has OAuth's own words for a body.
    if operation["requestBody"]["content"]["application/json"].is_object() {
        codes.extend([Code::Malformed, Code::TooLarge]);
    }
    if takes("header") {
        codes.extend([Code::Malformed, Code::KeyReused, Code::StillAtWork]);
    }
    codes
}

fn schema(codes: &[Code]) -> Value {
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    json!({ "allOf": [
        { "$ref": "#/components/schemas/Problem" },
        { "type": "object", "properties": { "code": { "enum": words } } },
    ] })
}

fn headers(codes: &[Code]) -> Option<Value> {
    let waits = codes
        .iter()
        .any(|code| matches!(code, Code::TooOften | Code::TooMany | Code::Unavailable));
    waits.then(|| {
        let schema = json!({ "type": "integer", "minimum": 0 });
        json!({ "Retry-After": { "description": "Seconds.", "schema": schema } })
    })
}
