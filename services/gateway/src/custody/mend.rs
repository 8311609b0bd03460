//! Gives live grants the wraps they lack: after the grantee changed its key, or where an advance overtook the grant.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256, keccak256};
use chartseal_envelope::tree;
use chartseal_record::{Compartment, Scope, Slot, Target, grant::GrantState, typed};

use super::{Patient, live, root, wraps};
use crate::{
    app::App,
    intent::Decision,
    problem::{Failure, Problem},
    queue, statement,
};

/// What this process has queued already. After a restart a rewrap may be queued twice; the contract takes the first wrap
/// of an epoch and the second changes nothing.
#[derive(Default)]
pub struct Mended(Mutex<HashSet<B256>>);

impl Mended {
    fn first(&self, name: B256) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name)
    }
}

/// Something happened on the chain that may leave a grant without its wrap.
pub fn wake(app: &App) {
    app.mend.notify_one();
}

/// Looks after every event on chain, and once a minute for what becomes due by time alone.
pub async fn run(app: App) {
    loop {
        let _ = tokio::time::timeout(Duration::from_secs(60), app.mend.notified()).await;
        for patient in app.index.patients() {
            if let Err(problem) = mend(&app, patient).await {
                tracing::warn!(code = problem.code.as_str(), "a patient's grants could not be looked after; trying again");
            }
        }
    }
}

async fn mend(app: &App, patient: Address) -> Result<(), Problem> {
    let Ok(patient) = Patient::of(app, patient) else {
        return Ok(());
    };
    if !patient.in_gateway_custody() {
        return Ok(());
    }
    for (slot, state) in app.index.grants_of_patient(patient.id()) {
        let scope = state.terms.as_ref().and_then(|t| Scope::new(t.scope.clone()).ok());
        if let Some(scope) = scope {
            rewrap(app, &patient, slot, &scope, state).await?;
        }
    }
    Ok(())
}

/// Queues a rewrap to the newest epoch on chain, if the grant is live and has none for the grantee's key of today.
async fn rewrap(app: &App, patient: &Patient, slot: Slot, scope: &Scope, state: GrantState) -> Result<(), Problem> {
    let compartment = Compartment::of(patient.id(), scope);
    let (Some(newest), Some(terms)) = (app.index.epochs(compartment).pop(), state.terms.as_ref()) else {
        return Ok(());
    };
    let Some(Ok(recipient)) = app.index.account(terms.grantee).as_ref().map(wraps::recipient) else {
        return Ok(());
    };
    let served = |w: &chartseal_record::grant::Wrapped| {
        w.epoch >= newest.epoch.number && w.recipient_key_hash == recipient.key_hash()
    };
    if state.wraps.iter().any(served) {
        return Ok(());
    }
    let target = Target::Scope(scope.clone());
    if live::permission(app, patient.id(), terms.grantee, &target, typed::READ).await.is_err() {
        return Ok(());
    }
    let place = (slot, terms.serial, newest.epoch.number, recipient.key_hash());
    if !app.mended.first(keccak256(format!("{place:?}"))) {
        return Ok(());
    }
    let root = root::get(app, patient).await?.ok_or(Failure::Broken("a patient in gateway custody has no root here"))?;
    let secret = tree::epoch_secret(&root, &app.contracts, compartment, newest.epoch.number);
    if *secret.public_key().as_bytes() != newest.epoch.key {
        return Ok(());
    }
    let to = wraps::For {
        custodian: patient.custodian,
        slot,
        serial: terms.serial,
        epoch: newest.epoch.number,
        recipient,
    };
    let wrap = wraps::make(app, to, &secret).await?;
    let rewrap = typed::Rewrap {
        patient: patient.id(),
        grantee: terms.grantee,
        scope: scope.to_string(),
        record: Default::default(),
        serial: terms.serial,
        epoch: newest.epoch.number,
        suite: typed::SUITE_X25519,
        recipientKeyHash: recipient.key_hash(),
        wrapHash: keccak256(&wrap),
        by: patient.custodian,
    };
    let signature = statement::sign(app, patient.custodian, typed::digest(&rewrap, &app.contracts.consent_domain())).await?;
    let decision = Decision::Rewrap { rewrap, wrap };
    queue::signed(app, patient.custodian, &decision, signature, queue::Place::default()).await?;
    Ok(())
}
