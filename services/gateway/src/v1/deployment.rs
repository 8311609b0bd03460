//! GET /v1/deployment: which chain, which contracts, whom this gateway serves. For strangers too.

use alloy::primitives::Address;
use axum::{Json, extract::State};
use chartseal_record::receipt::Addresses;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::App, openapi, openapi::words::AddressSchema};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// The chain and whom this gateway serves on it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Deployment {
    /// EIP-155 chain id.
    chain_id: u64,
    #[schema(value_type = openapi::receipt::Contracts)]
    contracts: Addresses,
    /// The block the contracts are followed from.
    first_block: u64,
    /// Blocks until a grant counts, its own block included.
    confirmations: u64,
    organisations: Vec<Organisation>,
    /// The age recipient to which applicants seal their papers for the registrar.
    papers_recipient: String,
    /// Bytes of the sealed papers, at most.
    papers_bytes: u64,
}

/// An organisation served here.
#[derive(Debug, Serialize, ToSchema)]
struct Organisation {
    account: Address,
    name: String,
    /// Who countersigns its registrations, if it named somebody.
    registrar: Option<Address>,
}

/// Which chain, which contracts, whom this gateway serves. For strangers too.
#[utoipa::path(
    get,
    path = "/v1/deployment",
    operation_id = "showDeployment",
    tag = "deployment",
    responses((status = 200, body = Deployment)),
)]
async fn show(State(app): State<App>) -> Json<Deployment> {
    let organisations = app.config.organisations.iter();
    Json(Deployment {
        chain_id: app.contracts.chain_id,
        contracts: (&app.contracts).into(),
        first_block: app.deployment.block,
        confirmations: app.config.chain.confirmations,
        organisations: organisations
            .map(|o| Organisation {
                account: o.account,
                name: o.name.clone(),
                registrar: o.registrar,
            })
            .collect(),
        papers_recipient: super::intents::papers_recipient(&app),
        papers_bytes: app.config.limits.papers_bytes,
    })
}
