//! Several records at once: one audit entry per compartment and epoch, which names them all, and one for each that is granted
//! alone.

use std::collections::{BTreeMap, HashMap};

use chartseal_record::Compartment;
use chartseal_store::Record;

use super::{Key, Opened, key_alone, open_with, purpose, secret};
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
    let mut alone = HashMap::new();
    for row in &rows {
        match super::alone(app, caller, row).await? {
            Some(grant) => drop(alone.insert(row.seq, grant)),
            None => names
                .entry((row.compartment, row.epoch))
                .or_default()
                .push(RecordId(row.record_id).to_string()),
        }
    }
    let mut keys = HashMap::new();
    let mut opened = Vec::with_capacity(rows.len());
    for row in rows {
        let place = (row.compartment, row.epoch);
        let own = match alone.remove(&row.seq) {
            Some(grant) => match unless_ended(key_alone(app, caller, &row, &grant, purpose(caller)).await)? {
                None => continue,
                key => key,
            },
            None => None,
        };
        if own.is_none()
            && let Some(mut names) = names.remove(&place)
        {
            names.dedup();
            let key = secret(app, caller, &row, purpose(caller), names.join(" ")).await;
            keys.extend(unless_ended(key)?.map(|key| (place, key)));
        }
        let Some(key) = own.as_ref().or_else(|| keys.get(&place)) else {
            continue;
        };
        let one = open_with(app, key, &row).await?;
        if fit(&one.json) {
            opened.push((row, one));
        }
    }
    Ok(opened)
}

fn unless_ended(key: Result<Key, Problem>) -> Result<Option<Key>, Problem> {
    match key {
        Ok(key) => Ok(Some(key)),
        Err(problem) if problem.code == Code::NotLive => Ok(None),
        Err(problem) => Err(problem),
    }
}
