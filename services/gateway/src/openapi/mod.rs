//! The native API's contract, OpenAPI 3.1: made from the routes themselves, so that what is served is what is described.
//!
//! Each handler carries its operation. What every operation has in common (who is let in, what is refused, which header
//! comes back) is added here once. `docs/openapi.json` is this document, and a test compares the two.

mod page;
pub mod receipt;
mod refusals;
pub mod words;

use std::sync::LazyLock;

use axum::{Router, http::header, routing::get};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use crate::{app::App, auth, config::Limits, health, problem, v1};

const TEXT: &str = include_str!("about.md");

/// The whole contract.
pub static CONTRACT: LazyLock<Value> = LazyLock::new(contract);

pub fn routes() -> Router<App> {
    static JSON: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", *CONTRACT));
    let json = async || ([(header::CONTENT_TYPE, "application/json")], JSON.as_str());
    Router::new().route("/openapi.json", get(json)).merge(page::routes())
}

fn contract() -> Value {
    let described: OpenApiRouter<App> = v1::routes().merge(auth::token::routes()).merge(health::routes());
    let mut api = json!(described.into_openapi());
    api["info"] = json!({
        "title": "Chartseal",
        "version": env!("CARGO_PKG_VERSION"),
        "description": about(),
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    api["servers"] = json!([{ "url": "/", "description": "This gateway." }]);
    api["tags"] = TAGS
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .into();
    api["components"]["securitySchemes"] = json!({
        "session": {
            "type": "http",
            "scheme": "bearer",
            "description": "A person: the token of `POST /v1/sessions`.",
        },
        "smart": {
            "type": "oauth2",
            "description": "A system: SMART Backend Services, private_key_jwt. Its scopes limit which resource types it sees.",
            "flows": { "clientCredentials": { "tokenUrl": "/oauth2/token", "scopes": {
                "system/*.rs": "Read and search every resource type; narrower ones (system/Claim.rs) are allowed too.",
            } } },
        },
    });
    let (name, schema) = problem::schema();
    api["components"]["schemas"][name] = schema;
    for operation in operations(&mut api) {
        refusals::add(operation);
    }
    api
}

/// Every operation of a contract.
fn operations(api: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = api["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(_, item)| {
        item.as_object_mut()
            .into_iter()
            .flatten()
            .map(|(_, operation)| operation)
    })
}

const TAGS: [(&str, &str); 17] = [
    ("deployment", "Chain, contracts, organisations."),
    ("sessions", "People sign in and out with a wallet."),
    ("tokens", "Systems get a token."),
    ("accounts", "What the Directory says."),
    ("clients", "The systems of an organisation."),
    ("intents", "Decisions: laid out, signed by wallets, relayed."),
    ("requests", "Asking a patient."),
    ("grants", "What a patient allowed."),
    ("records", "What is stored."),
    ("claims", "Claims by their numbers."),
    ("drafts", "Versions that a wallet signs."),
    ("receipts", "Proofs."),
    ("releases", "Release keys."),
    ("audit", "Who did what."),
    ("content", "Ciphertext by its CID."),
    ("system", "How the gateway stands, for registrars."),
    ("operations", "For those who watch the process."),
];

fn about() -> String {
    let limits = Limits::default();
    let numbers = [
        ("{request_bytes}", limits.request_bytes.to_string()),
        ("{fhir_json_bytes}", limits.fhir_json_bytes.to_string()),
        ("{request_seconds}", limits.request_seconds.to_string()),
        ("{body_pace}", limits.body_pace.to_string()),
    ];
    let text = TEXT.trim().to_owned();
    numbers
        .into_iter()
        .fold(text, |text, (name, number)| text.replace(name, &number))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alloy::primitives::{Address, B256, Bytes};
    use chartseal_record::{
        Compartment, ContentHash,
        account::StatementKey,
        receipt::{Addresses, FORMAT, Receipt},
        statement::Statement,
    };

    use super::*;

    #[test]
    fn the_contract_is_openapi_3_1_and_its_operations_have_names_of_their_own() {
        let mut api = CONTRACT.clone();
        assert_eq!(api["openapi"], "3.1.0");
        let tags: Vec<&str> = TAGS.iter().map(|(name, _)| *name).collect();
        let mut names = BTreeSet::new();
        let mut count = 0;
        for operation in operations(&mut api) {
            count += 1;
            names.insert(operation["operationId"].as_str().unwrap().to_owned());
            assert!(tags.contains(&operation["tags"][0].as_str().unwrap()), "{operation}");
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{operation}"
            );
        }
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_post_that_creates_takes_an_idempotency_key() {
        let mut posts = 0;
        for (path, item) in CONTRACT["paths"].as_object().unwrap() {
            // A session is created by a nonce that is used once, and its token is shown once.
            if item["post"]["responses"]["201"].is_object() && path != "/v1/sessions" {
                let parameters = item["post"]["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|p| p["name"] == "Idempotency-Key"), "{path}");
                posts += 1;
            }
        }
        assert_eq!(posts, 4, "clients, drafts, intents, requests");
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => members.iter().for_each(|(name, value)| match value {
                    Value::String(target) if name == "$ref" => found.push(target.clone()),
                    value => references(value, found),
                }),
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        references(&CONTRACT, &mut found);
        assert!(!found.is_empty());
        for target in found {
            assert!(CONTRACT.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }

    #[test]
    fn mirrored_schemas_have_the_members_of_what_they_mirror() {
        let (zero, hash) = (Address::ZERO, B256::ZERO);
        let compartment = Compartment(hash);
        let statement = Statement {
            compartment,
            id: hash,
            version: 1,
            previous: hash,
            resource: hash,
            author: zero,
            authored_at: 0,
        };
        let contracts = Addresses {
            directory: zero,
            consent: zero,
            anchors: zero,
        };
        let receipt = Receipt {
            format: FORMAT.into(),
            chain_id: 1,
            contracts,
            cid: ContentHash::of(b""),
            compartment,
            epoch: 1,
            proof: Vec::new(),
            root: hash,
            organisation: zero,
            count: 1,
            manifest: String::new(),
            transaction: hash,
            block: 1,
            statement: Some(statement),
            signature: Some(Bytes::new()),
        };
        let key = StatementKey {
            key: zero,
            from: 0,
            until: 1,
        };
        for (name, value) in [
            ("Receipt", json!(receipt)),
            ("Statement", json!(statement)),
            ("Contracts", json!(contracts)),
            ("StatementKey", json!(key)),
        ] {
            let schema = &CONTRACT["components"]["schemas"][name]["properties"];
            let names = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
            assert_eq!(names(schema), names(&value), "{name}");
        }
    }
}
