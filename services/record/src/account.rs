//! An account as the chain's events tell it.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use crate::event::{Event, Logged};

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $n:literal $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant = $n),* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Reads the contract's number.
            pub fn from_number(n: u8) -> Option<Self> {
                match n { $($n => Some(Self::$variant),)* _ => None }
            }

            /// Reads the word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

numbered! {
    /// What a party is.
    Role {
        /// Whose records they are.
        Patient = 1 "patient",
        /// Reads and writes with a patient's grant.
        Doctor = 2 "doctor",
        /// Uploads, and keeps keys for patients as custodian.
        Hospital = 3 "hospital",
        /// Reads claims and their evidence with a patient's grant.
        Insurer = 4 "insurer",
    }
}

numbered! {
    /// Whether an account counts.
    Status {
        /// It does.
        Active = 1 "active",
        /// Not now.
        Suspended = 2 "suspended",
        /// Never again; a retired patient can still revoke.
        Retired = 3 "retired",
    }
}

numbered! {
    /// Who keeps a patient's keys.
    Custody {
        /// Not a patient.
        None = 0 "none",
        /// The custodian keeps release keys; the patient keeps the root.
        SelfCustody = 1 "self",
        /// The custodian keeps both.
        Gateway = 2 "gateway",
    }
}

/// A statement key and the blocks in which it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementKey {
    /// Address of the secp256k1 key.
    pub key: Address,
    /// First block.
    pub from: u64,
    /// First block in which it no longer counts.
    pub until: u64,
}

/// A registered party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The account's id: its first address, for ever.
    pub id: Address,
    /// What it is.
    pub role: Role,
    /// Whether it counts.
    pub status: Status,
    /// The address that signs its decisions now.
    pub controller: Address,
    /// Suite of its encryption key.
    pub suite: u16,
    /// Its encryption key; empty only for a patient without one.
    pub encryption_key: Bytes,
    /// A patient's custodian; zero for others.
    pub custodian: Address,
    /// A patient's custody mode.
    pub custody: Custody,
    /// Salted credential commitment.
    pub credential: B256,
    /// Unix seconds; 0 = does not expire.
    pub credential_expiry: u64,
    /// An organisation's endpoint.
    pub endpoint: String,
    /// Statement keys; the last listing of a key counts.
    pub statement_keys: Vec<StatementKey>,
    /// An organisation's publisher addresses.
    pub publishers: Vec<Address>,
    /// Block of the registration.
    pub registered: u64,
}

