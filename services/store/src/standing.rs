//! How the custody of a compartment stands: what a commit must not outlive.

use std::collections::{BTreeSet, HashMap};

use alloy_primitives::B256;
use chartseal_record::{Compartment, Slot};

use crate::{
    Error, RecordCommit, Refusals, Store,
    cell::Cells,
    engine::{On, Tx, pieces, query},
};

/// What was true of a compartment's custody when a writer was admitted and the epoch chosen. Read it before either: a
/// commit that carries it is refused if a slot was refused or an epoch number taken since, so that no record is sealed
/// to an epoch which a revocation has closed in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Highest epoch number used in the compartment; 0 if none.
    pub epoch_mark: u32,
    /// What is refused in the slots that lead into the compartment.
    pub refused: Refusals,
}

impl Store {
    /// How the custody of a compartment stands, with the slots that lead into it.
    pub async fn standing(
        &self,
        compartment: Compartment,
        slots: impl IntoIterator<Item = Slot>,
    ) -> Result<Standing, Error> {
        let slots: Vec<Slot> = slots.into_iter().collect();
        let marks = marks(self.reader(), &places([compartment], slots.iter().copied())).await?;
        let mark = |place: B256| marks.get(&place).copied().unwrap_or(0);
        Ok(Standing {
            epoch_mark: mark(compartment.0) as u32,
            refused: slots.into_iter().map(|slot| (slot, mark(slot.0))).collect(),
        })
    }
}

/// Fails unless every commit's standing is what it was. Inside a transaction that has their locks nothing moves between this look
/// and the commit.
pub(crate) async fn hold(tx: &mut Tx<'_>, commits: &[&RecordCommit]) -> Result<(), Error> {
    let relied = || {
        commits
            .iter()
            .filter_map(|one| Some((one.record.compartment, one.standing.as_ref()?)))
    };
    let all = places(
        relied().map(|(compartment, _)| compartment),
        relied().flat_map(|(_, standing)| standing.refused.keys().copied()),
    );
    let marks = marks(tx, &all).await?;
    let mark = |place: B256| marks.get(&place).copied().unwrap_or(0);
    for (compartment, standing) in relied() {
        let same = mark(compartment.0) == u64::from(standing.epoch_mark)
            && standing.refused.iter().all(|(slot, serial)| mark(slot.0) == *serial);
        if !same {
            return Err(Error::StandingChanged(compartment));
        }
    }
    Ok(())
}

fn places(compartments: impl IntoIterator<Item = Compartment>, slots: impl IntoIterator<Item = Slot>) -> Vec<B256> {
    let all: BTreeSet<B256> = compartments
        .into_iter()
        .map(|compartment| compartment.0)
        .chain(slots.into_iter().map(|slot| slot.0))
        .collect();
    all.into_iter().collect()
}

/// The highest epoch number or refused serial of each of these compartments and slots that has one. Both are hashes, of different
/// things, so one list serves both tables.
async fn marks<'c>(on: impl Into<On<'c>>, places: &[B256]) -> Result<HashMap<B256, u64>, Error> {
    let mut on = on.into();
    let mut found = HashMap::new();
    for piece in pieces(places, 2) {
        let list = || piece.iter().map(|place| place.as_slice());
        let mut both =
            query("-- standing\nSELECT compartment AS place, highest FROM epoch_mark WHERE compartment IN (");
        both.push_list(list())
            .push(") UNION ALL SELECT slot, serial FROM tombstone WHERE slot IN (")
            .push_list(list())
            .push(")");
        for row in both.fetch_all(on.again()).await? {
            let cells = Cells {
                table: "epoch_mark",
                row: &row,
            };
            found.insert(cells.word("place")?, cells.number("highest")?);
        }
    }
    Ok(found)
}
