//! Which epoch is the newest, and whose link leads where.
//!
//! An advance signed here counts from the moment it is queued: what is sealed afterwards is sealed to its key, although
//! the chain does not have it yet. Its row in the intent table is durable before its key is used.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use alloy::primitives::{Address, Bytes};
use chartseal_chain::calls::Wrap;
use chartseal_record::{Compartment, Scope, Slot, Target, grant::GrantState, state::IntentState, typed};
use chartseal_store::{Error as StoreError, IntentFilter, Refusals, Standing, Store};

use super::{
    Patient,
    advance::{self, When},
    live,
};
use crate::{
    app::App,
    index::Opened,
    intent::Decision,
    problem::{Code, Failure, Problem},
};

pub use crate::index::Epoch;

/// An epoch that is queued for the chain.
#[derive(Debug, Clone)]
pub struct Queued {
    pub opened: Opened,
    pub wraps: Vec<Wrap>,
    pub advance: typed::Advance,
    /// The intent that opens it: what needs the epoch on chain is sent after it.
    pub intent: String,
}

/// The queued epochs of every compartment, and a lock per patient for those who queue more.
#[derive(Default)]
pub struct Pending {
    queued: Mutex<HashMap<Compartment, Vec<Queued>>>,
    locks: Mutex<HashMap<Address, Arc<tokio::sync::Mutex<()>>>>,
}

/// Signed, and on no block yet that counts.
pub const ON_ITS_WAY: [IntentState; 2] = [IntentState::Signed, IntentState::Submitted];

impl Pending {
    /// Finds the advances that are on their way.
    pub async fn load(store: &Store) -> Result<Self, Failure> {
        let pending = Self::default();
        for state in ON_ITS_WAY {
            pending.take(store, None, state, 0).await?;
        }
        Ok(pending)
    }

    /// Takes in what another gateway on this database has queued for a patient.
    pub async fn look(&self, store: &Store, patient: Address) -> Result<(), StoreError> {
        for state in ON_ITS_WAY {
            self.take(store, Some(patient), state, 0).await?;
        }
        Ok(())
    }

    /// A re-org took the blocks from `block` on: the advances in them are on their way again.
    pub async fn bring_back(&self, store: &Store, block: u64) -> Result<(), StoreError> {
        for state in [IntentState::Submitted, IntentState::Confirmed] {
            self.take(store, None, state, block).await?;
        }
        Ok(())
    }

    /// Takes in the advances in this state that are not mined, or mined in `block` or later. Newest first, so that it can
    /// stop where everything before was mined long ago.
    async fn take(
        &self,
        store: &Store,
        patient: Option<Address>,
        state: IntentState,
        block: u64,
    ) -> Result<(), StoreError> {
        let mut filter = IntentFilter {
            account: patient,
            kind: Some("advance".into()),
            state: Some(state),
            limit: 500,
            ..IntentFilter::default()
        };
        loop {
            let page = store.find_intents(&filter).await?;
            filter.before = page.last().map(|intent| intent.seq);
            let mut any = false;
            for intent in &page {
                if intent.mined.is_some_and(|mined| mined.block < block) {
                    continue;
                }
                any = true;
                if let Ok(Decision::Advance { advance, wraps }) = Decision::read(&intent.payload) {
                    self.add(&advance, wraps.into_iter().map(Into::into).collect(), intent.id.clone());
                }
            }
            if !any {
                return Ok(());
            }
        }
    }

    /// An advance was queued.
    pub fn add(&self, advance: &typed::Advance, wraps: Vec<Wrap>, intent: String) {
        let (Ok(scope), Ok(key)) = (Scope::new(advance.scope.clone()), advance.key[..].try_into()) else {
            return;
        };
        let queued = Queued {
            opened: Opened {
                epoch: Epoch {
                    number: advance.epoch,
                    suite: advance.suite,
                    key,
                },
                link: advance.link.to_vec(),
            },
            wraps,
            advance: advance.clone(),
            intent,
        };
        let mut map = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let epochs = map.entry(Compartment::of(advance.patient, &scope)).or_default();
        // The same epoch sent again takes the place of the intent the chain refused.
        epochs.retain(|q| q.opened.epoch.number != advance.epoch);
        epochs.push(queued);
        epochs.sort_by_key(|q| q.opened.epoch.number);
    }

