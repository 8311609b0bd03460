//! Every byte that a row names.

use std::collections::BTreeSet;

use chartseal_ipfs::{Bytes, raw_cid};
use chartseal_record::{
    Compartment,
    content::RAW,
    manifest::{self, Entry, Manifest},
    merkle,
    state::RecordState,
};
use chartseal_store::Record;
use cid::Cid;
use futures::StreamExt;

use super::{Findings, REPAIR};
use crate::{
    anchored,
    app::App,
    problem::{Failure, Problem},
};

/// Records read at one time.
const PAGE: u32 = 200;
/// What only another node or a backup can give back.
const ELSEWHERE: &str = "fetch it from another node that pins it, or from a backup of the content";

/// Every batch's list is there. It follows from the rows, so it is made again where they are all here.
pub async fn manifests(app: &App, found: &mut Findings) -> Result<(), Problem> {
    for batch in app.store.batches().await? {
        let name = manifest::cid(batch.manifest);
        let Err(why) = anchored::block(app, &name).await? else {
            continue;
        };
        let records = app.store.records_of_batch(&batch).await?;
        let entries = records.iter().map(|record| Entry {
            compartment: record.compartment,
            epoch: record.epoch,
            content: record.content_hash,
        });
        let made = Manifest::new(entries.collect()).ok();
        let made = made.filter(|made| made.digest() == batch.manifest);
        let advice = if made.is_some() { REPAIR } else { ELSEWHERE };
        if !found.differs("manifest", format!("batch {}: {name}", batch.id), why, advice) {
            continue;
        }
        let Some(made) = made else { continue };
        let mut blocks = vec![(name, Bytes::from(made.encode()))];
        // Of a batch that is not anchored yet the records wait in the outbox still.
        for record in &records {
            let cid = record.content_hash.cid();
            blocks.extend(waiting(app, &cid).await?.map(|bytes| (cid, bytes)));
        }
        if app.content.import(&[name], blocks).await.is_ok() {
            found.mended();
        }
    }
    Ok(())
}

/// Every record's row fits its leaf, and its bytes and documents are where its state says.
pub async fn records(app: &App, found: &mut Findings, say: impl Fn(usize)) -> Result<(), Problem> {
    let (mut after, mut so_far) = (0, 0);
    loop {
        let page = app.store.records_after(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        for record in &page {
            row(record, found);
            let cid = record.content_hash.cid();
            block(app, found, record, cid).await?;
            for attachment in app.store.attachments(record.seq).await? {
                let cid: Cid = attachment
                    .cid
                    .parse()
                    .map_err(|_| Failure::Broken("a document's CID is none"))?;
                match cid.codec() == RAW {
                    true => block(app, found, record, cid).await?,
                    false => file(app, found, cid).await?,
                }
            }
        }
        so_far += page.len();
        say(so_far);
    }
}

/// Every list and document of this gateway's organisations is pinned, and with the list its records: what is merely there
/// goes when the node next collects garbage.
pub async fn pins(app: &App, found: &mut Findings) -> Result<(), Problem> {
    let ours = |org| app.config.organisation(org).is_some();
    let pinned: BTreeSet<Cid> = app.content.pins().await?.into_iter().flatten().collect();
    let mut named = BTreeSet::new();
    for batch in app.store.batches().await? {
        if ours(batch.org) {
            named.insert(manifest::cid(batch.manifest));
        }
    }
    let mut after = 0;
    loop {
        let page = app.store.records_after(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for record in page.iter().filter(|record| ours(record.org)) {
            let attachments = app.store.attachments(record.seq).await?;
            let cids = attachments
                .iter()
                .filter_map(|attachment| attachment.cid.parse::<Cid>().ok());
            // A small one waits in the outbox until its batch is made.
            named.extend(cids.filter(|cid| record.state != RecordState::Stored || cid.codec() != RAW));
        }
    }
    for cid in named.difference(&pinned) {
        // One that is not even there has been named.
        if app.content.has(cid).await? && found.differs("pin", cid, "it is there, and not pinned", REPAIR) {
            match app.content.copy(&[*cid], &app.content).await {
                Ok(_) => found.mended(),
                Err(error) => tracing::error!(%error, %cid, "{cid} cannot be pinned: {error}"),
            }
        }
    }
    Ok(())
}

fn row(record: &Record, found: &mut Findings) {
    let leaf = merkle::leaf(record.compartment, record.epoch, record.content_hash);
    if leaf != record.leaf || Compartment::of(record.patient, &record.scope) != record.compartment {
        found.differs(
            "row",
            format!("record {}", record.content_hash),
            "patient, scope, compartment, epoch and leaf do not belong together",
            "rebuild the database",
        );
    }
}

/// Before its batch is made a block waits in the outbox alone; afterwards it is in the content store.
async fn block(app: &App, found: &mut Findings, record: &Record, cid: Cid) -> Result<(), Problem> {
    let kept = app.store.outbox(&cid.to_string()).await?;
    if kept.as_ref().is_some_and(|bytes| raw_cid(bytes) != cid) {
        found.differs(
            "outbox",
            cid,
            "the bytes that wait are not what the CID names",
            ELSEWHERE,
        );
    }
    let waiting = kept.map(|bytes| bytes.0).filter(|bytes| raw_cid(bytes) == cid);
    if record.state == RecordState::Stored && waiting.is_some() {
        return Ok(());
    }
    let Err(why) = anchored::block(app, &cid).await? else {
        return Ok(());
    };
    let advice = if waiting.is_some() { REPAIR } else { ELSEWHERE };
    if found.differs("content", cid, why, advice)
        && let Some(bytes) = waiting
    {
        app.content.import(&[cid], vec![(cid, bytes)]).await?;
        found.mended();
    }
    Ok(())
}

/// A document of many blocks, read to its end.
async fn file(app: &App, found: &mut Findings, cid: Cid) -> Result<(), Problem> {
    let mut pieces = app.content.read_file(&cid, ..);
    while let Some(piece) = pieces.next().await {
        if let Err(error) = piece {
            found.differs("content", cid, error.to_string(), ELSEWHERE);
            return Ok(());
        }
    }
    Ok(())
}

async fn waiting(app: &App, cid: &Cid) -> Result<Option<Bytes>, Failure> {
    let kept = app.store.outbox(&cid.to_string()).await?;
    Ok(kept.map(|bytes| bytes.0).filter(|bytes| raw_cid(bytes) == *cid))
}
