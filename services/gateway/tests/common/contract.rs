//! Every answer a test gets from the native API is held against docs/openapi.json's source: the status must be listed for
//! the operation, and the body must fit its schema, a problem's code included.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use chartseal_gateway::openapi::CONTRACT;
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

/// Panics if the contract does not foresee this answer. Paths that are not in it (FHIR) pass.
pub fn check(method: &Method, path: &str, status: u16, media: &str, body: &Value) {
    let path = path.split('?').next().unwrap_or_default();
    let Some(template) = template(path) else {
        assert!(
            !path.starts_with("/v1/") || status == 404,
            "{path} is not in the contract"
        );
        return;
    };
    let name = method.as_str().to_lowercase();
    let operation = &CONTRACT["paths"][template][&name];
    if operation.is_null() {
        assert_eq!(status, 405, "{method} {template} is not in the contract");
        return;
    }
    let response = &operation["responses"][status.to_string()];
    assert!(
        response.is_object(),
        "{method} {template} does not list {status}: {body}"
    );
    let media = media.split(';').next().unwrap_or_default();
    let Some(content) = response["content"].as_object() else {
        assert_eq!(*body, Value::Null, "{method} {template} {status} lists no body");
        return;
    };
    let schema = content.get(media).map(|content| &content["schema"]);
    let schema = schema.unwrap_or_else(|| panic!("{method} {template} {status} does not list {media}"));
    if !media.ends_with("json") {
        return;
    }
    let errors: Vec<String> = validator(&format!("{name} {template} {status} {media}"), schema)
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{method} {template} {status}: {errors:?} in {body}");
}

/// The contract's path that leads to this one; the one with fewer parameters if there are two.
fn template(path: &str) -> Option<&'static str> {
    let paths = CONTRACT["paths"].as_object()?.keys();
    let fits = |template: &&String| {
        let (parts, given) = (template.split('/'), path.split('/'));
        parts.clone().count() == given.clone().count()
            && parts
                .zip(given)
                .all(|(part, given)| part.starts_with('{') || part == given)
    };
    paths
        .filter(fits)
        .min_by_key(|template| template.matches('{').count())
        .map(String::as_str)
}

fn validator(name: &str, schema: &Value) -> Arc<Validator> {
    static MADE: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || {
        let whole = json!({ "allOf": [schema], "components": CONTRACT["components"] });
        Arc::new(jsonschema::draft202012::new(&whole).expect("the contract holds JSON schemas"))
    };
    made.entry(name.to_owned()).or_insert_with(new).clone()
}
