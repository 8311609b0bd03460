//! The task that follows the chain.

use std::time::Duration;

use chartseal_chain::{BlockRef, Error as ChainError, Follower, Head, Pace, Step};
use chartseal_store::{Block, BlockPlace, Error as StoreError, Store};

use super::state::State;
use crate::{
    app::App,
    custody::{mend, revoke},
    problem::Failure,
};

/// Folds what the database kept, up to its newest block.
pub(super) async fn load(store: &Store, state: &mut State) -> Result<(), Failure> {
    for logged in store.events().await? {
        state.take(logged);
    }
    if let Some(block) = store.last_blocks(1).await?.first() {
        state.set_head(Head {
            number: block.number,
            hash: block.hash,
            parent: Default::default(),
            timestamp: block.timestamp,
        });
    }
    Ok(())
}

/// How long to wait for a database that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows until the chain was rewritten deeper than is remembered: then nothing may be decided by it any more, and the
/// process ends with the error. A database that is away is waited for; the head grows old meanwhile, and opens nothing.
pub async fn follow(app: App) -> Result<(), Failure> {
    let mut follower = resume(&app).await?;
    loop {
        match follower.next().await {
            Ok(step) => {
                if kept(&app, &step).await? {
                    tell(&app, step);
                }
            }
            Err(error @ ChainError::ReorgTooDeep { .. }) => return Err(error.into()),
            // The follower pauses by itself. Meanwhile the head grows old, and an old head opens nothing.
            Err(error) => tracing::warn!(%error, "the chain cannot be followed at the moment"),
        }
    }
}

/// Stands where the database stands.
async fn resume(app: &App) -> Result<Follower, StoreError> {
    let pace = Pace::default();
    let known = app.store.last_blocks(pace.depth as u32).await?;
    let known = known.iter().rev().map(|b| BlockRef {
        number: b.number,
        hash: b.hash,
    });
    Ok(app.chain.follow(app.deployment.block, known, pace))
}

/// Into the database, however long it takes. `false` if the block left the chain meanwhile: the follower says so next.
async fn kept(app: &App, step: &Step) -> Result<bool, Failure> {
    loop {
        match (keep(app, step).await, step) {
            (Ok(()), _) => return Ok(true),
            (Err(error @ (StoreError::Database(_) | StoreError::NotCommitted(_))), _) => {
                tracing::warn!(%error, "the database does not take the chain's news; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            // Another process follows into the same database, and what it brought or took back does not fit.
            (Err(StoreError::AnotherBlock { .. } | StoreError::Unfounded { .. }), Step::Added { block, .. }) => {
                match replace(app, block).await {
                    Ok(Replaced::Here) => {}
                    Ok(Replaced::Lost) => return Ok(false),
                    Err(Failure::Chain(error)) if !matches!(*error, ChainError::ReorgTooDeep { .. }) => {
                        tracing::warn!(%error, "the chain cannot be compared with the database at the moment");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(Failure::Store(
                        StoreError::Database(_)
                        | StoreError::NotCommitted(_)
                        | StoreError::AnotherBlock { .. }
                        | StoreError::Unfounded { .. },
                    )) => tokio::time::sleep(PAUSE).await,
                    Err(error) => return Err(error),
                }
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
}

enum Replaced {
    /// The database may take the block now.
    Here,
    /// The block is no longer on the chain.
    Lost,
}

/// Brings the database to the chain on which `block` stands, if that is the longer one.
///
/// Two gateways with a node each may see two forks for a while. The shorter one waits: its head grows old, and it opens
/// nothing that the longer one does not. Were each to write what it sees, they would rewrite each other's blocks for as
/// long as the nodes disagree.
async fn replace(app: &App, block: &Head) -> Result<Replaced, Failure> {
    loop {
        let there = app.chain.block(block.number.into()).await?;
        if there.is_none_or(|there| there.hash != block.hash) {
            return Ok(Replaced::Lost);
        }
        let stored = app.store.last_blocks(1).await?.first().map_or(0, |block| block.number);
        if app.chain.head().await?.number > stored {
            break;
        }
        tokio::time::sleep(Pace::default().poll).await;
    }
    tracing::warn!(
        block = block.number,
        "the database holds another chain, or less of it, than the node; it is brought here"
    );
    let mut follower = resume(app).await?;
    while follower.tip().is_none_or(|tip| tip != block.place()) {
        let step = follower.next().await?;
        keep(app, &step).await?;
        if matches!(step, Step::Added { block: added, .. } if added.number >= block.number) {
            break;
        }
    }
    Ok(Replaced::Here)
}

/// Into the database.
async fn keep(app: &App, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Added { block, events, after } => {
            let row = Block {
                number: block.number,
                hash: block.hash,
                timestamp: block.timestamp,
            };
            // A revocation refuses its slot in the same transaction, before memory knows the block: a re-org that drops
            // the block finds the refusal standing.
            let destroyed = app.store.append_block(row, after.map(place), events).await?;
            if destroyed > 0 {
                tracing::info!(destroyed, "the chain revoked grants; their release keys are destroyed");
                revoke::wipe_later(app);
            }
            Ok(())
        }
        Step::Removed { from, lost } => {
            tracing::warn!(
                from,
                "the chain was rewritten; its events from this block on are forgotten"
            );
            // Queued again before they are forgotten: an epoch in use stays in use, whatever happened to its block.
            app.pending.bring_back(&app.store, *from).await?;
            app.store.remove_blocks_from(place(*lost)).await.map(drop)
        }
    }
}

fn place(block: BlockRef) -> BlockPlace {
    BlockPlace {
        number: block.number,
        hash: block.hash,
    }
}

/// Into memory, once the database has it.
fn tell(app: &App, step: Step) {
    match step {
        Step::Added { block, events, .. } => {
            metrics::gauge!("chartseal_followed_block").set(block.number as f64);
            let told = events.clone();
            app.index.write(|state| state.add(block, events));
            mend::followed(app, block.number, &told);
        }
        Step::Removed { from, .. } => app.index.write(|state| state.remove_from(from)),
    }
}
