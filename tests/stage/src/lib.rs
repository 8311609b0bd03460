//! This crate holds what the rooms' tests play on: an anvil of one's own, the three contracts on it, people who sign, a
//! PostgreSQL server, a Kubo node. Only tests link it; what goes wrong here is the test's end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod anvil;
mod chain;
mod decisions;
mod kubo;
mod postgres;
mod wallet;

pub use crate::{
    anvil::Anvil,
    chain::{Chain, deploy},
    kubo::Kubo,
    postgres::{Database, Postgres},
    wallet::{MNEMONIC, key, sign},
};

/// 2100: later than any test.
pub const FAR: u64 = 4_102_444_800;
