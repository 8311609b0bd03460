//! What a running system with its sample people does when it is asked rightly, wrongly, and by other people's tools.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

mod enrolling;
mod identity;
mod packets;
mod proofs;
mod refusals;
mod samples;
mod unchanged;
