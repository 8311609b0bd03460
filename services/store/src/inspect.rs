//! Everything there is, in order, for who compares it with the world.

use alloy_primitives::Address;

use crate::{Batch, Error, Record, Store, cell::Cells, engine::query, record::select_records};

impl Store {
    /// Records in order of arrival, those after `seq`.
    pub async fn records_after(&self, seq: i64, limit: u32) -> Result<Vec<Record>, Error> {
        query(select_records!(
            "records_after",
            "WHERE r.seq > $1 ORDER BY r.seq LIMIT CAST($2 AS BIGINT)"
        ))
        .bind(seq)
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Record::read)
        .collect()
    }

    /// The records of a batch, by their place in it.
    pub async fn records_of_batch(&self, batch: &Batch) -> Result<Vec<Record>, Error> {
        query(select_records!(
            "records_of_batch",
            "WHERE r.batch = $1 ORDER BY r.leaf_index"
        ))
        .bind(batch.id.0)
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Record::read)
        .collect()
    }

    /// Whose journals there are: organisation and patient.
    pub async fn journals(&self) -> Result<Vec<(Address, Address)>, Error> {
        query("-- journals\nSELECT DISTINCT org, patient FROM audit ORDER BY org, patient")
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let cells = Cells { table: "audit", row };
                Ok((cells.address("org")?, cells.address("patient")?))
            })
            .collect()
    }
}
