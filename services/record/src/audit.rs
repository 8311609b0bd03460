//! The journal of what was done with a patient's records, and whether it is whole.
//!
//! Each custodian keeps one per account. An entry's digest hides what it says behind a random nonce, and its hash binds
//! the digest to its place and to the entry before:
//!
//! ```text
//! digest = keccak256(abi.encode("chartseal/v1/audit-entry", nonce, patient, actor, role, action, refused, purpose,
//!                               scope, record, epoch, client))                        absent: "" or 0
//! hash   = keccak256(abi.encode("chartseal/v1/audit", keeper, patient, sequence, recordedAt, previous, digest))
//! ```
//! So whoever holds the entries can check the chain by itself, and one hash, anchored, holds all before it.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::Role;

/// The extension in which an AuditEvent of a sealed journal carries its entry: the JSON of [`Recorded`].
pub const EXTENSION: &str = "urn:chartseal:extension:journal-entry";

/// What was done, or asked for and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A record's first version was written.
    Create,
    /// A record, or the journal, was opened.
    Read,
    /// A later version was written.
    Update,
    /// It was learnt what there is.
    Search,
    /// A release key was handed out: it discloses the compartment up to its epoch.
    Release,
    /// The patient gave a permission.
    Grant,
    /// The patient took one back.
    Revoke,
    /// Something of an account was decided: registered, suspended, keys, systems that act for it.
    Administer,
}

impl Action {
    /// The word of the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Search => "search",
            Self::Release => "release",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Administer => "administer",
        }
    }
}

/// What it was done to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// A scope, or several with spaces between; what was decided, for [`Action::Administer`].
    pub scope: String,
    /// Ids of records, or a CID; none for a search, which names every scope it found something in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub record: Option<String>,
    /// Up to which epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<u32>,
}

/// One entry, before it has its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// 32 random bytes: without them a digest would give away what can be guessed.
    #[serde(default)]
    pub nonce: B256,
    /// Whose journal it is: a patient's, or the account's that was decided about.
    pub patient: Address,
    /// Who acted.
    pub actor: Address,
    /// The actor's role, if it is registered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<Role>,
    /// What.
    pub action: Action,
    /// The problem's code, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refused: Option<String>,
    /// Purpose of use.
    pub purpose: String,
    /// To what.
    pub subject: Subject,
    /// The system, if one acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
}

impl Entry {
    /// What the chain holds of it.
    pub fn digest(&self) -> B256 {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        keccak256(
            (
                "chartseal/v1/audit-entry".to_owned(),
                self.nonce,
                self.patient,
                self.actor,
                self.role.map_or_else(String::new, |role| role.to_string()),
                self.action.as_str().to_owned(),
                text(&self.refused),
                self.purpose.clone(),
                self.subject.scope.clone(),
                text(&self.subject.record),
                self.subject.epoch.unwrap_or(0),
                text(&self.client),
            )
                .abi_encode_params(),
        )
    }
}

/// The hash of an entry in its place.
pub fn hash(keeper: Address, patient: Address, sequence: u64, recorded_at: u64, previous: B256, digest: B256) -> B256 {
    let label = "chartseal/v1/audit".to_owned();
    keccak256((label, keeper, patient, sequence, recorded_at, previous, digest).abi_encode_params())
}

/// One entry in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// The organisation that keeps the journal.
    pub keeper: Address,
    /// 1, 2, 3, … without gaps.
    pub sequence: u64,
    /// Unix seconds.
    pub recorded_at: u64,
    /// Hash of the entry before; zero for the first.
    pub previous: B256,
    /// Hash of this entry.
    pub hash: B256,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

impl Recorded {
    /// What `hash` must be.
    pub fn expected_hash(&self) -> B256 {
        hash(
            self.keeper,
            self.entry.patient,
            self.sequence,
            self.recorded_at,
            self.previous,
            self.entry.digest(),
        )
    }
}

