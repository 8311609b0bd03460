//! `verify`: what a receipt proves, checked against a chain and, if asked, against content.

use std::path::PathBuf;

use chartseal_chain::Client;
use chartseal_ipfs::Content;
use chartseal_record::{
    Contracts,
    manifest::{self, Entry},
    receipt::Receipt,
};
use clap::Args;
use serde_json::{Value, json};

use crate::{author, failure::Failure, input, place, place::Place};

/// Verifies a receipt: its Merkle path, the contracts, the anchor on chain, and the author's signature if it has one.
/// With --ipfs also that the content and the batch's manifest are there and are what the receipt says.
///
/// Nothing but the node is believed, and the node only about the chain. Whether this deployment is the one you mean
/// is yours to compare: give --deployment, or read the addresses.
///
/// Example: chartseal-reader verify record.receipt --rpc http://127.0.0.1:8545 --ipfs ./content
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Verify {
    /// The receipt
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    /// A node of the chain, http(s) or ws(s)
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// JSON {"chainId", "contracts": {"directory", "consent", "anchors"}} the receipt must speak of
    #[arg(long, value_name = "FILE")]
    deployment: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Each check that passed, in the order in which they are made.
#[derive(Default)]
struct Report {
    lines: Vec<(&'static str, String)>,
    json: serde_json::Map<String, Value>,
}

impl Report {
    fn passed(&mut self, check: &'static str, sentence: String, detail: Value) {
        self.lines.push((check, sentence));
        self.json.insert(check.into(), detail);
    }
}

impl Verify {
    pub async fn run(self) -> Result<(), Failure> {
        let mut report = Report::default();
        let outcome = self.check(&mut report).await;
        if self.json {
            let mut all = json!({ "verified": outcome.is_ok(), "checks": report.json });
            if let Err(failure) = &outcome {
                all["code"] = json!(failure.code());
                all["error"] = json!(failure.to_string());
            }
            println!("{all}");
        } else {
            for (check, sentence) in &report.lines {
                println!("{check:<10} {sentence}");
            }
            if outcome.is_ok() {
                println!("verified");
            }
        }
        outcome
    }

    async fn check(&self, report: &mut Report) -> Result<(), Failure> {
        let receipt = input::receipt(&self.receipt)?;
        report.passed(
            "path",
            format!(
                "{} siblings lead from {} to root {}",
                receipt.proof.len(),
                receipt.cid,
                receipt.root
            ),
            json!({ "cid": receipt.cid.to_string(), "leaf": receipt.leaf(), "root": receipt.root }),
        );
        let contracts = receipt.deployment();
        self.check_deployment(&contracts)?;
        let client = Client::connect(&self.rpc, contracts).await?;
        client.check_contracts().await?;
        let Contracts {
            chain_id,
            directory,
            consent,
            anchors,
        } = contracts;
        report.passed(
            "contracts",
            format!("are Chartseal's: chain {chain_id}, Directory {directory}, Consent {consent}, Anchors {anchors}"),
            json!({ "chainId": chain_id, "directory": directory, "consent": consent, "anchors": anchors }),
        );
        let block = check_anchor(&client, &receipt, report).await?;
        check_author(&client, &receipt, block, report).await?;
        if let Some(content) = self.place.content().await? {
            check_content(&content, &receipt, report).await?;
        }
        Ok(())
    }

    fn check_deployment(&self, found: &Contracts) -> Result<(), Failure> {
        let Some(path) = &self.deployment else { return Ok(()) };
        if input::deployment(path)? == *found {
            Ok(())
        } else {
            Err(Failure::Chain(format!(
                "the receipt speaks of another deployment than {}",
                path.display()
            )))
        }
    }
}

/// The block in which the receipt's batch was anchored. `Anchors` itself walks the path.
pub async fn anchored(client: &Client, receipt: &Receipt) -> Result<u64, Failure> {
    let Receipt {
        organisation,
        root,
        count,
        ..
    } = *receipt;
    let (manifest, leaf) = (receipt.manifest_digest()?, receipt.leaf());
    let found = client
        .verify(organisation, root, count, manifest, leaf, receipt.proof.clone())
        .await?;
    found.ok_or_else(|| {
        let sentence = format!("{organisation} has not anchored root {root} with this count and manifest");
        Failure::Chain(sentence)
    })
}

async fn check_anchor(client: &Client, receipt: &Receipt, report: &mut Report) -> Result<u64, Failure> {
    let block = anchored(client, receipt).await?;
    let confirmations = client.head().await?.confirmations(block);
    let (organisation, count) = (receipt.organisation, receipt.count);
    let moved = match block == receipt.block {
        true => String::new(),
        false => format!("; the receipt says {}: a re-org moved it", receipt.block),
    };
    report.passed(
        "anchor",
        format!("in block {block} by {organisation}, batch of {count}, {confirmations} confirmations{moved}"),
        json!({ "block": block, "organisation": organisation, "count": count, "confirmations": confirmations }),
    );
    Ok(block)
}

async fn check_author(client: &Client, receipt: &Receipt, block: u64, report: &mut Report) -> Result<(), Failure> {
    let (statement, signature) = match (&receipt.statement, &receipt.signature) {
        (Some(statement), Some(signature)) => (statement, signature),
        (None, None) => return Ok(()),
        _ => {
            return Err(Failure::Author(
                "statement and signature come together; the receipt has only one".into(),
            ));
        }
    };
    if statement.compartment != receipt.compartment {
        return Err(Failure::Author(
            "the statement is about another compartment than the receipt".into(),
        ));
    }
    let signer = author::signer(statement, signature, client.contracts())?;
    author::check(client, statement, signer, block).await?;
    let (author, version, id) = (statement.author, statement.version, statement.id);
    report.passed(
        "author",
        format!("{author} signed version {version} of record {id} (key {signer}); WRITE is not looked at"),
        json!({ "author": author, "signer": signer, "version": version, "id": id }),
    );
    Ok(())
}

async fn check_content(content: &Content, receipt: &Receipt, report: &mut Report) -> Result<(), Failure> {
    let cid = receipt.cid.cid();
    let bytes = place::block(content, "the record", &cid).await?;
    report.passed(
        "content",
        format!("{} bytes hash to {cid}", bytes.len()),
        json!({ "size": bytes.len() }),
    );

    let digest = receipt.manifest_digest()?;
    let (name, manifest) = (
        manifest::cid(digest),
        place::batch(content, receipt.root, digest).await?,
    );
    let damaged = |why: String| Failure::Content(format!("manifest {name}: {why}"));
    let entry = Entry {
        compartment: receipt.compartment,
        epoch: receipt.epoch,
        content: receipt.cid,
    };
    if manifest.entries().len() as u64 != u64::from(receipt.count) {
        return Err(damaged("it lists other records than the root was made of".into()));
    }
    if !manifest.entries().contains(&entry) {
        return Err(damaged("it does not list this record".into()));
    }
    report.passed(
        "manifest",
        format!("{name} lists it"),
        json!({ "cid": name.to_string() }),
    );
    Ok(())
}
