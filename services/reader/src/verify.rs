//! `verify`: what a receipt or an evidence packet proves, checked against a chain and, if asked, against content.

use std::path::PathBuf;

use chartseal_chain::Client;
use chartseal_ipfs::Content;
use chartseal_record::{
    B256, Contracts,
    manifest::{self, Entry},
    packet::MAX_PACKET,
    receipt::Receipt,
};
use clap::Args;
use serde_json::{Value, json};

use crate::{author, failure::Failure, input, packet, place, place::Place};

/// Verifies a receipt: its Merkle path, the contracts, the anchor on chain, and the author's signature if it has one.
/// With --ipfs also that the content and the batch's manifest are there and are what the receipt says.
///
/// Verifies an evidence packet, which its format tells from a receipt: form, grants, authors, records and the issuer's signature.
/// With --ipfs also the documents that are too large to be in it.
/// Without --rpc that is all, needs no network, and says what it left unchecked. With the hash of its block, which you have
/// from somewhere you trust, its state proofs show without a node that anchors and grants stood on the chain, and whose keys
/// its signers were in that block.
///
/// Nothing but the node is believed, and the node only about the chain. Whether this deployment is the one you mean
/// is yours to compare: give --deployment, or read the addresses.
///
/// Example: chartseal-reader verify record.receipt --rpc http://127.0.0.1:8545 --ipfs ./content
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Verify {
    /// The receipt or packet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A node of the chain, http(s) or ws(s); a receipt needs one
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
    /// The hash of the packet's block, 0x…, known to you to be on the chain
    #[arg(long, value_name = "HASH")]
    block_hash: Option<B256>,
    /// JSON {"chainId", "contracts": {"directory", "consent", "anchors"}} the file must speak of
    #[arg(long, value_name = "FILE")]
    deployment: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Each check that passed, in the order in which they are made, and what none of them has looked at.
#[derive(Default)]
pub struct Report {
    lines: Vec<(&'static str, String)>,
    json: serde_json::Map<String, Value>,
    unchecked: Vec<String>,
}

impl Report {
    pub fn passed(&mut self, check: &'static str, sentence: String, detail: Value) {
        self.lines.push((check, sentence));
        self.json.insert(check.into(), detail);
    }

    /// What only the chain can say, until it is asked.
    pub fn unchecked(&mut self, what: impl Into<String>) {
        self.unchecked.push(what.into());
    }

    /// The chain was asked.
    pub fn chain_asked(&mut self) {
        self.unchecked.clear();
    }
}

impl Verify {
    pub async fn run(self) -> Result<(), Failure> {
        let mut report = Report::default();
        let outcome = self.check(&mut report).await;
        if self.json {
            let mut all = json!({
                "verified": outcome.is_ok(), "chain": self.rpc.is_some(), "checks": report.json, "unchecked": report.unchecked,
            });
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
                for what in &report.unchecked {
                    println!("{:<10} {what}", "unchecked");
                }
                match report.unchecked.is_empty() {
                    true => println!("verified"),
                    false => println!("verified, except what is unchecked: give a node of the chain with --rpc"),
                }
            }
        }
        outcome
    }

    async fn check(&self, report: &mut Report) -> Result<(), Failure> {
        let bytes = input::bounded(&self.file, MAX_PACKET as u64)?;
        if is_packet(&bytes) {
            return self.check_packet(&bytes, report).await;
        }
        if self.block_hash.is_some() {
            return Err(Failure::Input(
                "--block-hash is of a packet with state proofs; a receipt has none".into(),
            ));
        }
        let receipt = Receipt::parse(&bytes)?;
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
        let client = self.client(receipt.deployment(), report).await?;
        let client = client.ok_or_else(|| {
            Failure::Input("a receipt proves nothing without the chain; give a node of it with --rpc".into())
        })?;
        let block = check_anchor(&client, &receipt, report).await?;
        check_author(&client, &receipt, block, report).await?;
        if let Some(content) = self.place.content().await? {
            check_content(&content, &receipt, report).await?;
        }
        Ok(())
    }

    async fn check_packet(&self, bytes: &[u8], report: &mut Report) -> Result<(), Failure> {
        let packet = packet::read(bytes, report)?;
        packet::state(&packet, self.block_hash, report)?;
        if let Some(content) = self.place.content().await? {
            packet::documents(&packet, &content, report).await?;
        }
        match self.client(packet.deployment(), report).await? {
            Some(client) => {
                packet::on_chain(&packet, &client, report).await?;
                report.chain_asked();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The node, if one was given, found to serve the very contracts the file speaks of.
    async fn client(&self, contracts: Contracts, report: &mut Report) -> Result<Option<Client>, Failure> {
        self.check_deployment(&contracts)?;
        let Some(rpc) = &self.rpc else { return Ok(None) };
        let client = Client::connect(rpc, contracts).await?;
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
        Ok(Some(client))
    }

    fn check_deployment(&self, found: &Contracts) -> Result<(), Failure> {
        let Some(path) = &self.deployment else { return Ok(()) };
        if input::deployment(path)? == *found {
            Ok(())
        } else {
            Err(Failure::Chain(format!(
                "the file speaks of another deployment than {}",
                path.display()
            )))
        }
    }
}

/// By its form or by its format's name, so that one changed byte does not make it pass for a broken receipt.
fn is_packet(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"chartseal-packet/";
    bytes.starts_with(br#"{"packet""#) || bytes.windows(NAME.len()).any(|window| window == NAME)
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
