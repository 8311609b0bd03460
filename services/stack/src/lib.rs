//! This crate holds the program that brings a whole system up as separate processes, fills it with sample people and
//! documents, tells the demo's story, deploys and administers.
//!
//! It talks HTTP to gateways and JSON-RPC to chains, like any stranger. It must not know the database, the vault or
//! the content store from the inside: where the story looks into their files, it reads bytes from disk like a thief
//! would.

pub mod anvil;
pub mod client;
pub mod configuration;
pub mod decide;
pub mod deploy;
pub mod enrol;
pub mod folder;
pub mod machine;
pub mod ports;
pub mod rpc;
pub mod samples;
pub mod seed;
pub mod session;
pub mod shapes;
pub mod stack_json;
pub mod story;
pub mod supervise;
pub mod table;
pub mod thief;
pub mod up;
pub mod wallet;
