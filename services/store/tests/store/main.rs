//! Every promise of the store, kept on real files.
#![allow(clippy::unwrap_used, reason = "tests")]

mod access;
mod batches;
mod chain;
mod custody;
mod durability;
mod intents;
mod records;
mod stage;
