//! This crate holds `chartseal-reader`: it opens and verifies records with no gateway and no database of ours, only
//! keys the reader holds, bytes from IPFS, and any node of the chain.
//!
//! It must not know `store`: what it says must follow from public bytes and the reader's own keys alone.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod attachments;
mod author;
mod copy;
mod decrypt;
mod failure;
mod grant;
mod history;
mod input;
mod open;
mod output;
mod packet;
mod place;
mod recover;
mod verify;
mod verify_audit;

/// Opens and verifies Chartseal records with no gateway and no database.
#[derive(Parser)]
#[command(name = "chartseal-reader", version, after_help = failure::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Verify(verify::Verify),
    Open(open::Open),
    Decrypt(decrypt::Decrypt),
    Recover(recover::Recover),
    VerifyAudit(verify_audit::VerifyAudit),
    Copy(copy::Copy),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Verify(verify) => verify.run().await,
        Command::Open(open) => open.run().await,
        Command::Decrypt(decrypt) => decrypt.run(),
        Command::Recover(recover) => recover.run().await,
        Command::VerifyAudit(verify) => verify.run(),
        Command::Copy(copy) => copy.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chartseal-reader: {failure}");
            failure.exit_code()
        }
    }
}
