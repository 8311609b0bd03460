//! What ought to be so: a plain list of what was acknowledged, and of what was left without an answer.

use std::collections::HashMap;

use alloy::primitives::Address;
use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_stack::{samples, session::Session};
use serde_json::{Value, json};

use crate::step::{Grantee, Reader, Scope, Slot};

/// One patient and everything that was said about it.
pub struct Patient {
    pub session: Session,
    /// The id of its Patient resource.
    pub fhir: String,
    pub records: Vec<Record>,
    pub slots: HashMap<Slot, Standing>,
    /// Requests that were signed and are not decided.
    pub requests: HashMap<Slot, String>,
    /// Revocations that were accepted.
    pub revocations: Vec<String>,
}

/// One document. Its versions are the bytes of it that were acknowledged, oldest first.
pub struct Record {
    /// Idempotency-Key.
    pub key: String,
    pub scope: Scope,
    /// Known once the upload is acknowledged.
    pub id: Option<String>,
    pub versions: Vec<Vec<u8>>,
    /// Bytes of an upload or edit that was sent and got no answer: there whole or not at all.
    pub lost: Option<Vec<u8>>,
}

/// How a grant stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    #[default]
    Never,
    /// The patient's signature was accepted under this intent.
    Asked(String),
    Granted,
    /// The patient's signature was accepted: refused from that moment.
    Revoked,
    /// The patient got no answer and does not know.
    Unsure,
}

impl Patient {
    pub fn new(session: Session, fhir: String) -> Self {
        Self {
            session,
            fhir,
            records: Vec::new(),
            slots: HashMap::new(),
            requests: HashMap::new(),
            revocations: Vec::new(),
        }
    }

    pub fn account(&self) -> Address {
        self.session.account
    }

    pub fn standing(&self, slot: Slot) -> &Standing {
        self.slots.get(&slot).unwrap_or(&Standing::Never)
    }

    /// Whether the reader is to see records of the scope; `None` while that is being decided.
    pub fn entitled(&self, reader: Reader, scope: Scope) -> Option<bool> {
        let grantee: Grantee = match reader {
            Reader::Owner | Reader::Hospital => return Some(true),
            Reader::Stranger => return Some(false),
            Reader::Grantee(grantee) => grantee,
        };
        match self.standing(Slot { grantee, scope }) {
            Standing::Never | Standing::Revoked => Some(false),
            Standing::Granted => Some(true),
            Standing::Asked(_) | Standing::Unsure => None,
        }
    }

    /// The resource of a document, with its bytes inside.
    pub fn resource(&self, scope: Scope, bytes: &[u8]) -> Value {
        let data = json!({ "data": STANDARD.encode(bytes) });
        samples::document(&self.fhir, scope.kind(), data)
    }
}

impl Record {
    /// What reading the newest version may give.
    pub fn newest(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.versions.last().into_iter().chain(&self.lost)
    }
}
