//! Sealed keys. The store cannot open them; it can make sure that they are gone.

use alloy_primitives::{Address, Bytes};

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Tx, exists, query},
};

/// Where a sealed key lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaultKey {
    /// Whose vault.
    pub org: Address,
    /// What it is: `root`, `release-key`, `identity`, …
    pub kind: String,
    /// Whose it is, in the gateway's words.
    pub place: String,
}

impl VaultKey {
    /// Names a place in a vault.
    pub fn new(org: Address, kind: impl Into<String>, place: impl Into<String>) -> Self {
        Self {
            org,
            kind: kind.into(),
            place: place.into(),
        }
    }
}

impl std::fmt::Display for VaultKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.org, self.kind, self.place)
    }
}

/// A sealed key and its place.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultEntry {
    /// Its place.
    pub key: VaultKey,
    /// Sealed by the gateway's master key.
    pub sealed: Bytes,
    /// Unix seconds.
    pub created_at: u64,
}

impl std::fmt::Debug for VaultEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VaultEntry({}, {} sealed bytes)", self.key, self.sealed.len())
    }
}

impl Store {
    /// Keeps a sealed key where none is yet; [`Error::Exists`] otherwise. Keys are never overwritten: losing a root
    /// loses a patient's records.
    pub async fn vault_put(&self, key: &VaultKey, sealed: &[u8], now: u64) -> Result<(), Error> {
        self.vault_put_all(&[(key.clone(), sealed.to_vec().into())], now).await
    }

    /// Keeps several, all or none.
    pub async fn vault_put_all(&self, entries: &[(VaultKey, Bytes)], now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        for (key, sealed) in entries {
            query("-- vault_put\nINSERT INTO vault (org, kind, place, sealed, created_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(key.org.as_slice())
                .bind(&key.kind)
                .bind(&key.place)
                .bind(sealed.as_ref())
                .bind(int(now)?)
                .execute(&mut tx)
                .await
                .map_err(|e| exists(e, "vault", key))?;
        }
        tx.commit().await
    }

    /// The sealed key at a place.
    pub async fn vault_get(&self, key: &VaultKey) -> Result<Option<Bytes>, Error> {
        query("-- vault_get\nSELECT sealed FROM vault WHERE org = $1 AND kind = $2 AND place = $3")
            .bind(key.org.as_slice())
            .bind(&key.kind)
            .bind(&key.place)
            .fetch_optional(self.reader())
            .await?
            .map(|row| {
                Cells {
                    table: "vault",
                    row: &row,
                }
                .bytes("sealed")
            })
            .transpose()
    }

    /// All sealed keys of one kind in one vault, by place.
    pub async fn vault_list(&self, org: Address, kind: &str) -> Result<Vec<VaultEntry>, Error> {
        query("-- vault_list\nSELECT place, sealed, created_at FROM vault WHERE org = $1 AND kind = $2 ORDER BY place")
            .bind(org.as_slice())
            .bind(kind)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let cells = Cells { table: "vault", row };
                Ok(VaultEntry {
                    key: VaultKey::new(org, kind, cells.text("place")?),
                    sealed: cells.bytes("sealed")?,
                    created_at: cells.number("created_at")?,
                })
            })
            .collect()
    }

    /// The places of one kind in one vault that begin with `prefix`, which ends with `|`.
    pub async fn vault_places(&self, org: Address, kind: &str, prefix: &str) -> Result<Vec<VaultKey>, Error> {
        // '}' follows '|' in the byte order of the index.
        let end = format!("{}}}", prefix.trim_end_matches('|'));
        query(
            "-- vault_places\nSELECT place FROM vault WHERE org = $1 AND kind = $2 AND place >= $3 AND place < $4 ORDER BY place",
        )
        .bind(org.as_slice())
        .bind(kind)
        .bind(prefix)
        .bind(end)
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| Ok(VaultKey::new(org, kind, Cells { table: "vault", row }.text("place")?)))
        .collect()
    }

    /// Destroys sealed keys. Returns how many rows there were (0 is no error: destroying twice is fine).
    ///
    /// On SQLite the rows' bytes are overwritten in the database, then the write-ahead log is emptied.
    /// [`Error::LogNotWiped`] says that the rows are gone but the log could not be emptied yet.
    ///
    /// Hazard: on PostgreSQL no statement reads a deleted row any more, but its sealed bytes stay in the table's file
    /// until their place is used again, and in the write-ahead log until its segments are. Nothing a client sends
    /// overwrites them (an UPDATE before the DELETE would write a second row version and leave the first), so nothing is
    /// pretended: SECURITY.md names what the operator does.
    ///
    /// Hazard: copies made before (backups, replicas, log archives, file system snapshots) are out of reach.
    pub async fn vault_delete(&self, keys: &[VaultKey]) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let deleted = delete(&mut tx, keys).await?;
        tx.commit().await?;
        self.wipe_log().await?;
        Ok(deleted)
    }
}

async fn delete(tx: &mut Tx<'_>, keys: &[VaultKey]) -> Result<u64, Error> {
    let mut deleted = 0;
    for key in keys {
        deleted += query("-- vault_delete\nDELETE FROM vault WHERE org = $1 AND kind = $2 AND place = $3")
            .bind(key.org.as_slice())
            .bind(&key.kind)
            .bind(&key.place)
            .execute(&mut *tx)
            .await?;
    }
    Ok(deleted)
}
