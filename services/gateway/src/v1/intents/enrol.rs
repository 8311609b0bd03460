//! A patient comes in: the custodian makes the root and opens the scopes, the patient signs the first grants.

use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_record::{Compartment, Scope, account::Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{account::own_account, grant, prepare::Laid};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::{
        Patient,
        advance::{self, When},
        epochs, root,
    },
    intent::Decision,
    openapi::words::ScopeSchema,
    problem::{Code, Problem},
    queue,
};

/// The most scopes, and the most grants, of one enrolment.
const MOST: usize = 32;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The scopes to open; all known ones, if not given.
    #[schema(max_items = 32)]
    scopes: Option<Vec<Scope>>,
    /// Grants to sign with it.
    #[serde(default)]
    #[schema(max_items = 32)]
    grants: Vec<grant::Terms>,
}

/// A copy of the patient's root: whoever has both has every key of the patient.
#[derive(Serialize, ToSchema)]
pub struct Backup {
    /// An age passphrase file, in base64.
    file: String,
    passphrase: String,
}

/// Doing it again opens what is not open yet and makes no second root.
pub async fn enrol(app: &App, caller: &Caller, input: Enrol) -> Result<Laid, Problem> {
    if own_account(app, caller)?.role != Role::Patient {
        return Err(Problem::new(Code::Forbidden, "only patients enrol"));
    }
    let patient = Patient::of(app, caller.account)?;
    if !patient.in_gateway_custody() {
        return Err(Problem::new(
            Code::Invalid,
            "in custody mode self the patient's device opens the scopes: use kind advance for each, then grant",
        ));
    }
    let scopes = input.scopes.unwrap_or_else(every_scope);
    if scopes.len() > MOST || input.grants.len() > MOST {
        return Err(Problem::new(Code::Invalid, "at most 32 scopes and 32 grants at once"));
    }
    for scope in &scopes {
        advance::check_known(app, &patient, scope)?;
    }
    if input
        .grants
        .iter()
        .any(|g| !scopes.contains(&g.scope) && !is_open(app, &patient, &g.scope))
    {
        return Err(Problem::new(
            Code::Invalid,
            "a grant names a scope that is neither open nor among the scopes to open",
        ));
    }
    let (_, backup) = root::get_or_make(app, &patient).await?;
    let id = uuid::Uuid::new_v4().to_string();
    // The parent's row comes first, with no grants yet, because its steps refer to it.
    queue::parent(
        app,
        &id,
        patient.custodian,
        patient.id(),
        &Decision::Enrol { grants: Vec::new() },
    )
    .await?;
    for scope in scopes.iter().filter(|scope| !is_open(app, &patient, scope)) {
        advance::open(app, &patient, scope, When::Closed, Some(&id)).await?;
    }
    let mut grants = Vec::with_capacity(input.grants.len());
    for terms in input.grants {
        grants.push(grant::prepare(app, &patient, terms, None).await?);
    }
    let nothing_to_sign = grants.is_empty();
    app.store
        .set_intent_payload(&id, &Decision::Enrol { grants }.payload()?, app.clock.seconds())
        .await?;
    if nothing_to_sign {
        app.store.intent_decided(&id, app.clock.seconds()).await?;
    }
    // Shown here and never again. Without it the custodian alone can open the patient's records.
    let backup = backup.map(|b| Backup {
        file: STANDARD.encode(b.file),
        passphrase: b.passphrase.to_string(),
    });
    Ok(Laid { id, backup })
}

fn is_open(app: &App, patient: &Patient, scope: &Scope) -> bool {
    epochs::current(app, Compartment::of(patient.id(), scope)).is_some()
}

fn every_scope() -> Vec<Scope> {
    chartseal_record::scope::KNOWN
        .iter()
        .filter_map(|name| Scope::new(*name).ok())
        .collect()
}
