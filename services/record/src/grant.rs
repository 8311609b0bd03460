//! A slot as the chain's events tell it.

use alloy_primitives::{Address, B256, Bytes};

use crate::{
    contracts::Contracts,
    event::{Event, Logged},
    place::Slot,
    typed,
};

/// The terms of the newest grant in a slot, and the wrap that serves each epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whose records.
    pub patient: Address,
    /// Who may.
    pub grantee: Address,
    /// The scope's name; empty if the target is one record.
    pub scope: String,
    /// The salted commitment to one record; zero if the target is a scope.
    pub record: B256,
    /// Counts the grants in the slot.
    pub serial: u64,
    /// READ = 1, WRITE = 2.
    pub permission: u8,
    /// Unix seconds; the grant is live before it.
    pub until: u64,
    /// Purpose of use, e.g. `TREAT`, `HPAYMT`.
    pub purpose: String,
    /// Epoch of the wrap the patient signed.
    pub epoch: u32,
    /// Suite of that wrap.
    pub suite: u16,
    /// Hash of the key it was made for.
    pub recipient_key_hash: B256,
    /// That wrap.
    pub wrap: Bytes,
    /// The patient's signature over the terms; empty if the patient sent the transaction.
    pub signature: Bytes,
    /// Block of the grant.
    pub block: u64,
    /// Its transaction.
    pub transaction: B256,
}

/// A wrap that serves one epoch of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The epoch whose secret is inside.
    pub epoch: u32,
    /// Its suite.
    pub suite: u16,
    /// Hash of the key it was made for.
    pub recipient_key_hash: B256,
    /// The sealed secret.
    pub wrap: Bytes,
    /// Block in which it came.
    pub block: u64,
}

/// A slot: its newest grant, the highest serial revoked, the wraps of the newest grant by epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantState {
    /// The newest grant, live or not.
    pub terms: Option<Terms>,
    /// Every serial up to this one is revoked, mined or not.
    pub revoked: u64,
    /// Wraps of the newest grant, oldest first: the grant's own, then advances and rewraps.
    pub wraps: Vec<Wrapped>,
}

impl GrantState {
    /// Folds a slot's events, in chain order.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Logged>) -> Self {
        let mut state = Self::default();
        for logged in events {
            state.apply(logged);
        }
        state
    }

    fn apply(&mut self, logged: &Logged) {
        match &logged.event {
            Event::Granted {
                patient,
                grantee,
                scope,
                record,
                serial,
                permission,
                until,
                purpose,
                epoch,
                suite,
                recipient_key_hash,
                wrap,
                signature,
                ..
            } => {
                self.wraps.clear();
                if permission & typed::READ != 0 {
                    self.wraps.push(Wrapped {
                        epoch: *epoch,
                        suite: *suite,
                        recipient_key_hash: *recipient_key_hash,
                        wrap: wrap.clone(),
                        block: logged.block,
                    });
                }
                self.terms = Some(Terms {
                    patient: *patient,
                    grantee: *grantee,
                    scope: scope.clone(),
                    record: *record,
                    serial: *serial,
                    permission: *permission,
                    until: *until,
                    purpose: purpose.clone(),
                    epoch: *epoch,
                    suite: *suite,
                    recipient_key_hash: *recipient_key_hash,
                    wrap: wrap.clone(),
                    signature: signature.clone(),
                    block: logged.block,
                    transaction: logged.transaction,
                });
            }
            Event::Revoked { serial, .. } => self.revoked = self.revoked.max(*serial),
            Event::Rewrapped {
                serial,
                epoch,
                suite,
                recipient_key_hash,
                wrap,
                ..
            } => {
                // Anyone may repeat a signed rewrap; a repetition must not replace the wrap whose release key is kept.
                let current = self.terms.as_ref().is_some_and(|terms| terms.serial == *serial);
                let known = self
                    .wraps
                    .iter()
                    .any(|w| (w.epoch, w.recipient_key_hash) == (*epoch, *recipient_key_hash));
                if current && !known {
                    self.wraps.push(Wrapped {
                        epoch: *epoch,
                        suite: *suite,
                        recipient_key_hash: *recipient_key_hash,
                        wrap: wrap.clone(),
                        block: logged.block,
                    });
                }
            }
            _ => {}
        }
    }

    /// The serial the next grant must carry: max(newest, revoked) + 1.
    pub fn next_serial(&self) -> u64 {
        self.terms
            .as_ref()
            .map_or(0, |t| t.serial)
            .max(self.revoked)
            .saturating_add(1)
    }

    /// The newest grant if it carries `permission`, is not revoked and has not expired at `now`.
    ///
    /// It does not know whether both accounts are active, how deep the grant lies, or what a custodian
    /// refuses by itself: the chain can only subtract from what the custodian checks.
    pub fn live(&self, permission: u8, now: u64) -> Option<&Terms> {
        self.terms.as_ref().filter(|terms| {
            terms.permission & permission == permission && terms.serial > self.revoked && now < terms.until
        })
    }

    /// The newest wrap that serves `epoch` or a later one (links lead back from it).
    pub fn wrap_reaching(&self, epoch: u32) -> Option<&Wrapped> {
        self.wraps.iter().rev().find(|wrapped| wrapped.epoch >= epoch)
    }
}

