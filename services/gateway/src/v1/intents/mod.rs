//! /v1/intents: decisions laid out, signed, relayed.

mod access;
mod account;
mod advance;
mod enrol;
mod grant;
mod grant_claim;
mod kinds;
mod list;
mod papers;
mod prepare;
mod refuse;
mod revoke;
mod show;
mod sign;
mod take_over;

use alloy::primitives::B256;
use chartseal_envelope::key::ReleaseKey;
use serde::{Deserialize, Deserializer};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub use access::{claim_of, open as open_request, task as task_of, withdraw_for};
pub use papers::recipient as papers_recipient;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(prepare::prepare, list::list))
        .routes(routes!(show::show))
        .routes(routes!(sign::sign))
        .routes(routes!(papers::attach, papers::read))
        .routes(routes!(refuse::refuse))
}

/// A release key that a device sends: a secret from here on, which is wiped and does not print.
fn release_key<'de, D: Deserializer<'de>>(from: D) -> Result<ReleaseKey, D::Error> {
    Ok(ReleaseKey::from_bytes(B256::deserialize(from)?.0))
}
