//! A patient takes the keys over from the custodian, with one signature.

use alloy::primitives::Bytes;
use chartseal_record::{Compartment, Scope, account::Custody, typed};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    account,
    advance::{self, KEY, OwnAdvanceWrap},
    grant::patient_of,
    prepare::Laid,
};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::take_over,
    intent::{Decision, NewEpoch},
    openapi::words::{HexSchema, ScopeSchema},
    problem::{Code, Problem},
};

/// The custodian opens an epoch of each scope under a key of the device, links it back to its own, and is then in mode self.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeOver {
    /// Each scope that `GET /v1/epochs` says the gateway keeps, once.
    #[schema(max_items = 64)]
    epochs: Vec<OwnEpoch>,
}

/// What the device made for one scope from a root of its own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnEpoch {
    scope: Scope,
    /// A number that was never used, as `GET /v1/epochs` names it.
    epoch: u32,
    /// The epoch's X25519 public key, 32 bytes.
    key: Bytes,
    /// For each live READ grant.
    wraps: Vec<OwnAdvanceWrap>,
}

pub async fn take_over(app: &App, caller: &Caller, input: TakeOver) -> Result<Laid, Problem> {
    let patient = patient_of(app, caller)?;
    if !patient.in_gateway_custody() {
        return Err(Problem::new(
            Code::WrongState,
            "the patient's keys are on the patient's own device already",
        ));
    }
    let mut kept = take_over::kept(app, &patient).await?;
    let mut epochs = Vec::with_capacity(input.epochs.len());
    for own in input.epochs {
        let at = kept.iter().position(|k| k.scope == own.scope);
        let Some(kept) = at.map(|at| kept.swap_remove(at)).filter(|_| own.key.len() == KEY) else {
            let why = "epochs names each scope that the gateway keeps once, with a key of 32 bytes";
            return Err(Problem::new(Code::Invalid, why));
        };
        let compartment = Compartment::of(patient.id(), &own.scope);
        advance::take_number(app, compartment, own.epoch, kept.newest.number).await?;
        epochs.push(NewEpoch {
            link: take_over::link(app, compartment, &kept, own.epoch, &own.key)?,
            wraps: advance::keep_all(app, &patient, &own.scope, own.epoch, own.wraps).await?,
            previous: kept.newest.number,
            scope: own.scope,
            epoch: own.epoch,
            key: own.key,
        });
    }
    // Each that is left out would be closed for ever when the root is destroyed.
    take_over::check(app, &patient, &epochs).await?;
    let change = typed::Custodian {
        who: patient.id(),
        custodian: patient.custodian,
        custody: Custody::SelfCustody as u8,
        nonce: account::nonce(app, patient.id()).await?,
        deadline: account::deadline(app),
    };
    Laid::of(app, patient.custodian, Decision::TakeOver { change, epochs }, None).await
}
