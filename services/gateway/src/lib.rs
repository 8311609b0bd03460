//! This crate holds the gateway: the process that hospitals, patients, doctors and insurers talk to. It authenticates
//! wallets and systems, lays decisions out for signing, keeps its organisations' vaults, seals uploads, and opens records
//! for whoever has a live grant, after an audit entry that is durable.
//!
//! It sees plaintext in memory and holds statement keys. It must not know a key that may publish or pay: those are the
//! submitter's, and the two meet only in the database.

pub mod anchored;
pub mod app;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod blind;
pub mod config;
mod connections;
pub mod custody;
mod deadline;
pub mod elsewhere;
pub mod fhir;
pub mod fsck;
pub mod health;
pub mod idempotency;
pub mod index;
pub mod intent;
mod linger;
pub mod openapi;
pub mod page;
pub mod peers;
pub mod portal;
pub mod problem;
pub mod queue;
pub mod rate;
pub mod read;
pub mod rebuild;
pub mod request;
pub mod router;
pub mod serve;
pub mod staging;
pub mod statement;
pub mod trace;
pub mod v1;
pub mod vault;
pub mod write;

pub use app::App;
pub use config::Config;
