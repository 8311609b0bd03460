//! `open`: a sealed record, with an epoch's identity, or with a grantee's identity, a release and the wrap.

use std::path::PathBuf;

use chartseal_chain::Client;
use chartseal_envelope::{
    Error,
    key::{Identity, PublicKey},
    record::{self, OpenedRecord},
};
use chartseal_ipfs::Content;
use chartseal_record::{Address, Bytes, Compartment, ContentHash, Contracts, receipt::Receipt};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    attachments, author,
    failure::Failure,
    grant::{Granted, Release},
    input,
    output::{self, Output},
    place,
    place::Place,
    verify,
};

/// Opens a sealed record: checks its bytes against the CID, decrypts, and checks resource, padding and, if a receipt
/// or a grant tells it, the compartment. The resource goes to standard output (or -o), what was found to standard error.
///
/// The identity is an epoch's secret, or your own encryption key together with a release and its wrap
/// (from --wrap and --epoch-key, or from the chain by --rpc, then links lead to older epochs too).
/// A release of a grant of one record brings its wrap; --rpc then shows that it is the record the patient granted.
/// The author's signature is recovered if a receipt or release names the contracts, and checked against the
/// Directory at the anchor's block if both --receipt and --rpc are given.
///
/// Examples:
///   chartseal-reader open --identity epoch.key --ipfs ./content bafkrei…
///   chartseal-reader open --identity doctor.key --release release.json --rpc http://127.0.0.1:8545 --ipfs ./content bafkrei…
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Open {
    /// File with AGE-SECRET-KEY-1… lines
    #[arg(long, short, value_name = "FILE")]
    identity: PathBuf,
    /// JSON {chainId, contracts, slot, serial, epoch, nonce, release}; of a grant of one record also record {cid, salt, wrap}
    #[arg(long, value_name = "FILE")]
    release: Option<PathBuf>,
    /// The wrap, 80 bytes of hex, where the chain is not asked
    #[arg(long, value_name = "HEX", requires_all = ["release", "epoch_key"])]
    wrap: Option<Bytes>,
    /// The public key of the wrap's epoch, age1… or hex
    #[arg(long, value_name = "KEY", requires = "wrap", value_parser = public_key)]
    epoch_key: Option<PublicKey>,
    /// A node of the chain, http(s) or ws(s)
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
    /// The record's receipt: names contracts, compartment and anchor
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Also fetch and decrypt the attachments into this folder, named by their CIDs
    #[arg(long, value_name = "DIR")]
    attachments: Option<PathBuf>,
    /// Where the resource goes; standard output without it
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
    /// One JSON object on standard output, the resource in it
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// The record
    #[arg(value_name = "CID")]
    cid: ContentHash,
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    if text.starts_with("age1") {
        return text.parse().map_err(|e: Error| e.to_string());
    }
    let bytes: Bytes = text
        .parse()
        .map_err(|_| "expected age1… or 32 bytes of hex".to_owned())?;
    PublicKey::try_from(bytes.as_ref()).map_err(|e| e.to_string())
}

/// What is known about a record beside its bytes.
#[derive(Default)]
struct Known {
    contracts: Option<Contracts>,
    compartment: Option<Compartment>,
    receipt: Option<Receipt>,
    signer: Option<Address>,
    signer_checked: bool,
}

impl Open {
    pub async fn run(self) -> Result<(), Failure> {
        let identities = input::identities(&self.identity)?;
        let release = self.release.as_deref().map(Release::read).transpose()?;
        let receipt = self.receipt.as_deref().map(input::receipt).transpose()?;
        let mut known = self.known(release.as_ref(), receipt.as_ref())?;
        let client = self.client(known.contracts).await?;
        let content = self.place.needed().await?;
        let sealed = place::block(&content, "the record", &self.cid.cid()).await?;
        let opened = match &release {
            None => open_with(&identities, known.compartment, &sealed)?,
            Some(release) if release.is_of_record() => {
                let client = client.as_ref().ok_or_else(|| {
                    Failure::Input("the release is of one record: give a node with --rpc, which has the grant".into())
                })?;
                release
                    .open_record(client, &identities, self.cid, known.compartment, &sealed)
                    .await?
            }
            Some(release) => {
                let keys = self
                    .keys_of_grant(release, &identities, client.as_ref(), &mut known)
                    .await?;
                open_with(&keys, known.compartment, &sealed)?
            }
        };
        check_author(&opened, client.as_ref(), &mut known).await?;
        let documents = self.write_attachments(&content, &opened).await?;
        self.print(&opened, &known, &documents)
    }

    fn known(&self, release: Option<&Release>, receipt: Option<&Receipt>) -> Result<Known, Failure> {
        let mut known = Known::default();
        if let Some(release) = release {
            known.contracts = Some(release.contracts());
        }
        let Some(receipt) = receipt else { return Ok(known) };
        if receipt.cid != self.cid {
            return Err(Failure::Input(format!(
                "the receipt is of {}, not of {}",
                receipt.cid, self.cid
            )));
        }
        let contracts = receipt.deployment();
        if known.contracts.is_some_and(|other| other != contracts) {
            return Err(Failure::Input("release and receipt are of two deployments".into()));
        }
        known.contracts = Some(contracts);
        known.compartment = Some(receipt.compartment);
        known.receipt = Some(receipt.clone());
        Ok(known)
    }

