//! How the parties of the Directory are named in FHIR.

use alloy::primitives::Address;
use chartseal_record::account::Role;
use serde_json::{Value, json};

use crate::{app::App, fhir::reference};

/// The id of an account's Practitioner or Organization.
pub fn id(account: Address) -> String {
    format!("{account:#x}")
}

/// The account an id names.
pub fn account(id: &str) -> Option<Address> {
    id.parse().ok().filter(|account| self::id(*account) == id)
}

/// An account's Identifier.
pub fn identifier(app: &App, account: Address) -> Value {
    json!({ "system": reference::ACCOUNT, "value": reference::account_id(account, app.contracts.chain_id) })
}

/// A Reference to an account. A patient is named by the account alone: which Patient resource is theirs is for readers of
/// `demographics`.
pub fn reference(app: &App, account: Address, role: Option<Role>) -> Value {
    let identifier = identifier(app, account);
    match role {
        Some(Role::Doctor) => json!({ "reference": format!("Practitioner/{}", id(account)), "identifier": identifier }),
        Some(Role::Hospital | Role::Insurer) => {
            json!({ "reference": format!("Organization/{}", id(account)), "identifier": identifier })
        }
        Some(Role::Patient) => json!({ "type": "Patient", "identifier": identifier }),
        None => json!({ "identifier": identifier }),
    }
}

/// The same, with the role the Directory has it in.
pub fn of(app: &App, account: Address) -> Value {
    reference(app, account, app.index.account(account).map(|account| account.role))
}

/// A CodeableConcept with one coding.
pub fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}
