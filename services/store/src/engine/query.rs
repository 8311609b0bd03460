//! One statement for both engines: text, values in order, and where it runs. The text is what both dialects understand:
//! `$1` placeholders, `CAST(COALESCE(SUM(…), 0) AS BIGINT)`, no lists, no clocks; the few words they do not share are
//! chosen by [`Tx::dialect`].
//!
//! A placeholder behind LIMIT is cast: SQLite plans by the number that is bound to a bare one, and so prepares the statement anew
//! for every run.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, Database, Decode, Encode, PgConnection, PgPool, Postgres, Row as _, Sqlite, SqliteConnection,
    SqlitePool, Type, postgres::PgRow, sqlite::SqliteRow,
};

use super::{Pool, Tx};

/// A value of one of the three types that mean the same to both engines. A NULL has a type too: PostgreSQL prepares a
/// statement once for all values.
pub(crate) enum Value<'q> {
    Int(Option<i64>),
    Bytes(Option<Cow<'q, [u8]>>),
    Text(Option<Cow<'q, str>>),
}

/// A statement. Begin its text with its own name as a comment, so that the engine's log names it.
#[must_use = "a statement does nothing until it is run"]
pub(crate) struct Query<'q> {
    text: Cow<'static, str>,
    values: Vec<Value<'q>>,
}

pub(crate) fn query<'q>(text: &'static str) -> Query<'q> {
    Query {
        text: text.into(),
        values: Vec::new(),
    }
}

impl<'q> Query<'q> {
    /// The value of the next placeholder.
    pub fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Goes on with the text. Only what was written in this program can be a statement, never what was sent to it.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Goes on with a placeholder and its value.
    pub fn push_bind(&mut self, value: impl Into<Value<'q>>) -> &mut Self {
        self.values.push(value.into());
        let placeholder = format!("${}", self.values.len());
        self.text.to_mut().push_str(&placeholder);
        self
    }

    /// Goes on with placeholders, separated by commas.
    pub fn push_list<V: Into<Value<'q>>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        for (i, value) in values.into_iter().enumerate() {
            self.push(if i == 0 { "" } else { ", " }).push_bind(value);
        }
        self
    }

    /// Goes on with a row in brackets, after a comma if `also`.
    pub fn push_row<const N: usize>(&mut self, also: bool, row: [Value<'q>; N]) -> &mut Self {
        self.push(if also { ", (" } else { "(" }).push_list(row).push(")")
    }

    /// Ends with at most so many rows.
    pub fn push_limit(&mut self, rows: u32) -> &mut Self {
        self.push(" LIMIT CAST(").push_bind(i64::from(rows)).push(" AS BIGINT)")
    }

    /// Runs it and returns how many rows it touched.
    pub async fn execute<'c>(self, on: impl Into<On<'c>>) -> Result<u64, sqlx::Error> {
        Ok(match on.into() {
            On::SqlitePool(pool) => self.native().execute(pool).await?.rows_affected(),
            On::Sqlite(conn) => self.native().execute(conn).await?.rows_affected(),
            On::PostgresPool(pool) => self.native().execute(pool).await?.rows_affected(),
            On::Postgres(conn) => self.native().execute(conn).await?.rows_affected(),
        })
    }

    pub async fn fetch_all<'c>(self, on: impl Into<On<'c>>) -> Result<Vec<Row>, sqlx::Error> {
        let sqlite = |rows: Vec<SqliteRow>| rows.into_iter().map(Row::Sqlite).collect();
        let postgres = |rows: Vec<PgRow>| rows.into_iter().map(Row::Postgres).collect();
        Ok(match on.into() {
            On::SqlitePool(pool) => sqlite(self.native().fetch_all(pool).await?),
            On::Sqlite(conn) => sqlite(self.native().fetch_all(conn).await?),
            On::PostgresPool(pool) => postgres(self.native().fetch_all(pool).await?),
            On::Postgres(conn) => postgres(self.native().fetch_all(conn).await?),
        })
    }

    pub async fn fetch_optional<'c>(self, on: impl Into<On<'c>>) -> Result<Option<Row>, sqlx::Error> {
        Ok(match on.into() {
            On::SqlitePool(pool) => self.native().fetch_optional(pool).await?.map(Row::Sqlite),
            On::Sqlite(conn) => self.native().fetch_optional(conn).await?.map(Row::Sqlite),
            On::PostgresPool(pool) => self.native().fetch_optional(pool).await?.map(Row::Postgres),
            On::Postgres(conn) => self.native().fetch_optional(conn).await?.map(Row::Postgres),
        })
    }

    /// The first column of the one row there is.
    pub async fn fetch_value<'c, T: Cell>(self, on: impl Into<On<'c>>) -> Result<T, sqlx::Error> {
        let row = self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)?;
        match row {
            Row::Sqlite(row) => row.try_get(0),
            Row::Postgres(row) => row.try_get(0),
        }
    }

    fn native<DB: Database>(self) -> sqlx::query::Query<'static, DB, DB::Arguments>
    where
        for<'v> Option<i64>: Encode<'v, DB> + Type<DB>,
        for<'v> Option<&'v [u8]>: Encode<'v, DB> + Type<DB>,
        for<'v> Option<&'v str>: Encode<'v, DB> + Type<DB>,
    {
        let query = match self.text {
            Cow::Borrowed(text) => sqlx::query(text),
            // Built by `push` from texts of this program.
            Cow::Owned(text) => sqlx::query(AssertSqlSafe(text)),
        };
        self.values.iter().fold(query, |query, value| match value {
            Value::Int(number) => query.bind(*number),
            Value::Bytes(bytes) => query.bind(bytes.as_deref()),
            Value::Text(text) => query.bind(text.as_deref()),
        })
    }
}

