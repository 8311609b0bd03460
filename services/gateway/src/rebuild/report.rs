//! What came back, and what did not.

use std::process::ExitCode;

use alloy::primitives::Address;
use chartseal_store::Restored;
use serde::Serialize;

use crate::{
    anchored::{Lost, Tally},
    app::App,
    backup,
};

/// As `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The chain was read up to this block.
    block: u64,
    batches: usize,
    /// Records in the database now.
    records: u64,
    keys: u64,
    /// Release keys of the backup that a revocation forbids; they were not written.
    refused_keys: u64,
    clients: usize,
    /// Entries of journals, as they were anchored.
    audit_entries: u64,
    backup: BackupAge,
    /// Anchored, and not brought back.
    lost: Vec<Lost>,
    /// Patients of this gateway whose records open with no key here.
    closed: Vec<Closed>,
    /// What only the lost database had.
    gone: Vec<Lost>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupAge {
    /// Unix seconds.
    made_at: u64,
    days: u64,
    /// It is older than revocation receipts promised any would be.
    too_old: bool,
}

#[derive(Debug, Serialize)]
struct Closed {
    patient: Address,
    records: u64,
}

/// What neither the chain nor IPFS nor a backup holds.
const GONE: [(&str, &str); 9] = [
    (
        "records that were stored and not anchored yet",
        "their bytes waited in the database; whoever uploaded them sends them again",
    ),
    (
        "decisions laid out, signed or on their way",
        "those that reached the chain stand; the others are laid out and signed again",
    ),
    (
        "audit entries that were not anchored yet",
        "a journal goes on behind its last anchored entry; the next one takes the number of the first that is gone",
    ),
    (
        "requests for access and what was answered",
        "grantees ask again; grants stand",
    ),
    (
        "sessions and access tokens",
        "people sign in again, systems fetch a new token",
    ),
    (
        "answers kept under Idempotency-Keys, and values that count once",
        "a request repeated from before is carried out again; signed messages of the last five minutes could be too",
    ),
    ("staged uploads and drafts", "they are uploaded and laid out again"),
    (
        "keys, refusals, clients and epoch numbers newer than the backup",
        "refusals that reached the chain stand; clients are registered again, statement and encryption keys listed anew",
    ),
    (
        "when records arrived, and their order within one second",
        "they count as arrived in the block of their anchor",
    ),
];

impl Report {
    pub fn new(
        app: &App,
        backup: &backup::Opened,
        block: u64,
        restored: Restored,
        batches: usize,
        audit_entries: u64,
        tally: Tally,
    ) -> Self {
        let days = app.clock.seconds().saturating_sub(backup.made_at) / 86_400;
        let promised = app.config.organisations.iter().map(|org| org.backup_days).min();
        let ours = |patient: &Address| {
            let account = app.index.account(*patient);
            account.is_some_and(|account| app.config.organisation(account.custodian).is_some())
        };
        let closed = tally.closed.into_iter().filter(|(patient, _)| ours(patient));
        Self {
            block,
            batches,
            records: tally.taken + tally.known,
            keys: restored.keys,
            refused_keys: restored.refused,
            clients: backup.snapshot.clients.len(),
            audit_entries,
            backup: BackupAge {
                made_at: backup.made_at,
                days,
                too_old: promised.is_some_and(|promised| days > promised),
            },
            lost: tally.lost,
            closed: closed.map(|(patient, records)| Closed { patient, records }).collect(),
            gone: GONE
                .map(|(what, why)| Lost {
                    what: what.into(),
                    why: why.into(),
                })
                .into(),
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        match self.lost.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(8),
        }
    }

    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::json!(self));
            return;
        }
        println!(
            "rebuilt up to block {}: {} records of {} batches, {} audit entries, {} keys, {} clients",
            self.block, self.records, self.batches, self.audit_entries, self.keys, self.clients
        );
        println!(
            "{} release keys of the backup stay destroyed: their grants were revoked",
            self.refused_keys
        );
        if self.backup.too_old {
            println!(
                "the backup is {} days old, older than revocation receipts promised any would be; destroy it",
                self.backup.days
            );
        }
        for closed in &self.closed {
            println!(
                "patient {}: {} records stay closed; the root is with the patient, who recovers them with chartseal-reader",
                closed.patient, closed.records
            );
        }
        println!("\nnot brought back:");
        for Lost { what, why } in self.lost.iter().chain(&self.gone) {
            println!("  {what}: {why}");
        }
    }
}
