//! `GET /fhir/R4/metadata`: what this server does, and nothing it does not.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{kind::Kind, media, parameter};
use crate::{app::App, config::Config};

/// What is offered for each resource type, which the routes in `fhir::routes` carry out.
const RESOURCES: [(&str, &[&str]); 13] = [
    ("Patient", UPDATED),
    ("DocumentReference", UPDATED),
    ("Binary", &["create", "read"]),
    ("Claim", STORED),
    ("ClaimResponse", STORED),
    ("Coverage", STORED),
    ("List", STORED),
    ("Practitioner", DERIVED),
    ("Organization", DERIVED),
    ("Consent", DERIVED),
    ("AuditEvent", DERIVED),
    ("Provenance", DERIVED),
    ("Task", &["create", "read", "update", "search-type"]),
];
const DERIVED: &[&str] = &["read", "search-type"];
const STORED: &[&str] = &["create", "read", "vread", "history-instance", "search-type"];
const UPDATED: &[&str] = &["create", "read", "vread", "update", "history-instance", "search-type"];

/// The handler. Anyone may ask.
pub async fn metadata(State(app): State<App>) -> Response {
    let body = statement(&app.config).to_string();
    ([(header::CONTENT_TYPE, media::FHIR_JSON)], body).into_response()
}

fn statement(config: &Config) -> Value {
    let fhir = config.url("/fhir/R4");
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        // The day this list of interactions was last changed.
        "date": "2026-11-27",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "software": { "name": "Chartseal", "version": env!("CARGO_PKG_VERSION") },
        "implementation": {
            "description": "Chartseal gateway: records sealed per patient, opened under the patient's grant",
            "url": fhir,
        },
        "rest": [{
            "mode": "server",
            "documentation": "JSON only. A resource is found and read only in scopes of a patient whose live READ grant the caller holds; everything else answers as if it did not exist. A record's scope follows from its codes; meta.tag with system urn:chartseal:scope says it outright. A Task is a Da Vinci CDex 2.1 data request (task-based approach; data-request-code and data-request-query, no signatures, no questionnaires): its status follows from what the patient decides.",
            "security": security(config),
            "interaction": [{ "code": "transaction" }],
            "resource": RESOURCES.map(|(kind, interactions)| resource(kind, interactions)),
        }],
    })
}

fn security(config: &Config) -> Value {
    json!({
        "service": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "SMART-on-FHIR",
        }] }],
        "description": "SMART Backend Services for systems; a wallet session token for people.",
        // Deprecated by SMART 2, and the only thing some clients read.
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [{ "url": "token", "valueUri": config.token_url() }],
        }],
    })
}

fn resource(kind: &str, interactions: &[&str]) -> Value {
    let mut resource = json!({
        "type": kind,
        "interaction": interactions.iter().map(|code| json!({ "code": code })).collect::<Vec<_>>(),
        "updateCreate": false,
        // Of what is kept as records and can be searched.
        "conditionalCreate": interactions.contains(&"search-type") && Kind::of(kind).is_some(),
    });
    let parameters = parameter::parameters(kind);
    if !parameters.is_empty() {
        let described = parameters.iter().filter(|p| !p.name.contains('.'));
        resource["searchParam"] = described
            .map(|p| json!({ "name": p.name, "type": p.fhir_type() }))
            .collect();
    }
    if interactions.contains(&"vread") {
        resource["versioning"] = "versioned".into();
        resource["readHistory"] = true.into();
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability() -> Value {
        statement(&Config::from_toml(include_str!("../../sample.toml")).unwrap())
    }

    #[test]
    fn every_required_element_is_there() {
        let c = capability();
        for element in ["status", "date", "kind", "fhirVersion", "format"] {
            assert!(!c[element].is_null(), "{element}");
        }
        assert!(c["implementation"]["description"].is_string());
        let rest = &c["rest"][0];
        assert_eq!(
            rest["security"]["extension"][0]["extension"][0]["valueUri"],
            "http://127.0.0.1:8080/oauth2/token"
        );
        for resource in rest["resource"].as_array().unwrap() {
            let parameters = resource["searchParam"].as_array().cloned().unwrap_or_default();
            let names: std::collections::HashSet<_> = parameters.iter().map(|p| p["name"].to_string()).collect();
            assert_eq!(names.len(), parameters.len(), "cpb-12: names are unique");
        }
    }

    #[test]
    fn a_type_says_it_can_be_searched_if_and_only_if_it_has_parameters() {
        for (kind, interactions) in RESOURCES {
            assert_eq!(
                interactions.contains(&"search-type"),
                !parameter::parameters(kind).is_empty(),
                "{kind}"
            );
        }
    }
}
