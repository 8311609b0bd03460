//! Opens the next epoch of a compartment, in gateway custody.

use alloy::primitives::Bytes;
use chartseal_chain::calls::{self, Wrap};
use chartseal_envelope::{key::EpochSecret, key::Root, link, tree};
use chartseal_record::{Compartment, Scope, scope, typed};
use chartseal_store::IntentFilter;

use super::{
    Patient,
    epochs::{self, Epoch},
    root, take_over, wraps,
};
use crate::{
    app::App,
    intent::Decision,
    problem::{Code, Failure, Problem},
    queue, statement,
};

/// When the next epoch is opened. Asked again under the patient's lock, since another request may have been faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// If the scope has none yet.
    Closed,
    /// If somebody who held the newest one has lost READ.
    Due,
    /// If this epoch is the newest still: a release key of it is lost.
    Lost(u32),
    /// In any case, because the patient asks.
    Always,
}

/// Epochs of one patient within 24 hours after which its session may ask for no more: two enrolments of the most scopes.
const A_DAY: u32 = 64;

/// Opens the next epoch of the scope if it is time, and gives the newest one.
///
/// It runs as a task of its own: a client that hangs up must not leave an epoch queued that nobody here knows of, for the
/// next link would then miss it.
pub async fn open(
    app: &App,
    patient: &Patient,
    scope: &Scope,
    when: When,
    parent: Option<&str>,
) -> Result<Epoch, Problem> {
    let (app, patient, scope, parent) = (app.clone(), patient.clone(), scope.clone(), parent.map(str::to_owned));
    let task = async move {
        let _one = app.pending.lock(patient.id()).await;
        loop {
            // The lock is this process's; another gateway on this database may have been faster.
            app.pending.look(&app.store, patient.id()).await?;
            let current = epochs::current(&app, Compartment::of(patient.id(), &scope));
            if take_over::is_under_way(&app, patient.id()).await? {
                return match (current, when) {
                    (Some((epoch, _)), When::Due | When::Lost(_)) => Ok(epoch),
                    _ => {
                        let why = "the patient is taking the keys over; the device opens epochs once that is confirmed";
                        Err(Problem::new(Code::WrongState, why))
                    }
                };
            }
            match (current, when) {
                (Some((epoch, _)), When::Closed) => return Ok(epoch),
                (Some((epoch, _)), When::Due)
                    if !epochs::is_due(&app, patient.id(), &scope, epoch.number, None).await? =>
                {
                    return Ok(epoch);
                }
                (Some((epoch, _)), When::Lost(number)) if epoch.number != number => return Ok(epoch),
                (_, When::Due | When::Lost(_)) => {}
                (Some((_, Some(_))), When::Always) => {
                    let why = "the scope's next epoch is on its way to the chain already; wait until it is there";
                    return Err(Problem::new(Code::WrongState, why));
                }
                (_, When::Closed | When::Always) => may_ask(&app, &patient, &scope).await?,
            }
            if let Some(epoch) = queue_next(&app, &patient, &scope, parent.as_deref()).await? {
                return Ok(epoch);
            }
        }
    };
    tokio::spawn(task)
        .await
        .map_err(|_| Failure::Broken("opening an epoch panicked"))?
}

/// Every epoch costs the custodian a transaction, and nobody signs when a session asks for one: so it asks for scopes that
/// mean something, and not for ever. What is due is opened all the same.
async fn may_ask(app: &App, patient: &Patient, scope: &Scope) -> Result<(), Problem> {
    check_known(app, patient, scope)?;
    let filter = IntentFilter {
        account: Some(patient.id()),
        kind: Some("advance".into()),
        limit: A_DAY,
        ..IntentFilter::default()
    };
    let newest = app.store.find_intents(&filter).await?;
    let since = app.clock.seconds().saturating_sub(86_400);
    if newest.len() == A_DAY as usize && newest.iter().all(|intent| intent.created_at > since) {
        return Err(Problem::new(
            Code::TooMany,
            format!("{A_DAY} epochs of this patient's were opened within a day; try again tomorrow"),
        ));
    }
    Ok(())
}

/// A scope that is open already, that every deployment knows, or that this one's configuration names.
pub fn check_known(app: &App, patient: &Patient, scope: &Scope) -> Result<(), Problem> {
    let known = scope::KNOWN.contains(&scope.as_str())
        || app.config.scopes.iter().any(|rule| rule.scope == *scope)
        || epochs::current(app, Compartment::of(patient.id(), scope)).is_some();
    let unknown = || {
        Problem::new(
            Code::Invalid,
            "the scope is neither a known one nor named in this gateway's configuration",
        )
    };
    known.then_some(()).ok_or_else(unknown)
}

