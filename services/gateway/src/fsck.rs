//! `chartseal-gateway fsck`: the database held against the chain, the content store and itself.

mod chain;
mod content;
mod keys;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::bail;
use chartseal_record::clock::SystemClock;
use clap::Args;
use serde::Serialize;
use tokio::time::timeout;

use crate::{app::App, config::Config, index, problem::Problem};

/// Compares the database with the chain (every event, anchor and refusal), with the content store (every sealed byte, every pin), with
/// the master key (every vault row) and with itself (leaves, batches, epoch numbers, journals), and lists what differs.
/// Whether search indexes are right it does not look at.
///
/// With --repair it mends what can be mended without loss: forgets blocks that are not the chain's and reads them again,
/// refuses what the chain revoked, destroys release keys that a refusal forbids, raises epoch marks, puts blocks that are in
/// the outbox and manifests that follow from the rows into the content store again, pins what is there and not pinned, queues batches whose anchor is on no
/// chain, and takes in records whose rows are missing.
///
/// Stop the gateway and the submitter first: what they change meanwhile looks like a difference.
///
/// Exit codes: 0 nothing differs (any more); 1 something does, or nothing could be compared.
///
/// Example: chartseal-gateway --config gateway.toml fsck --repair
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Fsck {
    /// Mends what can be mended.
    #[arg(long)]
    repair: bool,
    /// The list as one JSON object on standard output, and no progress.
    #[arg(long)]
    json: bool,
}

/// Something that differs.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// A word for the kind: `events`, `refusal`, `forbidden-key`, …
    kind: &'static str,
    /// What: a block, slot, CID, batch. No word of it is about what a record says.
    what: String,
    /// How it differs.
    why: String,
    mended: bool,
    /// What to do if it is not mended.
    advice: &'static str,
}

/// What was found so far, and whether to mend.
pub struct Findings {
    repair: bool,
    all: Vec<Finding>,
}

impl Findings {
    /// Something differs. Gives whether to mend it.
    fn differs(
        &mut self,
        kind: &'static str,
        what: impl ToString,
        why: impl Into<String>,
        advice: &'static str,
    ) -> bool {
        self.all.push(Finding {
            kind,
            what: what.to_string(),
            why: why.into(),
            mended: false,
            advice,
        });
        self.repair
    }

    /// What was found last is mended.
    fn mended(&mut self) {
        if let Some(last) = self.all.last_mut() {
            last.mended = true;
        }
    }
}

/// What `--repair` mends.
const REPAIR: &str = "run fsck --repair";

impl Fsck {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let mut found = Findings {
            repair: self.repair,
            all: Vec::new(),
        };
        let mut app = App::open(config.clone(), Arc::new(SystemClock)).await?;
        self.say("comparing the chain's events");
        if chain::events(&app, &mut found).await? {
            app.store.close().await;
            app = self.followed_again(config).await?;
        }
        if let Err(problem) = self.compare(&app, &mut found).await {
            bail!("{}; the reason is logged above", problem.detail);
        }
        app.store.close().await;
        self.print(&found.all);
        Ok(match found.all.iter().all(|finding| finding.mended) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    async fn compare(&self, app: &App, found: &mut Findings) -> Result<(), Problem> {
        self.say("comparing refusals, keys and epoch numbers");
        chain::refusals(app, found).await?;
        keys::vault(app, found).await?;
        keys::epochs(app, found).await?;
        keys::journals(app, found).await?;
        self.say("comparing batches");
        chain::batches(app, found).await?;
        content::manifests(app, found).await?;
        chain::rows(app, found).await?;
        content::records(app, found, |so_far| {
            self.say(&format!("reading records: {so_far} so far"))
        })
        .await?;
        self.say("comparing pins");
        content::pins(app, found).await
    }

    /// Reads the forgotten blocks again.
    async fn followed_again(&self, config: Config) -> anyhow::Result<App> {
        let app = App::open(config, Arc::new(SystemClock)).await?;
        let head = app.chain.head().await?.number;
        let following = tokio::spawn(index::follow(app.clone()));
        while timeout(Duration::from_secs(1), app.index.reached(head)).await.is_err() {
            if following.is_finished() {
                bail!("the chain cannot be followed");
            }
            self.say("reading the chain again");
        }
        following.abort();
        let _ = following.await;
        Ok(app)
    }

    fn say(&self, what: &str) {
        if !self.json {
            eprintln!("… {what}");
        }
    }

    fn print(&self, all: &[Finding]) {
        let left = all.iter().filter(|finding| !finding.mended).count();
        if self.json {
            println!("{}", serde_json::json!({ "differences": all, "left": left }));
            return;
        }
        for finding in all {
            let end = if finding.mended { "mended" } else { finding.advice };
            println!("{:<14} {}: {} — {end}", finding.kind, finding.what, finding.why);
        }
        match all.len() {
            0 => println!("nothing differs"),
            some => println!("{some} differences, {left} of them left"),
        }
    }
}
