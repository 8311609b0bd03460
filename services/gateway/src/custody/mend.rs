//! Gives live grants the wraps they lack: after the grantee changed its key, or where an advance overtook the grant.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256, keccak256};
use chartseal_envelope::tree;
use chartseal_record::{
    Compartment, Scope, Slot, Target,
    event::{Event, Logged},
    grant::GrantState,
    state::IntentState,
    typed,
};
use chartseal_store::Error as StoreError;
use tokio::sync::Notify;

use super::{
    Patient,
    advance::{self, When},
    epochs::Epoch,
    leave, live, revoke, root, single, wraps,
};
use crate::{
    app::App,
    intent::Decision,
    problem::Problem,
    queue, statement,
    vault::{Kind, rows},
};

/// How often every patient is looked at, whatever happened: an hour.
const ROUND: Duration = Duration::from_secs(3600);
/// How often queued epochs are looked at.
const MINUTE: Duration = Duration::from_secs(60);

/// Whom to look after, and what this process has queued for them already.
#[derive(Default)]
pub struct Mend {
    /// Patients something happened to, and the block in which it is final.
    waiting: Mutex<HashMap<Address, u64>>,
    bell: Notify,
    /// The intent of each rewrap. After a restart one may be queued twice; the first wrap of an epoch is the wrap, so the
    /// second changes nothing.
    rewraps: Mutex<HashMap<B256, String>>,
}

impl Mend {
    fn rewrap_of(&self, place: B256) -> Option<String> {
        let rewraps = self.rewraps.lock().unwrap_or_else(PoisonError::into_inner);
        rewraps.get(&place).cloned()
    }

    fn queued(&self, place: B256, intent: String) {
        let mut rewraps = self.rewraps.lock().unwrap_or_else(PoisonError::into_inner);
        rewraps.insert(place, intent);
    }

    fn due(&self, app: &App) -> Vec<Address> {
        let block = app.index.head().map_or(0, |h| h.number);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let due: Vec<Address> = waiting
            .iter()
            .filter(|(_, final_at)| **final_at <= block)
            .map(|(who, _)| *who)
            .collect();
        waiting.retain(|_, final_at| *final_at > block);
        due
    }

    /// At the next look.
    fn again(&self, patient: Address) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(patient).or_default();
    }
}

/// A block was followed. Whom its events concern is looked after once it is final.
pub fn followed(app: &App, block: u64, events: &[Logged]) {
    let mut concerned = HashSet::new();
    for logged in events {
        concerned.extend(logged.event.patient());
        if let Event::CustodianChanged { who, .. } = logged.event {
            concerned.insert(who);
        }
        if let Event::EncryptionKeyChanged { who, .. } = logged.event {
            let grants = app.index.grants_to(who).into_iter();
            concerned.extend(grants.filter_map(|(_, state)| state.terms.map(|t| t.patient)));
        }
    }
    let final_at = block + app.config.chain.confirmations - 1;
    let mut waiting = app.mend.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.extend(concerned.into_iter().map(|who| (who, final_at)));
    if waiting.values().any(|final_at| *final_at <= block) {
        app.mend.bell.notify_one();
    }
}

/// Looks after everybody at the start and once an hour, and in between after those something happened to.
///
/// Queued epochs are looked at every minute as well: one that the chain refused is in use all the same. So is whom the
/// database or the chain was away for.
pub async fn run(app: App) {
    let (mut round, mut minute) = (tokio::time::interval(ROUND), tokio::time::interval(MINUTE));
    loop {
        let patients = tokio::select! {
            _ = round.tick() => {
                leftovers(&app).await;
                app.index.patients()
            }
            _ = minute.tick() => app.mend.due(&app),
            () = app.mend.bell.notified() => app.mend.due(&app),
        };
        if let Err(problem) = queued_epochs(&app).await {
            tracing::warn!(
                code = problem.code.as_str(),
                "queued epochs could not be looked after; trying again"
            );
        }
        for patient in patients {
            if let Err(problem) = look_after(&app, patient).await {
                tracing::warn!(
                    code = problem.code.as_str(),
                    "a patient's grants could not be looked after; trying again in a minute"
                );
                app.mend.again(patient);
            }
        }
    }
}

