//! Around every request: an id, a trace, a rate, a place among the limited number at work, a time limit, one log line, two metrics.
//!
//! Logged are method, route pattern, status and duration; never the path, a query, a body or a header, since FHIR
//! searches put identifiers of people into URLs.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    app::App,
    deadline::Deadline,
    fhir::outcome::Outcome,
    peers::Peer,
    portal,
    problem::{Code, Problem},
    trace::{TRACE, Trace},
};

const ID: HeaderName = HeaderName::from_static("x-request-id");

pub async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = id_of(&request);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str)
        .to_owned();
    let trace = match Trace::of(request.headers()) {
        Ok(trace) => trace,
        Err(failure) => return Problem::from(failure).into_response(),
    };
    let span = tracing::info_span!("request", %id, trace = trace.id(), method = label(&method), route);
    let began = Instant::now();
    let answer = TRACE.scope(trace, limited(&app, &route, request, next));
    let mut response = answer.instrument(span.clone()).await;
    let (took, status) = (began.elapsed(), response.status());
    span.in_scope(|| tracing::info!(status = status.as_u16(), ms = took.as_millis() as u64, "answered"));
    let labels = [
        ("method", label(&method).to_owned()),
        ("route", route),
        ("status", status.as_u16().to_string()),
    ];
    metrics::histogram!("http_server_request_duration_seconds", &labels).record(took.as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(ID, value);
    }
    response
}

/// A method's name in metrics. Strangers may send any word as a method, and each would be a series kept for ever.
fn label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("other")
}

/// What needs no token is asked by anybody, and has a pool of its own: strangers take nobody else's places. All other
/// routes look at the token before they read a body.
fn is_open(route: &str) -> bool {
    route.starts_with("/v1/sessions")
        || portal::is_ours(route)
        || matches!(
            route,
            "" | "/docs"
                | "/openapi.json"
                | "/oauth2/token"
                | "/v1/releases"
                | "/v1/deployment"
                | "/fhir/R4/metadata"
                | "/fhir/R4/.well-known/smart-configuration"
        )
}

async fn limited(app: &App, route: &str, request: Request, next: Next) -> Response {
    let fhir = request.uri().path().starts_with("/fhir/R4");
    // FHIR clients understand no problem but an OperationOutcome.
    let refuse = |problem: Problem| match fhir {
        true => Outcome::from(problem).into_response(),
        false => problem.into_response(),
    };
    let peer = request.extensions().get::<Peer>().copied();
    let held = peer.map(|peer| app.peers.enter(peer, app.config.limits.requests_per_peer));
    if let Some(None) = held {
        let text = "too many requests of this network address are at work; wait for their answers";
        return refuse(Problem::new(Code::TooMany, text));
    }
    let open = is_open(route);
    // All others count for who their token stands for.
    if let (true, Some(peer)) = (open, peer)
        && let Err(problem) = app.rates.stranger(peer)
    {
        return refuse(problem);
    }
    let pool = if open { &app.strangers } else { &app.places };
    let Ok(_place) = pool.try_acquire() else {
        let text = "too many requests are at work; try again in a moment";
        return refuse(Problem::new(Code::Unavailable, text));
    };
    let limits = &app.config.limits;
    let deadline = Deadline::of(limits);
    let request = deadline.watch(request);
    match deadline.hold(next.run(request)).await {
        Some(response) => response,
        None => {
            tracing::warn!("a request took too long and was given up");
            let text = format!(
                "this took longer than {} seconds, and a second more for each {} bytes of its body; try again",
                limits.request_seconds, limits.body_pace
            );
            refuse(Problem::new(Code::Unavailable, text))
        }
    }
}

/// The caller's id if it is a short plain word, else one of ours.
fn id_of(request: &Request) -> String {
    let plain = |id: &&str| {
        let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=64).contains(&id.len()) && id.bytes().all(ok)
    };
    let given = request.headers().get(ID).and_then(|v| v.to_str().ok()).filter(plain);
    given.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_methods_share_one_label() {
        assert_eq!(label(&Method::PATCH), "PATCH");
        for invented in ["BREW", "get", "X-0001"] {
            assert_eq!(label(&Method::from_bytes(invented.as_bytes()).unwrap()), "other");
        }
    }
}
