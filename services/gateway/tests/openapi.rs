//! The contract and the routes are the same, and docs/openapi.json is the contract.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::collections::BTreeSet;

use axum::{body::Body, http::Request};
use chartseal_gateway::{openapi::CONTRACT, portal, router::router};
use common::World;
use reqwest::Method;
use serde_json::Value;
use tower::ServiceExt;

#[test]
fn the_committed_contract_is_fresh() {
    let committed: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    assert!(
        committed == *CONTRACT,
        "docs/openapi.json is not what the routes say; run make openapi"
    );
}

/// What the router says of a path, without asking a handler: OPTIONS is offered nowhere, and its refusal lists what is.
async fn allowed(router: &axum::Router, path: &str) -> BTreeSet<String> {
    let plain = path.replace(['{', '}'], "");
    let request = Request::builder()
        .method("OPTIONS")
        .uri(plain)
        .body(Body::empty())
        .unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let allow = answer
        .headers()
        .get("allow")
        .map(|value| value.to_str().unwrap().to_lowercase());
    let methods = allow.unwrap_or_default();
    methods
        .split(',')
        .filter(|m| !m.is_empty() && *m != "head")
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_operation_has_a_route_and_every_route_is_documented() {
    let world = World::new().await;
    let router = router(world.app.clone());
    let documented = CONTRACT["paths"].as_object().unwrap();
    for (path, item) in documented {
        let methods: BTreeSet<String> = item.as_object().unwrap().keys().cloned().collect();
        assert_eq!(allowed(&router, path).await, methods, "{path}");
    }
    // Its Debug is the one place where a router lists its paths.
    let listed = format!("{router:?}");
    let routes: BTreeSet<&str> = listed.split('"').filter(|word| word.starts_with('/')).collect();
    assert!(routes.contains("/v1/intents/{id}"), "{routes:?}");
    for route in routes
        .iter()
        .filter(|route| !route.starts_with("/fhir/") && !route.starts_with("/{*__private"))
    {
        // The portal's pages and files are for people, not for programs.
        let for_people = portal::is_ours(route) || ["/docs", "/openapi.json"].contains(route);
        let described = documented.contains_key(*route) || for_people;
        assert!(described, "{route} is served and not documented");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_and_its_page_are_served_to_strangers() {
    let world = World::new().await;
    let (status, served) = world.call(Method::GET, "/openapi.json", None, None).await;
    assert_eq!((status, &served), (200, &*CONTRACT));
    let page = world.http.get(format!("{}/docs", world.base)).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("script"),
        "{policy}"
    );
    assert!(page.text().await.unwrap().contains("/v1/intents/{id}/signatures"));
}
