//! GET /v1/accounts/{address}: what the Directory says about an account.

use alloy::primitives::{Address, Bytes};
use axum::{Json, extract::State};
use chartseal_record::{
    account::{Account, Custody, Role, StatementKey, Status},
    typed,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::At;
use crate::{
    app::App,
    auth::caller::Caller,
    custody::open,
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
    /// Of the caller's own key: whether this gateway keeps its secret. If not, the caller's own device does, and opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_kept: Option<bool>,
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
            key_kept: None,
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
// All but `key_kept` is on the chain; a token is asked for all the same, so that a gateway is no open directory.
async fn show(State(app): State<App>, caller: Caller, At(address): At<Address>) -> Result<Json<Shown>, Problem> {
    let account = app.index.account(address).ok_or_else(Problem::not_found)?;
    let own = caller.account == account.id && account.suite != typed::SUITE_NONE;
    let key_kept = match own {
        true => Some(
            open::identity(&app, account.id, account.encryption_key_hash())
                .await?
                .is_some(),
        ),
        false => None,
    };
    Ok(Json(Shown {
        key_kept,
        ..account.into()
    }))
}