/// Why a resource is not a part of a journal.
#[derive(Debug, thiserror::Error)]
pub enum NotAJournal {
    /// The resource, or an entry in it, is not the JSON it should be.
    #[error("it is not a journal's JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// An AuditEvent without [`EXTENSION`].
    #[error("an AuditEvent carries no entry")]
    NoEntry,
}

/// The entries that a Bundle of AuditEvents carries, in its order. Whether they are whole, [`check`] says.
pub fn in_bundle(resource: &[u8]) -> Result<Vec<Recorded>, NotAJournal> {
    let bundle: Value = serde_json::from_slice(resource)?;
    let events = bundle["entry"].as_array().into_iter().flatten();
    events
        .map(|event| {
            let mut extensions = event["resource"]["extension"].as_array().into_iter().flatten();
            let ours = extensions.find(|extension| extension["url"] == EXTENSION);
            let text = ours.and_then(|extension| extension["valueString"].as_str());
            Ok(serde_json::from_str(text.ok_or(NotAJournal::NoEntry)?)?)
        })
        .collect()
}

/// The first place at which a journal is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its hash is not that of what it says.
    #[error("entry {0} was changed: its hash is not that of what it says")]
    Changed(u64),
    /// One or more are not there.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// It stands behind a later one, or twice.
    #[error("entry {0} is out of order")]
    OutOfOrder(u64),
    /// It is in order by itself and names another entry before it.
    #[error("entry {0} does not follow the one before it: one of the two was replaced")]
    Unlinked(u64),
    /// It is of another account's or another custodian's journal.
    #[error("entry {0} is of another journal")]
    Elsewhere(u64),
    /// What was anchored says something else.
    #[error("entry {0} is not the one that was anchored")]
    NotAnchored(u64),
}

/// Whether these are the entries after `before` (`None`: the first ones) of one journal: whole, unchanged, in order.
/// That none is cut off at the end, only something outside the journal can say: [`covers`].
pub fn check(before: Option<&Recorded>, entries: &[Recorded]) -> Result<(), Fault> {
    let mut before = before;
    for entry in entries {
        let at = entry.sequence;
        let (next, previous) = before.map_or((1, B256::ZERO), |b| (b.sequence + 1, b.hash));
        if before.is_some_and(|b| (b.keeper, b.entry.patient) != (entry.keeper, entry.entry.patient)) {
            return Err(Fault::Elsewhere(at));
        }
        if at < next {
            return Err(Fault::OutOfOrder(at));
        }
        if at > next {
            return Err(Fault::Missing(next));
        }
        if entry.hash != entry.expected_hash() {
            return Err(Fault::Changed(at));
        }
        if entry.previous != previous {
            return Err(Fault::Unlinked(at));
        }
        before = Some(entry);
    }
    Ok(())
}

