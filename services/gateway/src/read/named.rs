//! Records by values of an index (the number of a claim, an identifier) for one reader: **by the same work whether it may read
//! them, may not, or there are none**, since the time an answer takes tells these apart as well as the answer does.
//!
//! 1. One query reads the rows of all values. A value that nothing has leads to a row of the next value there is, so that every
//!    value costs a row, and the same value the same row each time.
//! 2. Every row is judged on its own and none is remembered, since a patient's second record would be judged faster than the first.
//!    A row that stands in for none is judged as nobody's, which fails where a missing grant does.
//! 3. What is refused here is asked for all rows at once. So is which of them were granted alone, if the reader has any such
//!    grant: that is known before anything is asked. Only a row that was granted alone to this reader costs a judgement more, and
//!    that one it knew of.
//! 4. A row that may not be read leaves no entry in a journal: nothing of it was disclosed, and a durable entry is the slowest
//!    thing a search does. Written after the answer it would slow the reader's next question instead.
//!
//! What remains is one entry of the index of grants found or not, and the terms of a grant that ended copied or not. `make bench`
//! measures whether that can be told from outside (part `lookup`).

use alloy::primitives::{Address, B256};
use chartseal_record::Slot;
use chartseal_store::{Named, Refusals};

use crate::{
    app::App,
    custody::{epochs, single},
    problem::Problem,
};

/// Who holds no grant of anybody.
const NOBODY: Address = Address::ZERO;

/// What an account may read of the records with these values. None if more than `most` records have them.
pub async fn readable(
    app: &App,
    account: Address,
    name: &str,
    values: &[B256],
    most: u32,
) -> Result<Option<Vec<Named>>, Problem> {
    let own = single::Slots::of(app, account);
    // With one row for each value that nothing has.
    let rows = most.saturating_add(1 + u32::try_from(values.len()).unwrap_or(u32::MAX));
    let named = app.store.named(name, values, rows).await?;
    if named.iter().filter(|one| one.exact).count() > most as usize {
        return Ok(None);
    }
    let judged_as = |one: &Named| if one.exact { account } else { NOBODY };
    let slots = named
        .iter()
        .map(|one| epochs::slot(one.record.patient, judged_as(one), &one.record.scope));
    let refused = app.store.refusals(slots).await?;
    let alone = own.of_rows(app, named.iter().map(|one| one.record.seq)).await?;
    let mut readable = Vec::with_capacity(named.len());
    for one in named {
        let slots = alone.get(&one.record.seq).map_or(&[][..], Vec::as_slice);
        if may(app, judged_as(&one), &one, slots, &refused).await? && one.exact {
            readable.push(one);
        }
    }
    Ok(Some(readable))
}

/// Whether an account holds a live READ grant of the record's scope, or in one of its slots of this record alone, or is its
/// patient.
async fn may(app: &App, account: Address, one: &Named, alone: &[Slot], refused: &Refusals) -> Result<bool, Problem> {
    if super::may_scope_by(app, account, &one.record, Some(refused)).await? {
        return Ok(true);
    }
    for slot in alone.iter().filter(|_| one.exact) {
        if single::live_in(app, *slot, one.record.patient, account)
            .await?
            .is_some()
        {
            return Ok(true);
        }
    }
    Ok(account == one.record.patient)
}
