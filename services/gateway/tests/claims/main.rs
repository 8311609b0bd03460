//! An insurer and the claims of twelve sample patients, each of whom granted it something else.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

#[path = "../common/mod.rs"]
mod common;
mod evidence;
mod lookup;
mod model;
mod own;
mod search;
mod single;
mod stage;
