//! The `envelope` part: large files, 4 KiB records, wraps.

use std::{path::PathBuf, thread};

use anyhow::Result;
use chartseal_envelope::key::Identity;
use clap::Args;

mod large;
mod processes;
mod small;
mod wraps;

/// Prints what sealing and opening costs beside the raw cipher, `rage`, `age` and the `age` crate.
#[derive(Args)]
pub struct Envelope {
    /// Size of the large file
    #[arg(long, default_value_t = 256)]
    mib: usize,
    /// How many small files
    #[arg(long, default_value_t = 10_000)]
    files: usize,
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// The rage program
    #[arg(long, default_value = "rage")]
    rage: PathBuf,
    /// The age program
    #[arg(long, default_value = "age")]
    age: PathBuf,
}

/// Plaintext bytes of a small record.
const SMALL: usize = 4096;

impl Envelope {
    pub fn run(self) -> Result<()> {
        let cores = thread::available_parallelism()?.get();
        println!(
            "envelope: {} MiB and {} × 4 KiB, median of {} rounds, {cores} cores",
            self.mib, self.files, self.rounds
        );
        println!("one thread: CPU time of the thread; all threads and processes: wall clock\n");
        let identity = Identity::generate()?;
        let raw = large::run(&self, &identity, cores)?;
        small::run(&self, &identity, cores)?;
        wraps::run(&self)?;
        processes::run(&self, &identity, cores, raw)
    }
}