/// The number is marked as used before anything is sealed with it: whatever a re-org or a crash drops, no number ever
/// stands for two keys or two links. `None` if another gateway was faster: it has opened one, or has taken a number whose link
/// could miss this one. The number taken here is skipped then.
async fn queue_next(
    app: &App,
    patient: &Patient,
    scope: &Scope,
    parent: Option<&str>,
) -> Result<Option<Epoch>, Problem> {
    let not_enrolled = || Problem::new(Code::NotEnrolled, "the patient has not enrolled here");
    let root = root::get(app, patient).await?.ok_or_else(not_enrolled)?;
    let compartment = Compartment::of(patient.id(), scope);
    let before = epochs::current(app, compartment).map_or(0, |(epoch, _)| epoch.number);
    let number = app.store.next_epoch(compartment, before).await?;
    // Only now: an advance with a smaller number is in the queue already, or will never be.
    app.pending.look(&app.store, patient.id()).await?;
    let current = epochs::current(app, compartment);
    if current.as_ref().map_or(0, |(epoch, _)| epoch.number) != before {
        return Ok(None);
    }
    let secret = tree::epoch_secret(&root, &app.contracts, compartment, number);
    let link = link_back(
        app,
        &root,
        compartment,
        current.as_ref().map(|(e, _)| *e),
        number,
        &secret,
    )?;
    let wraps = wraps_for_all(app, patient, scope, number, &secret).await?;
    let advance = typed::Advance {
        patient: patient.id(),
        scope: scope.to_string(),
        epoch: number,
        suite: typed::SUITE_X25519,
        key: Bytes::copy_from_slice(secret.public_key().as_bytes()),
        link,
        wraps: calls::wraps_hash(&wraps),
        by: patient.custodian,
    };
    let digest = typed::digest(&advance, &app.contracts.consent_domain());
    let signature = statement::sign(app, patient.custodian, digest).await?;
    let decision = Decision::Advance {
        advance: advance.clone(),
        wraps: wraps.iter().cloned().map(Into::into).collect(),
    };
    let after = current.and_then(|(_, intent)| intent);
    let place = queue::Place {
        parent,
        after: after.as_deref(),
    };
    let queued = queue::epoch(
        app,
        patient.custodian,
        &decision,
        place,
        (compartment, number),
        signature,
    )
    .await?;
    Ok(queued.map(|id| {
        app.pending.add(&advance, wraps, id);
        Epoch {
            number,
            suite: typed::SUITE_X25519,
            key: *secret.public_key().as_bytes(),
        }
    }))
}

/// Sends an advance again that the chain refused, under the statement key that counts now. Its epoch is in use already, so
/// it is not given up while its number is still ahead of the chain's.
pub async fn again(
    app: &App,
    patient: &Patient,
    advance: &typed::Advance,
    wraps: Vec<Wrap>,
) -> Result<String, Problem> {
    let digest = typed::digest(advance, &app.contracts.consent_domain());
    let signature = statement::sign(app, patient.custodian, digest).await?;
    let decision = Decision::Advance {
        advance: advance.clone(),
        wraps: wraps.into_iter().map(Into::into).collect(),
    };
    Ok(queue::signed(app, patient.custodian, &decision, signature, queue::Place::default()).await?)
}

/// The previous epoch's secret for readers of the new one. Empty for the first epoch, and where the previous one was
/// opened with a root that is not here (the patient kept it then): its readers keep what they had.
fn link_back(
    app: &App,
    root: &Root,
    compartment: Compartment,
    previous: Option<Epoch>,
    number: u32,
    secret: &EpochSecret,
) -> Result<Bytes, Failure> {
    let Some(previous) = previous else {
        return Ok(epochs::NO_LINK);
    };
    let before = tree::epoch_secret(root, &app.contracts, compartment, previous.number);
    if *before.public_key().as_bytes() != previous.key {
        tracing::warn!(
            epoch = previous.number,
            "the previous epoch was not made from the root kept here; no link is made"
        );
        return Ok(epochs::NO_LINK);
    }
    let step = link::Step {
        contracts: app.contracts,
        compartment,
        previous: previous.number,
        epoch: number,
    };
    Ok(Bytes::from(link::seal(&step, secret.public_key(), &before)?.to_vec()))
}

/// The new secret for everybody who keeps READ. The contract skips those who lose it meanwhile.
async fn wraps_for_all(
    app: &App,
    patient: &Patient,
    scope: &Scope,
    epoch: u32,
    secret: &EpochSecret,
) -> Result<Vec<Wrap>, Problem> {
    let mut made = Vec::new();
    for (slot, terms, recipient) in wraps::readers(app, patient.id(), scope).await? {
        let to = wraps::For {
            custodian: patient.custodian,
            slot,
            serial: terms.serial,
            epoch,
            recipient,
        };
        // Refused since it was looked at above: whoever is refused gets no wrap.
        let Some(wrap) = wraps::make(app, to, secret).await? else {
            continue;
        };
        made.push(Wrap {
            grantee: terms.grantee,
            serial: terms.serial,
            recipientKeyHash: recipient.key_hash(),
            wrap,
        });
    }
    Ok(made)
}