/// No release key outlives its refusal, not even one that an older version of this program or a restored copy left behind,
/// nor its bytes in a log that a crash kept from being emptied.
async fn leftovers(app: &App) {
    match app.store.destroy_refused_keys().await {
        Ok(0) => {}
        Ok(destroyed) => tracing::warn!(
            destroyed,
            "release keys of refused grants were left over; they are destroyed"
        ),
        Err(StoreError::LogNotWiped) => revoke::wipe_later(app),
        Err(error) => tracing::warn!(%error, "leftover release keys could not be looked for; trying again in an hour"),
    }
}

/// What one patient's grants lack, and what must not be here any more.
pub async fn look_after(app: &App, patient: Address) -> Result<(), Problem> {
    leave::destroy(app, patient).await?;
    let Ok(patient) = Patient::of(app, patient) else {
        return Ok(());
    };
    for (slot, state) in app.index.grants_of_patient(patient.id()) {
        revoked_on_chain(app, &patient, slot).await?;
        expired(app, &patient, slot).await?;
        let Some(terms) = state.terms.clone().filter(|_| patient.in_gateway_custody()) else {
            continue;
        };
        match Target::from_fields(&terms.scope, terms.record) {
            Some(Target::Scope(scope)) => rewrap(app, &patient, slot, &scope, state).await?,
            Some(Target::Record(_)) => single::rewrap(app, &patient, slot, &terms).await?,
            None => {}
        }
    }
    Ok(())
}

/// A patient may revoke without us, by a transaction of its own. The block that brought it has refused the slot and
/// destroyed its keys already; once it is final, the custodian answers for it with a receipt.
async fn revoked_on_chain(app: &App, patient: &Patient, slot: Slot) -> Result<(), Problem> {
    let settled = app
        .index
        .head()
        .map_or(0, |h| h.settled(app.config.chain.confirmations));
    let state = app.index.grant_at(slot, settled);
    let answered = app.store.tombstone(slot).await?.filter(|t| !t.receipt.is_null());
    let answered = answered.map_or(0, |t| t.serial);
    // Serials up to u64::MAX may be revoked at once; the database counts to half of it.
    let serial = state.revoked.min(i64::MAX as u64);
    match state.terms.as_ref().filter(|_| serial > answered) {
        Some(terms) => {
            let revoke = typed::Revoke {
                patient: terms.patient,
                grantee: terms.grantee,
                scope: terms.scope.clone(),
                record: terms.record,
                serial,
            };
            revoke::refuse(app, patient, &revoke).await.map(drop)
        }
        None => Ok(()),
    }
}