impl Account {
    /// Folds an account's events, in chain order. `None` if it is not registered.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Logged>) -> Option<Self> {
        let mut account = None;
        for logged in events {
            match (&mut account, &logged.event) {
                (None, event) => account = Self::registered(event, logged.block),
                (Some(account), event) => account.apply(event),
            }
        }
        account
    }

    fn registered(event: &Event, block: u64) -> Option<Self> {
        let Event::Registered {
            who,
            role,
            suite,
            encryption_key,
            custodian,
            custody,
            credential,
            credential_expiry,
            endpoint,
            ..
        } = event
        else {
            return None;
        };
        Some(Self {
            id: *who,
            role: Role::from_number(*role)?,
            status: Status::Active,
            controller: *who,
            suite: *suite,
            encryption_key: encryption_key.clone(),
            custodian: *custodian,
            custody: Custody::from_number(*custody)?,
            credential: *credential,
            credential_expiry: *credential_expiry,
            endpoint: endpoint.clone(),
            statement_keys: Vec::new(),
            publishers: Vec::new(),
            registered: block,
        })
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::StatementKeyListed { key, from, until, .. } => {
                self.statement_keys.retain(|listed| listed.key != *key);
                self.statement_keys.push(StatementKey {
                    key: *key,
                    from: *from,
                    until: *until,
                });
            }
            Event::PublisherListed { publisher, listed, .. } => {
                self.publishers.retain(|p| p != publisher);
                if *listed {
                    self.publishers.push(*publisher);
                }
            }
            Event::CustodianChanged { custodian, custody, .. } => {
                self.custodian = *custodian;
                // An unknown mode is read as the one that gives the custodian less.
                self.custody = Custody::from_number(*custody).unwrap_or(Custody::SelfCustody);
            }
            Event::EncryptionKeyChanged {
                suite, encryption_key, ..
            } => {
                self.suite = *suite;
                self.encryption_key = encryption_key.clone();
            }
            Event::HandedOver { controller, .. } => self.controller = *controller,
            Event::CredentialRenewed {
                credential,
                credential_expiry,
                ..
            } => {
                self.credential = *credential;
                self.credential_expiry = *credential_expiry;
            }
            Event::EndpointMoved { endpoint, .. } => self.endpoint = endpoint.clone(),
            Event::StatusChanged { status, .. } => {
                // An unknown status counts as suspended: refuse by default.
                self.status = Status::from_number(*status).unwrap_or(Status::Suspended);
            }
            _ => {}
        }
    }

    /// Active, and its credential has not expired at `now` (unix seconds).
    pub fn is_active(&self, now: u64) -> bool {
        self.status == Status::Active && (self.credential_expiry == 0 || now < self.credential_expiry)
    }

    /// Whether `key` may sign statements and releases for the account in `block`.
    pub fn is_statement_key(&self, key: Address, block: u64) -> bool {
        self.statement_keys
            .iter()
            .any(|listed| listed.key == key && (listed.from..listed.until).contains(&block))
    }

    /// Whether `signer` may sign a record or a release for the account in `block`.
    pub fn may_sign(&self, signer: Address, block: u64) -> bool {
        signer == self.controller || self.is_statement_key(signer, block)
    }

    /// keccak256 of the encryption key, as grants name it.
    pub fn encryption_key_hash(&self) -> B256 {
        keccak256(&self.encryption_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custody_mode_is_the_same_word_in_json_as_in_text() {
        for mode in [Custody::None, Custody::SelfCustody, Custody::Gateway] {
            let json = serde_json::to_value(mode).unwrap();
            assert_eq!(json, mode.as_str());
            assert_eq!(serde_json::from_value::<Custody>(json).unwrap(), mode);
        }
    }

    fn logged(block: u64, event: Event) -> Logged {
        Logged {
            block,
            block_hash: B256::ZERO,
            timestamp: block,
            log_index: 0,
            transaction: B256::ZERO,
            event,
        }
    }

    fn registered(who: Address) -> Logged {
        let event = Event::Registered {
            who,
            role: 3,
            registrar: Address::ZERO,
            suite: 1,
            encryption_key: Bytes::from(vec![1; 32]),
            custodian: Address::ZERO,
            custody: 0,
            credential: B256::ZERO,
            credential_expiry: 100,
            endpoint: "https://hospital.example".into(),
        };
        logged(5, event)
    }

    #[test]
    fn an_account_is_what_its_events_say_in_order() {
        let who = Address::repeat_byte(1);
        let key = Address::repeat_byte(2);
        let events = [
            registered(who),
            logged(
                6,
                Event::StatementKeyListed {
                    who,
                    key,
                    from: 6,
                    until: 10,
                },
            ),
            logged(7, Event::HandedOver { who, controller: key }),
            logged(
                8,
                Event::StatusChanged {
                    who,
                    status: 2,
                    registrar: who,
                },
            ),
        ];
        let account = Account::fold(&events).unwrap();
        assert_eq!(
            (account.id, account.controller, account.status),
            (who, key, Status::Suspended)
        );
        assert!(account.is_statement_key(key, 6) && !account.is_statement_key(key, 10));
        assert!(!account.is_active(0), "suspended");
        let before = Account::fold(&events[..3]).unwrap();
        assert!(before.is_active(99) && !before.is_active(100), "the credential expires");
        assert_eq!(Account::fold(&events[1..]), None, "nothing counts before registration");
    }

    #[test]
    fn a_renewed_credential_and_a_moved_endpoint_replace_the_former_ones() {
        let who = Address::repeat_byte(1);
        let events = [
            registered(who),
            logged(
                6,
                Event::CredentialRenewed {
                    who,
                    credential: B256::repeat_byte(9),
                    credential_expiry: 200,
                    registrar: who,
                },
            ),
            logged(
                7,
                Event::EndpointMoved {
                    who,
                    endpoint: "https://moved.example".into(),
                },
            ),
        ];
        let account = Account::fold(&events).unwrap();
        assert!(account.is_active(199) && !account.is_active(200));
        assert_eq!(account.credential, B256::repeat_byte(9));
        assert_eq!(account.endpoint, "https://moved.example");
    }

    #[test]
    fn an_unknown_status_is_read_as_suspended() {
        let who = Address::repeat_byte(1);
        let events = [
            registered(who),
            logged(
                6,
                Event::StatusChanged {
                    who,
                    status: 9,
                    registrar: who,
                },
            ),
        ];
        assert_eq!(Account::fold(&events).unwrap().status, Status::Suspended);
    }
}
