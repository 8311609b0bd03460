//! This crate holds what we know of the chain: the contracts' bindings, reading them, their refusals as types, the
//! calldata of every decision, and following their events through re-orgs.
//!
//! It must not know a private key: it has no signer type, and nothing here can decide or pay. It must not know the
//! database either; whoever follows the chain keeps what was told.
#![warn(missing_docs)]

#[allow(
    missing_docs,
    clippy::all,
    reason = "sol! writes it; the meaning stands in contracts/src/interfaces"
)]
pub mod bindings;
pub mod calls;
mod client;
pub mod deployment;
mod error;
pub mod events;
mod follow;
mod head;
mod proofs;
mod revert;
mod step;
mod transaction;
mod views;

pub use crate::{
    client::{Client, TIMEOUT},
    error::Error,
    follow::Follower,
    head::{BlockRef, Head},
    revert::Revert,
    step::{Pace, Step},
    transaction::{Fees, Known, Mined},
    views::{Authority, EpochWord, SlotWord},
};