/// Most values of one statement of many rows. SQLite finds a parameter's name by walking past all before it, so a longer statement
/// costs the square of its length.
const VALUES: usize = 256;

/// `rows` in pieces for statements that take several at once. The sizes are few, so that each text is prepared once.
pub(crate) fn pieces<T>(rows: &[T], values: usize) -> impl Iterator<Item = &[T]> {
    let mut left = rows;
    std::iter::from_fn(move || {
        let most = left.len().min(VALUES / values);
        let size = [64, 16, 4, 1].into_iter().find(|size| *size <= most)?;
        let (piece, rest) = left.split_at(size);
        left = rest;
        Some(piece)
    })
}

/// Where a statement runs.
pub(crate) enum On<'c> {
    SqlitePool(&'c SqlitePool),
    Sqlite(&'c mut SqliteConnection),
    PostgresPool(&'c PgPool),
    Postgres(&'c mut PgConnection),
}

impl On<'_> {
    /// The same place for one more statement.
    pub fn again(&mut self) -> On<'_> {
        match self {
            Self::SqlitePool(pool) => On::SqlitePool(pool),
            Self::Sqlite(conn) => On::Sqlite(conn),
            Self::PostgresPool(pool) => On::PostgresPool(pool),
            Self::Postgres(conn) => On::Postgres(conn),
        }
    }
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> Self {
        match pool {
            Pool::Sqlite(pool) => Self::SqlitePool(pool),
            Pool::Postgres(pool) => Self::PostgresPool(pool),
        }
    }
}

impl<'c> From<&'c mut Tx<'_>> for On<'c> {
    fn from(tx: &'c mut Tx<'_>) -> Self {
        match tx {
            Tx::Sqlite(tx) => Self::Sqlite(tx),
            Tx::Postgres(tx) => Self::Postgres(tx),
        }
    }
}

/// A row, read through [`crate::cell::Cells`].
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub fn get<'r, T>(&'r self, column: &'static str) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

/// A type that both engines read, and that owns what it read.
pub(crate) trait Cell:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Cell for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl<'q> From<&'q [u8]> for Value<'q> {
    fn from(bytes: &'q [u8]) -> Self {
        Self::Bytes(Some(bytes.into()))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes.into()))
    }
}

impl<'q> From<Option<&'q [u8]>> for Value<'q> {
    fn from(bytes: Option<&'q [u8]>) -> Self {
        Self::Bytes(bytes.map(Into::into))
    }
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(text: Option<&'q str>) -> Self {
        Self::Text(text.map(Into::into))
    }
}

impl<'q> From<&'q Option<String>> for Value<'q> {
    fn from(text: &'q Option<String>) -> Self {
        Self::Text(text.as_deref().map(Into::into))
    }
}
