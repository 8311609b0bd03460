//! The places content is kept in, each against what really answers there: a disk, an HTTP server, a Kubo daemon.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails its test")]

mod car;
mod fixtures;
mod http;
mod kubo;
mod local;
mod suite;
