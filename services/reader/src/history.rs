//! What the chain has seen of the deployment, from the first block on.

use chartseal_chain::{Client, Pace, Step};
use chartseal_envelope::key::{PublicKey, SUITE};
use chartseal_record::{
    Bytes, Compartment,
    event::{Event, Logged},
};

use crate::failure::Failure;

/// One epoch of a compartment, as `Advanced` told it.
pub struct Epoch {
    pub number: u32,
    pub key: PublicKey,
    /// Empty where the epoch was opened afresh.
    pub link: Bytes,
}

/// Every event of the deployment, up to the block that is the newest now.
pub async fn read(client: &Client) -> Result<Vec<Logged>, Failure> {
    let end = client.head().await?.number;
    let mut follower = client.follow(0, [], Pace::default());
    let mut all: Vec<Logged> = Vec::new();
    loop {
        match follower.next().await? {
            Step::Added { block, events, .. } => {
                all.extend(events);
                if block.number >= end {
                    return Ok(all);
                }
            }
            Step::Removed { from, .. } => all.retain(|logged| logged.block < from),
        }
    }
}

/// A compartment's epochs of the suite known here, ascending.
pub fn epochs(events: &[Logged], compartment: Compartment) -> Vec<Epoch> {
    let advanced = events.iter().filter_map(|logged| match &logged.event {
        Event::Advanced {
            compartment: c,
            epoch,
            suite,
            key,
            link,
            ..
        } if *c == compartment && *suite == SUITE => {
            let key = PublicKey::try_from(key.as_ref()).ok()?;
            Some(Epoch {
                number: *epoch,
                key,
                link: link.clone(),
            })
        }
        _ => None,
    });
    advanced.collect()
}
