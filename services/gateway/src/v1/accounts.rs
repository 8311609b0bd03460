//! GET /v1/accounts/{address}: what the Directory says about an account.

use alloy::primitives::{Address, Bytes};
use axum::{Json, Router, extract::State, routing::get};
use chartseal_record::account::{Account, Custody, Role, StatementKey, Status};
use serde::Serialize;

use super::At;
use crate::{app::App, auth::caller::Caller, problem::Problem};

pub fn routes() -> Router<App> {
    Router::new().route("/v1/accounts/{address}", get(show))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    address: Address,
    role: Role,
    status: Status,
    controller: Address,
    custodian: Option<Address>,
    custody: Custody,
    suite: u16,
    encryption_key: Bytes,
    /// Unix seconds; 0 = does not expire.
    credential_expiry: u64,
    endpoint: String,
    statement_keys: Vec<StatementKey>,
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

/// Everything here is on the chain; a token is asked for all the same, so that a gateway is no open directory.
async fn show(State(app): State<App>, _: Caller, At(address): At<Address>) -> Result<Json<Shown>, Problem> {
    let account = app.index.account(address).ok_or_else(Problem::not_found)?;
    Ok(Json(account.into()))
}
