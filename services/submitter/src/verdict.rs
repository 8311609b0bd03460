//! What a contract's refusal means for an intent: done already, not yet, or never.

use alloy::{primitives::keccak256, sol_types::SolCall};
use chartseal_chain::{
    Client, Revert,
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
    /// What it decides is so already.
    InForce,
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
    if let Revert::Consent(ConsentErrors::EpochNotAhead(e)) = revert
        && e.epoch == e.current
        && let Ok(advance) = Consent::advanceCall::abi_decode(data)
    {
        // The same epoch with the same key is this very advance; with another key somebody else was first.
        let on_chain = client.epoch_of(Compartment(e.compartment)).await?;
        let same = on_chain.key_hash[..] == keccak256(&advance.a.key)[..28];
        return Ok(if same { Verdict::InForce } else { Verdict::Final });
    }
    let patient = age < GRACE || (in_flight && age < PATIENCE);
    Ok(if patient && may_mend(revert) {
        Verdict::Later
    } else {
        Verdict::Final
    })
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
                | ConsentErrors::UnknownEpoch(_)
                | ConsentErrors::NotRecipientKey(_)
                | ConsentErrors::NotKeyHolder(_)
                | ConsentErrors::NotStatementKey(_)
        ),
        _ => false,
    }
}
