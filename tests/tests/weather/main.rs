//! Hostile weather: processes are killed, the chain takes blocks back, clocks jump, stores go away, while people upload,
//! edit, ask, grant, revoke and read. What was acknowledged is there afterwards, whole, once, for those it is for.
//!
//! How much of it is said by `WEATHER_RUNS` (20), `WEATHER_KILLS` (30), `WEATHER_OUTAGE` (15 seconds) and `WEATHER_SEED`
//! (1): small in `make test`, more in `make soak`. A seed draws the same steps on every machine; when within them a
//! process falls is up to the machine.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

mod figures;
mod ground;
mod kills;
mod model;
mod outage;
mod people;
mod proof;
mod reading;
mod replicas;
mod run;
mod simulation;
mod step;
