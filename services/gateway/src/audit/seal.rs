//! Seals what the journals gained as records of the patients' own `audit` compartments, which are anchored like any
//! other: from then on nobody, the custodian included, can cut a journal short or write it anew without being found out
//! (`chartseal-reader verify-audit`).
//!
//! The custodian's statement key is the author. Sealing makes no entries, so it comes to an end.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, keccak256},
    sol_types::SolValue,
};
use chartseal_envelope::{
    key::PublicKey,
    record::{self, RecordHeader},
};
use chartseal_record::{Compartment, ContentHash, Scope, merkle, statement::Statement};
use chartseal_store::{Error as StoreError, NewRecord, RecordCommit, Sealing};
use serde::Serialize;
use tokio::time::MissedTickBehavior;
use utoipa::ToSchema;

use super::{Recorded, list};
use crate::{
    app::App,
    custody::{Patient, epochs},
    fhir,
    problem::{Failure, Problem},
    statement,
};

/// Entries of one record. An entry is about 2 KiB as an AuditEvent, and a record at most 1 MiB sealed.
const MOST: u32 = 256;
/// Journals of one organisation looked at in one round.
const JOURNALS: u32 = 10_000;

/// How far a journal is sealed.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditSealed)]
pub struct Sealed {
    /// The last entry that a record holds.
    pub sequence: u64,
    /// Records made by this call.
    pub records: u32,
}

/// Seals every journal that has grown, every `audit.seal_seconds`.
pub async fn run(app: App) {
    let mut round = tokio::time::interval(Duration::from_secs(app.config.audit.seal_seconds.max(1)));
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, when the index may still be behind.
    round.tick().await;
    loop {
        round.tick().await;
        for org in &app.config.organisations {
            if let Err(problem) = all_of(&app, org.account).await {
                tracing::warn!(
                    code = problem.code.as_str(),
                    "journals could not be looked for; trying again later"
                );
            }
        }
    }
}

async fn all_of(app: &App, org: Address) -> Result<(), Problem> {
    for journal in app.store.unsealed_audit(org, JOURNALS).await? {
        // An organisation's own journal has no compartment; who left has another custodian now.
        let Ok(patient) = Patient::of(app, journal.patient) else {
            continue;
        };
        if patient.custodian != org {
            continue;
        }
        if let Err(problem) = journal_of(app, &patient).await {
            tracing::warn!(
                code = problem.code.as_str(),
                "a journal could not be sealed; trying again later"
            );
        }
    }
    Ok(())
}

/// Seals what a patient's journal has gained.
pub async fn journal_of(app: &App, patient: &Patient) -> Result<Sealed, Problem> {
    let org = patient.custodian;
    // What comes while this runs waits for the next time: who reads and seals by turns must not keep it going for ever.
    let newest = app.store.newest_audit(org, patient.id()).await?;
    let mut sealed = Sealed {
        sequence: app.store.sealed_audit(org, patient.id()).await?,
        records: 0,
    };
    while sealed.sequence < newest {
        let most = u32::try_from(newest - sealed.sequence).unwrap_or(MOST).min(MOST);
        let entries = list(app, org, patient.id(), sealed.sequence, most).await?;
        let Some(last) = entries.last() else { break };
        if stretch(app, patient, sealed.sequence, &entries).await? {
            sealed.sequence = last.sequence;
            sealed.records += 1;
        } else {
            // Another gateway on this database was faster; if it was not, trying again would change nothing.
            let there = app.store.sealed_audit(org, patient.id()).await?;
            if there <= sealed.sequence {
                return Err(Failure::Broken("a journal's record is stored, and its mark is not").into());
            }
            sealed.sequence = there;
        }
    }
    Ok(sealed)
}

/// Seals these entries, which follow entry `from`, as one record. `false` if another record holds them already.
async fn stretch(app: &App, patient: &Patient, from: u64, entries: &[Recorded]) -> Result<bool, Problem> {
    let (org, now) = (patient.custodian, app.clock.seconds());
    let scope = Scope::new("audit").map_err(|_| Failure::Broken("audit is no scope"))?;
    let compartment = Compartment::of(patient.id(), &scope);
    let id = record_id(entries.first().map_or(B256::ZERO, |first| first.hash));
    let resource = fhir::journal(app, id, now, entries);
    let statement = Statement {
        compartment,
        id,
        version: 1,
        previous: B256::ZERO,
        resource: ContentHash::of(&resource).0,
        author: org,
        authored_at: now,
    };
    let digest = statement.digest(&app.contracts);
    let header = RecordHeader {
        statement,
        signature: statement::sign(app, org, digest).await?,
        attachments: vec![],
    };
    let sealing = Sealing {
        org,
        patient: patient.id(),
        from,
        to: entries.last().map_or(from, |last| last.sequence),
    };
    // As with every record: how custody stands is read before the epoch is chosen, and compared in the transaction.
    loop {
        let standing = epochs::standing(app, patient.id(), org, &scope).await?;
        let epoch = epochs::newest_by(app, patient.id(), &scope, Some(&standing.refused)).await?;
        let sealed = record::seal(&PublicKey::from_bytes(epoch.key), &header, &resource)?;
        let commit = RecordCommit {
            record: NewRecord {
                org,
                patient: patient.id(),
                scope: scope.clone(),
                compartment,
                epoch: epoch.number,
                content_hash: sealed.content,
                record_id: id,
                version: 1,
                previous: B256::ZERO,
                digest,
                author: org,
                authored_at: now,
                resource_type: "Bundle".into(),
                leaf: merkle::leaf(compartment, epoch.number, sealed.content),
                received_at: now,
            },
            sealed: sealed.bytes.into(),
            attachments: vec![],
            index: vec![],
            answer: None,
            staged: vec![],
            audit: vec![],
            sealing: Some(sealing),
            standing: Some(standing),
            condition: None,
        };
        match app.store.commit_record(commit).await {
            Ok(_) => return Ok(true),
            Err(StoreError::StandingChanged(_)) => {}
            Err(StoreError::Moved { .. } | StoreError::StaleVersion { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The id of the record that begins with an entry, whose hash binds keeper, patient and place. After a rebuild a journal
/// begins anew, and what is sealed of it is another record.
fn record_id(first: B256) -> B256 {
    keccak256(("chartseal/v1/audit-record".to_owned(), first).abi_encode_params())
}
