//! This crate holds `chartseal-bench`: Chartseal measured beside its floor and its peers, in one run, so that ratios
//! count and not the machine.
//!
//! It is a workspace of its own: nothing it brings enters what ships.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod envelope;
mod lookup;
mod measure;
mod pace;
mod pipeline;
mod process;

#[derive(Parser)]
#[command(name = "chartseal-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sealing and opening: large files, small records, wraps
    Envelope(envelope::Envelope),
    /// Uploads through whole processes: small records and large documents
    Pipeline(pipeline::Pipeline),
    /// Claims looked up by their numbers, and whether the time tells absent ones from forbidden ones
    Lookup(lookup::Lookup),
    /// Serves the table that `lookup` compares with
    Rows(lookup::Rows),
    /// Seals or opens one file as a process of its own, to be compared with `rage` and `age`
    Pipe(process::Pipe),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Envelope(envelope) => envelope.run(),
        Command::Pipeline(pipeline) => pipeline.run(),
        Command::Lookup(lookup) => lookup.run(),
        Command::Rows(rows) => rows.run(),
        Command::Pipe(pipe) => pipe.run(),
    }
}
