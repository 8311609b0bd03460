//! What this database belongs to: chain, contracts, genesis.

use crate::{Error, Store, cell::Cells, engine::query};

impl Store {
    /// The value under a key.
    pub async fn meta(&self, key: &str) -> Result<Option<String>, Error> {
        let table = "meta";
        query("-- meta_get\nSELECT value FROM meta WHERE key = $1")
            .bind(key)
            .fetch_optional(self.reader())
            .await?
            .map(|row| Cells { table, row: &row }.text("value"))
            .transpose()
    }

    /// Keeps the value if the key is new, and returns the value that stands there now. Whoever comes second compares.
    pub async fn meta_pin(&self, key: &str, value: &str) -> Result<String, Error> {
        let mut tx = self.write().await?;
        query("-- meta_pin\nINSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
            .bind(key)
            .bind(value)
            .execute(&mut tx)
            .await?;
        let kept = query("-- meta_pinned\nSELECT value FROM meta WHERE key = $1")
            .bind(key)
            .fetch_value(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// Sets a value, replacing what was there (cursors and the like).
    pub async fn meta_set(&self, key: &str, value: &str) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query("-- meta_set\nINSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(key)
            .bind(value)
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }
}
