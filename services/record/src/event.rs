//! What the contracts say happened: decoded events with their place on the chain.
//!
//! Accounts, grants and epochs are folds over these, so a re-org is undone by forgetting the events of the
//! blocks that went away.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::place::{Compartment, Slot};

/// One event of `Directory`, `Consent` or `Anchors`. Fields are the Solidity event's, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
#[allow(
    missing_docs,
    reason = "the fields' meaning is the interface's: contracts/src/interfaces"
)]
pub enum Event {
    // Directory
    Registered {
        who: Address,
        role: u8,
        registrar: Address,
        suite: u16,
        encryption_key: Bytes,
        custodian: Address,
        custody: u8,
        credential: B256,
        credential_expiry: u64,
        endpoint: String,
    },
    StatementKeyListed {
        who: Address,
        key: Address,
        from: u64,
        until: u64,
    },
    PublisherListed {
        org: Address,
        publisher: Address,
        listed: bool,
    },
    CustodianChanged {
        who: Address,
        custodian: Address,
        custody: u8,
    },
    EncryptionKeyChanged {
        who: Address,
        suite: u16,
        encryption_key: Bytes,
    },
    HandedOver {
        who: Address,
        controller: Address,
    },
    StatusChanged {
        who: Address,
        status: u8,
        registrar: Address,
    },
    CredentialRenewed {
        who: Address,
        credential: B256,
        credential_expiry: u64,
        registrar: Address,
    },
    EndpointMoved {
        who: Address,
        endpoint: String,
    },
    // Consent
    Granted {
        slot: Slot,
        patient: Address,
        grantee: Address,
        scope: String,
        record: B256,
        serial: u64,
        permission: u8,
        until: u64,
        purpose: String,
        epoch: u32,
        suite: u16,
        recipient_key_hash: B256,
        wrap: Bytes,
        signature: Bytes,
    },
    GrantedInEmergency {
        slot: Slot,
        patient: Address,
        delegate: Address,
        serial: u64,
    },
    Delegated {
        patient: Address,
        delegate: Address,
        scope: String,
        max_duration: u32,
        serial: u64,
    },
    Revoked {
        slot: Slot,
        patient: Address,
        grantee: Address,
        serial: u64,
    },
    Advanced {
        compartment: Compartment,
        patient: Address,
        scope: String,
        epoch: u32,
        suite: u16,
        key: Bytes,
        link: Bytes,
        by: Address,
    },
    Rewrapped {
        slot: Slot,
        serial: u64,
        epoch: u32,
        suite: u16,
        recipient_key_hash: B256,
        wrap: Bytes,
        by: Address,
    },
    // Anchors
    Anchored {
        org: Address,
        root: B256,
        count: u32,
        manifest: B256,
        publisher: Address,
    },
}

impl Event {
    /// The Solidity event's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "Registered",
            Self::StatementKeyListed { .. } => "StatementKeyListed",
            Self::PublisherListed { .. } => "PublisherListed",
            Self::CustodianChanged { .. } => "CustodianChanged",
            Self::EncryptionKeyChanged { .. } => "EncryptionKeyChanged",
            Self::HandedOver { .. } => "HandedOver",
            Self::StatusChanged { .. } => "StatusChanged",
            Self::CredentialRenewed { .. } => "CredentialRenewed",
            Self::EndpointMoved { .. } => "EndpointMoved",
            Self::Granted { .. } => "Granted",
            Self::GrantedInEmergency { .. } => "GrantedInEmergency",
            Self::Delegated { .. } => "Delegated",
            Self::Revoked { .. } => "Revoked",
            Self::Advanced { .. } => "Advanced",
            Self::Rewrapped { .. } => "Rewrapped",
            Self::Anchored { .. } => "Anchored",
        }
    }

    /// What the event is about, as 32 bytes (an address is left-padded with zeros): the account for
    /// Directory events and for a patient's delegation, the slot for grants, revocations and rewraps, the compartment for epochs, the
    /// root for anchors. All events of one subject, in order, are enough to fold its state.
    pub fn subject(&self) -> B256 {
        match self {
            Self::Registered { who, .. }
            | Self::StatementKeyListed { who, .. }
            | Self::CustodianChanged { who, .. }
            | Self::EncryptionKeyChanged { who, .. }
            | Self::HandedOver { who, .. }
            | Self::StatusChanged { who, .. }
            | Self::CredentialRenewed { who, .. }
            | Self::EndpointMoved { who, .. }
            | Self::Delegated { patient: who, .. }
            | Self::PublisherListed { org: who, .. } => who.into_word(),
            Self::Granted { slot, .. }
            | Self::GrantedInEmergency { slot, .. }
            | Self::Revoked { slot, .. }
            | Self::Rewrapped { slot, .. } => slot.0,
            Self::Advanced { compartment, .. } => compartment.0,
            Self::Anchored { root, .. } => *root,
        }
    }

    /// The patient, for events of `Consent` that name one.
    pub fn patient(&self) -> Option<Address> {
        match self {
            Self::Granted { patient, .. }
            | Self::GrantedInEmergency { patient, .. }
            | Self::Delegated { patient, .. }
            | Self::Revoked { patient, .. }
            | Self::Advanced { patient, .. } => Some(*patient),
            _ => None,
        }
    }

    /// The grantee, for events that name one.
    pub fn grantee(&self) -> Option<Address> {
        match self {
            Self::Granted { grantee, .. } | Self::Revoked { grantee, .. } => Some(*grantee),
            _ => None,
        }
    }
}

/// An event with its place on the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// Block number.
    pub block: u64,
    /// Hash of that block: tells a re-org.
    pub block_hash: B256,
    /// Unix seconds of that block.
    pub timestamp: u64,
    /// Position of the log in the block.
    pub log_index: u64,
    /// The transaction.
    pub transaction: B256,
    /// What happened.
    pub event: Event,
}
