//! Is the grant live? The one place that says so.
//!
//! Live means: granted at k confirmations, and not revoked at head, and not refused locally, and not expired, and both
//! accounts active, and the patient's signature over the terms verified here. The chain can only subtract: a head older
//! than the limit opens nothing, and a node that invents a grant cannot sign it.

use alloy::primitives::Address;
use chartseal_chain::Head;
use chartseal_record::{
    Slot, Target,
    account::{Account, Role},
    grant::{GrantState, Terms},
    typed,
};
use chartseal_store::Refusals;

use crate::{
    app::App,
    auth::signature,
    problem::{Code, Failure, Problem},
};

/// A grant that is live now.
#[derive(Debug, Clone)]
pub struct LiveGrant {
    pub slot: Slot,
    /// Of the newest grant in the slot.
    pub serial: u64,
    /// Unix seconds, exclusive.
    pub until: u64,
    pub purpose: String,
    pub patient: Address,
    pub grantee: Address,
    /// The slot at the newest block, with its wraps.
    pub state: GrantState,
}

/// Why a grant is not live.
#[derive(Debug, thiserror::Error)]
pub enum NotLive {
    #[error("there is no such grant")]
    None,
    #[error("the grant does not have enough confirmations yet")]
    Unconfirmed,
    #[error("the grant was revoked")]
    Revoked,
    #[error("the grant is refused here since the patient revoked it")]
    Refused,
    #[error("the grant has expired")]
    Expired,
    #[error("the grant gives another permission")]
    OtherPermission,
    #[error("the patient's or the grantee's account is not active")]
    Inactive,
    #[error("the grant does not carry the patient's own signature over its terms")]
    Unsigned,
    #[error("the newest block known is too old to decide by")]
    StaleHead,
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<NotLive> for Problem {
    fn from(why: NotLive) -> Self {
        match why {
            NotLive::Failed(failure) => failure.into(),
            NotLive::StaleHead => Self::new(Code::Unavailable, NotLive::StaleHead.to_string()),
            // Which of them it is would tell a stranger whether the patient ever granted anything.
            _ => Self::new(
                Code::NotLive,
                "the patient's grant for this is missing, revoked, expired or not confirmed yet",
            ),
        }
    }
}

/// Everything the rule looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub head: Option<Head>,
    /// Unix seconds.
    pub now: u64,
    /// Seconds.
    pub max_head_age: u64,
    /// The slot as of the newest block that has k confirmations.
    pub confirmed: &'a GrantState,
    /// The slot at head.
    pub newest: &'a GrantState,
    /// Every serial up to this is refused here.
    pub refused: u64,
    pub patient: Option<&'a Account>,
    pub grantee: Option<&'a Account>,
}

/// The rule, except for the signature, which may need the chain. Gives the terms whose signatures must be checked.
pub fn judge<'a>(facts: &Facts<'a>, permission: u8) -> Result<[&'a Terms; 2], NotLive> {
    let head = facts.head.ok_or(NotLive::StaleHead)?;
    if facts.now.saturating_sub(head.timestamp) > facts.max_head_age {
        return Err(NotLive::StaleHead);
    }
    // A clock of ours that is slow must not keep a grant alive longer than the chain would.
    let now = facts.now.max(head.timestamp);
    let newest = standing(facts.newest, facts.refused, permission, now)?;
    let confirmed = match &facts.confirmed.terms {
        None => return Err(NotLive::Unconfirmed),
        // A grant that is not confirmed yet stands on the one before it, unless that has ended: it only subtracts.
        Some(_) => standing(
            facts.confirmed,
            facts.refused.max(facts.newest.revoked),
            permission,
            now,
        )
        .map_err(|_| NotLive::Unconfirmed)?,
    };
    let active = |account: Option<&Account>| account.is_some_and(|a| a.is_active(now));
    let is_patient = facts.patient.is_some_and(|p| p.role == Role::Patient);
    if !is_patient || !active(facts.patient) || !active(facts.grantee) {
        return Err(NotLive::Inactive);
    }
    Ok([confirmed, newest])
}

