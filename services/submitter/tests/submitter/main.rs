//! The submitter against a real chain (anvil), a real database and a real content folder, killed between its steps.
#![allow(clippy::unwrap_used, reason = "tests")]

mod batches;
mod intents;
mod nonces;
mod people;
mod process;
mod reorgs;
mod stage;
