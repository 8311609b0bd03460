//! /v1/intents: decisions laid out, signed, relayed.

mod access;
mod account;
mod advance;
mod enrol;
mod grant;
mod kinds;
mod list;
mod prepare;
mod revoke;
mod show;
mod sign;
mod take_over;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub use access::{open as open_request, task as task_of, withdraw_for};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(prepare::prepare, list::list))
        .routes(routes!(show::show))
        .routes(routes!(sign::sign))
}
