//! Which records a search may match, before anything is opened: rows in compartments the caller may read now, and rows it
//! was granted alone.

use std::collections::{HashMap, HashSet};

use alloy::primitives::{Address, B256};
use chartseal_record::Compartment;
use chartseal_store::{Record, RecordQuery};

use super::{
    kind::Kind,
    outcome::Outcome,
    reference::{PatientRef, RecordId},
    search::{Criterion, Query},
};
use crate::{
    app::App,
    auth::caller::Caller,
    blind,
    custody::single,
    problem::{Code, Problem},
    read::{self, named},
    write,
};

/// Candidates one search may have. More is a search to be narrowed: each page counts its matches among them.
const MOST: u32 = 10_000;
/// Compartments one search may span: each is a grant to be judged, and a value in an SQL list.
const MOST_COMPARTMENTS: usize = 5_000;

/// The newest versions that may match, newest arrival first.
pub async fn candidates(app: &App, caller: &Caller, kind: Kind, query: &Query) -> Result<Vec<Record>, Outcome> {
    let Some(patients) = patients(app, query).await? else {
        return Ok(vec![]);
    };
    let ids = query
        .criteria
        .iter()
        .find_map(|c| if let Criterion::Id(ids) = c { Some(ids) } else { None });
    // An identifier or an id names few records, so the grants behind them are asked afterwards. A type or a patient
    // names many, and how many there are beyond the caller's grants is nothing it should feel.
    let mut rows = match ids {
        Some(ids) => readable(app, caller.account, by_ids(app, ids).await?).await?,
        None if query.names_few() => few(app, caller, kind, query).await?,
        None => {
            let compartments = read::compartments(app, caller, &patients, None).await?;
            if compartments.len() > MOST_COMPARTMENTS {
                return Err(too_wide(format!(
                    "this spans more than {MOST_COMPARTMENTS} scopes of patients"
                )));
            }
            let alone = single::live_values(app, caller.account, &patients).await?;
            if alone.1.len() > MOST_COMPARTMENTS {
                return Err(too_wide(format!(
                    "this spans more than {MOST_COMPARTMENTS} records granted alone"
                )));
            }
            let mut rows = find(app, kind, query, Some(compartments), None).await?;
            rows.extend(find(app, kind, query, None, Some(alone)).await?);
            rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
            rows.dedup_by_key(|row| row.seq);
            rows
        }
    };
    if rows.len() >= MOST as usize {
        return Err(too_wide(format!("{MOST} records or more match")));
    }
    // A repeated `_id` means both, and rows were looked up by the first.
    let is_named = |row: &Record| {
        query.criteria.iter().all(|c| match c {
            Criterion::Id(ids) => ids.contains(&RecordId(row.record_id)),
            _ => true,
        })
    };
    rows.retain(|row| {
        row.resource_type == kind.as_str() && (patients.is_empty() || patients.contains(&row.patient)) && is_named(row)
    });
    Ok(rows)
}

fn too_wide(what: String) -> Outcome {
    Outcome::new(Code::InvalidSearch, format!("{what}; name a patient or an identifier"))
}

