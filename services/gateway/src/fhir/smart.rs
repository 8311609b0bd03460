//! `GET /fhir/R4/.well-known/smart-configuration`: where a system gets its token.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{
    app::App,
    auth::{assertion, scopes},
    config::Config,
};

/// The handler. Always plain JSON, whatever the client accepts.
pub async fn configuration(State(app): State<App>) -> Json<Value> {
    Json(describe(&app.config))
}

fn describe(config: &Config) -> Value {
    json!({
        "token_endpoint": config.token_url(),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": assertion::ALGORITHMS,
        "scopes_supported": scopes::SUPPORTED,
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        // Required by SMART whether or not there is an authorisation endpoint, which this server has not.
        "code_challenge_methods_supported": ["S256"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_required_members_are_there() {
        let c = describe(&Config::from_toml(include_str!("../../sample.toml")).unwrap());
        assert_eq!(c["token_endpoint"], "http://127.0.0.1:8080/oauth2/token");
        assert_eq!(c["grant_types_supported"][0], "client_credentials");
        assert!(c["scopes_supported"].as_array().is_some_and(|s| !s.is_empty()));
        assert!(c.to_string().contains("ES384"));
    }
}
