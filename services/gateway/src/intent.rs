//! Decisions: what a person (or a custodian) signs, and the call it becomes.
//!
//! The intent row keeps the decision as JSON. Typed data, digests and calldata are made from it each time, so what was
//! shown, what was signed and what is sent cannot differ.

use alloy::primitives::{Address, B256, Bytes};
use chartseal_chain::calls;
use chartseal_record::{Contracts, Scope, Slot, Target, account::Status, typed};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::Failure;

/// One decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Decision {
    Register {
        register: typed::Register,
    },
    StatementKey {
        listing: typed::StatementKey,
    },
    Publisher {
        listing: typed::Publisher,
        /// The publisher's own consent, over `PublisherAccept`.
        acceptance: Bytes,
    },
    Custodian {
        change: typed::Custodian,
    },
    /// A patient takes the keys over: epochs under keys of the device, then the change of custody, each an intent of its own.
    TakeOver {
        change: typed::Custodian,
        epochs: Vec<NewEpoch>,
    },
    EncryptionKey {
        change: typed::EncryptionKey,
    },
    HandOver {
        change: typed::HandOver,
    },
    SetStatus {
        change: typed::SetStatus,
    },
    /// A patient comes in: the scopes are opened by intents of their own, the grants wait here for their signatures.
    Enrol {
        grants: Vec<PreparedGrant>,
    },
    Grant(PreparedGrant),
    /// A claim and what it cites, each record a grant of its own and an intent of its own once all are signed.
    GrantClaim {
        grants: Vec<PreparedGrant>,
        /// The request this answers.
        request: Option<B256>,
    },
    Revoke {
        revoke: typed::Revoke,
    },
    Advance {
        advance: typed::Advance,
        wraps: Vec<AdvanceWrap>,
    },
    Rewrap {
        rewrap: typed::Rewrap,
        wrap: Bytes,
    },
    Decline {
        decline: typed::Decline,
    },
    Withdraw {
        withdraw: typed::Withdraw,
    },
}

/// A grant with the wrap the patient signs the hash of; of one record without.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreparedGrant {
    pub grant: typed::Grant,
    pub wrap: Bytes,
    /// The intent that brings the wrap's epoch on chain, if it is not there yet.
    pub after: Option<String>,
    /// The request this answers.
    pub request: Option<B256>,
}

/// An epoch under a key that a patient's device made, linked back by the custodian.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewEpoch {
    pub scope: Scope,
    /// The epoch it is linked to.
    pub previous: u32,
    pub epoch: u32,
    pub key: Bytes,
    pub link: Bytes,
    pub wraps: Vec<AdvanceWrap>,
}

/// One wrap of an advance.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvanceWrap {
    pub grantee: Address,
    pub serial: u64,
    pub recipient_key_hash: B256,
    pub wrap: Bytes,
}

impl From<AdvanceWrap> for calls::Wrap {
    fn from(w: AdvanceWrap) -> Self {
        Self {
            grantee: w.grantee,
            serial: w.serial,
            recipientKeyHash: w.recipient_key_hash,
            wrap: w.wrap,
        }
    }
}

impl From<calls::Wrap> for AdvanceWrap {
    fn from(w: calls::Wrap) -> Self {
        Self {
            grantee: w.grantee,
            serial: w.serial,
            recipient_key_hash: w.recipientKeyHash,
            wrap: w.wrap,
        }
    }
}

/// One signature a decision needs.
#[derive(Debug, Clone)]
pub struct Part {
    /// `account`, `registrar`, `controller`, `grant:0` …
    pub name: String,
    pub by: By,
    /// Of a grant of one record, and of its revocation.
    pub slot: Option<Slot>,
    pub digest: B256,
    /// For `eth_signTypedData_v4`.
    pub typed_data: Value,
}

/// Whose signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The account's controller; the account's own address before it is registered.
    Account(Address),
    /// Exactly this address.
    Address(Address),
    /// This address, and it must be a registrar.
    Registrar(Address),
}