    /// What is queued beyond `number`.
    fn beyond(&self, compartment: Compartment, number: u32) -> Vec<Queued> {
        let map = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = map.get(&compartment).into_iter().flatten();
        queued.filter(|q| q.opened.epoch.number > number).cloned().collect()
    }

    /// Everything queued, for those who look after it.
    pub fn everything(&self) -> Vec<(Compartment, Queued)> {
        let map = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        map.iter()
            .flat_map(|(compartment, all)| all.iter().map(|q| (*compartment, q.clone())))
            .collect()
    }

    /// Forgets what the chain has reached, or what will never be on it.
    pub fn forget(&self, compartment: Compartment, number: u32) {
        let mut map = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queued) = map.get_mut(&compartment) {
            queued.retain(|q| q.opened.epoch.number != number);
        }
    }

    /// Only one at a time opens epochs of a patient.
    pub async fn lock(&self, patient: Address) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(patient).or_default().clone()
        };
        lock.lock_owned().await
    }
}

/// Every epoch of a compartment: the chain's, then the queued ones.
pub fn all(app: &App, compartment: Compartment) -> (Vec<Opened>, Vec<Queued>) {
    let chain = app.index.epochs(compartment);
    let newest = chain.last().map_or(0, |o| o.epoch.number);
    let queued = app.pending.beyond(compartment, newest);
    (chain, queued)
}

/// The newest epoch, queued ones included.
pub fn current(app: &App, compartment: Compartment) -> Option<(Epoch, Option<String>)> {
    let (chain, queued) = all(app, compartment);
    match queued.last() {
        Some(q) => Some((q.opened.epoch, Some(q.intent.clone()))),
        None => chain.last().map(|o| (o.epoch, None)),
    }
}

/// How the scope's custody stands, with every slot that leads into it. A write reads it before anything else, judges by it, and
/// compares it again inside its transaction.
pub async fn standing(app: &App, patient: Address, writer: Address, scope: &Scope) -> Result<Standing, Problem> {
    let grants = app.index.grants_of_patient(patient).into_iter();
    let here = grants.filter(|(_, state)| state.terms.as_ref().is_some_and(|t| t.scope == scope.as_str()));
    let mut slots: BTreeSet<Slot> = here.map(|(slot, _)| slot).collect();
    slots.insert(slot(patient, writer, scope));
    Ok(app.store.standing(Compartment::of(patient, scope), slots).await?)
}

/// The epoch to seal to now. If a READ grant has ended since it was opened, the custodian opens the next one first.
pub async fn newest(app: &App, patient: Address, scope: &Scope) -> Result<Epoch, Problem> {
    newest_by(app, patient, scope, None).await
}

/// The same, judged by what is known to be refused.
pub async fn newest_by(
    app: &App,
    patient: Address,
    scope: &Scope,
    refused: Option<&Refusals>,
) -> Result<Epoch, Problem> {
    let compartment = Compartment::of(patient, scope);
    let not_enrolled = || {
        Problem::new(
            Code::NotEnrolled,
            format!("the patient has not opened the scope '{scope}'"),
        )
    };
    let (epoch, _) = current(app, compartment).ok_or_else(not_enrolled)?;
    if !is_due(app, patient, scope, epoch.number, refused).await? {
        return Ok(epoch);
    }
    let Ok(patient) = Patient::of(app, patient) else {
        return Ok(epoch);
    };
    if !patient.in_gateway_custody() {
        // The patient's device advances at its next visit; the custodian cannot.
        return Ok(epoch);
    }
    advance::open(app, &patient, scope, When::Due, None).await
}

