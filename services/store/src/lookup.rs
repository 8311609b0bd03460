//! Many index values at once, and the rows behind them, without saying in the time it takes who may see which.

use alloy_primitives::B256;

use crate::{Error, Record, Store, cell::Cells, engine::query, record::record_columns};

/// What a value of an index leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The value that was asked for.
    pub value: B256,
    /// What it is indexed under; or, if nothing is, what is indexed under the next value there is.
    pub record: Record,
    /// The record has that value.
    pub exact: bool,
    /// There is no later version of the record.
    pub newest: bool,
}

impl Store {
    /// The records that are indexed under these values by one name, in one query. A value that nothing has leads to what is
    /// indexed under the next one (after the last comes the first): keyed hashes lie everywhere alike, so that is a row drawn from
    /// all, the same each time, found by the same steps. At most `most` rows, the exact ones first.
    pub async fn named(&self, name: &str, values: &[B256], most: u32) -> Result<Vec<Named>, Error> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = query(concat!(
            "-- records_named\nSELECT ",
            record_columns!(),
            ", asked.value AS asked, i.value AS found,
             NOT EXISTS (SELECT 1 FROM record n WHERE n.record_id = r.record_id AND n.version > r.version) AS newest
             FROM (SELECT v.column1 AS value, COALESCE(
                 (SELECT n.value FROM record_index n WHERE n.name = "
        ));
        let name = || name.to_owned();
        sql.push_bind(name()).push(
            " AND n.value >= v.column1 ORDER BY n.value LIMIT 1),
                 (SELECT n.value FROM record_index n WHERE n.name = ",
        );
        sql.push_bind(name())
            .push(" ORDER BY n.value LIMIT 1)) AS nearest FROM (VALUES ");
        for (i, value) in values.iter().enumerate() {
            sql.push_row(i > 0, [value.as_slice().into()]);
        }
        // CROSS JOIN: SQLite then joins in this order.
        sql.push(
            ") AS v) AS asked CROSS JOIN record_index i CROSS JOIN record r LEFT JOIN batch b ON b.id = r.batch
             WHERE i.value = asked.nearest AND r.seq = i.record AND i.name = ",
        );
        sql.push_bind(name())
            .push(" ORDER BY i.value = asked.value DESC")
            .push_limit(most);
        sql.fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let cells = Cells {
                    table: "record_index",
                    row,
                };
                let value = cells.word("asked")?;
                Ok(Named {
                    value,
                    record: Record::read(row)?,
                    exact: cells.word("found")? == value,
                    newest: cells.flag("newest")?,
                })
            })
            .collect()
    }

    /// What these records are indexed under by one name: (`seq`, value), in one query that reads the index alone.
    pub async fn index_values(&self, name: &str, seqs: &[i64]) -> Result<Vec<(i64, B256)>, Error> {
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = query("-- index_of_records\nSELECT record, value FROM record_index WHERE name = ");
        sql.push_bind(name.to_owned()).push(" AND record IN (");
        sql.push_list(seqs.iter().copied()).push(")");
        let rows = sql.fetch_all(self.reader()).await?;
        let read = rows.iter().map(|row| {
            let cells = Cells {
                table: "record_index",
                row,
            };
            Ok((cells.int("record")?, cells.word("value")?))
        });
        read.collect()
    }

    /// Lets a record be found by more than it was stored with. Doing it twice does it once.
    pub async fn index_record(&self, seq: i64, entries: &[(String, B256)]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, value)| (seq, name.as_str(), *value))
            .collect();
        crate::record::index(&mut tx, &entries).await?;
        tx.commit().await
    }
}
