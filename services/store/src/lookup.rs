//! Many index values at once, and the rows behind them, without saying in the time it takes who may see which.

use alloy_primitives::B256;

use crate::{Error, Record, Store, cell::Cells, engine::query, record::select_records};

impl Store {
    /// Which of these values of an index name which records: (value, the record's `seq`), in one query that reads the
    /// index alone. A value that names none is a row of the answer too, since a row more takes longer than one less.
    pub async fn indexed(&self, name: &str, values: &[B256]) -> Result<Vec<(B256, i64)>, Error> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = query("-- index_values\nSELECT asked.column1 AS value, i.record FROM (VALUES ");
        for (i, value) in values.iter().enumerate() {
            sql.push_row(i > 0, [value.as_slice().into()]);
        }
        sql.push(") AS asked LEFT JOIN record_index i ON i.value = asked.column1 AND i.name = ")
            .push_bind(name.to_owned());
        let rows = sql.fetch_all(self.reader()).await?;
        let read = rows.iter().map(|row| {
            let cells = Cells {
                table: "record_index",
                row,
            };
            Ok((cells.word("value")?, cells.number_or_none("record")?))
        });
        let read: Result<Vec<(B256, Option<i64>)>, Error> = read.collect();
        let named = read?.into_iter();
        Ok(named.filter_map(|(value, seq)| Some((value, seq?))).collect())
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

    /// The records with these `seq`, in one query, in no order.
    pub async fn records_at(&self, seqs: &[i64]) -> Result<Vec<Record>, Error> {
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = query(select_records!("records_at", "WHERE r.seq IN ("));
        sql.push_list(seqs.iter().copied()).push(")");
        sql.fetch_all(self.reader()).await?.iter().map(Record::read).collect()
    }

    /// The `seq` of the newest record; 0 if there is none.
    pub async fn newest_record(&self) -> Result<i64, Error> {
        let row = query("-- record_last\nSELECT COALESCE(MAX(seq), 0) AS seq FROM record")
            .fetch_optional(self.reader())
            .await?;
        row.map_or(Ok(0), |row| {
            Cells {
                table: "record",
                row: &row,
            }
            .int("seq")
        })
    }
}
