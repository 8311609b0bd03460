//! Practitioner and Organization: the Directory's doctors, hospitals and insurers. All of it is on the chain; a token is
//! asked for all the same, so that a gateway is no open directory. Names are known only of organisations served here.

use alloy::primitives::Address;
use chartseal_record::account::{Account, Role};
use serde_json::json;

use super::{Derived, party, resource};
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{json::Json, outcome::Outcome, search::Query},
};

pub struct Practitioner;
pub struct Organization;

impl Derived for Practitioner {
    const NAME: &'static str = "Practitioner";

    async fn visible(app: &App, _: &Caller, _: &Query) -> Result<Vec<Json>, Outcome> {
        all(app, &[Role::Doctor])
    }

    async fn one(app: &App, _: &Caller, id: &str) -> Result<Option<Json>, Outcome> {
        named(app, id, &[Role::Doctor])
    }
}

impl Derived for Organization {
    const NAME: &'static str = "Organization";

    async fn visible(app: &App, _: &Caller, _: &Query) -> Result<Vec<Json>, Outcome> {
        all(app, &[Role::Hospital, Role::Insurer])
    }

    async fn one(app: &App, _: &Caller, id: &str) -> Result<Option<Json>, Outcome> {
        named(app, id, &[Role::Hospital, Role::Insurer])
    }
}

fn all(app: &App, roles: &[Role]) -> Result<Vec<Json>, Outcome> {
    let mut accounts: Vec<Address> = roles.iter().flat_map(|role| app.index.registered_as(*role)).collect();
    accounts.sort_unstable();
    let accounts = accounts.into_iter().filter_map(|account| app.index.account(account));
    accounts.map(|account| shown(app, &account)).collect()
}

fn named(app: &App, id: &str, roles: &[Role]) -> Result<Option<Json>, Outcome> {
    let account = party::account(id).and_then(|account| app.index.account(account));
    let account = account.filter(|account| roles.contains(&account.role));
    account.map(|account| shown(app, &account)).transpose()
}

fn shown(app: &App, account: &Account) -> Result<Json, Outcome> {
    let mut shown = json!({
        "resourceType": if account.role == Role::Doctor { "Practitioner" } else { "Organization" },
        "id": party::id(account.id),
        "identifier": [party::identifier(app, account.id)],
        "active": account.is_active(app.clock.seconds()),
    });
    if account.role != Role::Doctor {
        let code = if account.role == Role::Insurer { "ins" } else { "prov" };
        shown["type"] = json!([party::concept(
            "http://terminology.hl7.org/CodeSystem/organization-type",
            code
        )]);
        if let Some(served) = app.config.organisation(account.id) {
            shown["name"] = served.name.clone().into();
        }
    }
    if !account.endpoint.is_empty() {
        shown["telecom"] = json!([{ "system": "url", "value": account.endpoint }]);
    }
    resource(&shown)
}
