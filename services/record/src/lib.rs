//! This crate holds the nouns of Chartseal: scopes, compartments, slots, content hashes, statements,
//! the typed data people sign, the Merkle tree over a batch, its manifest, receipts, and the events of
//! the contracts with the folds that turn them into accounts and grants.
//!
//! It is pure: no I/O, no async, no secrets. It must not know how bytes are encrypted, stored, sent or
//! paid for. `docs/format.md` writes down every byte it makes; `tests/vectors/record.json` holds one of each.
#![warn(missing_docs)]

pub mod account;
pub mod audit;
pub mod canonical;
pub mod clock;
pub mod content;
pub mod contracts;
pub mod event;
pub mod grant;
pub mod manifest;
pub mod merkle;
pub mod packet;
pub mod padding;
pub mod place;
pub mod receipt;
pub mod release;
pub mod scope;
pub mod state;
pub mod statement;
pub mod typed;

pub use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};

pub use crate::{
    content::ContentHash,
    contracts::Contracts,
    place::{Compartment, Slot, Target},
    scope::Scope,
};
