//! A revocation, laid out.

use alloy::primitives::{Address, B256};
use chartseal_record::{Scope, Slot, state::IntentState, typed};
use chartseal_store::IntentFilter;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{grant::patient_of, prepare::Laid};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::epochs,
    intent::Decision,
    openapi::words::{AddressSchema, ScopeSchema},
    problem::Problem,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoke {
    grantee: Address,
    scope: Scope,
}

/// Up to the newest serial that may still come into force: granted, or signed and on its way.
pub async fn revoke(app: &App, caller: &Caller, input: Revoke) -> Result<Laid, Problem> {
    let patient = patient_of(app, caller)?;
    let slot = epochs::slot(patient.id(), input.grantee, &input.scope);
    let state = app.index.grant(slot);
    let granted = state.terms.as_ref().map_or(0, |t| t.serial);
    let serial = granted.max(on_its_way(app, patient.id(), slot).await?);
    if serial == 0 {
        return Err(Problem::not_found());
    }
    let revoke = typed::Revoke {
        patient: patient.id(),
        grantee: input.grantee,
        scope: input.scope.to_string(),
        record: B256::ZERO,
        serial,
    };
    Laid::of(app, patient.custodian, Decision::Revoke { revoke }, None).await
}

/// The highest serial in the slot that was signed and is not mined yet; 0 if none.
async fn on_its_way(app: &App, patient: Address, slot: Slot) -> Result<u64, Problem> {
    let mut highest = 0;
    for state in [IntentState::Signed, IntentState::Submitted] {
        let filter = IntentFilter {
            account: Some(patient),
            kind: Some("grant".into()),
            state: Some(state),
            limit: 500,
            ..IntentFilter::default()
        };
        for intent in app.store.find_intents(&filter).await? {
            if let Ok(Decision::Grant(g)) = Decision::read(&intent.payload)
                && let Ok(scope) = Scope::new(g.grant.scope.clone())
                && epochs::slot(patient, g.grant.grantee, &scope) == slot
            {
                highest = highest.max(g.grant.serial);
            }
        }
    }
    Ok(highest)
}
