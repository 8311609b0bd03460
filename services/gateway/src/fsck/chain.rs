//! What the chain says, and what the database says it says.

use std::collections::HashSet;

use chartseal_chain::{Pace, Step};
use chartseal_record::{
    event::{Event, Logged},
    merkle::Tree,
    state::RecordState,
};
use chartseal_store::{Batch, BlockPlace, Tombstone};

use super::{Findings, REPAIR};
use crate::{
    anchored::{self, Keys, Tally},
    app::App,
    problem::{Failure, Problem},
};

/// Every event, in order, up to the newest block the database has. Gives whether blocks were forgotten to be read again.
pub async fn events(app: &App, found: &mut Findings) -> Result<bool, Failure> {
    let Some(newest) = app.store.last_blocks(1).await?.first().map(|block| block.number) else {
        return Ok(false);
    };
    let told = read(app, newest).await?;
    let kept = app.store.events().await?;
    let same = told.iter().zip(&kept).take_while(|(told, kept)| told == kept).count();
    let Some(first) = told.get(same).into_iter().chain(kept.get(same)).map(|l| l.block).min() else {
        return Ok(false);
    };
    let why = format!(
        "the chain has {} events up to block {newest}, the database {}",
        told.len(),
        kept.len()
    );
    if found.differs("events", format!("from block {first} on"), why, REPAIR) {
        // Refusals stay: only events go, and come again as the chain tells them.
        let above = u32::try_from(newest.saturating_sub(first)).unwrap_or(u32::MAX - 1) + 1;
        let blocks = app.store.last_blocks(above).await?;
        if let Some(lowest) = blocks.iter().rfind(|block| block.number >= first) {
            let lost = BlockPlace {
                number: lowest.number,
                hash: lowest.hash,
            };
            app.store.remove_blocks_from(lost).await?;
        }
        found.mended();
        return Ok(true);
    }
    Ok(false)
}

async fn read(app: &App, last: u64) -> Result<Vec<Logged>, Failure> {
    let head = app.chain.head().await?.number;
    let mut follower = app.chain.follow(app.deployment.block, [], Pace::default());
    let mut all: Vec<Logged> = Vec::new();
    loop {
        match follower.next().await? {
            Step::Added { block, events, .. } => {
                all.extend(events.into_iter().filter(|logged| logged.block <= last));
                if block.number >= last.min(head) {
                    return Ok(all);
                }
            }
            Step::Removed { from, .. } => all.retain(|logged| logged.block < from),
        }
    }
}

/// Every revocation refuses.
pub async fn refusals(app: &App, found: &mut Findings) -> Result<(), Problem> {
    for logged in app.store.events_named("Revoked").await? {
        let Event::Revoked { slot, serial, .. } = logged.event else {
            continue;
        };
        let serial = serial.min(i64::MAX as u64);
        let refused = app.store.tombstone(slot).await?.map_or(0, |tombstone| tombstone.serial);
        if refused >= serial {
            continue;
        }
        let why = format!("revoked on chain up to serial {serial}, refused here up to {refused}");
        if found.differs("refusal", format!("slot {}", slot.0), why, REPAIR) {
            let tombstone = Tombstone {
                slot,
                org: Default::default(),
                serial,
                refused_at: logged.timestamp,
                receipt: serde_json::Value::Null,
            };
            app.store.refuse_slot(&tombstone).await?;
            found.mended();
        }
    }
    Ok(())
}

/// Every batch has the root of its leaves, and every anchored one its anchor.
pub async fn batches(app: &App, found: &mut Findings) -> Result<(), Problem> {
    for batch in app.store.batches().await? {
        let leaves = app.store.batch_leaves(batch.id).await?;
        let whole = leaves.len() as u32 == batch.count;
        if whole && Tree::new(leaves).map_or(true, |tree| tree.root() != batch.root) {
            found.differs(
                "root",
                format!("batch {}", batch.id),
                "its records do not make its root",
                "rebuild the database",
            );
        }
        if batch.state != RecordState::Anchored || is_anchored(app, &batch).await? {
            continue;
        }
        let why = "no event at its block says that it is anchored";
        let ours = app.config.organisation(batch.org).is_some();
        if found.differs("anchor", format!("batch {}", batch.id), why, REPAIR) && ours {
            // The submitter asks the chain for the anchor's key before it sends anything.
            app.store.batch_back(batch.id).await?;
            found.mended();
        }
    }
    Ok(())
}

async fn is_anchored(app: &App, batch: &Batch) -> Result<bool, Failure> {
    let place = batch.mined.map(|mined| (mined.block, mined.block_hash));
    Ok(app.store.events_of(batch.root).await?.iter().any(|logged| {
        Some((logged.block, logged.block_hash)) == place
            && anchored::batch(logged).is_some_and(|b| {
                (b.org, b.root, b.count, b.manifest) == (batch.org, batch.root, batch.count, batch.manifest)
            })
    }))
}

/// Every batch that an organisation of this gateway anchored has all its rows, as far as they open here.
pub async fn rows(app: &App, found: &mut Findings) -> Result<(), Problem> {
    let batches = app.store.batches().await?;
    let mut whole = HashSet::new();
    for batch in &batches {
        if app.store.batch_leaves(batch.id).await?.len() as u32 == batch.count {
            whole.insert((batch.org, batch.root, batch.manifest));
        }
    }
    for anchor in app.store.anchors_from(0).await? {
        let Some(batch) = anchored::batch(&anchor) else {
            continue;
        };
        let ours = app.config.organisation(batch.org).is_some();
        if !ours || whole.contains(&(batch.org, batch.root, batch.manifest)) {
            continue;
        }
        let what = format!("the batch anchored in block {}", anchor.block);
        let mend = found.differs("rows", what, "records it anchors have no row here", REPAIR);
        if mend {
            let mut tally = Tally::default();
            anchored::take_in(app, &anchor, &mut Keys::default(), |_| true, &mut tally).await?;
            if tally.lost.is_empty() && tally.closed.is_empty() {
                found.mended();
            }
        }
    }
    Ok(())
}
