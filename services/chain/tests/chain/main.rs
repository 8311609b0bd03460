//! The chain room against a real anvil and the committed contracts.
#![allow(clippy::unwrap_used, reason = "tests")]

mod decisions;
mod deployments;
mod differential;
mod following;
mod layout;
mod nodes;
mod refusals;
mod relay;
