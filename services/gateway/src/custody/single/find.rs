//! Which records are granted alone, and to whom.

use std::collections::{BTreeSet, HashMap};

use alloy::primitives::{Address, B256};
use chartseal_record::{Slot, Target, typed};
use chartseal_store::{Named, Record};

use crate::{
    app::App,
    audit::Subject,
    blind,
    custody::live::{self, LiveGrant},
    fhir::reference::RecordId,
    problem::{Code, Failure, Problem},
};

/// The index's name for what a slot of one record leads to.
const NAME: &str = "grant";

/// Under what slots' records are indexed. A slot belongs to no organisation served here, so the key does not either.
fn column(app: &App) -> impl Fn(Slot) -> B256 {
    let value = blind::column(&app.vault, Address::ZERO, NAME);
    move |slot| value(&slot.0.to_string())
}

/// Lets a slot lead to its record.
pub async fn name_record(app: &App, slot: Slot, record: &Record) -> Result<(), Failure> {
    let entry = (NAME.to_owned(), column(app)(slot));
    Ok(app.store.index_record(record.seq, &[entry]).await?)
}

/// The records that slots are of, as far as they are known here.
pub async fn records(app: &App, slots: &[Slot]) -> Result<HashMap<Slot, Record>, Failure> {
    let value = column(app);
    let by_value: HashMap<B256, Slot> = slots.iter().map(|slot| (value(*slot), *slot)).collect();
    let values: Vec<B256> = by_value.keys().copied().collect();
    let most = u32::try_from(values.len()).unwrap_or(u32::MAX);
    let named = app.store.named(NAME, &values, most).await?.into_iter();
    let named = named.filter(|named| named.exact);
    let of = |named: Named| Some((*by_value.get(&named.value)?, named.record));
    Ok(named.filter_map(of).collect())
}

/// The record that a slot is of, if it is known here.
pub async fn record(app: &App, slot: Slot) -> Result<Option<Record>, Failure> {
    Ok(records(app, &[slot]).await?.remove(&slot))
}

/// What a journal says a decision about a grant's target is about: the scope, or the record and its scope.
pub async fn entry_of(app: &App, slot: Slot, scope: &str) -> Result<Subject, Failure> {
    let record = match scope {
        "" => record(app, slot).await?,
        _ => None,
    };
    Ok(Subject {
        scope: record.as_ref().map_or(scope, |row| row.scope.as_str()).to_owned(),
        record: record.map(|row| RecordId(row.record_id).to_string()),
        epoch: None,
    })
}

/// A live grant of exactly this version of this record.
pub async fn of(app: &App, account: Address, row: &Record) -> Result<Option<LiveGrant>, Problem> {
    let slots = app.index.record_slots_of(account, row.patient);
    if slots.is_empty() {
        return Ok(None);
    }
    let values = app.store.index_values(NAME, &[row.seq]).await?;
    let value = column(app);
    for slot in slots {
        let named = value(slot);
        if values.iter().any(|(_, value)| *value == named)
            && let Some(grant) = live_in(app, slot, row.patient, account).await?
        {
            return Ok(Some(grant));
        }
    }
    Ok(None)
}

/// The grant in a slot of one record, if it lets the account read now.
pub async fn live_in(app: &App, slot: Slot, patient: Address, account: Address) -> Result<Option<LiveGrant>, Problem> {
    let Some(terms) = app.index.grant(slot).terms.filter(|terms| terms.record != B256::ZERO) else {
        return Ok(None);
    };
    let target = Target::Record(terms.record);
    match live::permission(app, patient, account, &target, typed::READ)
        .await
        .map_err(Problem::from)
    {
        Ok(grant) => Ok(Some(grant)),
        Err(problem) if problem.code == Code::NotLive => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Every live grant of one record to an account. `patients` limits them; an empty list is no limit.
pub async fn live_to(app: &App, account: Address, patients: &[Address]) -> Result<Vec<LiveGrant>, Problem> {
    let mut live = Vec::new();
    for (patient, slot) in app.index.record_slots(account) {
        if patients.is_empty() || patients.contains(&patient) {
            live.extend(live_in(app, slot, patient, account).await?);
        }
    }
    Ok(live)
}

/// The same as a condition of a search: the index's name, and the values of which one must be a record's.
pub async fn live_values(app: &App, account: Address, patients: &[Address]) -> Result<(String, Vec<B256>), Problem> {
    let live = live_to(app, account, patients).await?;
    let value = column(app);
    let values = live.iter().map(|grant| value(grant.slot));
    Ok((NAME.to_owned(), values.collect()))
}

/// Every slot of one record of an account, for who judges many rows: made once, before it is known which rows, so that the
/// time it takes says nothing about them.
pub struct Slots(HashMap<B256, Slot>);

impl Slots {
    pub fn of(app: &App, account: Address) -> Self {
        let value = column(app);
        let slots = app.index.record_slots(account).into_iter();
        Self(slots.map(|(_, slot)| (value(slot), slot)).collect())
    }

    /// Those that lead to some rows, by `seq`: one query for all rows, and none for who has no such slot.
    pub async fn of_rows(
        &self,
        app: &App,
        seqs: impl Iterator<Item = i64>,
    ) -> Result<HashMap<i64, Vec<Slot>>, Failure> {
        let mut of: HashMap<i64, Vec<Slot>> = HashMap::new();
        if self.0.is_empty() {
            return Ok(of);
        }
        let seqs: BTreeSet<i64> = seqs.collect();
        for (seq, value) in app.store.index_values(NAME, &Vec::from_iter(seqs)).await? {
            if let Some(slot) = self.0.get(&value) {
                of.entry(seq).or_default().push(*slot);
            }
        }
        Ok(of)
    }
}