    async fn client(&self, contracts: Option<Contracts>) -> Result<Option<Client>, Failure> {
        let Some(url) = &self.rpc else { return Ok(None) };
        let contracts = contracts
            .ok_or_else(|| Failure::Input("--rpc needs --release or --receipt, which name the contracts".into()))?;
        let client = Client::connect(url, contracts).await?;
        client.check_contracts().await?;
        Ok(Some(client))
    }

    /// Epoch identities, newest first.
    async fn keys_of_grant(
        &self,
        release: &Release,
        identities: &[Identity],
        client: Option<&Client>,
        known: &mut Known,
    ) -> Result<Vec<Identity>, Failure> {
        let secrets = match (&self.wrap, &self.epoch_key, client) {
            (Some(wrap), Some(key), _) => vec![release.unwrap(identities, wrap, key)?],
            (_, _, Some(client)) => {
                let granted = Granted::look_up(client, release).await?;
                if known
                    .compartment
                    .is_some_and(|compartment| compartment != granted.compartment)
                {
                    return Err(Failure::Input(
                        "the release is for another compartment than the receipt's".into(),
                    ));
                }
                known.compartment = Some(granted.compartment);
                granted.secrets(release, identities)?
            }
            _ => {
                return Err(Failure::Input(
                    "give the wrap with --wrap and --epoch-key, or a node with --rpc".into(),
                ));
            }
        };
        Ok(secrets.iter().map(|secret| secret.identity().clone()).collect())
    }

    async fn write_attachments(&self, content: &Content, opened: &OpenedRecord) -> Result<Vec<PathBuf>, Failure> {
        let Some(folder) = &self.attachments else {
            return Ok(Vec::new());
        };
        output::make_folder(folder)?;
        let mut written = Vec::new();
        for attachment in &opened.header.attachments {
            written.push(attachments::write(content, attachment, folder).await?);
        }
        Ok(written)
    }

    fn print(&self, opened: &OpenedRecord, known: &Known, documents: &[PathBuf]) -> Result<(), Failure> {
        if self.json {
            println!("{}", as_json(self.cid, opened, known, documents));
            return Ok(());
        }
        let statement = &opened.header.statement;
        eprintln!(
            "record     {} version {}, {} bytes",
            statement.id,
            statement.version,
            opened.resource.len()
        );
        eprintln!(
            "place      compartment {}{}",
            statement.compartment.0,
            match known.compartment {
                Some(_) => ", as expected",
                None => " (it says so itself; give --receipt to check)",
            }
        );
        eprintln!(
            "author     {} at {}{}",
            statement.author,
            statement.authored_at,
            match (known.signer, known.signer_checked) {
                (None, _) => " (signature not checked; give --receipt and --rpc)".to_owned(),
                (Some(signer), false) =>
                    format!(", signed by {signer} (not checked to be the author's; give --receipt and --rpc)"),
                (Some(signer), true) => format!(", signed by {signer}, which may sign for it"),
            }
        );
        for attachment in &opened.header.attachments {
            eprintln!("attachment {}, {} bytes", attachment.cid, attachment.size);
        }
        for path in documents {
            eprintln!("written    {}", path.display());
        }
        let mut output = Output::to(self.output.as_deref())?;
        output.write(&opened.resource)?;
        if self.output.is_none() {
            output.write(b"\n")?;
        }
        output.finish()
    }
}

/// Tries the keys in turn. Only "not for me" leads to the next one.
fn open_with(keys: &[Identity], compartment: Option<Compartment>, sealed: &[u8]) -> Result<OpenedRecord, Failure> {
    for key in keys {
        let opened = match compartment {
            Some(compartment) => record::open(key, compartment, sealed),
            None => record::open_anywhere(key, sealed),
        };
        match opened {
            Err(Error::NoMatch) => {}
            other => return Ok(other?),
        }
    }
    Err(Error::NoMatch.into())
}

async fn check_author(opened: &OpenedRecord, client: Option<&Client>, known: &mut Known) -> Result<(), Failure> {
    let Some(contracts) = known.contracts else {
        return Ok(());
    };
    let signer = author::signer(&opened.header.statement, &opened.header.signature, &contracts)?;
    known.signer = Some(signer);
    // Keys come and go: whether this one was the author's is a question about the anchor's block.
    if let (Some(client), Some(receipt)) = (client, &known.receipt) {
        let block = verify::anchored(client, receipt).await?;
        author::check(client, &opened.header.statement, signer, block).await?;
        known.signer_checked = true;
    }
    Ok(())
}

fn as_json(cid: ContentHash, opened: &OpenedRecord, known: &Known, documents: &[PathBuf]) -> Value {
    let header = &opened.header;
    // File keys stay out: what is printed ends in logs.
    let attachments: Vec<Value> = (header.attachments.iter())
        .map(|a| json!({ "cid": a.cid.to_string(), "size": a.size, "sha256": a.sha256 }))
        .collect();
    let resource = serde_json::from_slice::<Value>(&opened.resource)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&opened.resource).into_owned()));
    json!({
        "cid": cid.to_string(), "statement": header.statement, "signature": header.signature,
        "compartmentChecked": known.compartment.is_some(), "signer": known.signer, "signerChecked": known.signer_checked,
        "attachments": attachments, "written": documents, "resource": resource,
    })
}
