//! `chartseal-gateway rebuild`: a lost database made again from the chain, IPFS and a backup of the vault.
//!
//! The order is the promise: the chain's revocations refuse first, then the backup's, and a release key is written only
//! where none of them forbids it. A gateway does not start on a database that is half rebuilt.

mod journals;
mod report;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use chartseal_record::{account::Custody, clock::SystemClock};
use clap::Args;
use tokio::time::timeout;

use self::report::Report;
use crate::{
    anchored::{self, Keys, Tally},
    app::App,
    backup,
    config::Config,
    custody::{Patient, leave, mend, single},
    index,
    problem::{Failure, Problem},
};

/// Epoch numbers skipped in each compartment: those that were in use and had reached neither the chain, nor a manifest, nor
/// the backup when the database was lost. No number is used twice.
const SKIPPED: u32 = 1024;

/// Makes a lost database again: the chain's events first; then the refusals of the backup, and of its keys those that nothing
/// refuses; then every anchored record of every compartment that opens here (by a patient's root, or a live READ grant to an
/// organisation of this gateway), verified, with its search index; then every journal up to its last anchored entry.
///
/// The database must be empty; the master key and the content store must be the old ones. If it is stopped, the same command
/// goes on. What cannot be brought back is listed at the end. Start the gateway and the submitter afterwards.
///
/// Exit codes: 0 rebuilt; 1 not rebuilt; 8 rebuilt, but some anchored records could not be brought back.
///
/// Example: chartseal-gateway --config gateway.toml rebuild --backup /backup/vault-2026-11-26
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Rebuild {
    /// What `backup` wrote.
    #[arg(long, value_name = "FILE")]
    backup: PathBuf,
    /// The report as one JSON object on standard output, and no progress.
    #[arg(long)]
    json: bool,
}

impl Rebuild {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let app = App::open_unfinished(config, Arc::new(SystemClock)).await?;
        let backup = backup::read(&self.backup, &app.vault)?;
        ensure!(
            backup.contracts == app.contracts,
            "the backup belongs to Consent {} on chain {}, the configuration names {} on chain {}",
            backup.contracts.consent,
            backup.contracts.chain_id,
            app.contracts.consent,
            app.contracts.chain_id
        );
        ensure!(
            app.store.begin_rebuilding().await?,
            "the database is not empty; rebuild writes into a new one only: move the old one away, or name another in database.url"
        );
        let mut following = tokio::spawn(index::follow(app.clone()));
        let report = tokio::select! {
            report = self.fill(&app, &backup) => report?,
            ended = &mut following => match ended {
                Ok(Err(failure)) => bail!("the chain cannot be followed: {failure}"),
                _ => bail!("following the chain ended"),
            },
        };
        app.store.end_rebuilding().await?;
        following.abort();
        // A task that is gone holds no connection any more.
        let _ = following.await;
        app.store.close().await;
        report.print(self.json);
        Ok(report.exit_code())
    }

    async fn fill(&self, app: &App, backup: &backup::Opened) -> anyhow::Result<Report> {
        let block = self.catch_up(app).await?;
        self.say("putting refusals and keys back");
        let restored = app.store.restore(&backup.snapshot).await?;
        no_longer_ours(app).await.map_err(told)?;
        let mut tally = Tally::default();
        let anchors = app.store.anchors_from(0).await?;
        let mut keys = Keys::default();
        for (at, anchor) in anchors.iter().enumerate() {
            if at % 100 == 0 {
                self.say(&format!(
                    "batch {} of {}, {} records so far",
                    at + 1,
                    anchors.len(),
                    tally.taken
                ));
            }
            let taken = anchored::take_in(app, anchor, &mut keys, |_| true, &mut tally).await;
            taken
                .map_err(told)
                .context("the records could not all be read; run the same command again")?;
        }
        single::put_back(app).await?;
        skip_epochs(app, &tally).await?;
        self.say("putting journals back");
        let entries = journals::restore(app, &mut keys, &mut tally).await;
        let entries = entries
            .map_err(told)
            .context("the journals could not all be read; run the same command again")?;
        Ok(Report::new(app, backup, block, restored, anchors.len(), entries, tally))
    }

    /// Waits until everything the chain holds now is in the database, its revocations as refusals.
    async fn catch_up(&self, app: &App) -> anyhow::Result<u64> {
        let head = app.chain.head().await?.number;
        while timeout(Duration::from_secs(1), app.index.reached(head)).await.is_err() {
            let at = app.index.head().map_or(0, |block| block.number);
            self.say(&format!("reading the chain: block {at} of {head}"));
        }
        Ok(head)
    }

    fn say(&self, what: &str) {
        if !self.json {
            eprintln!("… {what}");
        }
    }
}

/// What the backup still had and nobody here may have any more: keys of patients who left, release keys of grants that
/// have expired.
async fn no_longer_ours(app: &App) -> Result<(), Problem> {
    for who in app.index.patients() {
        leave::destroy(app, who).await?;
        let Ok(patient) = Patient::of(app, who) else { continue };
        for (slot, _) in app.index.grants_of_patient(who) {
            mend::expired(app, &patient, slot).await?;
        }
    }
    Ok(())
}

/// Raises the mark of every compartment whose root is kept here beyond every number anybody can have seen.
async fn skip_epochs(app: &App, tally: &Tally) -> Result<(), Failure> {
    for (place, newest) in app.index.compartments() {
        let ours = app.index.account(place.patient).is_some_and(|account| {
            account.custody == Custody::Gateway && app.config.organisation(account.custodian).is_some()
        });
        if !ours {
            continue;
        }
        let marked = app.store.epoch_mark(place.compartment).await?;
        let named = tally.epochs.get(&place.compartment).copied().unwrap_or(0);
        let highest = newest.max(named).max(marked);
        app.store
            .raise_epoch_mark(place.compartment, highest.saturating_add(SKIPPED))
            .await?;
    }
    Ok(())
}

fn told(problem: Problem) -> anyhow::Error {
    anyhow::anyhow!("{}; the reason is logged above", problem.detail)
}
