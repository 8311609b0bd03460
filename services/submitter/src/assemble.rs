//! Stored → batched: the waiting records become a manifest, everything is pinned, then the batch is committed.

use alloy::primitives::Address;
use chartseal_ipfs::{Bytes, Cid, Content};
use chartseal_record::manifest::{self, Entry, Manifest};
use chartseal_store::{BatchId, Lease, NewBatch, Store, WaitingRecord};

use crate::Error;

/// Sealed bytes of one batch: what is held in memory while they are pinned.
const BATCH_BYTES: u64 = 64 << 20;

/// A batch that was made.
#[derive(Debug, Clone, Copy)]
pub struct Assembled {
    /// Its number.
    pub batch: BatchId,
    /// Records in it.
    pub records: u32,
    /// Whether more records waited than fit.
    pub more: bool,
}

/// Makes a batch of the organisation's waiting records, at most `limit` of them; `None` if none wait.
///
/// Dying before the commit costs nothing: the next try pins the same or a longer list, and an import nobody names is a
/// file without a batch.
pub async fn assemble(
    store: &Store,
    content: &Content,
    org: Address,
    limit: u32,
    lease: &Lease,
    now: u64,
) -> Result<Option<Assembled>, Error> {
    let waiting = store.waiting_records(org, limit).await?;
    let chosen = within_bytes(&waiting);
    let Some(last) = chosen.last() else { return Ok(None) };
    let manifest = Manifest::new(chosen.iter().map(entry).collect())?;
    let (roots, blocks) = collect(store, chosen, &manifest).await?;
    content.import(&roots, blocks).await?;
    let records = chosen.len() as u32;
    let new = NewBatch {
        org,
        through: last.seq,
        count: records,
        root: manifest.tree().root(),
        manifest: manifest.digest(),
        created_at: now,
    };
    let batch = store.create_batch(&new, lease).await?;
    tracing::info!(
        batch = batch.0,
        records,
        "batch {batch} holds {records} records; its manifest is pinned"
    );
    Ok(Some(Assembled {
        batch,
        records,
        more: records == limit || chosen.len() < waiting.len(),
    }))
}

/// The first records whose bytes fit, and always one.
fn within_bytes(waiting: &[WaitingRecord]) -> &[WaitingRecord] {
    let mut bytes = 0;
    let fitting = waiting.iter().take_while(|record| {
        bytes += record.outbox_bytes;
        bytes <= BATCH_BYTES
    });
    let count = fitting.count().max(1).min(waiting.len());
    &waiting[..count]
}

fn entry(record: &WaitingRecord) -> Entry {
    Entry {
        compartment: record.compartment,
        epoch: record.epoch,
        content: record.content_hash,
    }
}

/// The manifest, which links the records, and the small attachments, which nothing may link, are the roots.
async fn collect(
    store: &Store,
    records: &[WaitingRecord],
    manifest: &Manifest,
) -> Result<(Vec<Cid>, Vec<(Cid, Bytes)>), Error> {
    let root = manifest::cid(manifest.digest());
    let mut roots = vec![root];
    let mut blocks = vec![(root, Bytes::from(manifest.encode()))];
    for record in records {
        let own = record.content_hash.cid();
        let mut found = false;
        for block in store.outbox_of_record(record.seq).await? {
            let cid: Cid = block.cid.parse().map_err(|_| Error::BadCid(block.cid.clone()))?;
            if cid == own {
                found = true;
            } else {
                roots.push(cid);
            }
            blocks.push((cid, block.bytes.0));
        }
        if !found {
            return Err(Error::NoBytes(record.content_hash));
        }
    }
    Ok((roots, blocks))
}