/// Whether a whole journal holds every entry that was anchored. Both begin with entry 1.
pub fn covers(journal: &[Recorded], anchored: &[Recorded]) -> Result<(), Fault> {
    for (at, expected) in (1..).zip(anchored) {
        match journal.get(at as usize - 1) {
            None => return Err(Fault::Missing(at)),
            Some(found) if found != expected => return Err(Fault::NotAnchored(at)),
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(n: u64) -> Entry {
        Entry {
            nonce: B256::with_last_byte(n as u8),
            patient: Address::repeat_byte(1),
            actor: Address::repeat_byte(2),
            role: Some(Role::Doctor),
            action: Action::Read,
            refused: None,
            purpose: "TREAT".into(),
            subject: Subject {
                scope: "clinical".into(),
                record: Some(format!("{n:064x}")),
                epoch: Some(1),
            },
            client: None,
        }
    }

    fn journal(len: u64) -> Vec<Recorded> {
        let mut all: Vec<Recorded> = Vec::new();
        for n in 1..=len {
            let mut next = Recorded {
                keeper: Address::repeat_byte(9),
                sequence: n,
                recorded_at: 1_700_000_000 + n,
                previous: all.last().map_or(B256::ZERO, |last| last.hash),
                hash: B256::ZERO,
                entry: entry(n),
            };
            next.hash = next.expected_hash();
            all.push(next);
        }
        all
    }

    #[test]
    fn a_whole_journal_is_whole_from_any_entry_on() {
        let all = journal(5);
        assert_eq!(check(None, &all), Ok(()));
        assert_eq!(check(Some(&all[1]), &all[2..]), Ok(()));
        assert_eq!(check(None, &[]), Ok(()));
    }

    #[test]
    fn the_first_fault_is_named() {
        let all = journal(5);
        let without = |n: usize| [&all[..n - 1], &all[n..]].concat();
        assert_eq!(check(None, &without(1)), Err(Fault::Missing(1)));
        assert_eq!(check(None, &without(3)), Err(Fault::Missing(3)));
        let mut swapped = all.clone();
        swapped.swap(1, 2);
        assert_eq!(check(None, &swapped), Err(Fault::Missing(2)));
        let twice = [&all[..2], &all[1..]].concat();
        assert_eq!(check(None, &twice), Err(Fault::OutOfOrder(2)));
        // Cut off at the end it is whole in itself; only what was anchored tells.
        assert_eq!(check(None, &all[..3]), Ok(()));
        assert_eq!(covers(&all[..3], &all[..4]), Err(Fault::Missing(4)));
        assert_eq!(covers(&all, &all[..4]), Ok(()));
    }

    #[test]
    fn a_journal_written_anew_is_not_the_one_that_was_anchored() {
        let (all, mut forged) = (journal(4), journal(4));
        forged[1].entry.purpose = "HPAYMT".into();
        assert_eq!(check(None, &forged), Err(Fault::Changed(2)));
        forged[1].hash = forged[1].expected_hash();
        assert_eq!(check(None, &forged), Err(Fault::Unlinked(3)));
        for n in 2..4 {
            forged[n].previous = forged[n - 1].hash;
            forged[n].hash = forged[n].expected_hash();
        }
        assert_eq!(check(None, &forged), Ok(()));
        assert_eq!(covers(&forged, &all), Err(Fault::NotAnchored(2)));
    }

    #[test]
    fn every_field_is_in_the_digest() {
        let changes: [fn(&mut Entry); 11] = [
            |e| e.nonce = B256::ZERO,
            |e| e.patient = Address::ZERO,
            |e| e.actor = Address::ZERO,
            |e| e.role = None,
            |e| e.action = Action::Search,
            |e| e.refused = Some("not-live".into()),
            |e| e.purpose.clear(),
            |e| e.subject.scope.clear(),
            |e| e.subject.record = None,
            |e| e.subject.epoch = None,
            |e| e.client = Some("x".into()),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut changed = entry(1);
            change(&mut changed);
            assert_ne!(changed.digest(), entry(1).digest(), "change {n}");
        }
    }

    #[test]
    fn a_sealed_bundle_gives_its_entries_back() {
        let event = |text: String| json!({ "resource": { "extension": [{ "url": "urn:x" }, { "url": EXTENSION, "valueString": text }] } });
        let all = journal(2);
        let events: Vec<Value> = all.iter().map(|recorded| event(json!(recorded).to_string())).collect();
        let bundle = json!({ "resourceType": "Bundle", "entry": events }).to_string();
        assert_eq!(in_bundle(bundle.as_bytes()).unwrap(), all);
        let without = json!({ "entry": [{ "resource": {} }] }).to_string();
        assert!(matches!(in_bundle(without.as_bytes()), Err(NotAJournal::NoEntry)));
        let other = json!({ "entry": [event("{}".into())] }).to_string();
        assert!(matches!(in_bundle(other.as_bytes()), Err(NotAJournal::Json(_))));
    }

    #[test]
    fn json_keeps_every_field() {
        let recorded = journal(2).pop().unwrap();
        let json = serde_json::to_string(&recorded).unwrap();
        assert_eq!(serde_json::from_str::<Recorded>(&json).unwrap(), recorded);
    }
}
