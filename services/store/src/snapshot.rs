//! What a custodian cannot find again on chain or IPFS: its keys, its refusals, the epoch numbers it has used, the systems
//! it let in. Read as of one moment, and put back where nothing is yet.

use chartseal_record::{Compartment, Slot};

use crate::{
    Client, Error, ReleaseKeyPlace, Store, Tombstone, VaultEntry, VaultKey,
    cell::{Cells, int},
    client,
    engine::{Tx, query},
    epoch_mark, release_key, tombstone,
};

/// Under which key of `meta` it is said that a database is being rebuilt.
const REBUILDING: &str = "rebuilding";

/// The keeper's tables as they were at one moment. In memory: about 400 bytes a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Every sealed key of every vault.
    pub vault: Vec<VaultEntry>,
    /// Every refusal.
    pub tombstones: Vec<Tombstone>,
    /// The highest epoch number used in each compartment.
    pub epoch_marks: Vec<(Compartment, u32)>,
    /// Registered systems, disabled ones included.
    pub clients: Vec<Client>,
}

/// What came of putting a snapshot back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Sealed keys that are here now and were not.
    pub keys: u64,
    /// Release keys that a refusal forbids: they are not here, and never were.
    pub refused: u64,
}

impl Store {
    /// Reads the snapshot in one transaction: what others commit meanwhile is in it whole or not at all.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut tx = self.reader().begin_reading().await?;
        Ok(Snapshot {
            vault: vault(&mut tx).await?,
            tombstones: tombstones(&mut tx).await?,
            epoch_marks: epoch_marks(&mut tx).await?,
            clients: client::all(&mut tx).await?,
        })
    }

    /// Marks the database as one that is being rebuilt, if it is empty or marked so already; `false` if anything of
    /// anybody's is in it. Whoever serves looks with [`Store::is_being_rebuilt`] first.
    pub async fn begin_rebuilding(&self) -> Result<bool, Error> {
        if self.is_being_rebuilt().await? {
            return Ok(true);
        }
        // What any process writes when it merely looks at a database (`meta`, a lease) is nobody's.
        let used: i64 = query(
            "-- database_is_used
             SELECT (CASE WHEN EXISTS (SELECT 1 FROM record) OR EXISTS (SELECT 1 FROM batch) OR EXISTS (SELECT 1 FROM intent)
                 OR EXISTS (SELECT 1 FROM chain_block) OR EXISTS (SELECT 1 FROM vault) OR EXISTS (SELECT 1 FROM tombstone)
                 OR EXISTS (SELECT 1 FROM epoch_mark) OR EXISTS (SELECT 1 FROM request) OR EXISTS (SELECT 1 FROM audit)
                 OR EXISTS (SELECT 1 FROM client) OR EXISTS (SELECT 1 FROM staged) OR EXISTS (SELECT 1 FROM session)
                 THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END)",
        )
        .fetch_value(self.reader())
        .await?;
        if used == 0 {
            self.meta_set(REBUILDING, "begun").await?;
        }
        Ok(used == 0)
    }

    /// Whether a rebuild has begun and not ended.
    pub async fn is_being_rebuilt(&self) -> Result<bool, Error> {
        Ok(self.meta(REBUILDING).await?.as_deref() == Some("begun"))
    }

    /// The database may be served.
    pub async fn end_rebuilding(&self) -> Result<(), Error> {
        self.meta_set(REBUILDING, "ended").await
    }

    /// Puts a snapshot back, in one transaction and in this order: refusals, epoch numbers, systems, keys. A release key
    /// that any refusal here forbids, the snapshot's or one the chain brought before, is never written. What is here
    /// already stays, so the same again changes nothing.
    pub async fn restore(&self, snapshot: &Snapshot) -> Result<Restored, Error> {
        let mut tx = self.write().await?;
        for refusal in &snapshot.tombstones {
            tombstone::raise(&mut tx, refusal).await?;
        }
        for (compartment, highest) in &snapshot.epoch_marks {
            epoch_mark::raise(&mut tx, *compartment, *highest).await?;
        }
        for registered in &snapshot.clients {
            client::restore(&mut tx, registered).await?;
        }
        let mut restored = Restored::default();
        for entry in &snapshot.vault {
            if is_forbidden(&mut tx, &entry.key).await? {
                restored.refused += 1;
                continue;
            }
            restored.keys += query(
                "-- vault_restore
                 INSERT INTO vault (org, kind, place, sealed, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(entry.key.org.as_slice())
            .bind(&entry.key.kind)
            .bind(&entry.key.place)
            .bind(entry.sealed.as_ref())
            .bind(int(entry.created_at)?)
            .execute(&mut tx)
            .await?;
        }
        tx.commit().await?;
        Ok(restored)
    }
}

/// A release key under a refusal, or one whose place says neither slot nor serial, so that nobody could refuse it.
async fn is_forbidden(tx: &mut Tx<'_>, key: &VaultKey) -> Result<bool, Error> {
    if key.kind != ReleaseKeyPlace::KIND {
        return Ok(false);
    }
    match ReleaseKeyPlace::of(key) {
        Some(place) => release_key::is_refused(tx, place.slot, place.serial).await,
        None => Ok(true),
    }
}

async fn vault(tx: &mut Tx<'_>) -> Result<Vec<VaultEntry>, Error> {
    query("-- vault_all\nSELECT org, kind, place, sealed, created_at FROM vault ORDER BY org, kind, place")
        .fetch_all(tx)
        .await?
        .iter()
        .map(|row| {
            let cells = Cells { table: "vault", row };
            Ok(VaultEntry {
                key: VaultKey::new(cells.address("org")?, cells.text("kind")?, cells.text("place")?),
                sealed: cells.bytes("sealed")?,
                created_at: cells.number("created_at")?,
            })
        })
        .collect()
}

async fn tombstones(tx: &mut Tx<'_>) -> Result<Vec<Tombstone>, Error> {
    query("-- tombstone_all\nSELECT slot, org, serial, refused_at, receipt FROM tombstone ORDER BY slot")
        .fetch_all(tx)
        .await?
        .iter()
        .map(|row| {
            let cells = Cells {
                table: "tombstone",
                row,
            };
            Ok(Tombstone {
                slot: Slot(cells.word("slot")?),
                org: cells.address("org")?,
                serial: cells.number("serial")?,
                refused_at: cells.number("refused_at")?,
                receipt: cells.json("receipt")?,
            })
        })
        .collect()
}

async fn epoch_marks(tx: &mut Tx<'_>) -> Result<Vec<(Compartment, u32)>, Error> {
    query("-- epoch_mark_all\nSELECT compartment, highest FROM epoch_mark ORDER BY compartment")
        .fetch_all(tx)
        .await?
        .iter()
        .map(|row| {
            let cells = Cells {
                table: "epoch_mark",
                row,
            };
            Ok((Compartment(cells.word("compartment")?), cells.number("highest")?))
        })
        .collect()
}
