//! `verify-audit`: whether a journal of who did what is whole, by itself and beside what was anchored of it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use chartseal_record::{
    Address,
    audit::{self, Fault, Recorded},
};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::failure::Failure;

/// The longest journal that is read, in bytes: about 500,000 entries.
const LIMIT: u64 = 256 << 20;

/// Checks a patient's audit trail: that no entry is missing, changed or out of order, and names the first that is. JOURNAL
/// is what GET /v1/audit gave, one JSON array after another. A custodian can cut its own journal short, or write it anew
/// from some entry on; what was anchored before gives that away: --recovered names the folder that
/// `chartseal-reader recover` filled from the chain, and every entry found there must be in the journal as it is there.
/// Without JOURNAL the anchored entries are checked by themselves.
///
/// Example: chartseal-reader verify-audit --recovered records journal.json
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyAudit {
    /// Pages of GET /v1/audit, oldest first
    #[arg(value_name = "JOURNAL", required_unless_present = "recovered")]
    journal: Option<PathBuf>,
    /// Folder that `recover` wrote
    #[arg(long, value_name = "DIR")]
    recovered: Option<PathBuf>,
    /// The verdict as JSON
    #[arg(long)]
    json: bool,
}

/// What this needs of `recovered.json`.
#[derive(Deserialize)]
struct Recovered {
    patient: Address,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    scope: String,
    author: Address,
    signer: Option<Address>,
    file: PathBuf,
}

impl VerifyAudit {
    pub fn run(self) -> Result<(), Failure> {
        let journal = self.journal.as_deref().map(pages).transpose()?;
        let anchored = self.recovered.as_deref().map(anchored).transpose()?;
        if let Some(journal) = &journal {
            audit::check(None, journal)?;
        }
        let held = match &anchored {
            Some(anchored) => Some(hold(journal.as_deref(), anchored)?),
            None => None,
        };
        self.report(journal.map_or(held.unwrap_or(0), |journal| journal.len()), held);
        Ok(())
    }

    fn report(&self, entries: usize, held: Option<usize>) {
        if self.json {
            println!("{}", json!({ "entries": entries, "anchored": held }));
            return;
        }
        match held {
            Some(held) => println!("{entries} entries in one chain, {held} of them as they were anchored"),
            None => {
                println!("{entries} entries in one chain; that none is cut off at the end, only --recovered can say")
            }
        }
    }
}

/// How many anchored entries the journal was held against: those of its keeper, since a patient who moved has a journal with
/// each custodian. One whose keeper anchored nothing, where others did, proves nothing.
fn hold(journal: Option<&[Recorded]>, anchored: &BTreeMap<Address, Vec<Recorded>>) -> Result<usize, Fault> {
    for entries in anchored.values() {
        audit::check(None, entries)?;
    }
    let Some(journal) = journal else {
        return Ok(anchored.values().map(Vec::len).sum());
    };
    let own = journal.first().and_then(|first| anchored.get(&first.keeper));
    match (own, anchored.is_empty(), journal.first()) {
        (Some(entries), ..) => audit::covers(journal, entries).map(|()| entries.len()),
        (None, true, _) => Ok(0),
        (None, false, Some(first)) => Err(Fault::Elsewhere(first.sequence)),
        (None, false, None) => Err(Fault::Missing(1)),
    }
}

/// One array after another, as the pages came.
fn pages(path: &Path) -> Result<Vec<Recorded>, Failure> {
    let bytes = read(path)?;
    let bad = |why: serde_json::Error| {
        Failure::Input(format!(
            "{} is not a journal: {why}; expected the arrays that GET /v1/audit gives",
            path.display()
        ))
    };
    let mut entries = Vec::new();
    for page in serde_json::Deserializer::from_slice(&bytes).into_iter::<Vec<Recorded>>() {
        entries.extend(page.map_err(bad)?);
    }
    Ok(entries)
}

/// The entries of every audit record that came back, by keeper and in their order. They count only where the custodian
/// signed them.
fn anchored(folder: &Path) -> Result<BTreeMap<Address, Vec<Recorded>>, Failure> {
    let list = folder.join("recovered.json");
    let recovered: Recovered = serde_json::from_slice(&read(&list)?)
        .map_err(|e| Failure::Input(format!("{} is not the list of a recovery: {e}", list.display())))?;
    let mut journals: BTreeMap<Address, Vec<Recorded>> = BTreeMap::new();
    for record in recovered.records.iter().filter(|record| record.scope == "audit") {
        let file = folder.join(&record.file);
        if record.signer.is_none() {
            let why = format!("{} is not signed by its author, so it proves nothing", file.display());
            return Err(Failure::Author(why));
        }
        let held = audit::in_bundle(&read(&file)?)
            .map_err(|why| Failure::Input(format!("{} is not a part of a journal: {why}", file.display())))?;
        let foreign = |entry: &&Recorded| entry.keeper != record.author || entry.entry.patient != recovered.patient;
        if let Some(entry) = held.iter().find(foreign) {
            return Err(Fault::Elsewhere(entry.sequence).into());
        }
        journals.entry(record.author).or_default().extend(held);
    }
    for entries in journals.values_mut() {
        // Batches are anchored in the order of the chain, entries in their own.
        entries.sort_by_key(|entry| entry.sequence);
        // Sealed again for a later epoch, a record comes back twice.
        entries.dedup();
    }
    Ok(journals)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::File {
        doing: "read",
        path: path.into(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Failure::Input(format!("{} is larger than 256 MiB", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use chartseal_record::B256;

    use super::*;

    fn journal(keeper: u8) -> Vec<Recorded> {
        let entry = json!({
            "keeper": Address::repeat_byte(keeper), "sequence": 1, "recordedAt": 1_700_000_000, "previous": B256::ZERO,
            "hash": B256::ZERO, "nonce": B256::repeat_byte(7), "patient": Address::repeat_byte(1),
            "actor": Address::repeat_byte(2), "action": "read", "purpose": "TREAT", "subject": { "scope": "clinical" },
        });
        let mut entry: Recorded = serde_json::from_value(entry).expect("an entry");
        entry.hash = entry.expected_hash();
        vec![entry]
    }

    #[test]
    fn a_journal_is_held_against_its_own_keepers_entries() {
        let (ours, theirs) = (journal(8), journal(9));
        let anchored: BTreeMap<_, _> = [&ours, &theirs].map(|all| (all[0].keeper, all.clone())).into();
        assert_eq!(hold(Some(&ours), &anchored), Ok(1));
        assert_eq!(hold(None, &anchored), Ok(2));
        assert_eq!(hold(Some(&journal(3)), &anchored), Err(Fault::Elsewhere(1)));
        assert_eq!(hold(Some(&[]), &anchored), Err(Fault::Missing(1)));
        assert_eq!(hold(Some(&ours), &BTreeMap::new()), Ok(0));
    }
}
