//! FHIR R4 at `/fhir/R4`, JSON only. What it offers is in [`capability`], and every route below is there.

pub mod attachment;
mod binary_create;
mod binary_read;
mod bundle;
mod candidates;
mod capability;
mod conditional;
pub mod create;
pub mod date;
mod derived;
pub mod element;
mod find;
mod history;
pub mod json;
pub mod kind;
mod media;
pub mod meta;
mod once;
pub mod outcome;
mod paging;
pub mod parameter;
mod path;
mod range;
mod read;
pub mod reference;
pub mod request;
mod respond;
pub mod scope;
pub mod search;
mod smart;
mod task;
pub mod token;
mod transaction;
mod update;
mod version;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use self::outcome::Outcome;
pub use self::{derived::journal, task::about};
use crate::{app::App, problem::Code};

/// Every FHIR route.
pub fn routes() -> Router<App> {
    let base = || post(transaction::transaction);
    let routes = Router::new()
        .route("/", base())
        .route("/metadata", get(capability::metadata))
        .route("/Binary", post(binary_create::create))
        .route("/Binary/{id}", get(binary_read::read_binary))
        .merge(derived::routes())
        .merge(task::routes())
        .route("/{kind}", get(find::by_query).post(create::create))
        .route("/{kind}/_search", post(find::by_form))
        .route("/{kind}/{id}", get(read::read_newest).put(update::update))
        .route("/{kind}/{id}/_history", get(history::history))
        .route("/{kind}/{id}/_history/{version}", get(read::read_version))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn(negotiate))
        // The handlers read bodies themselves, each to its own limit.
        .layer(DefaultBodyLimit::disable());
    Router::new()
        // Clients post transactions to the base with and without a slash, and `nest` knows only the one without.
        .route("/fhir/R4/", base())
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn(negotiate))
        .layer(DefaultBodyLimit::disable())
        // Plain JSON whatever the client accepts.
        .route("/fhir/R4/.well-known/smart-configuration", get(smart::configuration))
        .nest("/fhir/R4", routes)
}

/// Refuses what no answer of ours could satisfy before any work is done, and labels the answer as it was asked for.
/// `Binary/<id>` chooses by itself, since its own type counts there.
async fn negotiate(request: Request, next: Next) -> Response {
    let binary = request.uri().path().starts_with("/Binary/") && request.method() != axum::http::Method::POST;
    if binary {
        return next.run(request).await;
    }
    let pairs = search::read_form(request.uri().query().unwrap_or_default());
    let format = pairs
        .iter()
        .find(|(name, _)| name == "_format")
        .map(|(_, value)| value.as_str());
    match media::answer(request.headers(), format) {
        Ok(media::Format::FhirJson) => next.run(request).await,
        Ok(media::Format::Json) => {
            let mut response = next.run(request).await;
            let ours = response
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|t| t == media::FHIR_JSON);
            if ours {
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static(media::JSON));
            }
            response
        }
        Err(problem) => Outcome::from(problem).into_response(),
    }
}

/// A path that is not offered: 501 for what FHIR defines, 404 for the rest.
async fn unknown(uri: Uri) -> Outcome {
    let path = uri.path();
    if path.contains("/_history") || path.contains('$') {
        return Outcome::new(Code::NotImplemented, "this interaction is not offered; see metadata");
    }
    Outcome::new(
        Code::NotSupported,
        "this server has nothing under this path; see metadata",
    )
}

/// A method that is not offered on a path that is. axum adds Allow.
async fn not_allowed() -> Response {
    let text = "this interaction is not offered for this type; see metadata";
    (StatusCode::METHOD_NOT_ALLOWED, Outcome::new(Code::NotAllowed, text)).into_response()
}
