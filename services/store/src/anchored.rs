//! Records that are found by their anchor instead of being taken in here: after a rebuild, and from other gateways.

use alloy_primitives::{Address, B256};
use chartseal_record::event::Logged;

use crate::{
    Error, Mined, NewRecord, Store,
    cell::int,
    engine::{Locks, Tx, query},
    event,
};

/// A batch as its anchor and its manifest tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchoredBatch {
    /// The organisation that anchored it.
    pub org: Address,
    /// Merkle root.
    pub root: B256,
    /// Number of records, of which this database may hold a part.
    pub count: u32,
    /// SHA-256 of the manifest.
    pub manifest: B256,
    /// The anchor's transaction.
    pub transaction: B256,
    /// Its block.
    pub mined: Mined,
    /// Unix seconds of the block.
    pub anchored_at: u64,
}

/// A record of it, opened and verified by the caller.
#[derive(Debug, Clone)]
pub struct AnchoredRecord {
    /// Its row; `org` is the batch's.
    pub record: NewRecord,
    /// Bytes, sealed.
    pub sealed_size: u64,
    /// Position among all leaves of the batch.
    pub leaf_index: u32,
    /// Whether it is taken in without the version before it, which a grant of one record does not open.
    pub alone: bool,
    /// What hangs on it, in the header's order: CID and sealed bytes.
    pub attachments: Vec<(String, u64)>,
    /// Blind index: names and keyed hashes.
    pub index: Vec<(String, B256)>,
}

/// What came of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenIn {
    /// It is here now.
    New,
    /// It was here.
    Known,
    /// Another record is this version already, or the version before it is not here: it is not taken in.
    Conflict,
}

impl Store {
    /// Takes records of an anchored batch in, in one transaction: rows, documents, blind index. They are `anchored` from the
    /// start and need no outbox: their bytes are where their manifest was found. A record that is here already stays as it
    /// is, so the same again changes nothing.
    pub async fn take_in(&self, batch: &AnchoredBatch, records: &[AnchoredRecord]) -> Result<Vec<TakenIn>, Error> {
        let mut tx = self.write().await?;
        tx.lock(Locks::default().arrival(false)).await?;
        let mut taken = Vec::with_capacity(records.len());
        let mut id = None;
        for one in records {
            let taken_in = match place_for(&mut tx, one).await? {
                TakenIn::New => {
                    let id = match id {
                        Some(id) => id,
                        None => *id.insert(batch_of(&mut tx, batch).await?),
                    };
                    insert(&mut tx, id, one).await?;
                    TakenIn::New
                }
                other => other,
            };
            taken.push(taken_in);
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// Anchors of all organisations in this block or later ones, in the chain's order.
    pub async fn anchors_from(&self, block: u64) -> Result<Vec<Logged>, Error> {
        let rows = query(event::select_events!(
            "chain_anchors_from",
            "WHERE e.name = 'Anchored' AND e.block >= $1"
        ))
        .bind(int(block)?)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(event::read).collect()
    }
}

async fn place_for(tx: &mut Tx<'_>, one: &AnchoredRecord) -> Result<TakenIn, Error> {
    let record = &one.record;
    let known: bool = query("-- anchored_known\nSELECT EXISTS (SELECT 1 FROM record WHERE content_hash = $1)")
        .bind(record.content_hash.0.as_slice())
        .fetch_value(&mut *tx)
        .await?;
    if known {
        return Ok(TakenIn::Known);
    }
    let taken: bool =
        query("-- anchored_version_taken\nSELECT EXISTS (SELECT 1 FROM record WHERE record_id = $1 AND version = $2)")
            .bind(record.record_id.as_slice())
            .bind(i64::from(record.version))
            .fetch_value(&mut *tx)
            .await?;
    match !taken && (one.alone || crate::record::follows(tx, record).await?) {
        true => Ok(TakenIn::New),
        false => Ok(TakenIn::Conflict),
    }
}

/// The batch's row. One that the submitter made here stays the submitter's.
async fn batch_of(tx: &mut Tx<'_>, batch: &AnchoredBatch) -> Result<i64, Error> {
    query(
        "-- anchored_batch_insert
         INSERT INTO batch (org, root, count, manifest, state, created_at, tx_hash, block, block_hash, gas_used, anchored_at)
         VALUES ($1, $2, $3, $4, 'anchored', $5, $6, $7, $8, $9, $10) ON CONFLICT (org, root, count, manifest) DO NOTHING",
    )
    .bind(batch.org.as_slice())
    .bind(batch.root.as_slice())
    .bind(i64::from(batch.count))
    .bind(batch.manifest.as_slice())
    .bind(int(batch.anchored_at)?)
    .bind(batch.transaction.as_slice())
    .bind(int(batch.mined.block)?)
    .bind(batch.mined.block_hash.as_slice())
    .bind(int(batch.mined.gas_used)?)
    .bind(int(batch.anchored_at)?)
    .execute(&mut *tx)
    .await?;
    Ok(query(
        "-- anchored_batch_id
         SELECT id FROM batch WHERE org = $1 AND root = $2 AND count = $3 AND manifest = $4",
    )
    .bind(batch.org.as_slice())
    .bind(batch.root.as_slice())
    .bind(i64::from(batch.count))
    .bind(batch.manifest.as_slice())
    .fetch_value(&mut *tx)
    .await?)
}

async fn insert(tx: &mut Tx<'_>, batch: i64, one: &AnchoredRecord) -> Result<(), Error> {
    let record = &one.record;
    let seq: i64 = query(
        "-- anchored_record_insert
         INSERT INTO record (content_hash, org, patient, scope, compartment, epoch, record_id, version, previous, digest, author,
             authored_at, resource_type, sealed_size, leaf, received_at, batch, leaf_index)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING seq",
    )
    .bind(record.content_hash.0.as_slice())
    .bind(record.org.as_slice())
    .bind(record.patient.as_slice())
    .bind(record.scope.as_str())
    .bind(record.compartment.0.as_slice())
    .bind(i64::from(record.epoch))
    .bind(record.record_id.as_slice())
    .bind(i64::from(record.version))
    .bind(record.previous.as_slice())
    .bind(record.digest.as_slice())
    .bind(record.author.as_slice())
    .bind(int(record.authored_at)?)
    .bind(&record.resource_type)
    .bind(int(one.sealed_size)?)
    .bind(record.leaf.as_slice())
    .bind(int(record.received_at)?)
    .bind(batch)
    .bind(i64::from(one.leaf_index))
    .fetch_value(&mut *tx)
    .await?;
    for (ordinal, (cid, sealed_size)) in one.attachments.iter().enumerate() {
        query(
            "-- anchored_attachment_insert
             INSERT INTO attachment (record, ordinal, cid, sealed_size, place) VALUES ($1, $2, $3, $4, 'content')",
        )
        .bind(seq)
        .bind(int(ordinal as u64)?)
        .bind(cid)
        .bind(int(*sealed_size)?)
        .execute(&mut *tx)
        .await?;
    }
    let entries: Vec<_> = one
        .index
        .iter()
        .map(|(name, value)| (seq, name.as_str(), *value))
        .collect();
    crate::record::index(tx, &entries).await
}
