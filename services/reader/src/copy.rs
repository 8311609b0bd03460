//! `copy`: the sealed bytes of one content place into another.

use std::collections::HashSet;

use chartseal_ipfs::{Content, Copied};
use clap::Args;
use serde_json::json;

use crate::failure::Failure;

/// Copies everything that one content place has pinned into another, and pins it there: a folder of CAR files into a Kubo
/// node, and back. CIDs stay what they are, so records, receipts and grants hold. Every block is hashed on its way; what the
/// other place has pinned already is passed over, so a copy that was stopped goes on, and one made while the gateway runs is
/// made again after it was stopped. Then name the new place in content.location of gateway and submitter; `chartseal-gateway
/// fsck` says whether anything is missing. Nothing is removed from the old place.
///
/// Example: chartseal-reader copy --from ./content --to kubo+http://127.0.0.1:5001
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Copy {
    /// Folder of CAR files, or kubo+http://HOST:5001
    #[arg(long, value_name = "URL|DIR")]
    from: String,
    /// Folder of CAR files, made if it is missing, or kubo+http://HOST:5001
    #[arg(long, value_name = "URL|DIR")]
    to: String,
    /// The figures as JSON, and no progress
    #[arg(long)]
    json: bool,
}

impl Copy {
    pub async fn run(self) -> Result<(), Failure> {
        let (from, to) = (Content::open_reading(&self.from).await?, Content::open(&self.to).await?);
        let pins = from.pins().await?;
        let known: HashSet<_> = to.pins().await?.into_iter().flatten().collect();
        let (mut copied, mut passed) = (Copied::default(), 0u64);
        for (at, roots) in pins.iter().enumerate() {
            if roots.iter().all(|root| known.contains(root)) {
                passed += 1;
                continue;
            }
            if !self.json && (copied.blocks == 0 || at % 20 == 0) {
                eprintln!(
                    "… import {} of {}, {} MiB so far",
                    at + 1,
                    pins.len(),
                    copied.bytes >> 20
                );
            }
            let one = from.copy(roots, &to).await?;
            copied.blocks += one.blocks;
            copied.bytes += one.bytes;
        }
        let imports = pins.len() as u64 - passed;
        match self.json {
            true => println!(
                "{}",
                json!({ "imports": imports, "blocks": copied.blocks, "bytes": copied.bytes, "known": passed })
            ),
            false => println!(
                "{imports} imports copied ({} blocks, {} bytes), {passed} were in {} already",
                copied.blocks,
                copied.bytes,
                to.place()
            ),
        }
        Ok(())
    }
}
