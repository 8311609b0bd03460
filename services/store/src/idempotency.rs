//! Answers kept under an Idempotency-Key.

use alloy_primitives::{B256, Bytes};

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Tx, query, violated},
};

/// The answer to a request that carried an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Account or client that asked, as text.
    pub caller: String,
    /// Hash of the key.
    pub key_hash: B256,
    /// Keyed hash of the request's body. Another under the same key is the caller's mistake.
    pub request_hash: B256,
    /// HTTP status.
    pub status: u16,
    /// Location header.
    pub location: Option<String>,
    /// Body; seal it wherever it may speak of a patient.
    pub body: Bytes,
    /// Unix seconds.
    pub expires_at: u64,
}

impl Store {
    /// Keeps an answer by itself. (With a record: [`crate::RecordCommit::answer`].)
    pub async fn keep_answer(&self, answer: &KeptAnswer) -> Result<(), Error> {
        let mut tx = self.write().await?;
        insert(&mut tx, answer).await?;
        tx.commit().await
    }

    /// The answer kept under a caller's key, unless it has expired. Compare `request_hash` before giving it out.
    pub async fn kept_answer(&self, caller: &str, key_hash: B256, now: u64) -> Result<Option<KeptAnswer>, Error> {
        query(
            "-- idempotency_get
             SELECT request_hash, status, location, body, expires_at FROM idempotency WHERE caller = $1 AND key_hash = $2 AND expires_at > $3",
        )
        .bind(caller)
        .bind(key_hash.as_slice())
        .bind(int(now)?)
        .fetch_optional(self.reader())
        .await?
        .map(|row| {
            let cells = Cells { table: "idempotency", row: &row };
            Ok(KeptAnswer {
                caller: caller.to_owned(),
                key_hash,
                request_hash: cells.word("request_hash")?,
                status: cells.number("status")?,
                location: cells.text_or_none("location")?,
                body: cells.bytes("body")?,
                expires_at: cells.number("expires_at")?,
            })
        })
        .transpose()
    }
}

pub(crate) async fn insert(tx: &mut Tx<'_>, answer: &KeptAnswer) -> Result<(), Error> {
    query(
        "-- idempotency_insert
         INSERT INTO idempotency (caller, key_hash, request_hash, status, location, body, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&answer.caller)
    .bind(answer.key_hash.as_slice())
    .bind(answer.request_hash.as_slice())
    .bind(i64::from(answer.status))
    .bind(&answer.location)
    .bind(answer.body.as_ref())
    .bind(int(answer.expires_at)?)
    .execute(tx)
    .await
    .map_err(|e| match violated(&e) {
        Some(_) => Error::IdempotencyKeyUsed,
        None => Error::Database(e),
    })?;
    Ok(())
}
