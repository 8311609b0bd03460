//! Every route there is, and what stands before all of them.

use std::time::Duration;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    response::{IntoResponse, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{RequestBodyDeadlineLayer, RequestBodyTimeoutLayer},
};

use crate::{
    app::App,
    auth, fhir, health, linger, openapi, portal,
    problem::{Code, Problem},
    request, v1,
};

/// The gateway's own surface. Metrics are elsewhere, on their own listener.
pub fn router(app: App) -> Router {
    let limits = app.config.limits;
    let seconds = Duration::from_secs;
    // Their bodies are small, so a slow one is no honest one.
    let small = Router::from(v1::routes().merge(auth::token::routes()))
        .layer(RequestBodyDeadlineLayer::new(seconds(limits.body_seconds)));
    Router::new()
        .merge(small)
        .merge(fhir::routes())
        .merge(portal::routes())
        .merge(openapi::routes())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(
                Code::NotAllowed,
                "this path takes other methods; see the API description",
            )
        })
        // A route that takes more says so itself; its own limit is the inner one and wins.
        .layer(DefaultBodyLimit::max(limits.request_bytes))
        .layer(RequestBodyTimeoutLayer::new(seconds(limits.body_idle_seconds)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app.clone(), request::around))
        .layer(middleware::map_request(linger::read_on))
        // Whoever watches this process is answered whatever else is at work.
        .merge(Router::from(health::routes()))
        .with_state(app)
}

/// A panic ends one request. What it was about stays out of the answer, and its payload out of the log.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked; the request was refused");
    Problem::new(
        Code::Internal,
        "the gateway could not do this; the operator's log has the reason under the request's id",
    )
    .into_response()
}
