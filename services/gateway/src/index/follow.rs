//! The task that follows the chain.

use chartseal_chain::{BlockRef, Error as ChainError, Head, Pace, Step};
use chartseal_store::{Block, Store};

use super::state::State;
use crate::{app::App, custody::mend, problem::Failure};

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

/// Follows until the chain was rewritten deeper than is remembered, or the database does not take what was told: then
/// nothing may be decided by it any more, and the process ends with the error.
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
            Ok(Step::Added { block, events }) => {
                let row = Block {
                    number: block.number,
                    hash: block.hash,
                    timestamp: block.timestamp,
                };
                app.store.append_block(row, &events).await?;
                let touched = !events.is_empty();
                app.index.write(|state| state.add(block, events));
                if touched {
                    mend::wake(&app);
                }
            }
            Ok(Step::Removed { from }) => {
                tracing::warn!(
                    from,
                    "the chain was rewritten; its events from this block on are forgotten"
                );
                app.store.remove_blocks_from(from).await?;
                app.index.write(|state| state.remove_from(from));
            }
            Err(error @ ChainError::ReorgTooDeep { .. }) => return Err(error.into()),
            // The follower pauses by itself. Meanwhile the head grows old, and an old head opens nothing.
            Err(error) => tracing::warn!(%error, "the chain cannot be followed at the moment"),
        }
    }
}
