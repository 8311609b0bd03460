//! Release keys: the rows of the vault that a refused slot must not have.
//!
//! A key is kept and a slot is refused in transactions that look at each other's rows, and there is one of them at a
//! time (SQLite has one writer; on PostgreSQL the refusal has a lock to itself): either the key is here when the refusal
//! deletes, or the refusal is here when the key asks. No order of the two leaves a key behind.

use alloy_primitives::{Address, B256};
use chartseal_record::Slot;

use crate::{
    Error, Store, VaultKey,
    cell::int,
    engine::{Locks, Tx, query},
};

/// Where the release key of a wrap lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseKeyPlace {
    /// Whose vault.
    pub org: Address,
    /// The slot.
    pub slot: Slot,
    /// Of the grant.
    pub serial: u64,
    /// Of the epoch that the wrap opens.
    pub epoch: u32,
    /// keccak256 of the wrap: grants prepared side by side for one serial never overwrite each other's key.
    pub wrap: B256,
}

impl ReleaseKeyPlace {
    /// The kind of such a row.
    pub const KIND: &'static str = "release-key";

    /// The place a row names; `None` if it is no release key's.
    pub fn of(key: &VaultKey) -> Option<Self> {
        let mut parts = key.place.split('|');
        let place = Self {
            org: key.org,
            slot: Slot(parts.next()?.parse().ok()?),
            serial: parts.next()?.parse().ok()?,
            epoch: parts.next()?.parse().ok()?,
            wrap: parts.next()?.parse().ok()?,
        };
        // Only the form that `key` writes: refusals look for the slot by these very letters.
        (place.key() == *key).then_some(place)
    }

    /// The row: `slot|serial|epoch|keccak256(wrap)`, numbers in decimal.
    pub fn key(&self) -> VaultKey {
        let place = format!("{}|{}|{}|{}", self.slot.0, self.serial, self.epoch, self.wrap);
        VaultKey::new(self.org, Self::KIND, place)
    }
}

impl Store {
    /// Keeps a sealed release key. `false` if its slot is refused up to this serial or a later one: then nothing is
    /// kept. A key that is here already stays as it is.
    pub async fn keep_release_key(&self, at: &ReleaseKeyPlace, sealed: &[u8], now: u64) -> Result<bool, Error> {
        let key = at.key();
        let mut tx = self.write().await?;
        tx.lock(Locks::default().refusal(at.slot, false)).await?;
        if is_refused(&mut tx, at.slot, at.serial).await? {
            return Ok(false);
        }
        query(
            "-- release_key_keep
             INSERT INTO vault (org, kind, place, sealed, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(key.org.as_slice())
        .bind(&key.kind)
        .bind(&key.place)
        .bind(sealed)
        .bind(int(now)?)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Destroys the release keys of a slot up to a serial, in every vault here, and empties the write-ahead log if there
    /// were any ([`Error::LogNotWiped`] as in [`Store::vault_delete`]). Returns how many.
    pub async fn destroy_release_keys(&self, slot: Slot, serial: u64) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let destroyed = delete_up_to(&mut tx, slot, serial).await?;
        tx.commit().await?;
        if destroyed > 0 {
            self.wipe_log().await?;
        }
        Ok(destroyed)
    }

    /// Destroys every release key that a refusal forbids, whoever put it there: a restored backup, an older version of
    /// this program. Then empties the write-ahead log, in any case: a process that died after an earlier deletion may
    /// have left bytes in it. Returns how many.
    pub async fn destroy_refused_keys(&self) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let destroyed = query(tx.dialect(
            "-- release_keys_refused_delete
             DELETE FROM vault WHERE kind = 'release-key' AND EXISTS (
                 SELECT 1 FROM tombstone t
                 WHERE t.slot = unhex(substr(place, 3, 64)) AND t.serial >= CAST(substr(place, 68) AS INTEGER))",
            "-- release_keys_refused_delete
             DELETE FROM vault WHERE kind = 'release-key' AND EXISTS (
                 SELECT 1 FROM tombstone t
                 WHERE t.slot = decode(substring(place FROM '^0x([0-9a-f]{64})\\|'), 'hex')
                   AND t.serial >= LEAST(CAST(substring(place FROM '^0x[0-9a-f]{64}\\|([0-9]+)\\|') AS NUMERIC), 9223372036854775807))",
        ))
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        self.wipe_log().await?;
        Ok(destroyed)
    }
}

/// Whether the slot is refused up to this serial or a later one. Serials above the database's range lie above every
/// refusal but the last: that one refuses them too.
pub(crate) async fn is_refused(tx: &mut Tx<'_>, slot: Slot, serial: u64) -> Result<bool, Error> {
    Ok(
        query("-- release_key_refused\nSELECT EXISTS (SELECT 1 FROM tombstone WHERE slot = $1 AND serial >= $2)")
            .bind(slot.0.as_slice())
            .bind(int(serial.min(i64::MAX as u64))?)
            .fetch_value(&mut *tx)
            .await?,
    )
}

/// Within the transaction of a refusal.
pub(crate) async fn delete_up_to(tx: &mut Tx<'_>, slot: Slot, serial: u64) -> Result<u64, Error> {
    // '}' follows '|' in the byte order of the index; the serial begins after '0x', 64 digits and '|'. SQLite's cast takes
    // the digits it finds and stops at the largest integer; PostgreSQL has to be told.
    let done = query(tx.dialect(
        "-- release_keys_delete
         DELETE FROM vault WHERE kind = 'release-key' AND place >= $1 AND place < $2
             AND CAST(substr(place, 68) AS INTEGER) <= $3",
        "-- release_keys_delete
         DELETE FROM vault WHERE kind = 'release-key' AND place >= $1 AND place < $2
             AND LEAST(CAST(substring(place FROM '^0x[0-9a-f]{64}\\|([0-9]+)\\|') AS NUMERIC), 9223372036854775807) <= $3",
    ))
    .bind(format!("{}|", slot.0))
    .bind(format!("{}}}", slot.0))
    .bind(int(serial.min(i64::MAX as u64))?)
    .execute(tx)
    .await?;
    Ok(done)
}
