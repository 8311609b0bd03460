//! Every promise of the store, kept on real files.
#![allow(clippy::unwrap_used, reason = "tests")]

mod records;
mod stage;
