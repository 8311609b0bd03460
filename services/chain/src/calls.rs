//! Calldata of every decision: the struct that was signed and the signatures, in the contract's argument order.
//!
//! Which contract a call goes to stands in each function's first line. A signature may be empty where the sender of
//! the transaction is the signer; through a relayer it never is.

use alloy::{
    primitives::{Address, B256, Bytes, keccak256},
    sol_types::{SolCall, SolValue},
};
use chartseal_record::typed;

use crate::bindings::{Anchors, Consent, Directory};

pub use crate::bindings::Consent::Wrap;

/// To `Directory`: an account's registration, countersigned by a registrar.
pub fn register(
    signed: &typed::Register,
    signature: Bytes,
    countersigned: &typed::Countersign,
    countersignature: Bytes,
) -> Bytes {
    let r = Directory::Registration {
        who: signed.who,
        role: signed.role,
        suite: signed.suite,
        encryptionKey: signed.encryptionKey.clone(),
        custodian: signed.custodian,
        custody: signed.custody,
        credential: signed.credential,
        credentialExpiry: signed.credentialExpiry,
        endpoint: signed.endpoint.clone(),
        deadline: signed.deadline,
    };
    encode(Directory::registerCall {
        r,
        signature,
        registrar: countersigned.registrar,
        countersignature,
    })
}

/// To `Directory`: a key that may sign statements. The nonce is not sent: the contract has it.
pub fn set_statement_key(signed: &typed::StatementKey, signature: Bytes) -> Bytes {
    encode(Directory::setStatementKeyCall {
        who: signed.who,
        key: signed.key,
        from: signed.from,
        until: signed.until,
        deadline: signed.deadline,
        signature,
    })
}

/// To `Directory`: an organisation's publisher; `acceptance` is the publisher's signature over `PublisherAccept`.
pub fn set_publisher(signed: &typed::Publisher, signature: Bytes, acceptance: Bytes) -> Bytes {
    encode(Directory::setPublisherCall {
        org: signed.org,
        publisher: signed.publisher,
        listed: signed.listed,
        deadline: signed.deadline,
        signature,
        acceptance,
    })
}

/// To `Directory`: a patient's custodian and custody mode.
pub fn set_custodian(signed: &typed::Custodian, signature: Bytes) -> Bytes {
    encode(Directory::setCustodianCall {
        who: signed.who,
        custodian: signed.custodian,
        custody: signed.custody,
        deadline: signed.deadline,
        signature,
    })
}

/// To `Directory`: an account's encryption key.
pub fn set_encryption_key(signed: &typed::EncryptionKey, signature: Bytes) -> Bytes {
    encode(Directory::setEncryptionKeyCall {
        who: signed.who,
        suite: signed.suite,
        encryptionKey: signed.encryptionKey.clone(),
        deadline: signed.deadline,
        signature,
    })
}

/// To `Directory`: new papers, countersigned by a registrar.
pub fn renew_credential(
    signed: &typed::Credential,
    signature: Bytes,
    countersigned: &typed::Countersign,
    countersignature: Bytes,
) -> Bytes {
    encode(Directory::renewCredentialCall {
        who: signed.who,
        credential: signed.credential,
        credentialExpiry: signed.credentialExpiry,
        deadline: signed.deadline,
        signature,
        registrar: countersigned.registrar,
        countersignature,
    })
}

/// To `Directory`: the address of an organisation's gateway.
pub fn move_endpoint(signed: &typed::Endpoint, signature: Bytes) -> Bytes {
    encode(Directory::moveEndpointCall {
        who: signed.who,
        endpoint: signed.endpoint.clone(),
        deadline: signed.deadline,
        signature,
    })
}

/// To `Directory`: an account's controller; `acceptance` is the new controller's signature over the same struct.
pub fn hand_over(signed: &typed::HandOver, signature: Bytes, acceptance: Bytes) -> Bytes {
    encode(Directory::handOverCall {
        who: signed.who,
        controller: signed.controller,
        deadline: signed.deadline,
        signature,
        acceptance,
    })
}

