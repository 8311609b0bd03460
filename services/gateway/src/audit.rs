//! What was disclosed, changed, decided or refused, per account: sealed rows, each bound to the one before by its hash.
//!
//! An entry is durable before the answer it is about. A gap or a changed row is found when the list is read; rows cut
//! off at the end, or a journal written anew, are found by what [`seal`] had anchored before.

pub mod seal;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use chartseal_store::{AuditEntry, NewAudit, Record};

pub use chartseal_record::audit::{Action, Entry, Recorded, Subject};

use crate::{
    app::App,
    auth::caller::Caller,
    problem::{Code, Failure, Problem},
    vault::Kind,
};

/// Entries of one answer, at most.
pub const PAGE: u32 = 500;

/// An entry about what the caller does.
pub fn by(caller: &Caller, patient: Address, action: Action, purpose: &str, subject: Subject) -> Entry {
    Entry {
        nonce: B256::ZERO,
        patient,
        actor: caller.account,
        role: caller.role,
        action,
        refused: None,
        purpose: purpose.to_owned(),
        subject,
        client: caller.client_id().map(str::to_owned),
    }
}

/// That entries are durable. What opens something asks for it: no log, no key.
pub struct Written(());

/// Makes entries durable, all or none.
pub async fn write(app: &App, entries: Vec<NewAudit>) -> Result<Written, Problem> {
    if !entries.is_empty() {
        app.store.append_audit(entries).await?;
    }
    Ok(Written(()))
}

/// Makes an entry durable in the journal of `org`'s gateway.
pub async fn append(app: &App, org: Address, entry: Entry) -> Result<Written, Problem> {
    write(app, vec![sealed(app, org, entry)?]).await
}

/// Makes durable that a known caller was refused what the patient has not granted, and gives the refusal back. The
/// refusal stands whether or not the disk takes the entry.
pub async fn refused(app: &App, org: Address, entry: Entry, problem: Problem) -> Problem {
    if !matches!(problem.code, Code::NotLive | Code::NoWriteGrant) {
        return problem;
    }
    let refused = Some(problem.code.as_str().to_owned());
    if let Err(failed) = append(app, org, Entry { refused, ..entry }).await {
        tracing::error!(code = failed.code.as_str(), "a refusal could not be written down");
    }
    problem
}

/// That the caller is about to learn what there is of these patients: one entry for each, whether or not a record is opened
/// afterwards. How many there are, and of what kind, is a disclosure too.
pub fn searched(app: &App, caller: &Caller, purpose: &str, rows: &[Record]) -> Result<Vec<NewAudit>, Failure> {
    let mut found: BTreeMap<Address, (Address, BTreeSet<&str>)> = BTreeMap::new();
    for row in rows {
        let (_, scopes) = found.entry(row.patient).or_insert((row.org, BTreeSet::new()));
        scopes.insert(row.scope.as_str());
    }
    let mut entries = Vec::with_capacity(found.len());
    for (patient, (org, scopes)) in found {
        let subject = Subject {
            scope: Vec::from_iter(scopes).join(" "),
            ..Subject::default()
        };
        let entry = by(caller, patient, Action::Search, purpose, subject);
        entries.push(sealed(app, journal(app, patient, org), entry)?);
    }
    Ok(entries)
}

/// Whose journal of this gateway an entry belongs to: the patient's own custodian's, or `org`'s if that one is served
/// elsewhere, or the first organisation's if both are.
pub fn journal(app: &App, patient: Address, org: Address) -> Address {
    let custodian = app.index.account(patient).map(|account| account.custodian);
    custodian
        .into_iter()
        .chain([org])
        .find(|org| app.config.organisation(*org).is_some())
        .unwrap_or(app.config.organisations[0].account)
}

/// The row of an entry; commit it together with what it is about where that is possible.
pub fn sealed(app: &App, org: Address, mut entry: Entry) -> Result<NewAudit, Failure> {
    getrandom::fill(entry.nonce.as_mut_slice()).map_err(|_| Failure::Random)?;
    let json = serde_json::to_vec(&entry).map_err(|_| Failure::Broken("an audit entry is not JSON"))?;
    let sealed = app.vault.seal(org, Kind::Audit, &entry.patient.to_string(), &json)?;
    Ok(NewAudit {
        org,
        patient: entry.patient,
        recorded_at: app.clock.seconds(),
        digest: entry.digest(),
        sealed: sealed.into(),
    })
}

/// The patient's entries after `after`, oldest first, at most `most`, their chain checked.
pub async fn list(app: &App, org: Address, patient: Address, after: u64, most: u32) -> Result<Vec<Recorded>, Problem> {
    // One more at the front, so that the first one's place is checked too.
    let rows = app.store.audit(org, patient, after.saturating_sub(1), most + 1).await?;
    let mut before: Option<&AuditEntry> = None;
    let mut listed = Vec::with_capacity(rows.len());
    for row in &rows {
        if (before.is_some() || after == 0) && !row.follows(before) {
            return Err(broken());
        }
        before = Some(row);
        if row.seq <= after {
            continue;
        }
        let json = app.vault.open(org, Kind::Audit, &patient.to_string(), &row.sealed)?;
        let entry: Entry = serde_json::from_slice(&json).map_err(|_| Failure::Vault(Kind::Audit.as_str()))?;
        // Entries of before have no nonce, and digests of their sealed bytes.
        if entry.nonce != B256::ZERO && entry.digest() != row.digest {
            return Err(broken());
        }
        listed.push(Recorded {
            keeper: org,
            sequence: row.seq,
            recorded_at: row.recorded_at,
            previous: row.previous,
            hash: row.hash,
            entry,
        });
    }
    listed.truncate(most as usize);
    Ok(listed)
}

fn broken() -> Problem {
    Failure::Broken("the audit chain is broken: rows were changed or removed outside the gateway").into()
}
