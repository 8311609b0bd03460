//! A patient takes its root to its own device: every scope moves on to a key the device made, then the custody changes.
//!
//! The custodian opens those epochs while it still may, because it alone can link them back to those its root made. The
//! change of custody, which ends that root (`leave`), is sent after the last of them is mined: if one fails, so does it,
//! and the custodian keeps what it had.

use alloy::primitives::{Address, Bytes};
use chartseal_chain::calls;
use chartseal_envelope::{
    key::{EpochSecret, PublicKey},
    link, tree,
};
use chartseal_record::{Compartment, Scope, account::Custody, typed};
use chartseal_store::IntentFilter;

use super::{
    Patient,
    epochs::{self, Epoch},
    root, wraps,
};
use crate::{
    app::App,
    intent::{Decision, NewEpoch},
    problem::{Code, Failure, Problem},
    queue, statement,
};

/// A scope whose newest epoch was made from the root kept here.
pub struct Kept {
    pub scope: Scope,
    pub newest: Epoch,
    secret: EpochSecret,
}

/// Every such scope of the patient. Empty without a root.
pub async fn kept(app: &App, patient: &Patient) -> Result<Vec<Kept>, Failure> {
    let Some(root) = root::get(app, patient).await? else {
        return Ok(Vec::new());
    };
    // Another gateway on this database may have queued some.
    app.pending.look(&app.store, patient.id()).await?;
    let scopes = epochs::scopes(app, patient.id()).into_iter();
    Ok(scopes
        .filter_map(|scope| {
            let compartment = Compartment::of(patient.id(), &scope);
            let (newest, _) = epochs::current(app, compartment)?;
            let secret = tree::epoch_secret(&root, &app.contracts, compartment, newest.number);
            (*secret.public_key().as_bytes() == newest.key).then_some(Kept { scope, newest, secret })
        })
        .collect())
}

/// The newest secret kept here, for who holds the device's key of the next epoch.
pub fn link(app: &App, compartment: Compartment, kept: &Kept, epoch: u32, key: &[u8]) -> Result<Bytes, Problem> {
    let bad = |_| Problem::new(Code::Invalid, "the key is no X25519 public key");
    let key = PublicKey::try_from(key).map_err(bad)?;
    let step = link::Step {
        contracts: app.contracts,
        compartment,
        previous: kept.newest.number,
        epoch,
    };
    Ok(Bytes::from(
        link::seal(&step, &key, &kept.secret).map_err(bad)?.to_vec(),
    ))
}

/// Whether what the device made still fits: no scope is left out or has moved on, and everybody who reads has a wrap.
pub async fn check(app: &App, patient: &Patient, made: &[NewEpoch]) -> Result<(), Problem> {
    for kept in kept(app, patient).await? {
        let made = made.iter().find(|m| m.scope == kept.scope);
        let made = made.filter(|m| m.previous == kept.newest.number);
        let made = made.ok_or_else(|| moved("a scope was opened or moved on"))?;
        for (_, terms, recipient) in wraps::readers(app, patient.id(), &kept.scope).await? {
            let hash = recipient.key_hash();
            let wrapped = made
                .wraps
                .iter()
                .any(|w| (w.grantee, w.serial, w.recipient_key_hash) == (terms.grantee, terms.serial, hash));
            if !wrapped {
                return Err(moved("a permission was given or a key was changed"));
            }
        }
    }
    Ok(())
}

fn moved(what: &str) -> Problem {
    Problem::new(
        Code::EpochMoved,
        format!("{what} since this was prepared; prepare it anew"),
    )
}

/// Queues the epochs, one after the other, and the change of custody behind them. Doing it twice does it once.
pub async fn queue(
    app: &App,
    patient: &Patient,
    parent: &str,
    (change, made): (&typed::Custodian, &[NewEpoch]),
    signature: Bytes,
) -> Result<(), Problem> {
    let _one = app.pending.lock(patient.id()).await;
    check(app, patient, made).await?;
    let mut after: Option<String> = None;
    for epoch in made {
        let wraps: Vec<calls::Wrap> = epoch.wraps.iter().cloned().map(Into::into).collect();
        let advance = typed::Advance {
            patient: patient.id(),
            scope: epoch.scope.to_string(),
            epoch: epoch.epoch,
            suite: typed::SUITE_X25519,
            key: epoch.key.clone(),
            link: epoch.link.clone(),
            wraps: calls::wraps_hash(&wraps),
            by: patient.custodian,
        };
        let digest = typed::digest(&advance, &app.contracts.consent_domain());
        let by_custodian = statement::sign(app, patient.custodian, digest).await?;
        let decision = Decision::Advance {
            advance: advance.clone(),
            wraps: epoch.wraps.clone(),
        };
        let step = queue::Step {
            parent,
            part: &format!("epoch:{}", epoch.scope),
            after: after.as_deref(),
        };
        let at = (Compartment::of(patient.id(), &epoch.scope), epoch.epoch);
        let queued = queue::step_epoch(app, patient.custodian, step, &decision, at, by_custodian).await?;
        // Another gateway on this database has taken a higher number. What is queued already stays: those scopes are the
        // device's, and the next attempt is about the others.
        let id = queued.ok_or_else(|| moved("a scope moved on"))?;
        app.pending.add(&advance, wraps, id.clone());
        after = Some(id);
    }
    let step = queue::Step {
        parent,
        part: "custodian",
        after: after.as_deref(),
    };
    let decision = Decision::Custodian { change: change.clone() };
    queue::step(app, patient.custodian, step, &decision, signature).await?;
    Ok(())
}

/// Whether the patient's root is on its way out: then no further epoch is made from it.
pub async fn is_under_way(app: &App, patient: Address) -> Result<bool, Failure> {
    for state in epochs::ON_ITS_WAY {
        let filter = IntentFilter {
            account: Some(patient),
            kind: Some("custodian".into()),
            state: Some(state),
            limit: 500,
            ..IntentFilter::default()
        };
        for intent in app.store.find_intents(&filter).await? {
            if let Decision::Custodian { change } = Decision::read(&intent.payload)?
                && change.custody == Custody::SelfCustody as u8
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
