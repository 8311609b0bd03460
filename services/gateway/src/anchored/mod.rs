//! Records found by their anchors: anchor → manifest → the compartments that open here → row and search index.
//!
//! A rebuilt database and another gateway's records come in this one way. What comes in was opened, signed by who it says,
//! and written by somebody whom the patient let write; nothing else does.

mod keys;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};

use alloy::primitives::Address;
use chartseal_ipfs::{Bytes, Error as ContentError};
use chartseal_record::{
    Compartment, Scope,
    event::{Event, Logged},
    manifest::{self, Entry, Manifest},
};
use chartseal_store::{AnchoredBatch, AnchoredRecord, Mined, TakenIn};
use cid::Cid;
use serde::Serialize;

pub use self::keys::{Access, Keys};
use crate::{
    app::App,
    problem::{Failure, Problem},
    read::Key,
};

/// A compartment by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub patient: Address,
    pub scope: Scope,
    pub compartment: Compartment,
}

/// Something that did not come in. No word of it is about what a record says.
#[derive(Debug, Clone, Serialize)]
pub struct Lost {
    pub what: String,
    pub why: String,
}

/// What came of a walk.
#[derive(Debug, Default)]
pub struct Tally {
    /// Records that are here now and were not.
    pub taken: u64,
    /// Records that were here.
    pub known: u64,
    pub lost: Vec<Lost>,
    /// Records that open with no key that is here, by patient.
    pub closed: BTreeMap<Address, u64>,
    /// The highest epoch that a manifest names, by compartment.
    pub epochs: HashMap<Compartment, u32>,
    /// Whether bytes were missing that another node may still bring.
    pub absent: bool,
    /// Compartments whose custodian did not answer.
    pub away: HashSet<Compartment>,
}

impl Tally {
    fn lose(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.lost.push(Lost {
            what: what.into(),
            why: why.into(),
        });
    }
}

/// Takes in what one anchor names and `wanted` wants, and what `keys` open alone. A batch that cannot be read, or a record
/// that does not prove itself, is told in the tally and the rest goes on; with the content store or the database away,
/// nothing does.
pub async fn take_in(
    app: &App,
    anchor: &Logged,
    keys: &mut Keys,
    wanted: impl Fn(&Place) -> bool,
    tally: &mut Tally,
) -> Result<(), Problem> {
    let Some(batch) = batch(anchor) else { return Ok(()) };
    let name = manifest::cid(batch.manifest);
    let manifest = match list(app, &batch, &name).await? {
        Ok(manifest) => manifest,
        // Whose records it held nobody can say.
        Err(why) => {
            tally.absent |= !app.content.has(&name).await?;
            tally.lose(format!("batch {name}"), why);
            return Ok(());
        }
    };
    let mut opened: Vec<AnchoredRecord> = Vec::new();
    for (at, entry) in manifest.entries().iter().enumerate() {
        let Some(place) = app.index.place(entry.compartment) else {
            continue;
        };
        let highest = tally.epochs.entry(entry.compartment).or_default();
        *highest = (*highest).max(entry.epoch);
        let alone = keys.take(entry.content);
        if alone.is_none() && !wanted(&place) {
            continue;
        }
        if app.store.record(entry.content).await?.is_some() {
            tally.known += 1;
            continue;
        }
        let key = match alone {
            Some(key) => key,
            None => match keys.access(app, &place).await? {
                Access::Away(why) => {
                    tally.away.insert(place.compartment);
                    tally.lose(cid_of(entry), why.as_str());
                    continue;
                }
                Access::Closed => {
                    *tally.closed.entry(place.patient).or_default() += 1;
                    continue;
                }
                Access::Open(secrets) => match secrets.get(&entry.epoch) {
                    None => {
                        tally.lose(cid_of(entry), "no key here leads to its epoch");
                        continue;
                    }
                    Some(secret) => Key::Epoch(secret.clone()),
                },
            },
        };
        match record::open(app, &batch, &place, entry, at as u32, &key).await? {
            Ok(record) => opened.push(record),
            Err(why) => {
                tally.absent |= !app.content.has(&entry.content.cid()).await?;
                tally.lose(cid_of(entry), why);
            }
        }
    }
    // As they were written, as far as their authors' clocks tell: a version after the one before it.
    opened.sort_by_key(|one| (one.record.authored_at, one.record.version, one.leaf_index));
    let taken = app.store.take_in(&batch, &opened).await?;
    for (one, taken) in opened.iter().zip(taken) {
        match taken {
            TakenIn::New => {
                tally.taken += 1;
                missing_documents(app, one, tally).await?;
            }
            TakenIn::Known => tally.known += 1,
            TakenIn::Conflict => tally.lose(
                format!("record {}", one.record.content_hash),
                "it does not follow the version that was anchored first",
            ),
        }
    }
    Ok(())
}

/// A document whose bytes are gone takes nothing from its record.
async fn missing_documents(app: &App, one: &AnchoredRecord, tally: &mut Tally) -> Result<(), Problem> {
    for (cid, _) in &one.attachments {
        let known: Cid = cid.parse().map_err(|_| Failure::Broken("a document's CID is none"))?;
        if !app.content.has(&known).await? {
            tally.lose(
                format!("document {cid} of record {}", one.record.content_hash),
                format!("its bytes are not in {}", app.content.place()),
            );
        }
    }
    Ok(())
}

fn cid_of(entry: &Entry) -> String {
    format!("record {}", entry.content)
}

pub fn batch(anchor: &Logged) -> Option<AnchoredBatch> {
    let Event::Anchored {
        org,
        root,
        count,
        manifest,
        ..
    } = anchor.event
    else {
        return None;
    };
    Some(AnchoredBatch {
        org,
        root,
        count,
        manifest,
        transaction: anchor.transaction,
        mined: Mined {
            block: anchor.block,
            block_hash: anchor.block_hash,
            gas_used: 0,
        },
        anchored_at: anchor.timestamp,
    })
}

/// The batch's list, which must be what its root was made of; or why there is none.
async fn list(app: &App, batch: &AnchoredBatch, name: &Cid) -> Result<Result<Manifest, String>, Problem> {
    let bytes = match block(app, name).await? {
        Ok(bytes) => bytes,
        Err(why) => return Ok(Err(why)),
    };
    Ok(match Manifest::decode(&bytes) {
        Ok(manifest) if manifest.tree().root() == batch.root && manifest.entries().len() as u32 == batch.count => {
            Ok(manifest)
        }
        Ok(_) => Err("its manifest lists other records than its root was made of".into()),
        Err(why) => Err(why.to_string()),
    })
}

/// A block of the content store; or why there is none. A store that does not answer is a failure.
pub async fn block(app: &App, cid: &Cid) -> Result<Result<Bytes, String>, Problem> {
    match app.content.get(cid).await {
        Ok(Some(bytes)) => Ok(Ok(bytes)),
        Ok(None) => Ok(Err(format!("{cid} is not in {}", app.content.place()))),
        Err(error @ (ContentError::Corrupt { .. } | ContentError::BlockTooLarge { .. })) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}
