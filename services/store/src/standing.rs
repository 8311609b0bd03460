//! How the custody of a compartment stands: what a commit must not outlive.

use chartseal_record::{Compartment, Slot};

use crate::{
    Error, Store,
    cell::Cells,
    engine::{Tx, query},
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
        let mut tx = self.reader().begin_reading().await?;
        of(&mut tx, compartment, slots).await
    }
}

/// The same on a connection. Inside a transaction that has the writer's lock nothing moves between this look and the
/// commit.
pub(crate) async fn of(
    tx: &mut Tx<'_>,
    compartment: Compartment,
    slots: impl IntoIterator<Item = Slot>,
) -> Result<Standing, Error> {
    let mark = query("-- standing_epoch\nSELECT highest FROM epoch_mark WHERE compartment = $1")
        .bind(compartment.0.as_slice())
        .fetch_optional(&mut *tx)
        .await?;
    let table = "epoch_mark";
    let epoch_mark = mark.map_or(Ok(0), |row| Cells { table, row: &row }.number("highest"))?;
    let mut refused = Vec::new();
    for slot in slots {
        let row = query("-- standing_slot\nSELECT serial FROM tombstone WHERE slot = $1")
            .bind(slot.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        let table = "tombstone";
        let serial = row.map_or(Ok(0), |row| Cells { table, row: &row }.number("serial"))?;
        refused.push((slot, serial));
    }
    Ok(Standing { epoch_mark, refused })
}
