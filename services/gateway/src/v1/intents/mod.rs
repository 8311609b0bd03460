//! /v1/intents: decisions laid out, signed, relayed.

mod access;
mod account;
mod enrol;
mod grant;
mod list;
mod prepare;
mod revoke;
mod show;
mod sign;

use axum::{
    Router,
    routing::{get, post, put},
};

use crate::app::App;

pub use access::open as open_request;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/intents", post(prepare::prepare).get(list::list))
        .route("/v1/intents/{id}", get(show::show))
        .route("/v1/intents/{id}/signatures", put(sign::sign))
}
