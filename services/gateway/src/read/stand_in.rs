//! Work in place of a row that is not there: who asks for a number that nobody has waits as long as who asks for one it may not
//! read.

use alloy::primitives::{Address, B256, U256};
use chartseal_store::Record;

use crate::{app::App, problem::Problem};

/// Who holds no grant of anybody.
pub const NOBODY: Address = Address::ZERO;

/// The place of the row that stands for a value which no record has: another for each value, as the rows of values are, and the
/// same each time. `newest` is the place of the newest row, from 1 on.
pub fn place(value: B256, newest: i64) -> i64 {
    let drawn = U256::from_be_bytes(value.0) % U256::from(newest.unsigned_abs());
    1 + i64::try_from(drawn).expect("it is smaller than newest, an i64")
}

/// That row, if there is any.
pub async fn row(app: &App, value: B256) -> Result<Vec<Record>, Problem> {
    match app.store.newest_record().await? {
        0 => Ok(vec![]),
        newest => Ok(app.store.records_at(&[place(value, newest)]).await?),
    }
}