impl PreparedGrant {
    /// Where it lives; none if it names no target.
    pub fn slot(&self) -> Option<Slot> {
        let target = Target::from_fields(&self.grant.scope, self.grant.record)?;
        Some(Slot::of(self.grant.patient, self.grant.grantee, &target))
    }
}

impl Decision {
    /// Reads an intent row's payload.
    pub fn read(payload: &Value) -> Result<Self, Failure> {
        serde_json::from_value(payload.clone()).map_err(|_| Failure::Broken("an intent row holds no decision"))
    }

    /// The intent row's payload.
    pub fn payload(&self) -> Result<Value, Failure> {
        serde_json::to_value(self).map_err(|_| Failure::Broken("a decision is not JSON"))
    }

    /// The word in the database and in the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::StatementKey { .. } => "statementKey",
            Self::Publisher { .. } => "publisher",
            Self::Custodian { .. } => "custodian",
            Self::TakeOver { .. } => "takeOver",
            Self::EncryptionKey { .. } => "encryptionKey",
            Self::HandOver { .. } => "handOver",
            Self::SetStatus { change } => match Status::from_number(change.status) {
                Some(Status::Active) => "reinstate",
                Some(Status::Suspended) => "suspend",
                Some(Status::Retired) | None => "retire",
            },
            Self::Enrol { .. } => "enrol",
            Self::Grant(_) => "grant",
            Self::GrantClaim { .. } => "grantClaim",
            Self::Revoke { .. } => "revoke",
            Self::Advance { .. } => "advance",
            Self::Rewrap { .. } => "rewrap",
            Self::Decline { .. } => "decline",
            Self::Withdraw { .. } => "withdraw",
        }
    }

    /// The account the decision is about.
    pub fn account(&self) -> Address {
        match self {
            Self::Register { register } => register.who,
            Self::StatementKey { listing } => listing.who,
            Self::Publisher { listing, .. } => listing.org,
            Self::Custodian { change } | Self::TakeOver { change, .. } => change.who,
            Self::EncryptionKey { change } => change.who,
            Self::HandOver { change } => change.who,
            Self::SetStatus { change } => change.registrar,
            Self::Enrol { grants } | Self::GrantClaim { grants, .. } => {
                grants.first().map_or(Address::ZERO, |g| g.grant.patient)
            }
            Self::Grant(g) => g.grant.patient,
            Self::Revoke { revoke } => revoke.patient,
            Self::Advance { advance, .. } => advance.patient,
            Self::Rewrap { rewrap, .. } => rewrap.patient,
            Self::Decline { decline } => decline.patient,
            Self::Withdraw { withdraw } => withdraw.grantee,
        }
    }

    /// Every signature it needs. `registrar` is who countersigns, if it is known by now.
    pub fn parts(&self, contracts: &Contracts, registrar: Option<Address>) -> Vec<Part> {
        let directory = contracts.directory_domain();
        let consent = contracts.consent_domain();
        macro_rules! part {
            ($name:expr, $by:expr, $value:expr, $domain:expr) => {
                Part {
                    name: $name.into(),
                    by: $by,
                    slot: None,
                    digest: typed::digest($value, $domain),
                    typed_data: typed::typed_data_json($value, $domain),
                }
            };
        }
        // Which record a commitment is to is not in what is signed.
        let of_record = |slot: Option<Slot>, record: B256| slot.filter(|_| record != B256::ZERO);
        match self {
            Self::Register { register } => {
                let mut parts = vec![part!("account", By::Address(register.who), register, &directory)];
                if let Some(registrar) = registrar {
                    let countersign = countersign(register, registrar);
                    parts.push(part!("registrar", By::Registrar(registrar), &countersign, &directory));
                }
                parts
            }
            Self::StatementKey { listing } => vec![part!("account", By::Account(listing.who), listing, &directory)],
            Self::Publisher { listing, .. } => vec![part!("account", By::Account(listing.org), listing, &directory)],
            Self::Custodian { change } | Self::TakeOver { change, .. } => {
                vec![part!("account", By::Account(change.who), change, &directory)]
            }
            Self::EncryptionKey { change } => vec![part!("account", By::Account(change.who), change, &directory)],
            Self::HandOver { change } => vec![
                part!("account", By::Account(change.who), change, &directory),
                part!("controller", By::Address(change.controller), change, &directory),
            ],
            Self::SetStatus { change } => {
                vec![part!("registrar", By::Registrar(change.registrar), change, &directory)]
            }
            Self::Enrol { grants } | Self::GrantClaim { grants, .. } => grants
                .iter()
                .enumerate()
                .map(|(i, g)| Part {
                    slot: of_record(g.slot(), g.grant.record),
                    ..part!(format!("grant:{i}"), By::Account(g.grant.patient), &g.grant, &consent)
                })
                .collect(),
            Self::Grant(g) => vec![part!("account", By::Account(g.grant.patient), &g.grant, &consent)],
            Self::Revoke { revoke } => {
                let target = Target::from_fields(&revoke.scope, revoke.record);
                let slot = target.map(|target| Slot::of(revoke.patient, revoke.grantee, &target));
                vec![Part {
                    slot: of_record(slot, revoke.record),
                    ..part!("account", By::Account(revoke.patient), revoke, &consent)
                }]
            }
            Self::Advance { advance, .. } => vec![part!("account", By::Account(advance.by), advance, &consent)],
            Self::Rewrap { rewrap, .. } => vec![part!("account", By::Account(rewrap.by), rewrap, &consent)],
            Self::Decline { decline } => vec![part!("account", By::Account(decline.patient), decline, &consent)],
            Self::Withdraw { withdraw } => vec![part!("account", By::Account(withdraw.grantee), withdraw, &consent)],
        }
    }

    /// Whether a registration, to which some registrar adds a signature.
    pub fn needs_registrar(&self) -> bool {
        matches!(self, Self::Register { .. })
    }

    /// The contract and the call, from the signatures by part. `None` for what never goes to the chain by itself.
    pub fn call(
        &self,
        contracts: &Contracts,
        registrar: Option<Address>,
        signature: impl Fn(&str) -> Bytes,
    ) -> Option<(Address, Bytes)> {
        let account = || signature("account");
        Some(match self {
            Self::Register { register } => {
                let countersigned = countersign(register, registrar?);
                let data = calls::register(register, account(), &countersigned, signature("registrar"));
                (contracts.directory, data)
            }
            Self::StatementKey { listing } => (contracts.directory, calls::set_statement_key(listing, account())),
            Self::Publisher { listing, acceptance } => (
                contracts.directory,
                calls::set_publisher(listing, account(), acceptance.clone()),
            ),
            Self::Custodian { change } => (contracts.directory, calls::set_custodian(change, account())),
            Self::EncryptionKey { change } => (contracts.directory, calls::set_encryption_key(change, account())),
            Self::HandOver { change } => (
                contracts.directory,
                calls::hand_over(change, account(), signature("controller")),
            ),
            Self::SetStatus { change } => (contracts.directory, calls::set_status(change, signature("registrar"))),
            Self::Grant(g) => (contracts.consent, calls::grant(&g.grant, g.wrap.clone(), account())),
            Self::Revoke { revoke } => (contracts.consent, calls::revoke(revoke, account())),
            Self::Advance { advance, wraps } => {
                let wraps = wraps.iter().cloned().map(Into::into).collect();
                (contracts.consent, calls::advance(advance, wraps, account()))
            }
            Self::Rewrap { rewrap, wrap } => (contracts.consent, calls::rewrap(rewrap, wrap.clone(), account())),
            Self::Enrol { .. }
            | Self::GrantClaim { .. }
            | Self::TakeOver { .. }
            | Self::Decline { .. }
            | Self::Withdraw { .. } => return None,
        })
    }
}

fn countersign(register: &typed::Register, registrar: Address) -> typed::Countersign {
    use alloy::sol_types::SolStruct;
    typed::Countersign {
        registration: register.eip712_hash_struct(),
        registrar,
    }
}