/// A grant that has expired never opens anything again: only a higher serial does, with keys of its own. Both our clock and
/// the chain's must say so, and the grant must be final, since destroying cannot be taken back.
pub async fn expired(app: &App, patient: &Patient, slot: Slot) -> Result<(), Problem> {
    let Some(head) = app.index.head() else {
        return Ok(());
    };
    let settled = head.settled(app.config.chain.confirmations);
    let now = app.clock.seconds().min(head.timestamp);
    let Some(terms) = app.index.grant_at(slot, settled).terms.filter(|t| t.until <= now) else {
        return Ok(());
    };
    let prefix = format!("{}|", slot.0);
    if rows::places(app, patient.custodian, Kind::ReleaseKey, &prefix)
        .await?
        .is_empty()
    {
        return Ok(());
    }
    match app.store.destroy_release_keys(slot, terms.serial).await {
        Ok(0) => {}
        Ok(destroyed) => tracing::info!(destroyed, "a grant has expired; its release keys are destroyed"),
        Err(StoreError::LogNotWiped) => revoke::wipe_later(app),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Forgets queued epochs that are on chain by now, and sends those again that the chain refused.
async fn queued_epochs(app: &App) -> Result<(), Problem> {
    for (compartment, queued) in app.pending.everything() {
        let number = queued.opened.epoch.number;
        let settled = app
            .index
            .head()
            .map_or(0, |h| h.settled(app.config.chain.confirmations));
        if app.index.epoch_settled(compartment, number, settled) {
            app.pending.forget(compartment, number);
            continue;
        }
        if !has_failed(app, &queued.intent).await? {
            continue;
        }
        let overtaken = app
            .index
            .epochs(compartment)
            .last()
            .is_some_and(|o| o.epoch.number >= number);
        match Patient::of(app, queued.advance.patient) {
            Ok(patient) if !overtaken && patient.in_gateway_custody() => {
                tracing::warn!(
                    epoch = number,
                    "the chain refused an epoch that is in use; it is sent again"
                );
                let id = advance::again(app, &patient, &queued.advance, queued.wraps.clone()).await?;
                app.pending.add(&queued.advance, queued.wraps, id);
            }
            _ => {
                tracing::error!(
                    epoch = number,
                    "an epoch that is in use will not be on chain: its records open by the patient's root only"
                );
                app.pending.forget(compartment, number);
            }
        }
    }
    Ok(())
}

async fn has_failed(app: &App, intent: &str) -> Result<bool, Problem> {
    let intent = app.store.intent(intent).await?;
    Ok(intent.is_some_and(|i| i.state == IntentState::Failed))
}

/// Opens the next epoch, if this one was made from the root kept here.
async fn wrap_anew(app: &App, patient: &Patient, scope: &Scope, epoch: Epoch) -> Result<(), Problem> {
    let Some(root) = root::get(app, patient).await? else {
        return Ok(());
    };
    let compartment = Compartment::of(patient.id(), scope);
    let secret = tree::epoch_secret(&root, &app.contracts, compartment, epoch.number);
    if *secret.public_key().as_bytes() == epoch.key {
        tracing::warn!(
            epoch = epoch.number,
            "a live grant's release key is lost; the next epoch is opened"
        );
        advance::open(app, patient, scope, When::Lost(epoch.number), None).await?;
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
    let wrapped = state.wraps.iter().any(served);
    if wrapped
        && wraps::held(app, patient.custodian, slot, &state, served)
            .await?
            .is_some()
    {
        return Ok(());
    }
    let target = Target::Scope(scope.clone());
    if live::permission(app, patient.id(), terms.grantee, &target, typed::READ)
        .await
        .is_err()
    {
        return Ok(());
    }
    if wrapped {
        // The first wrap of an epoch is the wrap. One whose release key is lost (it was made after the backup from which this
        // database was rebuilt) opens nothing any more, so the next epoch wraps anew for everybody.
        return wrap_anew(app, patient, scope, newest.epoch).await;
    }
    let place = (slot, terms.serial, newest.epoch.number, recipient.key_hash());
    let place = keccak256(format!("{place:?}"));
    // One that the chain refused is made anew: a re-org may have kept its grant or its epoch away for longer than the
    // submitter waits, and whatever brings them back brings us here.
    if let Some(earlier) = app.mend.rewrap_of(place)
        && !has_failed(app, &earlier).await?
    {
        return Ok(());
    }
    // None until a patient that came from elsewhere enrols here.
    let Some(root) = root::get(app, patient).await? else {
        return Ok(());
    };
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
    let Some(wrap) = wraps::make(app, to, &secret).await? else {
        return Ok(());
    };
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
    let signature = statement::sign(
        app,
        patient.custodian,
        typed::digest(&rewrap, &app.contracts.consent_domain()),
    )
    .await?;
    let decision = Decision::Rewrap { rewrap, wrap };
    let intent = queue::signed(app, patient.custodian, &decision, signature, queue::Place::default()).await?;
    app.mend.queued(place, intent);
    Ok(())
}
