//! GET /v1/accounts/{address}: what the Directory says about an account.

use alloy::primitives::{Address, Bytes};
use axum::{Json, extract::State};
use chartseal_record::account::{Account, Custody, Role, StatementKey, Status};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::At;
use crate::{
    app::App,
    auth::caller::Caller,
    openapi::words::{AddressSchema, CustodySchema, HexSchema, RoleSchema, StatusSchema},
    problem::Problem,
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
struct Shown {
    /// The account's id: its first address, for ever.
    address: Address,
    role: Role,
    status: Status,
    /// The address that signs its decisions now.
    controller: Address,
    /// A patient's.
    custodian: Option<Address>,
    custody: Custody,
    /// Of the encryption key: 1 is X25519, 0 none.
    suite: u16,
    /// Empty only for a patient without one.
    encryption_key: Bytes,
    /// Unix seconds; 0 = does not expire.
    credential_expiry: u64,
    /// Where an organisation's gateway is reached; empty for others.
    endpoint: String,
    #[schema(value_type = Vec<crate::openapi::words::StatementKey>)]
    statement_keys: Vec<StatementKey>,
    /// Addresses that anchor for an organisation.
    publishers: Vec<Address>,
    /// Block of the registration.
    registered: u64,
}

impl From<Account> for Shown {
    fn from(a: Account) -> Self {
        Self {
            address: a.id,
            role: a.role,
            status: a.status,
            controller: a.controller,
            custodian: (a.custodian != Address::ZERO).then_some(a.custodian),
            custody: a.custody,
            suite: a.suite,
            encryption_key: a.encryption_key,
            credential_expiry: a.credential_expiry,
            endpoint: a.endpoint,
            statement_keys: a.statement_keys,
            publishers: a.publishers,
            registered: a.registered,
        }
    }
}

/// What the Directory says about an account.
#[utoipa::path(
    get,
    path = "/v1/accounts/{address}",
    operation_id = "showAccount",
    tag = "accounts",
    params(("address" = Address, Path, description = "The account's id.")),
    responses((status = 200, body = Shown)),
    security(("session" = []), ("smart" = [])),
    extensions(("x-refusals" = json!(["not-registered"]))),
)]
// Everything here is on the chain; a token is asked for all the same, so that a gateway is no open directory.
async fn show(State(app): State<App>, _: Caller, At(address): At<Address>) -> Result<Json<Shown>, Problem> {
    let account = app.index.account(address).ok_or_else(Problem::not_found)?;
    Ok(Json(account.into()))
}
