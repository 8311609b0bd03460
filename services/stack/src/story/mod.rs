//! The demo: one story, told on a system of its own, each step checked against the visible world: HTTP answers,
//! the chain by JSON-RPC, the files on disk. A sentence is printed only after its check held.

mod crypt;
mod doctor;
mod insurer;
mod leaks;
mod papers;
mod people;
mod recovery;
mod revocation;
mod tampering;
mod trail;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result, ensure};
use chartseal_chain::Client;
use chartseal_envelope::backup::RootBackup;
use chartseal_envelope::key::Identity;
use chartseal_record::Contracts;
use serde_json::Value;

pub use crypt::release_body;

use crate::client::Gateway;
use crate::rpc::Node;
use crate::session::{Confirmed, Session};
use crate::table::{Table, thousands};

/// The running system the story is told on. It must be empty: the story registers everyone itself.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Public URL of the gateway.
    pub gateway: String,
    /// The chain's JSON-RPC.
    pub rpc: String,
    /// The data folder: database, content, logs.
    pub data: PathBuf,
    /// The program `chartseal-reader`.
    pub reader: PathBuf,
}

/// Which step to break on purpose, to see that its check bites. Each really changes the world, then lets the story
/// go on as if nothing had happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// Before the registrations: a stranger takes the doctor's address first.
    Register,
    /// Before the receipts are verified: each is given another root.
    Anchor,
    /// Before the doctor reads: one stored byte of the record is flipped.
    Read,
    /// Before the insurer looks the claim up: the patient revokes the insurer.
    Lookup,
    /// After the revocation: the patient grants the doctor anew, so that releases are not refused.
    Revoke,
    /// The last flipped byte is put back before anyone reads it.
    Tamper,
}

/// Everyone who acts, once they are signed in.
pub(crate) struct People {
    pub admin: Session,
    pub hospital: Session,
    pub insurer: Session,
    pub doctor: Session,
    pub patient: Session,
    /// What the patient took home at enrolment.
    pub kept: Option<Kept>,
}

/// The backup of a patient's root, as it was handed out once.
pub(crate) struct Kept {
    pub file: Vec<u8>,
    pub passphrase: String,
    pub opened: RootBackup,
}

/// What the story knows so far.
pub(crate) struct Story {
    pub stage: Stage,
    pub gateway: Gateway,
    pub node: Node,
    pub chain: Client,
    pub contracts: Contracts,
    pub sabotage: Option<Sabotage>,
    /// The doctor keeps the encryption key: custody `own`.
    pub doctor_key: Identity,
    lines: Vec<Line>,
    last: Instant,
}

struct Line {
    text: String,
    gas: Option<u64>,
    time: Duration,
}

/// Facts that later chapters need from earlier ones.
#[derive(Default, Debug)]
pub(crate) struct Papers {
    /// FHIR id of the Patient resource.
    pub patient: String,
    /// DocumentReference ids by name.
    pub documents: BTreeMap<&'static str, String>,
    /// Claim number and the resource as created.
    pub claim_number: String,
    pub claim: Value,
}

impl Story {
    async fn open(stage: Stage, sabotage: Option<Sabotage>) -> Result<Self> {
        let gateway = Gateway::new(&stage.gateway)?;
        let contracts = crate::decide::contracts(&gateway).await?;
        Ok(Self {
            node: Node::new(&stage.rpc),
            chain: Client::connect(&stage.rpc, contracts).await?,
            doctor_key: Identity::generate()?,
            gateway,
            contracts,
            stage,
            sabotage,
            lines: Vec::new(),
            last: Instant::now(),
        })
    }

    /// A sentence whose check held. Its time is the time since the sentence before.
    pub fn held(&mut self, text: impl Into<String>, gas: Option<u64>) {
        let text = text.into();
        let now = Instant::now();
        let time = now - std::mem::replace(&mut self.last, now);
        println!("  {:>6.2} s  {text}", time.as_secs_f64());
        self.lines.push(Line { text, gas, time });
    }

    pub fn chapter(&self, title: &str) {
        println!("\n{title}");
    }

    pub fn sabotages(&self, step: Sabotage) -> bool {
        let this = self.sabotage == Some(step);
        if this {
            println!("          (sabotage: {step:?})");
        }
        this
    }

    /// Gas of what was confirmed, read from the chain's own receipt and compared with what the gateway said.
    pub async fn gas(&self, confirmed: &Confirmed) -> Result<Option<u64>> {
        let Some(transaction) = &confirmed.transaction else {
            return Ok(None);
        };
        let hash: B256 = transaction.parse().context("an intent's transaction is not a hash")?;
        let gas = self.node.gas_used(hash).await?;
        if let Some(said) = confirmed.gas {
            ensure!(said == gas, "the gateway says {said} gas, the chain says {gas}");
        }
        Ok(Some(gas))
    }

    /// Whether the contract allows this now.
    pub async fn allowed(&self, patient: Address, grantee: Address, scope: &str, permission: u8) -> Result<bool> {
        let compartment = self.compartment(patient, scope)?;
        Ok(self
            .chain
            .is_allowed(patient, grantee, compartment.0, permission)
            .await?)
    }

    pub fn compartment(&self, patient: Address, scope: &str) -> Result<chartseal_record::Compartment> {
        let scope = chartseal_record::Scope::new(scope).context("a scope of the story")?;
        Ok(chartseal_record::Compartment::of(patient, &scope))
    }

    fn summary(&self) -> Table {
        let mut table = Table::new(&["step", "gas", "seconds"]);
        for line in &self.lines {
            let gas = line.gas.map(thousands).unwrap_or_default();
            table.row(vec![line.text.clone(), gas, format!("{:.2}", line.time.as_secs_f64())]);
        }
        let gas = self.lines.iter().filter_map(|line| line.gas).sum();
        let time: Duration = self.lines.iter().map(|line| line.time).sum();
        table.row(vec![
            "together".into(),
            thousands(gas),
            format!("{:.2}", time.as_secs_f64()),
        ]);
        table
    }
}

/// Tells the story. An error says which check did not hold.
pub async fn tell(stage: Stage, sabotage: Option<Sabotage>) -> Result<()> {
    let mut story = Story::open(stage, sabotage).await?;
    story.chapter("People");
    let mut people = people::register(&mut story).await?;
    people::enrol(&mut story, &mut people).await?;
    story.chapter("Papers");
    let papers = papers::upload(&mut story, &people).await?;
    papers::anchor(&mut story, &people).await?;
    story.chapter("The doctor");
    doctor::ask(&mut story, &people).await?;
    let opened = doctor::read(&mut story, &people, &papers).await?;
    doctor::correct(&mut story, &people, &papers, &opened).await?;
    story.chapter("The insurer");
    insurer::claim(&mut story, &people, &papers).await?;
    story.chapter("The revocation");
    revocation::revoke(&mut story, &people, &papers, &opened).await?;
    story.chapter("The disk");
    tampering::flip(&mut story, &people, &papers).await?;
    leaks::search(&mut story).await?;
    story.chapter("The patient alone");
    recovery::recover(&mut story, &people).await?;
    println!("\n{}", story.summary());
    Ok(())
}
