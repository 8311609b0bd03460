//! This crate holds the program that brings a whole system up as separate processes, fills it with sample people and
//! documents, tells the demo's story, deploys and administers.
//!
//! It talks HTTP to gateways and JSON-RPC to chains, like any stranger. It must not know the database, the vault or
//! the content store from the inside: where the story looks into their files, it reads bytes from disk like a thief
//! would.

pub mod client;
pub mod machine;
pub mod rpc;
pub mod samples;
pub mod seed;
pub mod session;
pub mod story;
pub mod table;
pub mod thief;
pub mod wallet;
