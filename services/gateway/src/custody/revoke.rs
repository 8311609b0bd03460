//! A revocation, from the moment its signature is accepted.

use alloy::primitives::Address;
use chartseal_record::{Compartment, Scope, Slot, Target, typed};
use chartseal_store::{Error as StoreError, Tombstone};
use serde_json::{Value, json};

use super::{
    Patient,
    advance::{self, When},
    epochs,
};
use crate::{
    app::App,
    problem::{Failure, Problem},
    statement,
};

/// Refuses the slot, destroys its release keys, and says so in a signed receipt.
///
/// The tombstone is durable before anything else: from here on no reader is served, whatever the chain says, and only a
/// higher serial, signed by the patient, opens the slot again. The keys go in the tombstone's own transaction, and none is
/// kept after it: nothing that was under way at this moment leaves one behind.
pub async fn refuse(app: &App, patient: &Patient, revoke: &typed::Revoke) -> Result<Value, Problem> {
    let target =
        Target::from_fields(&revoke.scope, revoke.record).ok_or(Failure::Broken("a revocation without a target"))?;
    let slot = Slot::of(revoke.patient, revoke.grantee, &target);
    let receipt = receipt(app, patient.custodian, slot, revoke.serial).await;
    let tombstone = Tombstone {
        slot,
        org: patient.custodian,
        serial: revoke.serial,
        refused_at: app.clock.seconds(),
        receipt: receipt.clone(),
    };
    match app.store.refuse_slot(&tombstone).await {
        Ok(destroyed) => tracing::info!(
            destroyed,
            serial = revoke.serial,
            "a grant is refused from now on; its release keys are destroyed"
        ),
        // Refused and deleted, but a reader kept the log's old pages alive: they go as soon as it is done.
        Err(StoreError::LogNotWiped) => wipe_later(app),
        Err(error) => return Err(error.into()),
    }
    Ok(receipt)
}

/// Opens the next epoch, if the grantee held the newest one.
pub async fn move_on(app: &App, patient: &Patient, scope: &Scope) -> Result<(), Problem> {
    if !patient.in_gateway_custody() {
        return Ok(());
    }
    if epochs::current(app, Compartment::of(patient.id(), scope)).is_some() {
        advance::open(app, patient, scope, When::Due, None).await?;
    }
    Ok(())
}

/// What the custodian answers for: from when it refuses, and when its last backup is gone.
async fn receipt(app: &App, custodian: Address, slot: Slot, serial: u64) -> Value {
    let refused_at = app.clock.seconds();
    let days = app.config.organisation(custodian).map_or(0, |o| o.backup_days);
    let receipt = typed::Revoked {
        slot: slot.0,
        serial,
        refusedAt: refused_at,
        backupsExpire: refused_at + days * 86_400,
        custodian,
    };
    let digest = typed::digest(&receipt, &app.contracts.consent_domain());
    // A custodian without a listed key cannot sign, but it refuses all the same: a revocation always takes effect.
    let signature = statement::sign(app, custodian, digest).await.ok();
    json!({
        "slot": receipt.slot,
        "serial": receipt.serial,
        "refusedAt": receipt.refusedAt,
        "backupsExpire": receipt.backupsExpire,
        "custodian": receipt.custodian,
        "signature": signature,
    })
}

/// Empties the write-ahead log in a task of its own, until it succeeds.
pub fn wipe_later(app: &App) {
    let store = app.store.clone();
    tokio::spawn(async move {
        while let Err(error) = store.wipe_log().await {
            tracing::warn!(%error, "a destroyed release key is still in the write-ahead log; trying again");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
}
