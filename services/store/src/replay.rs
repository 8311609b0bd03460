//! Values that count once.

use alloy_primitives::B256;

use crate::{Error, Store, cell::int, engine::query};

impl Store {
    /// Uses a value up, durably. `true` the first time, `false` ever after until `expires_at`; choose it so late that
    /// the value is refused for its own age by then. `value_hash` is a hash of the nonce or token id.
    pub async fn use_once(&self, kind: &str, value_hash: B256, expires_at: u64) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        let done = query("-- replay_insert\nINSERT INTO replay (kind, value_hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(kind)
            .bind(value_hash.as_slice())
            .bind(int(expires_at)?)
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(done == 1)
    }
}
