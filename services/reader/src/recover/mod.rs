//! `recover`: everything of a patient, from the root backup, a node and the bytes on IPFS.

mod keys;
mod record;

use std::{
    collections::HashSet,
    io::{IsTerminal, stdin},
    path::PathBuf,
};

use chartseal_chain::Client;
use chartseal_envelope::backup::{self, RootBackup};
use chartseal_ipfs::Content;
use chartseal_record::{
    B256,
    event::{Event, Logged},
    manifest::{self, Entry},
};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use self::{keys::Keys, record::Recovered};
use crate::{
    failure::Failure,
    history, input,
    output::{self, Output},
    place::{self, Place},
};

/// Recovers every record of a patient with the root backup, a node of the chain and a place with the sealed bytes: no
/// gateway is asked. Reads the chain's events, then the manifest of every anchored batch, and opens what is the
/// patient's. Each record is written to OUT/SCOPE/ID/VERSION.json with its documents beside it, named by their CIDs, and
/// OUT/recovered.json says what each is, who signed it, and what could not be brought back (exit code 8).
///
/// The passphrase is asked for on a terminal, else it is the first line of standard input. What is written is
/// plaintext, readable by its owner alone.
///
/// Example: chartseal-reader recover --root root.age --deployment deployment.json --rpc http://127.0.0.1:8545 --ipfs ./content --out records
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Recover {
    /// The backup of the root that the patient got at enrolment
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// File with the backup's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// JSON {"chainId", "contracts": {"directory", "consent", "anchors"}}, as any gateway's /v1/deployment gives it
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    /// A node of the chain, http(s) or ws(s)
    #[arg(long, value_name = "URL")]
    rpc: String,
    #[command(flatten)]
    place: Place,
    /// Folder to write to; made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The list also on standard output, and no progress
    #[arg(long)]
    json: bool,
}

/// What could not be brought back.
#[derive(Serialize)]
struct Lost {
    what: String,
    why: String,
}

/// One of the patient's records, and where it is anchored.
struct Found {
    entry: Entry,
    block: u64,
    transaction: B256,
}

impl Recover {
    pub async fn run(self) -> Result<(), Failure> {
        let backup = self.open_backup()?;
        let contracts = input::deployment(&self.deployment)?;
        if (backup.chain_id, backup.consent) != (contracts.chain_id, contracts.consent) {
            return Err(Failure::Input(format!(
                "the backup is for Consent {} on chain {}, the deployment has {} on chain {}",
                backup.consent, backup.chain_id, contracts.consent, contracts.chain_id
            )));
        }
        let content = self.place.needed().await?;
        let client = Client::connect(&self.rpc, contracts).await?;
        client.check_contracts().await?;
        output::make_folder(&self.out)?;

        self.say("reading the chain");
        let events = history::read(&client).await?;
        let keys = Keys::derive(&backup.root, &contracts, backup.patient, &events);
        let (found, mut lost) = self.search(&content, &keys, &events).await?;
        let (mut records, mut taken) = (Vec::new(), HashSet::new());
        for (at, place) in found.iter().enumerate() {
            if at % 100 == 0 {
                self.say(&format!(
                    "opening records {} to {} of {}",
                    at + 1,
                    found.len().min(at + 100),
                    found.len()
                ));
            }
            match record::recover(&client, &content, &keys, place, &self.out, &mut taken).await {
                Ok((record, documents)) => {
                    records.push(record);
                    lost.extend(documents);
                }
                Err(failure) => lost.push(bearable(&format!("record {}", place.entry.content), failure)?),
            }
        }
        self.finish(&backup, &records, &lost)
    }

    fn say(&self, what: &str) {
        if !self.json {
            eprintln!("… {what}");
        }
    }

    fn open_backup(&self) -> Result<RootBackup, Failure> {
        let asked = |source| Failure::File {
            doing: "read the passphrase from",
            path: "standard input".into(),
            source,
        };
        let passphrase = match &self.passphrase_file {
            Some(file) => {
                let bytes = input::small_file(file)?;
                Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
            }
            None if stdin().is_terminal() => {
                Zeroizing::new(rpassword::prompt_password("Passphrase of the backup: ").map_err(asked)?)
            }
            None => {
                let mut line = Zeroizing::new(String::new());
                stdin().read_line(&mut line).map_err(asked)?;
                line
            }
        };
        Ok(backup::open(passphrase.trim(), &input::small_file(&self.root)?)?)
    }

    /// The patient's entries in every anchored manifest, in the chain's order, each content once.
    async fn search(
        &self,
        content: &Content,
        keys: &Keys,
        events: &[Logged],
    ) -> Result<(Vec<Found>, Vec<Lost>), Failure> {
        let anchors: Vec<_> = (events.iter())
            .filter_map(|logged| match logged.event {
                Event::Anchored { root, manifest, .. } => Some((logged, root, manifest)),
                _ => None,
            })
            .collect();
        let (mut found, mut lost, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (at, (logged, root, digest)) in anchors.iter().enumerate() {
            if at % 100 == 0 {
                self.say(&format!(
                    "searching batches {} to {} of {}",
                    at + 1,
                    anchors.len().min(at + 100),
                    anchors.len()
                ));
            }
            // Whose records a missing batch held, nobody can say: it is listed, whether or not it matters.
            let batch = match place::batch(content, *root, *digest).await {
                Ok(batch) => batch,
                Err(failure) => {
                    lost.push(bearable(&format!("batch {}", manifest::cid(*digest)), failure)?);
                    continue;
                }
            };
            let of_the_patient = batch
                .entries()
                .iter()
                .filter(|entry| keys.scopes.contains_key(&entry.compartment));
            for entry in of_the_patient {
                if seen.insert((entry.compartment, entry.content)) {
                    found.push(Found {
                        entry: *entry,
                        block: logged.block,
                        transaction: logged.transaction,
                    });
                }
            }
        }
        Ok((found, lost))
    }

    fn finish(&self, backup: &RootBackup, records: &[Recovered], lost: &[Lost]) -> Result<(), Failure> {
        let list = json!({
            "format": "chartseal-recovered/1", "chainId": backup.chain_id, "consent": backup.consent,
            "patient": backup.patient, "records": records, "lost": lost,
        });
        let path = self.out.join("recovered.json");
        let mut output = Output::to(Some(&path))?;
        output.write(format!("{list:#}\n").as_bytes())?;
        output.finish()?;
        if self.json {
            println!("{list}");
        } else {
            let documents: usize = records.iter().map(Recovered::documents).sum();
            let unsigned = records.iter().filter(|record| !record.is_signed()).count();
            println!(
                "{} records with {documents} documents are in {}",
                records.len(),
                self.out.display()
            );
            if unsigned > 0 {
                println!("{unsigned} of them are not signed by who they say; the list tells which");
            }
        }
        match lost.len() {
            0 => Ok(()),
            lost => Err(Failure::Incomplete { lost, list: path }),
        }
    }
}

/// One thing that is lost is listed and the rest goes on; with nobody to ask, or no disk to write to, nothing does.
fn bearable(what: &str, failure: Failure) -> Result<Lost, Failure> {
    match failure {
        Failure::Unreachable(_) | Failure::File { .. } | Failure::Input(_) => Err(failure),
        failure => Ok(Lost {
            what: what.into(),
            why: failure.to_string(),
        }),
    }
}
