//! What was disclosed or changed, per patient: sealed rows, each bound to the one before by its hash.
//!
//! An entry is durable before the answer it is about. A gap or a changed row is found when the list is read; rows cut
//! off at the end are not: whoever owns the database can do that, and the chain of other custodians is needed to see it.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use chartseal_record::account::Role;
use chartseal_store::{AuditEntry, NewAudit, Record};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::caller::Caller,
    openapi::words::{AddressSchema, HashSchema, RoleSchema},
    problem::{Failure, Problem},
    vault::Kind,
};

/// Entries of one answer, at most.
const PAGE: u32 = 500;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Read,
    Update,
    Search,
    /// A release key was handed out: it discloses the compartment up to its epoch.
    Release,
    Grant,
    Revoke,
}

/// What it was done to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub scope: String,
    /// Ids of records, or a CID; none for a search, which names every scope it found something in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<u32>,
}

/// One entry, before it has its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub patient: Address,
    pub actor: Address,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<Role>,
    pub action: Action,
    /// Purpose of use.
    pub purpose: String,
    pub subject: Subject,
    /// The system, if one acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
}

/// One entry in its place.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub struct Recorded {
    pub sequence: u64,
    /// Unix seconds.
    pub recorded_at: u64,
    pub hash: B256,
    #[serde(flatten)]
    pub entry: Entry,
}

impl Entry {
    /// An entry about what the caller does.
    pub fn of(caller: &Caller, patient: Address, action: Action, purpose: &str, subject: Subject) -> Self {
        Self {
            patient,
            actor: caller.account,
            role: caller.role,
            action,
            purpose: purpose.to_owned(),
            subject,
            client: caller.client_id().map(str::to_owned),
        }
    }
}

/// Makes an entry durable in the journal of `org`'s gateway.
pub async fn append(app: &App, org: Address, entry: Entry) -> Result<(), Problem> {
    let new = sealed(app, org, &entry)?;
    Ok(app.store.append_audit(vec![new]).await.map(drop)?)
}

/// Makes durable that the caller is about to learn what there is of these patients: one entry for each, whether or not
/// a record is opened afterwards. How many there are, and of what kind, is a disclosure too.
pub async fn searched(app: &App, caller: &Caller, purpose: &str, rows: &[Record]) -> Result<(), Problem> {
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
        let entry = Entry::of(caller, patient, Action::Search, purpose, subject);
        entries.push(sealed(app, journal(app, patient, org), &entry)?);
    }
    if !entries.is_empty() {
        app.store.append_audit(entries).await?;
    }
    Ok(())
}

/// Whose gateway keeps the patient's journal: the patient's own custodian, or `org` if that one is served elsewhere.
pub fn journal(app: &App, patient: Address, org: Address) -> Address {
    let custodian = app.index.account(patient).map(|account| account.custodian);
    custodian
        .filter(|custodian| app.config.organisation(*custodian).is_some())
        .unwrap_or(org)
}

/// The row of an entry; commit it together with what it is about where that is possible.
pub fn sealed(app: &App, org: Address, entry: &Entry) -> Result<NewAudit, Failure> {
    let json = serde_json::to_vec(entry).map_err(|_| Failure::Broken("an audit entry is not JSON"))?;
    let sealed = app.vault.seal(org, Kind::Audit, &entry.patient.to_string(), &json)?;
    Ok(NewAudit {
        org,
        patient: entry.patient,
        recorded_at: app.clock.seconds(),
        sealed: sealed.into(),
    })
}

/// The patient's entries after `after`, oldest first, their chain checked.
pub async fn list(app: &App, org: Address, patient: Address, after: u64) -> Result<Vec<Recorded>, Problem> {
    // One more at the front, so that the first one's place is checked too.
    let rows = app.store.audit(org, patient, after.saturating_sub(1), PAGE + 1).await?;
    let mut before: Option<&AuditEntry> = None;
    let mut listed = Vec::with_capacity(rows.len());
    for row in &rows {
        if (before.is_some() || after == 0) && !row.follows(before) {
            return Err(
                Failure::Broken("the audit chain is broken: rows were changed or removed outside the gateway").into(),
            );
        }
        before = Some(row);
        if row.seq <= after {
            continue;
        }
        let json = app.vault.open(org, Kind::Audit, &patient.to_string(), &row.sealed)?;
        listed.push(Recorded {
            sequence: row.seq,
            recorded_at: row.recorded_at,
            hash: row.hash,
            entry: serde_json::from_slice(&json).map_err(|_| Failure::Vault(Kind::Audit.as_str()))?,
        });
    }
    Ok(listed)
}
