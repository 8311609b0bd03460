//! Several records at once: one audit entry per compartment and epoch, which names them all.

use std::collections::{BTreeMap, HashMap};

use chartseal_record::Compartment;
use chartseal_store::Record;

use super::{Opened, open_with, purpose, secret};
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{json::Json, reference::RecordId},
    problem::{Code, Problem},
};

/// Opens records in their order and keeps those that `fit`. A grant that ended since they were listed hides its records,
/// as if it had ended before.
pub async fn open(
    app: &App,
    caller: &Caller,
    rows: Vec<Record>,
    fit: impl Fn(&Json) -> bool,
) -> Result<Vec<(Record, Opened)>, Problem> {
    let mut names: BTreeMap<(Compartment, u32), Vec<String>> = BTreeMap::new();
    for row in &rows {
        names
            .entry((row.compartment, row.epoch))
            .or_default()
            .push(RecordId(row.record_id).to_string());
    }
    let mut secrets = HashMap::new();
    let mut opened = Vec::with_capacity(rows.len());
    for row in rows {
        let place = (row.compartment, row.epoch);
        if let Some(mut names) = names.remove(&place) {
            names.dedup();
            match secret(app, caller, &row, purpose(caller), Some(names.join(" "))).await {
                Ok(secret) => drop(secrets.insert(place, secret)),
                Err(problem) if problem.code == Code::NotLive => continue,
                Err(problem) => return Err(problem),
            }
        }
        let Some(secret) = secrets.get(&place) else { continue };
        let one = open_with(app, secret, &row).await?;
        if fit(&one.json) {
            opened.push((row, one));
        }
    }
    Ok(opened)
}
