//! The task that follows the chain.

use std::time::Duration;

use chartseal_chain::{BlockRef, Error as ChainError, Head, Pace, Step};
use chartseal_store::{Block, Error as StoreError, Store};

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
    let pace = Pace::default();
    let known = app.store.last_blocks(pace.depth as u32).await?;
    let known = known.iter().rev().map(|b| BlockRef {
        number: b.number,
        hash: b.hash,
    });
    let mut follower = app.chain.follow(app.deployment.block, known, pace);
    loop {
        match follower.next().await {
            Ok(step) => {
                while let Err(error) = keep(&app, &step).await {
                    if !matches!(error, StoreError::Database(_) | StoreError::NotCommitted(_)) {
                        return Err(error.into());
                    }
                    tracing::warn!(%error, "the database does not take the chain's news; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                tell(&app, step);
            }
            Err(error @ ChainError::ReorgTooDeep { .. }) => return Err(error.into()),
            // The follower pauses by itself. Meanwhile the head grows old, and an old head opens nothing.
            Err(error) => tracing::warn!(%error, "the chain cannot be followed at the moment"),
        }
    }
}

/// Into the database.
async fn keep(app: &App, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Added { block, events } => {
            let row = Block {
                number: block.number,
                hash: block.hash,
                timestamp: block.timestamp,
            };
            // A revocation refuses its slot in the same transaction, before memory knows the block: a re-org that drops
            // the block finds the refusal standing.
            let destroyed = app.store.append_block(row, events).await?;
            if destroyed > 0 {
                tracing::info!(destroyed, "the chain revoked grants; their release keys are destroyed");
                revoke::wipe_later(app);
            }
            Ok(())
        }
        Step::Removed { from } => {
            tracing::warn!(
                from,
                "the chain was rewritten; its events from this block on are forgotten"
            );
            // Queued again before they are forgotten: an epoch in use stays in use, whatever happened to its block.
            app.pending.bring_back(&app.store, *from).await?;
            app.store.remove_blocks_from(*from).await.map(drop)
        }
    }
}

/// Into memory, once the database has it.
fn tell(app: &App, step: Step) {
    match step {
        Step::Added { block, events } => {
            metrics::gauge!("chartseal_followed_block").set(block.number as f64);
            let told = events.clone();
            app.index.write(|state| state.add(block, events));
            mend::followed(app, block.number, &told);
        }
        Step::Removed { from } => app.index.write(|state| state.remove_from(from)),
    }
}
