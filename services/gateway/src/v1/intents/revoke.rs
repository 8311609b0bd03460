//! A revocation, laid out.

use alloy::primitives::{Address, B256};
use chartseal_record::{Scope, Slot, Target, state::IntentState, typed};
use chartseal_store::IntentFilter;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{grant::patient_of, prepare::Laid};
use crate::{
    app::App,
    auth::caller::Caller,
    intent::Decision,
    openapi::words::{AddressSchema, HashSchema, ScopeSchema},
    problem::{Code, Problem},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoke {
    grantee: Address,
    /// This or `record`.
    scope: Option<Scope>,
    /// The commitment of a grant of one record, as `GET /v1/grants` lists it.
    record: Option<B256>,
}

/// Up to the newest serial that may still come into force: granted, or signed.
pub async fn revoke(app: &App, caller: &Caller, input: Revoke) -> Result<Laid, Problem> {
    let patient = patient_of(app, caller)?;
    let target = match (input.scope, input.record) {
        (Some(scope), None) => Target::Scope(scope),
        (None, Some(record)) if record != B256::ZERO => Target::Record(record),
        _ => {
            let why = "name a scope, or the commitment of a grant of one record, and not both";
            return Err(Problem::new(Code::Malformed, why));
        }
    };
    let slot = Slot::of(patient.id(), input.grantee, &target);
    let (scope, record) = target.fields();
    let state = app.index.grant(slot);
    let granted = state.terms.as_ref().map_or(0, |t| t.serial);
    let serial = granted.max(signed(app, patient.id(), slot).await?);
    if serial == 0 {
        return Err(Problem::not_found());
    }
    let revoke = typed::Revoke {
        patient: patient.id(),
        grantee: input.grantee,
        scope,
        record,
        serial,
    };
    Laid::of(app, patient.custodian, Decision::Revoke { revoke }, None).await
}

/// The highest serial in the slot that was signed; 0 if none. A confirmed one too: a re-org may have taken its block, so
/// that the index does not show it, and the submitter, which will send the same bytes again, may not have seen that yet.
/// Of those the newest 500, which are many times what fits into the blocks a re-org can take.
async fn signed(app: &App, patient: Address, slot: Slot) -> Result<u64, Problem> {
    let mut highest = 0;
    for state in [IntentState::Signed, IntentState::Submitted, IntentState::Confirmed] {
        let filter = IntentFilter {
            account: Some(patient),
            kind: Some("grant".into()),
            state: Some(state),
            limit: 500,
            ..IntentFilter::default()
        };
        for intent in app.store.find_intents(&filter).await? {
            if let Ok(Decision::Grant(g)) = Decision::read(&intent.payload)
                && g.slot() == Some(slot)
            {
                highest = highest.max(g.grant.serial);
            }
        }
    }
    Ok(highest)
}