impl Terms {
    /// The struct the patient signed.
    pub fn typed(&self) -> typed::Grant {
        typed::Grant {
            patient: self.patient,
            grantee: self.grantee,
            scope: self.scope.clone(),
            record: self.record,
            serial: self.serial,
            permission: self.permission,
            until: self.until,
            purpose: self.purpose.clone(),
            epoch: self.epoch,
            suite: self.suite,
            recipientKeyHash: self.recipient_key_hash,
            // READ of one record carries no wrap either.
            wrapHash: if self.wrap.is_empty() {
                B256::ZERO
            } else {
                alloy_primitives::keccak256(&self.wrap)
            },
        }
    }

    /// Who signed the terms, by ECDSA.
    pub fn signer(&self, contracts: &Contracts) -> Result<Address, typed::BadSignature> {
        typed::recover(
            typed::digest(&self.typed(), &contracts.consent_domain()),
            &self.signature,
        )
    }

    /// The slot.
    pub fn slot(&self) -> Slot {
        let target = crate::Target::from_fields(&self.scope, self.record);
        let word = target.map_or(self.record, |target| target.word(self.patient));
        Slot::with_word(self.patient, self.grantee, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::{READ, WRITE};

    fn at(block: u64, event: Event) -> Logged {
        Logged {
            block,
            block_hash: B256::ZERO,
            timestamp: block,
            log_index: 0,
            transaction: B256::ZERO,
            event,
        }
    }

    fn granted(serial: u64, permission: u8) -> Logged {
        at(
            serial,
            Event::Granted {
                slot: Slot(B256::ZERO),
                patient: Address::repeat_byte(1),
                grantee: Address::repeat_byte(2),
                scope: "clinical".into(),
                record: B256::ZERO,
                serial,
                permission,
                until: 1000,
                purpose: "TREAT".into(),
                epoch: 4,
                suite: 1,
                recipient_key_hash: B256::ZERO,
                wrap: Bytes::from(vec![0; 80]),
                signature: Bytes::new(),
            },
        )
    }

    fn revoked(serial: u64) -> Logged {
        let (patient, grantee) = (Address::repeat_byte(1), Address::repeat_byte(2));
        at(
            serial,
            Event::Revoked {
                slot: Slot(B256::ZERO),
                patient,
                grantee,
                serial,
            },
        )
    }

    #[test]
    fn a_grant_is_live_until_revoked_or_expired_and_only_for_its_permission() {
        let state = GrantState::fold(&[granted(1, READ)]);
        assert!(state.live(READ, 999).is_some());
        assert!(state.live(READ, 1000).is_none());
        assert!(state.live(WRITE, 0).is_none() && state.live(READ | WRITE, 0).is_none());
        let state = GrantState::fold(&[granted(1, READ), revoked(1)]);
        assert!(state.live(READ, 0).is_none());
        assert_eq!(state.next_serial(), 2);
    }

    #[test]
    fn a_revoked_serial_never_lives_whatever_the_order() {
        for events in [vec![granted(1, READ), revoked(1)], vec![revoked(1), granted(1, READ)]] {
            assert!(GrantState::fold(&events).live(READ, 0).is_none());
        }
        let again = GrantState::fold(&[revoked(1), granted(2, READ)]);
        assert_eq!(again.live(READ, 0).unwrap().serial, 2);
    }

    #[test]
    fn a_repeated_rewrap_does_not_replace_the_first() {
        let rewrap = |byte| {
            at(
                9,
                Event::Rewrapped {
                    slot: Slot(B256::ZERO),
                    serial: 1,
                    epoch: 6,
                    suite: 1,
                    recipient_key_hash: B256::ZERO,
                    wrap: Bytes::from(vec![byte; 80]),
                    by: Address::ZERO,
                },
            )
        };
        let state = GrantState::fold(&[granted(1, READ), rewrap(1), rewrap(2)]);
        assert_eq!(state.wrap_reaching(6).unwrap().wrap[0], 1);
    }

    #[test]
    fn a_rewrap_of_an_older_serial_is_not_a_wrap_of_the_newest() {
        let rewrap = |serial, epoch| {
            at(
                9,
                Event::Rewrapped {
                    slot: Slot(B256::ZERO),
                    serial,
                    epoch,
                    suite: 1,
                    recipient_key_hash: B256::ZERO,
                    wrap: Bytes::from(vec![1; 80]),
                    by: Address::ZERO,
                },
            )
        };
        let state = GrantState::fold(&[granted(2, READ), rewrap(1, 9), rewrap(2, 6)]);
        assert_eq!(state.wraps.iter().map(|w| w.epoch).collect::<Vec<_>>(), [4, 6]);
        assert_eq!(state.wrap_reaching(5).unwrap().epoch, 6);
        assert!(state.wrap_reaching(7).is_none());
    }
}
