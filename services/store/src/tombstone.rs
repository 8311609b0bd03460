//! Slots refused here, whatever the chain says.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use chartseal_record::Slot;

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Locks, Tx, pieces, query},
    release_key,
};

/// A refusal of every serial of a slot up to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    /// The slot.
    pub slot: Slot,
    /// The custodian that refuses; zero where the chain brought the revocation and no custodian has answered for it.
    pub org: Address,
    /// Every serial up to this one is refused.
    pub serial: u64,
    /// Unix seconds.
    pub refused_at: u64,
    /// The signed revocation receipt; null where the chain brought the revocation and no custodian has answered for it.
    pub receipt: serde_json::Value,
}

/// The highest serial refused in each of some slots; 0 where none is.
pub type Refusals = BTreeMap<Slot, u64>;

impl Store {
    /// Refuses a slot from now on and destroys its release keys up to the serial, in every vault here, in one
    /// transaction; then empties the write-ahead log as [`Store::vault_delete`] does. Returns how many keys went. Of
    /// several refusals of one slot the highest serial counts: an older one arriving later changes nothing. A receipt
    /// joins the refusal of its serial that has none yet.
    pub async fn refuse_slot(&self, tombstone: &Tombstone) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        tx.lock(Locks::default().refusal(tombstone.slot, true)).await?;
        let destroyed = raise(&mut tx, tombstone).await?;
        tx.commit().await?;
        self.wipe_log().await?;
        Ok(destroyed)
    }

    /// The refusal of a slot, if there is one.
    pub async fn tombstone(&self, slot: Slot) -> Result<Option<Tombstone>, Error> {
        query("-- tombstone_get\nSELECT org, serial, refused_at, receipt FROM tombstone WHERE slot = $1")
            .bind(slot.0.as_slice())
            .fetch_optional(self.reader())
            .await?
            .map(|row| {
                let cells = Cells {
                    table: "tombstone",
                    row: &row,
                };
                Ok(Tombstone {
                    slot,
                    org: cells.address("org")?,
                    serial: cells.number("serial")?,
                    refused_at: cells.number("refused_at")?,
                    receipt: cells.json("receipt")?,
                })
            })
            .transpose()
    }

    /// What is refused in each of these slots.
    pub async fn refusals(&self, slots: impl IntoIterator<Item = Slot>) -> Result<Refusals, Error> {
        let mut refusals: Refusals = slots.into_iter().map(|slot| (slot, 0)).collect();
        let slots: Vec<Slot> = refusals.keys().copied().collect();
        for piece in pieces(&slots, 1) {
            let mut some = query("-- tombstones\nSELECT slot, serial FROM tombstone WHERE slot IN (");
            some.push_list(piece.iter().map(|slot| slot.0.as_slice())).push(")");
            for row in some.fetch_all(self.reader()).await? {
                let cells = Cells {
                    table: "tombstone",
                    row: &row,
                };
                refusals.insert(Slot(cells.word("slot")?), cells.number("serial")?);
            }
        }
        Ok(refusals)
    }
}

/// Raises the tombstone and destroys what it forbids. The transaction has the slot's refusal to itself.
pub(crate) async fn raise(tx: &mut Tx<'_>, tombstone: &Tombstone) -> Result<u64, Error> {
    query(
        "-- tombstone_raise
         INSERT INTO tombstone (slot, org, serial, refused_at, receipt) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (slot) DO UPDATE SET org = excluded.org, serial = excluded.serial, refused_at = excluded.refused_at,
             receipt = excluded.receipt
         WHERE tombstone.serial < excluded.serial OR (tombstone.serial = excluded.serial AND tombstone.receipt = 'null')",
    )
    .bind(tombstone.slot.0.as_slice())
    .bind(tombstone.org.as_slice())
    .bind(int(tombstone.serial)?)
    .bind(int(tombstone.refused_at)?)
    .bind(tombstone.receipt.to_string())
    .execute(&mut *tx)
    .await?;
    release_key::delete_up_to(tx, tombstone.slot, tombstone.serial).await
}
