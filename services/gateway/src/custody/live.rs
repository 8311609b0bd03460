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
    slot(app, Slot::of(patient, grantee, target), patient, grantee, permission).await
}

/// The same for a slot.
pub async fn slot(
    app: &App,
    slot: Slot,
    patient: Address,
    grantee: Address,
    permission: u8,
) -> Result<LiveGrant, NotLive> {
    let tombstone = app.store.tombstone(slot).await.map_err(Failure::from)?;
    let head = app.index.head();
    let settled = head.map_or(0, |h| (h.number + 1).saturating_sub(app.config.chain.confirmations));
    let (confirmed, newest) = (app.index.grant_at(slot, settled), app.index.grant(slot));
    let (patient_account, grantee_account) = (app.index.account(patient), app.index.account(grantee));
    let facts = Facts {
        head,
        now: app.clock.seconds(),
        max_head_age: app.config.chain.max_head_age,
        confirmed: &confirmed,
        newest: &newest,
        refused: tombstone.map_or(0, |t| t.serial),
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
async fn signed(app: &App, terms: &Terms) -> Result<bool, Failure> {
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
mod tests {
    use alloy::primitives::{B256, Bytes};
    use chartseal_record::{
        account::{Custody, Status},
        grant::Terms,
    };

    use super::*;

    const NOW: u64 = 1_000_000;

    fn account(role: Role) -> Account {
        Account {
            id: Address::repeat_byte(role as u8),
            role,
            status: Status::Active,
            controller: Address::repeat_byte(role as u8),
            suite: 1,
            encryption_key: Bytes::from(vec![1; 32]),
            custodian: Address::ZERO,
            custody: Custody::None,
            credential: B256::ZERO,
            credential_expiry: 0,
            endpoint: String::new(),
            statement_keys: Vec::new(),
            publishers: Vec::new(),
            registered: 1,
        }
    }

    fn granted(serial: u64, permission: u8, until: u64) -> GrantState {
        let terms = Terms {
            patient: Address::repeat_byte(1),
            grantee: Address::repeat_byte(2),
            scope: "clinical".into(),
            record: B256::ZERO,
            serial,
            permission,
            until,
            purpose: "TREAT".into(),
            epoch: 1,
            suite: 1,
            recipient_key_hash: B256::ZERO,
            wrap: Bytes::new(),
            signature: Bytes::new(),
            block: 10,
            transaction: B256::ZERO,
        };
        GrantState {
            terms: Some(terms),
            ..GrantState::default()
        }
    }

    fn revoked(mut state: GrantState, serial: u64) -> GrantState {
        state.revoked = serial;
        state
    }

    struct Case {
        confirmed: GrantState,
        newest: GrantState,
        refused: u64,
        patient: Option<Account>,
        grantee: Option<Account>,
        head_age: u64,
        permission: u8,
    }

    fn live() -> Case {
        Case {
            confirmed: granted(1, typed::READ, NOW + 1),
            newest: granted(1, typed::READ, NOW + 1),
            refused: 0,
            patient: Some(account(Role::Patient)),
            grantee: Some(account(Role::Doctor)),
            head_age: 10,
            permission: typed::READ,
        }
    }

    fn verdict(case: &Case) -> String {
        let head = Head {
            number: 100,
            hash: B256::ZERO,
            parent: B256::ZERO,
            timestamp: NOW - case.head_age,
        };
        let facts = Facts {
            head: Some(head),
            now: NOW,
            max_head_age: 60,
            confirmed: &case.confirmed,
            newest: &case.newest,
            refused: case.refused,
            patient: case.patient.as_ref(),
            grantee: case.grantee.as_ref(),
        };
        judge(&facts, case.permission).map_or_else(|why| format!("{why:?}"), |_| "Live".into())
    }

    #[test]
    fn each_cell_of_the_rule_has_its_answer() {
        let suspended = |role| Account {
            status: Status::Suspended,
            ..account(role)
        };
        let lapsed = Account {
            credential_expiry: NOW,
            ..account(Role::Doctor)
        };
        let read = |serial| granted(serial, typed::READ, NOW + 1);
        let cells = [
            ("granted", live(), "Live"),
            (
                "never granted",
                Case {
                    confirmed: GrantState::default(),
                    newest: GrantState::default(),
                    ..live()
                },
                "None",
            ),
            (
                "not confirmed",
                Case {
                    confirmed: GrantState::default(),
                    ..live()
                },
                "Unconfirmed",
            ),
            (
                "revoked at head",
                Case {
                    newest: revoked(read(1), 1),
                    ..live()
                },
                "Revoked",
            ),
            (
                "revoked long ago",
                Case {
                    confirmed: revoked(read(1), 1),
                    newest: revoked(read(1), 1),
                    ..live()
                },
                "Revoked",
            ),
            ("refused here", Case { refused: 1, ..live() }, "Refused"),
            (
                "granted again after a refusal",
                Case {
                    refused: 1,
                    confirmed: read(2),
                    newest: read(2),
                    ..live()
                },
                "Live",
            ),
            (
                "granted again, not confirmed",
                Case {
                    refused: 1,
                    newest: read(2),
                    ..live()
                },
                "Unconfirmed",
            ),
            (
                "renewed, not confirmed, old one stands",
                Case {
                    newest: read(2),
                    ..live()
                },
                "Live",
            ),
            (
                "narrowed, not confirmed",
                Case {
                    newest: granted(2, typed::WRITE, NOW + 1),
                    ..live()
                },
                "OtherPermission",
            ),
            (
                "widened, not confirmed",
                Case {
                    confirmed: granted(1, typed::WRITE, NOW + 1),
                    newest: granted(2, 3, NOW + 1),
                    ..live()
                },
                "Unconfirmed",
            ),
            (
                "revoked and granted again, not confirmed",
                Case {
                    newest: revoked(read(2), 1),
                    ..live()
                },
                "Unconfirmed",
            ),
            (
                "expires now",
                Case {
                    newest: granted(1, typed::READ, NOW),
                    confirmed: granted(1, typed::READ, NOW),
                    ..live()
                },
                "Expired",
            ),
            (
                "shortened, not confirmed",
                Case {
                    newest: granted(2, typed::READ, NOW),
                    ..live()
                },
                "Expired",
            ),
            (
                "write asked of read",
                Case {
                    permission: typed::WRITE,
                    ..live()
                },
                "OtherPermission",
            ),
            (
                "patient suspended",
                Case {
                    patient: Some(suspended(Role::Patient)),
                    ..live()
                },
                "Inactive",
            ),
            (
                "grantee suspended",
                Case {
                    grantee: Some(suspended(Role::Doctor)),
                    ..live()
                },
                "Inactive",
            ),
            (
                "grantee's credential lapsed",
                Case {
                    grantee: Some(lapsed),
                    ..live()
                },
                "Inactive",
            ),
            (
                "grantee unknown",
                Case {
                    grantee: None,
                    ..live()
                },
                "Inactive",
            ),
            (
                "patient is no patient",
                Case {
                    patient: Some(account(Role::Doctor)),
                    ..live()
                },
                "Inactive",
            ),
            ("head too old", Case { head_age: 61, ..live() }, "StaleHead"),
            ("head at the limit", Case { head_age: 60, ..live() }, "Live"),
        ];
        for (name, case, expected) in cells {
            assert_eq!(verdict(&case), expected, "{name}");
        }
    }

    #[test]
    fn a_slow_clock_keeps_no_grant_alive() {
        let state = granted(1, typed::READ, NOW + 50);
        let (patient, grantee) = (account(Role::Patient), account(Role::Doctor));
        let head = Head {
            number: 100,
            hash: B256::ZERO,
            parent: B256::ZERO,
            timestamp: NOW + 50,
        };
        let facts = Facts {
            head: Some(head),
            now: NOW,
            max_head_age: 60,
            confirmed: &state,
            newest: &state,
            refused: 0,
            patient: Some(&patient),
            grantee: Some(&grantee),
        };
        assert!(matches!(judge(&facts, typed::READ), Err(NotLive::Expired)));
        assert!(matches!(
            judge(&Facts { head: None, ..facts }, typed::READ),
            Err(NotLive::StaleHead)
        ));
    }
}