fn standing(state: &GrantState, refused: u64, permission: u8, now: u64) -> Result<&Terms, NotLive> {
    let terms = state.terms.as_ref().ok_or(NotLive::None)?;
    if terms.serial <= state.revoked {
        return Err(NotLive::Revoked);
    }
    if terms.serial <= refused {
        return Err(NotLive::Refused);
    }
    if now >= terms.until {
        return Err(NotLive::Expired);
    }
    if terms.permission & permission != permission {
        return Err(NotLive::OtherPermission);
    }
    Ok(terms)
}

/// Whether the grantee holds the permission on the target now.
pub async fn permission(
    app: &App,
    patient: Address,
    grantee: Address,
    target: &Target,
    permission: u8,
) -> Result<LiveGrant, NotLive> {
    permission_by(app, patient, grantee, target, permission, None).await
}

/// The same, judged by what is known to be refused.
pub async fn permission_by(
    app: &App,
    patient: Address,
    grantee: Address,
    target: &Target,
    permission: u8,
    known: Option<&Refusals>,
) -> Result<LiveGrant, NotLive> {
    let slot = Slot::of(patient, grantee, target);
    let grant = slot_by(app, slot, patient, grantee, permission, known).await?;
    // A slot is a hash. What the patient signed must be this very target.
    let signed = grant
        .state
        .terms
        .as_ref()
        .and_then(|t| Target::from_fields(&t.scope, t.record));
    if signed.as_ref() == Some(target) {
        Ok(grant)
    } else {
        Err(NotLive::None)
    }
}

/// The same for a slot.
pub async fn slot(
    app: &App,
    slot: Slot,
    patient: Address,
    grantee: Address,
    permission: u8,
) -> Result<LiveGrant, NotLive> {
    slot_by(app, slot, patient, grantee, permission, None).await
}

/// The highest serial refused here in a slot; 0 if none is. Who asked for several slots at once knows it already.
pub async fn refused(app: &App, slot: Slot, known: Option<&Refusals>) -> Result<u64, Failure> {
    match known.and_then(|known| known.get(&slot)) {
        Some(serial) => Ok(*serial),
        None => Ok(app.store.tombstone(slot).await?.map_or(0, |t| t.serial)),
    }
}

/// The same for a slot, judged by what is known to be refused.
pub async fn slot_by(
    app: &App,
    slot: Slot,
    patient: Address,
    grantee: Address,
    permission: u8,
    known: Option<&Refusals>,
) -> Result<LiveGrant, NotLive> {
    let refused = refused(app, slot, known).await?;
    let head = app.index.head();
    let settled = head.map_or(0, |h| h.settled(app.config.chain.confirmations));
    let (confirmed, newest) = (app.index.grant_at(slot, settled), app.index.grant(slot));
    let (patient_account, grantee_account) = (app.index.account(patient), app.index.account(grantee));
    let facts = Facts {
        head,
        now: app.clock.seconds(),
        max_head_age: app.config.chain.max_head_age,
        confirmed: &confirmed,
        newest: &newest,
        refused,
        patient: patient_account.as_ref(),
        grantee: grantee_account.as_ref(),
    };
    let judged = judge(&facts, permission)?;
    for terms in judged {
        if terms.patient != patient || terms.grantee != grantee || !signed(app, terms).await? {
            return Err(NotLive::Unsigned);
        }
    }
    let terms = judged[1];
    Ok(LiveGrant {
        slot,
        serial: terms.serial,
        until: terms.until,
        purpose: terms.purpose.clone(),
        patient,
        grantee,
        state: newest.clone(),
    })
}

/// Whether the patient's controller of that time signed these terms. Remembered, since the answer for given bytes is
/// always the same; contract wallets may take a signature back, so theirs is asked for every time.
pub async fn signed(app: &App, terms: &Terms) -> Result<bool, Failure> {
    let digest = typed::digest(&terms.typed(), &app.contracts.consent_domain());
    let recovered = app.verified.recover(digest, &terms.signature);
    // Control may have been handed over in the very block of the grant, on either side of it.
    for block in [terms.block, terms.block.saturating_sub(1)] {
        let Some(controller) = app.index.controller_at(terms.patient, block) else {
            continue;
        };
        if recovered == Some(controller) || signature::is_by(app, controller, digest, &terms.signature).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
