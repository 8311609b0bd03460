//! Every promise of the store, kept on real files and on a real server: `Stage::each` tells one story on both engines.
#![allow(clippy::unwrap_used, reason = "tests")]

mod access;
mod applications;
mod batches;
mod chain;
mod custody;
mod destruction;
mod durability;
mod intents;
mod postgres;
mod records;
mod release_keys;
mod replicas;
mod stage;
