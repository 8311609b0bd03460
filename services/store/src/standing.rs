//! How the custody of a compartment stands: what a commit must not outlive.

use chartseal_record::{Compartment, Slot};

use crate::{
    Error, Store,
    cell::Cells,
    engine::{On, query},
};

/// What was true of a compartment's custody when a writer was admitted and the epoch chosen. Read it before either: a
/// commit that carries it is refused if a slot was refused or an epoch number taken since, so that no record is sealed
/// to an epoch which a revocation has closed in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Highest epoch number used in the compartment; 0 if none.
    pub epoch_mark: u32,
    /// The slots that lead into the compartment, each with the highest serial refused there; 0 if none is.
    pub refused: Vec<(Slot, u64)>,
}

impl Standing {
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.refused.iter().map(|(slot, _)| *slot)
    }
}

impl Store {
    /// How the custody of a compartment stands, with the slots that lead into it.
    pub async fn standing(
        &self,
        compartment: Compartment,
        slots: impl IntoIterator<Item = Slot>,
    ) -> Result<Standing, Error> {
        of(self.reader(), compartment, slots).await
    }
}

/// The same on a connection of choice. Inside a transaction that has the writer's lock nothing moves between this look and the
/// commit.
pub(crate) async fn of(
    on: impl Into<On<'_>>,
    compartment: Compartment,
    slots: impl IntoIterator<Item = Slot>,
) -> Result<Standing, Error> {
    let mut refused: Vec<(Slot, u64)> = slots.into_iter().map(|slot| (slot, 0)).collect();
    // One statement: every upload asks this twice, once while nobody else can write. A compartment and a slot are hashes
    // of different things, so the first column tells which table a row is of.
    let mut both = query("-- standing\nSELECT compartment AS place, highest FROM epoch_mark WHERE compartment = $1")
        .bind(compartment.0.as_slice());
    if !refused.is_empty() {
        both.push(" UNION ALL SELECT slot, serial FROM tombstone WHERE slot IN (")
            .push_list(refused.iter().map(|(slot, _)| slot.0.to_vec()))
            .push(")");
    }
    let mut epoch_mark = 0;
    for row in both.fetch_all(on).await? {
        let cells = Cells {
            table: "epoch_mark",
            row: &row,
        };
        let place = cells.word("place")?;
        if place == compartment.0 {
            epoch_mark = cells.number("highest")?;
        } else if let Some(found) = refused.iter_mut().find(|(slot, _)| slot.0 == place) {
            found.1 = cells.number("highest")?;
        }
    }
    Ok(Standing { epoch_mark, refused })
}