/// Whether somebody holds a wrap of this epoch whose READ has ended: by revocation, expiry, suspension, retirement.
pub async fn is_due(
    app: &App,
    patient: Address,
    scope: &Scope,
    epoch: u32,
    refused: Option<&Refusals>,
) -> Result<bool, Problem> {
    let (_, queued) = all(app, Compartment::of(patient, scope));
    for (slot, state) in app.index.grants_of_patient(patient) {
        let Some(terms) = state.terms.as_ref().filter(|t| t.scope == scope.as_str()) else {
            continue;
        };
        let on_its_way =
            |q: &Queued| q.opened.epoch.number >= epoch && q.wraps.iter().any(|w| w.grantee == terms.grantee);
        // Under any serial: who was narrowed from READ to WRITE has the secret too.
        let wrapped = app.index.wrapped_up_to(slot) >= epoch || queued.iter().any(on_its_way);
        if wrapped && has_ended(app, slot, &state, refused).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the newest READ grant in the slot has ended. One that is merely unconfirmed has not.
pub async fn has_ended(app: &App, slot: Slot, state: &GrantState, refused: Option<&Refusals>) -> Result<bool, Problem> {
    let Some(terms) = &state.terms else {
        return Ok(false);
    };
    let now = app.clock.seconds();
    let inactive = !app.index.account(terms.grantee).is_some_and(|a| a.is_active(now));
    if state.live(typed::READ, now).is_none() || inactive {
        return Ok(true);
    }
    Ok(terms.serial <= live::refused(app, slot, refused).await?)
}

/// The wraps of the newest grant, those queued with an advance included.
pub fn with_queued(app: &App, patient: Address, scope: &Scope, mut state: GrantState) -> GrantState {
    let Some(terms) = state.terms.clone() else {
        return state;
    };
    let (_, queued) = all(app, Compartment::of(patient, scope));
    for q in queued {
        let mine = q
            .wraps
            .into_iter()
            .filter(|w| w.grantee == terms.grantee && w.serial == terms.serial);
        state.wraps.extend(mine.map(|w| chartseal_record::grant::Wrapped {
            epoch: q.opened.epoch.number,
            suite: q.opened.epoch.suite,
            recipient_key_hash: w.recipientKeyHash,
            wrap: w.wrap,
            block: 0,
        }));
    }
    state
}

/// Every scope the patient has opened, queued ones included.
pub fn scopes(app: &App, patient: Address) -> Vec<Scope> {
    let queued = app.pending.everything().into_iter();
    let queued = queued.filter(|(_, q)| q.advance.patient == patient);
    let queued = queued.filter_map(|(_, q)| Scope::new(q.advance.scope).ok());
    let all: BTreeSet<Scope> = app.index.scopes_of(patient).into_iter().chain(queued).collect();
    all.into_iter().collect()
}

/// Since when somebody who holds this epoch's secret may not read any more, if somebody does and the time is known: what
/// was sealed to the epoch later is open to them. The earliest of what ended it counts: expiry, refusal, a grant without READ
/// in its place, suspension or retirement of the reader, the end of its credential.
pub async fn exposed_since(app: &App, patient: Address, scope: &Scope, epoch: u32) -> Result<Option<u64>, Problem> {
    let mut since = None;
    for (slot, state) in app.index.grants_of_patient(patient) {
        let Some(terms) = state.terms.as_ref().filter(|t| t.scope == scope.as_str()) else {
            continue;
        };
        if app.index.wrapped_up_to(slot) < epoch || !has_ended(app, slot, &state, None).await? {
            continue;
        }
        let now = app.clock.seconds();
        let refused = app.store.tombstone(slot).await?.filter(|t| t.serial >= terms.serial);
        let ends = [
            Some(terms.until),
            refused.map(|t| t.refused_at),
            app.index.narrowed_since(slot),
            app.index.inactive_since(terms.grantee, now),
            since,
        ];
        since = ends.into_iter().flatten().filter(|end| *end <= now).min();
    }
    Ok(since)
}

/// The slot of a grantee in a scope.
pub fn slot(patient: Address, grantee: Address, scope: &Scope) -> Slot {
    Slot::of(patient, grantee, &Target::Scope(scope.clone()))
}

/// An empty link: nothing lies before the first epoch.
pub const NO_LINK: Bytes = Bytes::new();
