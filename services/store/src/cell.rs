//! Cells to nouns and back. A cell that does not read names its table and column.

use alloy_primitives::{Address, B256, Bytes};
use sqlx::{Decode, Postgres, Sqlite, Type};

use crate::{Error, engine::Row};

/// One row of one table.
pub(crate) struct Cells<'r> {
    pub table: &'static str,
    pub row: &'r Row,
}

impl Cells<'_> {
    fn broken(&self, column: &'static str, reason: impl ToString) -> Error {
        Error::Broken {
            table: self.table,
            column,
            reason: reason.to_string(),
        }
    }

    fn get<'r, T>(&'r self, column: &'static str) -> Result<T, Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        self.row.get(column).map_err(|e| self.broken(column, e))
    }

    pub fn word(&self, column: &'static str) -> Result<B256, Error> {
        B256::try_from(self.get::<&[u8]>(column)?).map_err(|e| self.broken(column, e))
    }

    pub fn word_or_none(&self, column: &'static str) -> Result<Option<B256>, Error> {
        self.get::<Option<&[u8]>>(column)?
            .map(|bytes| B256::try_from(bytes).map_err(|e| self.broken(column, e)))
            .transpose()
    }

    pub fn address(&self, column: &'static str) -> Result<Address, Error> {
        Address::try_from(self.get::<&[u8]>(column)?).map_err(|e| self.broken(column, e))
    }

    pub fn address_or_none(&self, column: &'static str) -> Result<Option<Address>, Error> {
        self.get::<Option<&[u8]>>(column)?
            .map(|bytes| Address::try_from(bytes).map_err(|e| self.broken(column, e)))
            .transpose()
    }

    pub fn bytes(&self, column: &'static str) -> Result<Bytes, Error> {
        Ok(self.get::<Vec<u8>>(column)?.into())
    }

    pub fn bytes_or_none(&self, column: &'static str) -> Result<Option<Bytes>, Error> {
        Ok(self.get::<Option<Vec<u8>>>(column)?.map(Into::into))
    }

    pub fn int(&self, column: &'static str) -> Result<i64, Error> {
        self.get(column)
    }

    pub fn number<N: TryFrom<i64>>(&self, column: &'static str) -> Result<N, Error> {
        let cell: i64 = self.get(column)?;
        N::try_from(cell).map_err(|_| self.broken(column, format!("{cell} is out of range")))
    }

    pub fn number_or_none<N: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<N>, Error> {
        self.get::<Option<i64>>(column)?
            .map(|cell| N::try_from(cell).map_err(|_| self.broken(column, format!("{cell} is out of range"))))
            .transpose()
    }

    pub fn flag(&self, column: &'static str) -> Result<bool, Error> {
        self.get(column)
    }

    pub fn text(&self, column: &'static str) -> Result<String, Error> {
        self.get(column)
    }

    pub fn text_or_none(&self, column: &'static str) -> Result<Option<String>, Error> {
        self.get(column)
    }

    /// A word of an enum, a scope, an id: text that parses.
    pub fn parsed<T>(&self, column: &'static str) -> Result<T, Error>
    where
        T: std::str::FromStr<Err: ToString>,
    {
        self.get::<&str>(column)?
            .parse()
            .map_err(|e: T::Err| self.broken(column, e))
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, Error> {
        serde_json::from_str(self.get(column)?).map_err(|e| self.broken(column, e))
    }
}

/// An unsigned number as the database keeps it.
pub(crate) fn int(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::TooLarge(number))
}
