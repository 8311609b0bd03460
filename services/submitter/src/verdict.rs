//! What a contract's refusal means for an intent: done already, not yet, or never.

use std::cmp::Ordering;

use alloy::{eips::BlockId, primitives::keccak256, sol_types::SolCall};
use chartseal_chain::{
    BlockRef, Client, Revert,
    bindings::{Consent, ConsentErrors, DirectoryErrors},
};
use chartseal_record::{Bytes, Compartment};

use crate::Error;

/// Seconds within which something that is not ours (another organisation's registration) may still make the call
/// possible.
const GRACE: u64 = 30;
/// Seconds after which a refusal counts even while transactions of ours are under way, or a busy relayer would never
/// say no.
const PATIENCE: u64 = 600;

/// What to do with a refused intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What it decides is so already, in this block at the latest.
    InForce(BlockRef),
    /// Something it needs may be on its way.
    Later,
    /// Never.
    Final,
}

/// Judges a refusal. `age` is how long (seconds) the intent has been signed, `in_flight` whether transactions of its
/// organisation are unconfirmed.
pub async fn verdict(
    client: &Client,
    revert: &Revert,
    data: &Bytes,
    age: u64,
    in_flight: bool,
) -> Result<Verdict, Error> {
    let patient = age < GRACE || (in_flight && age < PATIENCE);
    let later_if = |mends: bool| {
        if patient && mends {
            Verdict::Later
        } else {
            Verdict::Final
        }
    };
    if let Revert::Consent(ConsentErrors::EpochNotAhead(e)) = revert
        && e.epoch == e.current
        && let Ok(advance) = Consent::advanceCall::abi_decode(data)
    {
        // The refusal is of the pending state. What counts is a block, and which: a re-org may take it.
        let head = client.head().await?.place();
        let on_chain = client
            .epoch_at(Compartment(e.compartment), BlockId::hash(head.hash))
            .await?;
        let same = on_chain.key_hash[..] == keccak256(&advance.a.key)[..28];
        return Ok(match on_chain.number.cmp(&e.epoch) {
            // On its way in a transaction of somebody's.
            Ordering::Less => later_if(true),
            // The same epoch with the same key is this very advance; with another key somebody else was first.
            Ordering::Equal if same => Verdict::InForce(head),
            Ordering::Equal | Ordering::Greater => Verdict::Final,
        });
    }
    Ok(later_if(may_mend(revert)))
}

/// Refusals that a registration, grant or advance on its way to the chain (or back to it after a re-org) would lift.
fn may_mend(revert: &Revert) -> bool {
    match revert {
        Revert::Directory(e) => matches!(
            e,
            DirectoryErrors::UnknownAccount(_) | DirectoryErrors::NotRegistrar(_) | DirectoryErrors::UnfitCustodian(_)
        ),
        Revert::Consent(ConsentErrors::SerialNotNext(e)) => e.serial > e.newest,
        Revert::Consent(e) => matches!(
            e,
            ConsentErrors::NotPatient(_)
                | ConsentErrors::NotActive(_)
                | ConsentErrors::NotLive(_)
                | ConsentErrors::UnknownEpoch(_)
                | ConsentErrors::NotRecipientKey(_)
                | ConsentErrors::NotKeyHolder(_)
                | ConsentErrors::NotStatementKey(_)
        ),
        _ => false,
    }
}
