//! Which compartments open here: by the patient's root, which its custodian holds, or by a live READ grant to an
//! organisation of this gateway. Either way an audit entry is durable before a key is used.

use std::collections::{BTreeMap, HashMap, hash_map::Entry as Slot};

use alloy::primitives::{Address, B256};
use chartseal_envelope::{
    key::{EpochSecret, PublicKey, Root},
    link, tree,
};
use chartseal_record::{Compartment, ContentHash, typed};

use super::Place;
use crate::{
    app::App,
    audit::{self, Action, Entry, Subject},
    custody::{Patient, epochs, live, open, root, single::Alone},
    index::Opened,
    problem::{Code, Problem},
    read::Key,
};

/// Purpose of use in the journal: v3-ActReason's health system administration.
const PURPOSE: &str = "HSYSADMIN";

/// The secrets of the compartments asked for so far, and of records that are granted alone. Make a new one for each walk:
/// grants end.
#[derive(Default)]
pub struct Keys {
    compartments: HashMap<Compartment, Access>,
    alone: HashMap<ContentHash, Alone>,
}

/// How far a compartment opens.
pub enum Access {
    /// The secrets by epoch, as far back as links lead.
    Open(BTreeMap<u32, EpochSecret>),
    /// No key that is here opens it.
    Closed,
    /// Who keeps the other half does not answer, and why.
    Away(String),
}

impl Keys {
    /// Adds what opens one record.
    pub fn add(&mut self, content: ContentHash, alone: Alone) {
        self.alone.insert(content, alone);
    }

    /// Takes what opens this record alone.
    pub fn take(&mut self, content: ContentHash) -> Option<Key> {
        self.alone.remove(&content).map(Key::Alone)
    }

    /// Opens a compartment, or remembers how it opened.
    pub async fn access(&mut self, app: &App, place: &Place) -> Result<&Access, Problem> {
        match self.compartments.entry(place.compartment) {
            Slot::Occupied(known) => Ok(known.into_mut()),
            Slot::Vacant(free) => Ok(free.insert(open_here(app, place).await?)),
        }
    }
}

async fn open_here(app: &App, place: &Place) -> Result<Access, Problem> {
    let epochs = app.index.epochs(place.compartment);
    if let Ok(patient) = Patient::of(app, place.patient)
        && patient.in_gateway_custody()
        && let Some(root) = root::get(app, &patient).await?
    {
        audit::append(app, patient.custodian, entry(app, patient.custodian, place, &epochs)).await?;
        return Ok(Access::Open(by_root(app, place.compartment, &epochs, &root)));
    }
    for org in &app.config.organisations {
        let entry = entry(app, org.account, place, &epochs);
        // The newest wrap: links lead back from it to everything before.
        let slot = epochs::slot(place.patient, org.account, &place.scope);
        let wraps = app.index.grant(slot).wraps;
        let Some(newest) = wraps.iter().map(|wrapped| wrapped.epoch).max() else {
            continue;
        };
        // One that has ended is not asked for: a refusal is an entry in the journal.
        if live::slot(app, slot, place.patient, org.account, typed::READ)
            .await
            .is_err()
        {
            continue;
        }
        let who = (org.account, org.account);
        match open::by_grant(app, who, (place.patient, &place.scope, newest), entry).await {
            Ok(reached) => {
                let (at, secret) = (reached.at, reached.secret);
                return Ok(Access::Open(back_from(app, place.compartment, &epochs, at, secret)));
            }
            // It is live here. A custodian elsewhere that does not see it yet follows a block behind, and is asked again.
            Err(problem) if problem.code == Code::NotLive && Patient::of(app, place.patient).is_err() => {
                return Ok(Access::Away(
                    "its custodian does not see the grant, or refuses it".to_owned(),
                ));
            }
            Err(problem) if matches!(problem.code, Code::NotLive | Code::OwnKey | Code::NotEnrolled) => {}
            Err(problem) if problem.code == Code::Unavailable => return Ok(Access::Away(problem.detail)),
            Err(problem) => return Err(problem),
        }
    }
    Ok(Access::Closed)
}

fn entry(app: &App, actor: Address, place: &Place, epochs: &[Opened]) -> Entry {
    Entry {
        nonce: B256::ZERO,
        refused: None,
        patient: place.patient,
        actor,
        role: app.index.account(actor).map(|account| account.role),
        action: Action::Read,
        purpose: PURPOSE.to_owned(),
        subject: Subject {
            scope: place.scope.to_string(),
            record: None,
            epoch: epochs.last().map(|opened| opened.epoch.number),
        },
        client: None,
    }
}

/// An epoch opened under this root follows from it; one opened under an earlier root is reached from the next epoch by its
/// link. Both are held against the public key on chain.
fn by_root(app: &App, compartment: Compartment, epochs: &[Opened], root: &Root) -> BTreeMap<u32, EpochSecret> {
    let mut secrets: BTreeMap<u32, EpochSecret> = BTreeMap::new();
    for at in (0..epochs.len()).rev() {
        let epoch = epochs[at].epoch;
        let derived = tree::epoch_secret(root, &app.contracts, compartment, epoch.number);
        let secret = match *derived.public_key().as_bytes() == epoch.key {
            true => Some(derived),
            false => epochs.get(at + 1).and_then(|newer| {
                let above = secrets.get(&newer.epoch.number)?;
                step_back(app, compartment, &epochs[at], newer, above)
            }),
        };
        secrets.extend(secret.map(|secret| (epoch.number, secret)));
    }
    secrets
}

/// From one epoch's secret along the links, as far as they lead.
fn back_from(
    app: &App,
    compartment: Compartment,
    epochs: &[Opened],
    mut at: usize,
    secret: EpochSecret,
) -> BTreeMap<u32, EpochSecret> {
    let mut secrets = BTreeMap::new();
    let mut reached = Some(secret);
    while let Some(secret) = reached {
        reached = at
            .checked_sub(1)
            .and_then(|before| step_back(app, compartment, &epochs[before], &epochs[at], &secret));
        secrets.insert(epochs[at].epoch.number, secret);
        at = at.saturating_sub(1);
    }
    secrets
}

fn step_back(
    app: &App,
    compartment: Compartment,
    previous: &Opened,
    newer: &Opened,
    secret: &EpochSecret,
) -> Option<EpochSecret> {
    let step = link::Step {
        contracts: app.contracts,
        compartment,
        previous: previous.epoch.number,
        epoch: newer.epoch.number,
    };
    link::open(&step, secret, &PublicKey::from_bytes(previous.epoch.key), &newer.link).ok()
}
