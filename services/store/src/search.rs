//! Looking records up by patient, compartment, type and blind index, in pages.

use alloy_primitives::{Address, B256};
use chartseal_record::Compartment;

use crate::{
    Error, Record, Store,
    engine::{Query, query},
    record::select_records,
};

/// Which records. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct RecordQuery {
    /// Anchored by this organisation.
    pub org: Option<Address>,
    /// Of this patient.
    pub patient: Option<Address>,
    /// In one of these compartments. `None` is no condition; an empty list finds nothing, so that a reader without
    /// grants reads nothing.
    pub compartments: Option<Vec<Compartment>>,
    /// Of this FHIR type.
    pub resource_type: Option<String>,
    /// Indexed under each of these names with one of the values beside it.
    pub index: Vec<(String, Vec<B256>)>,
    /// Only the newest version of each record.
    pub newest_only: bool,
    /// Only records that arrived before the one with this `seq`: the last of the page before.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// A page of records, newest arrival first. Ask for the next with `before` = the last record's `seq`.
    pub async fn find_records(&self, wanted: &RecordQuery) -> Result<Vec<Record>, Error> {
        // `IN ()` is not SQL on every engine.
        let nothing = wanted.compartments.as_ref().is_some_and(Vec::is_empty);
        if nothing || wanted.index.iter().any(|(_, values)| values.is_empty()) {
            return Ok(Vec::new());
        }
        sentence(wanted)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(Record::read)
            .collect()
    }
}

fn sentence(wanted: &RecordQuery) -> Query<'_> {
    let mut sql = query(select_records!("records_find", "WHERE TRUE"));
    if let Some(org) = wanted.org {
        sql.push(" AND r.org = ").push_bind(org.to_vec());
    }
    if let Some(patient) = wanted.patient {
        sql.push(" AND r.patient = ").push_bind(patient.to_vec());
    }
    if let Some(compartments) = &wanted.compartments {
        sql.push(" AND r.compartment IN (")
            .push_list(compartments.iter().map(|c| c.0.as_slice()))
            .push(")");
    }
    if let Some(resource_type) = &wanted.resource_type {
        sql.push(" AND r.resource_type = ").push_bind(resource_type.clone());
    }
    for (name, values) in &wanted.index {
        sql.push(" AND r.seq IN (SELECT i.record FROM record_index i WHERE i.name = ")
            .push_bind(name.clone());
        sql.push(" AND i.value IN (")
            .push_list(values.iter().map(|value| value.as_slice()))
            .push("))");
    }
    if wanted.newest_only {
        sql.push(" AND NOT EXISTS (SELECT 1 FROM record n WHERE n.record_id = r.record_id AND n.version > r.version)");
    }
    if let Some(before) = wanted.before {
        sql.push(" AND r.seq < ").push_bind(before);
    }
    sql.push(" ORDER BY r.seq DESC").push_limit(wanted.limit);
    sql
}
