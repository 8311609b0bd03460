//! This crate holds the worker that anchors batches and relays intents. Its process is the only one that holds
//! publisher and relayer keys: it can pay and publish, and decide nothing.
//!
//! It must not know how anything is sealed: it does not link `envelope`, and meets the gateway only in the database.
//! Every step commits its intention before it acts (batch, signed transaction), and asks the chain before it acts
//! again, so that it may be killed between any two statements: `tests/` does.
#![warn(missing_docs)]

mod assemble;
mod config;
mod error;
mod found;
mod heads;
mod keys;
mod publisher;
mod relayer;
pub mod serve;
mod signer;
mod start;
mod verdict;
mod work;

pub use crate::{
    assemble::Assembled,
    config::{Config, ConfigError, Deployment, SAMPLE},
    error::Error,
    heads::{DEPTH, Heads, Look},
    publisher::{Publisher, Rules},
    relayer::Relayer,
    signer::{Call, Signer},
    start::{run, same_chain},
    verdict::Verdict,
    work::{Ailment, LEASE_SECONDS, Worker},
};
