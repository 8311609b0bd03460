//! A patient opens an epoch: in custody mode self with what the device made, in mode gateway by asking for it.

use alloy::primitives::{Address, Bytes};
use chartseal_envelope::key::ReleaseKey;
use chartseal_record::{Compartment, Scope, typed};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    grant::{WRAP, patient_of},
    prepare::Laid,
};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::{
        Patient,
        advance::{self, When},
        epochs, wraps,
    },
    intent::{AdvanceWrap, Decision},
    openapi::words::{AddressSchema, HashSchema, HexSchema, ScopeSchema},
    problem::{Code, Failure, Problem},
};

/// Bytes of an X25519 public key.
pub const KEY: usize = 32;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Advance {
    scope: Scope,
    /// Custody mode self, and so are all that follow: a number that was never used, as `GET /v1/epochs` names it.
    epoch: Option<u32>,
    /// The epoch's X25519 public key, 32 bytes.
    key: Option<Bytes>,
    /// The previous epoch's secret, sealed to `key`: 80 bytes, or none for the first epoch.
    #[serde(default)]
    link: Bytes,
    /// For each live READ grant.
    #[serde(default)]
    wraps: Vec<OwnAdvanceWrap>,
}

/// The new epoch's wrap for one grantee.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnAdvanceWrap {
    grantee: Address,
    serial: u64,
    /// 80 bytes.
    wrap: Bytes,
    /// Kept by the custodian.
    #[serde(deserialize_with = "super::release_key")]
    #[schema(value_type = HashSchema)]
    release_key: ReleaseKey,
}

pub async fn advance(app: &App, caller: &Caller, input: Advance) -> Result<Laid, Problem> {
    let patient = patient_of(app, caller)?;
    let compartment = Compartment::of(patient.id(), &input.scope);
    if patient.in_gateway_custody() {
        advance::open(app, &patient, &input.scope, When::Always, None).await?;
        let queued = epochs::current(app, compartment).and_then(|(_, intent)| intent);
        let id = queued.ok_or(Failure::Broken("an advance that was just queued is gone"))?;
        return Ok(Laid { id, backup: None });
    }
    let (Some(epoch), Some(key)) = (input.epoch, input.key.filter(|k| k.len() == KEY)) else {
        return Err(invalid(
            "in custody mode self the device gives epoch, key (32 bytes), link and wraps",
        ));
    };
    advance::check_known(app, &patient, &input.scope)?;
    let current = epochs::current(app, compartment);
    if input.link.len() != current.as_ref().map_or(0, |_| WRAP) {
        return Err(invalid(
            "link is 80 bytes, and empty for the first epoch of a scope only",
        ));
    }
    take_number(app, compartment, epoch, current.map_or(0, |(newest, _)| newest.number)).await?;
    let made = keep_all(app, &patient, &input.scope, epoch, input.wraps).await?;
    let wraps: Vec<_> = made.iter().cloned().map(Into::into).collect();
    let advance = typed::Advance {
        patient: patient.id(),
        scope: input.scope.to_string(),
        epoch,
        suite: typed::SUITE_X25519,
        key,
        link: input.link,
        wraps: chartseal_chain::calls::wraps_hash(&wraps),
        by: patient.id(),
    };
    Laid::of(app, patient.custodian, Decision::Advance { advance, wraps: made }, None).await
}

/// Marks a number the device chose as used. One that was used before may stand for a key that somebody has.
pub async fn take_number(app: &App, compartment: Compartment, epoch: u32, newest: u32) -> Result<(), Problem> {
    if epoch > newest && app.store.raise_epoch_mark(compartment, epoch).await? {
        return Ok(());
    }
    Err(Problem::new(
        Code::EpochMoved,
        format!("epoch {epoch} was used before; make the key of the next one that GET /v1/epochs names"),
    ))
}

/// Keeps the release keys of the wraps of a new epoch, which are in the vault when this returns.
pub async fn keep_all(
    app: &App,
    patient: &Patient,
    scope: &Scope,
    epoch: u32,
    wraps: Vec<OwnAdvanceWrap>,
) -> Result<Vec<AdvanceWrap>, Problem> {
    let mut made = Vec::with_capacity(wraps.len());
    for own in wraps {
        if own.wrap.len() != WRAP {
            return Err(invalid("a wrap of suite 1 is 80 bytes"));
        }
        let grantee = app
            .index
            .account(own.grantee)
            .ok_or_else(|| invalid("a wrap is for nobody registered"))?;
        let recipient = wraps::recipient(&grantee)?;
        let slot = epochs::slot(patient.id(), own.grantee, scope);
        if !wraps::keep(
            app,
            patient.custodian,
            slot,
            own.serial,
            epoch,
            &own.wrap,
            &own.release_key,
        )
        .await?
        {
            return Err(wraps::refused_meanwhile());
        }
        made.push(AdvanceWrap {
            grantee: own.grantee,
            serial: own.serial,
            recipient_key_hash: recipient.key_hash(),
            wrap: own.wrap,
        });
    }
    Ok(made)
}

fn invalid(why: &str) -> Problem {
    Problem::new(Code::Invalid, why)
}
