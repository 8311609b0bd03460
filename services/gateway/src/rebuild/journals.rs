//! Journals, which go on behind the last entry that was anchored: each is sealed, part by part, into its patient's `audit`
//! compartment.

use alloy::primitives::Address;
use chartseal_record::{
    Compartment, Scope,
    audit::{self, Recorded},
};
use chartseal_store::{AuditEntry, RecordQuery};

use crate::{
    anchored::{Access, Keys, Lost, Place, Tally},
    app::App,
    custody::Patient,
    problem::{Failure, Problem},
    read,
    vault::Kind,
};

/// Records of one page.
const PAGE: u32 = 100;

/// Puts the anchored entries of every journal that is kept here back in front of what the rebuild itself wrote down, and
/// says how many. A journal that is not whole comes back up to its first fault.
pub async fn restore(app: &App, keys: &mut Keys, tally: &mut Tally) -> Result<u64, Problem> {
    let mut restored = 0;
    for who in app.index.patients() {
        let Ok(patient) = Patient::of(app, who) else { continue };
        let mut entries = anchored(app, keys, &patient).await?;
        // Batches are anchored in the order of the chain, entries in their own; sealed again for a later epoch, a record
        // comes back twice.
        entries.sort_by_key(|entry| entry.sequence);
        entries.dedup();
        if let Some((from, why)) = first_fault(&entries) {
            tally.lost.push(Lost {
                what: format!("anchored audit entries of {who} from number {} on", from + 1),
                why,
            });
            entries.truncate(from);
        }
        let rows: Vec<AuditEntry> = (entries.iter())
            .map(|entry| row(app, entry))
            .collect::<Result<_, Failure>>()?;
        if app.store.restore_journal(&rows).await? {
            restored += rows.len() as u64;
        }
    }
    Ok(restored)
}

/// The entries of the custodian's own records in the patient's `audit` compartment.
async fn anchored(app: &App, keys: &mut Keys, patient: &Patient) -> Result<Vec<Recorded>, Problem> {
    let compartment = Compartment::of(patient.id(), &Scope::audit());
    let place = Place {
        patient: patient.id(),
        scope: Scope::audit(),
        compartment,
    };
    let mut wanted = RecordQuery {
        org: Some(patient.custodian),
        compartments: Some(vec![compartment]),
        limit: PAGE,
        ..RecordQuery::default()
    };
    let mut entries = Vec::new();
    loop {
        let page = app.store.find_records(&wanted).await?;
        for record in &page {
            // What did not open when it was found is in the tally already.
            let Access::Open(secrets) = keys.access(app, &place).await? else {
                return Ok(entries);
            };
            let Some(secret) = secrets.get(&record.epoch) else {
                continue;
            };
            let resource = read::open_with(app, &read::Key::Epoch(secret.clone()), record)
                .await?
                .json
                .to_bytes();
            let own = |entry: &Recorded| (entry.keeper, entry.entry.patient) == (record.author, patient.id());
            // Anything else in this compartment is no part of the journal.
            let held = audit::in_bundle(&resource).unwrap_or_default();
            entries.extend(
                held.into_iter()
                    .filter(|entry| record.author == patient.custodian && own(entry)),
            );
        }
        match page.last() {
            Some(last) => wanted.before = Some(last.seq),
            None => return Ok(entries),
        }
    }
}

/// How many entries are whole before the first that is not, and what is wrong with it.
fn first_fault(entries: &[Recorded]) -> Option<(usize, String)> {
    let before = |at: usize| at.checked_sub(1).map(|before| &entries[before]);
    (0..entries.len()).find_map(|at| {
        let fault = audit::check(before(at), &entries[at..=at]).err()?;
        Some((at, fault.to_string()))
    })
}

fn row(app: &App, recorded: &Recorded) -> Result<AuditEntry, Failure> {
    let patient: Address = recorded.entry.patient;
    let json = serde_json::to_vec(&recorded.entry).map_err(|_| Failure::Broken("an audit entry is not JSON"))?;
    let sealed = app
        .vault
        .seal(recorded.keeper, Kind::Audit, &patient.to_string(), &json)?;
    Ok(AuditEntry {
        org: recorded.keeper,
        patient,
        seq: recorded.sequence,
        recorded_at: recorded.recorded_at,
        previous: recorded.previous,
        hash: recorded.hash,
        digest: recorded.entry.digest(),
        sealed: sealed.into(),
    })
}