/// To `Directory`: a registrar suspends, reinstates or retires.
pub fn set_status(signed: &typed::SetStatus, signature: Bytes) -> Bytes {
    encode(Directory::setStatusCall {
        who: signed.who,
        status: signed.status,
        registrar: signed.registrar,
        deadline: signed.deadline,
        signature,
    })
}

/// To `Consent`: a grant. `wrap` must hash to what was signed; empty without READ and for one record.
pub fn grant(signed: &typed::Grant, wrap: Bytes, signature: Bytes) -> Bytes {
    let terms = terms(signed);
    encode(Consent::grantCall { terms, wrap, signature })
}

/// To `Consent`, sent by the patient's delegate: a grant of its own, for which nobody signs.
pub fn grant_in_emergency(grant: &typed::Grant, wrap: Bytes) -> Bytes {
    let terms = terms(grant);
    encode(Consent::grantInEmergencyCall { terms, wrap })
}

/// To `Consent`: a patient's delegate for emergencies.
pub fn delegate(signed: &typed::Delegate, signature: Bytes) -> Bytes {
    let d = Consent::Delegation {
        patient: signed.patient,
        delegate: signed.delegate,
        scope: signed.scope.clone(),
        maxDuration: signed.maxDuration,
        serial: signed.serial,
    };
    encode(Consent::delegateCall { d, signature })
}

fn terms(signed: &typed::Grant) -> Consent::GrantTerms {
    Consent::GrantTerms {
        patient: signed.patient,
        grantee: signed.grantee,
        scope: signed.scope.clone(),
        record: signed.record,
        serial: signed.serial,
        permission: signed.permission,
        until: signed.until,
        purpose: signed.purpose.clone(),
        epoch: signed.epoch,
        suite: signed.suite,
        recipientKeyHash: signed.recipientKeyHash,
    }
}

/// To `Consent`: a revocation.
pub fn revoke(signed: &typed::Revoke, signature: Bytes) -> Bytes {
    let r = Consent::Revocation {
        patient: signed.patient,
        grantee: signed.grantee,
        scope: signed.scope.clone(),
        record: signed.record,
        serial: signed.serial,
    };
    encode(Consent::revokeCall { r, signature })
}

/// To `Consent`: an epoch. `wraps` must hash ([`wraps_hash`]) to what was signed.
pub fn advance(signed: &typed::Advance, wraps: Vec<Wrap>, signature: Bytes) -> Bytes {
    let a = Consent::Advancement {
        patient: signed.patient,
        scope: signed.scope.clone(),
        epoch: signed.epoch,
        suite: signed.suite,
        key: signed.key.clone(),
        link: signed.link.clone(),
        by: signed.by,
    };
    encode(Consent::advanceCall { a, wraps, signature })
}

/// To `Consent`: a live grant's wrap for another epoch or key. `wrap` must hash to what was signed.
pub fn rewrap(signed: &typed::Rewrap, wrap: Bytes, signature: Bytes) -> Bytes {
    let r = Consent::Rewrapping {
        patient: signed.patient,
        grantee: signed.grantee,
        scope: signed.scope.clone(),
        record: signed.record,
        serial: signed.serial,
        epoch: signed.epoch,
        suite: signed.suite,
        recipientKeyHash: signed.recipientKeyHash,
        by: signed.by,
    };
    encode(Consent::rewrapCall { r, wrap, signature })
}

/// To `Consent`: several of the above in one transaction, all or nothing. An `advance` that has become stale would take
/// a revocation down with it: after such a refusal send the revocation alone.
pub fn together(calls: Vec<Bytes>) -> Bytes {
    encode(Consent::multicallCall { data: calls })
}

/// To `Anchors`, sent by a publisher of `org`: a batch.
pub fn anchor(org: Address, root: B256, count: u32, manifest: B256) -> Bytes {
    encode(Anchors::anchorCall {
        org,
        root,
        count,
        manifest,
    })
}

/// `Advance.wraps`: keccak256(abi.encode(Wrap[])).
pub fn wraps_hash(wraps: &[Wrap]) -> B256 {
    keccak256(wraps.abi_encode())
}

fn encode(call: impl SolCall) -> Bytes {
    call.abi_encode().into()
}
