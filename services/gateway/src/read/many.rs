//! Several records at once: one audit entry per compartment and epoch, which names them all, and one for each that is granted
//! alone. All of them become durable together, before the first is opened.

use std::collections::{BTreeMap, HashMap, hash_map::Entry as Place};

use chartseal_record::Compartment;
use chartseal_store::{NewAudit, Record};

use super::{Key, Opened, entry, open_with, purpose};
use crate::{
    app::App,
    audit,
    auth::caller::Caller,
    custody::{
        epochs,
        open::{self, Admitted},
        single,
    },
    fhir::{json::Json, reference::RecordId},
    problem::{Code, Problem},
};

/// By what a record is opened.
enum Right {
    /// What opens its epoch.
    Epoch,
    Alone(Box<single::Grantee>),
}

type Epochs = HashMap<(Compartment, u32), Admitted>;

/// Opens records in their order and keeps those that `fit`, after `entries` and its own are durable. A grant that ended since they
/// were listed hides its records, as if it had ended before.
pub async fn open(
    app: &App,
    caller: &Caller,
    rows: Vec<Record>,
    mut entries: Vec<NewAudit>,
    fit: impl Fn(&Json) -> bool,
) -> Result<Vec<(Record, Opened)>, Problem> {
    let rows = rights(app, caller, rows, &mut entries).await?;
    let mut epochs = admit(app, caller, &rows, &mut entries).await?;
    let written = audit::write(app, entries).await?;
    let mut keys: HashMap<(Compartment, u32), Option<Key>> = HashMap::new();
    let mut opened = Vec::with_capacity(rows.len());
    for (row, right) in rows {
        let alone;
        let key = match right {
            Right::Alone(grantee) => {
                alone = unless_ended(grantee.open(app, &row, &written).await.map(Key::Alone))?;
                alone.as_ref()
            }
            Right::Epoch => match keys.entry((row.compartment, row.epoch)) {
                Place::Occupied(known) => known.into_mut().as_ref(),
                Place::Vacant(free) => {
                    let key = match epochs.remove(free.key()) {
                        Some(admitted) => unless_ended(admitted.open(app, &written).await.map(Key::Epoch))?,
                        None => None,
                    };
                    free.insert(key).as_ref()
                }
            },
        };
        let Some(key) = key else { continue };
        let one = open_with(app, key, &row).await?;
        if fit(&one.json) {
            opened.push((row, one));
        }
    }
    Ok(opened)
}

/// By what each row is opened; with the entries of those that are granted alone.
async fn rights(
    app: &App,
    caller: &Caller,
    rows: Vec<Record>,
    entries: &mut Vec<NewAudit>,
) -> Result<Vec<(Record, Right)>, Problem> {
    let mut rights = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(grant) = super::alone(app, caller, &row).await? else {
            rights.push((row, Right::Epoch));
            continue;
        };
        let who = (caller.account, caller.org);
        let entry = entry(caller, &row, purpose(caller), RecordId(row.record_id).to_string());
        if let Some((grantee, entry)) = unless_ended(single::admit(app, who, &row, &grant, entry).await)? {
            entries.push(entry);
            rights.push((row, Right::Alone(Box::new(grantee))));
        }
    }
    Ok(rights)
}

/// Admits the caller to the epochs of the other rows; with their entries. What it is not admitted to is not among them.
async fn admit(
    app: &App,
    caller: &Caller,
    rows: &[(Record, Right)],
    entries: &mut Vec<NewAudit>,
) -> Result<Epochs, Problem> {
    let mut places: BTreeMap<(Compartment, u32), (&Record, Vec<String>)> = BTreeMap::new();
    for (row, _) in rows.iter().filter(|(_, right)| matches!(right, Right::Epoch)) {
        let (_, names) = places.entry((row.compartment, row.epoch)).or_insert((row, Vec::new()));
        names.push(RecordId(row.record_id).to_string());
    }
    let slot = |row: &Record| epochs::slot(row.patient, caller.account, &row.scope);
    let refused = app.store.refusals(places.values().map(|(row, _)| slot(row))).await?;
    let mut epochs = HashMap::with_capacity(places.len());
    for (place, (row, mut names)) in places {
        names.dedup();
        let entry = entry(caller, row, purpose(caller), names.join(" "));
        let at = (row.patient, &row.scope, row.epoch);
        if let Some((admitted, entry)) = unless_ended(open::admit(app, caller, at, entry, Some(&refused)).await)? {
            entries.push(entry);
            epochs.insert(place, admitted);
        }
    }
    Ok(epochs)
}

fn unless_ended<T>(right: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match right {
        Ok(right) => Ok(Some(right)),
        Err(problem) if problem.code == Code::NotLive => Ok(None),
        Err(problem) => Err(problem),
    }
}