/// Who names an identifier or a record is answered by the same work whether or not it may read what has it; what else the
/// search asks for is asked of what it may read.
async fn few(app: &App, caller: &Caller, kind: Kind, query: &Query) -> Result<Vec<Record>, Outcome> {
    let few = query.criteria.iter().find(|criterion| criterion.names_few());
    let Some((name, values)) = few.and_then(|few| index_values(app, kind, few)) else {
        return Ok(vec![]);
    };
    let found = named::readable(app, caller.account, &name, &values, MOST - 1).await?;
    let found = found.ok_or_else(|| too_wide(format!("{MOST} records or more match")))?;
    let found = found.into_iter().filter(|one| one.newest);
    let mut rows: Vec<Record> = found.map(|one| one.record).collect();
    if !rows.is_empty() && indexed(app, kind, query).nth(1).is_some() {
        let all = find(app, kind, query, None, None).await?;
        let all: HashSet<i64> = all.iter().map(|row| row.seq).collect();
        rows.retain(|row| all.contains(&row.seq));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.dedup_by_key(|row| row.seq);
    Ok(rows)
}

/// The patients a search is limited to; an empty list is no limit, `None` is nobody.
pub async fn patients(app: &App, query: &Query) -> Result<Option<Vec<Address>>, Problem> {
    let mut limit: Option<Vec<Address>> = None;
    for criterion in &query.criteria {
        let Criterion::Patient(any) = criterion else { continue };
        let mut found = Vec::new();
        for reference in any {
            found.extend(known(app, *reference).await?);
        }
        limit = Some(match limit {
            None => found,
            Some(before) => before.into_iter().filter(|patient| found.contains(patient)).collect(),
        });
    }
    Ok(match limit {
        Some(patients) if patients.is_empty() => None,
        limit => Some(limit.unwrap_or_default()),
    })
}

/// A patient nobody knows is no error in a search: it has no records.
async fn known(app: &App, reference: PatientRef) -> Result<Option<Address>, Problem> {
    match write::patient_of(app, Some(reference)).await {
        Ok(patient) => Ok(Some(patient)),
        Err(problem) if problem.code == Code::NotEnrolled => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Keeps what the caller may read, asking once per compartment, and for each record of one that is closed.
async fn readable(app: &App, account: Address, rows: Vec<Record>) -> Result<Vec<Record>, Problem> {
    let mut asked: HashMap<Compartment, bool> = HashMap::new();
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        let may = match asked.get(&row.compartment) {
            Some(may) => *may,
            None => account == row.patient || read::may_scope(app, account, &row).await?,
        };
        asked.insert(row.compartment, may);
        if may || single::of(app, account, &row).await?.is_some() {
            kept.push(row);
        }
    }
    Ok(kept)
}

async fn by_ids(app: &App, ids: &[RecordId]) -> Result<Vec<Record>, Problem> {
    let mut rows = Vec::with_capacity(ids.len());
    for RecordId(id) in ids {
        rows.extend(app.store.newest_version(*id).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.dedup_by_key(|row| row.seq);
    Ok(rows)
}

async fn find(
    app: &App,
    kind: Kind,
    query: &Query,
    compartments: Option<Vec<Compartment>>,
    alone: Option<(String, Vec<B256>)>,
) -> Result<Vec<Record>, Problem> {
    let query = RecordQuery {
        compartments,
        resource_type: Some(kind.as_str().to_owned()),
        index: indexed(app, kind, query).chain(alone).collect(),
        newest_only: true,
        limit: MOST,
        ..RecordQuery::default()
    };
    Ok(app.store.find_records(&query).await?)
}

/// What the criteria look for in the blind index: names, each with its keyed hashes.
fn indexed<'a>(app: &'a App, kind: Kind, query: &'a Query) -> impl Iterator<Item = (String, Vec<B256>)> + 'a {
    query
        .criteria
        .iter()
        .filter_map(move |criterion| index_values(app, kind, criterion))
}

fn index_values(app: &App, kind: Kind, criterion: &Criterion) -> Option<(String, Vec<B256>)> {
    let (column, words): (_, Vec<String>) = match criterion {
        Criterion::Token { column, any } => (column, any.iter().map(|token| token.word()).collect()),
        Criterion::Record { column, any, .. } => (column, any.iter().map(RecordId::to_string).collect()),
        _ => return None,
    };
    let name = blind::name(kind.as_str(), column);
    // Each organisation served here indexes its records under a key of its own.
    let organisations = app.config.organisations.iter();
    let values = organisations.flat_map(|org| words.iter().map(|word| (org.account, word)));
    let values = values
        .map(|(org, word)| blind::value(&app.vault, org, &name, word))
        .collect();
    Some((name, values))
}
