//! From a grantee's key and a release to an epoch secret: with a wrap given by hand, or with wrap, epoch keys and
//! links read from the chain.

use std::path::Path;

use chartseal_chain::Client;
use chartseal_envelope::{
    Error,
    key::{EpochSecret, Identity, PublicKey, SUITE},
    link, release,
    wrap::{self, Place},
};
use chartseal_record::{B256, Bytes, Compartment, Contracts, Scope, Slot, grant::GrantState, receipt::Addresses};
use serde::Deserialize;

use crate::{
    failure::Failure,
    history::{self, Epoch},
    input,
};

/// What a custodian answered to a signed request, with the request's nonce and the deployment: one JSON object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    chain_id: u64,
    contracts: Addresses,
    slot: Slot,
    serial: u64,
    epoch: u32,
    nonce: B256,
    release: Bytes,
}

impl Release {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        serde_json::from_slice(&input::small_file(path)?).map_err(|e| {
            let expected = "expected JSON with chainId, contracts, slot, serial, epoch, nonce, release";
            Failure::Input(format!("{} is not a release: {e}; {expected}", path.display()))
        })
    }

    pub fn contracts(&self) -> Contracts {
        let Addresses {
            directory,
            consent,
            anchors,
        } = self.contracts;
        Contracts {
            chain_id: self.chain_id,
            directory,
            consent,
            anchors,
        }
    }

    fn place(&self) -> Place {
        Place {
            contracts: self.contracts(),
            slot: self.slot,
            serial: self.serial,
            epoch: self.epoch,
        }
    }

    /// The epoch secret in `wrap`, which must belong to `epoch_key`. The first identity the release opens for counts.
    pub fn unwrap(&self, identities: &[Identity], wrap: &[u8], epoch_key: &PublicKey) -> Result<EpochSecret, Failure> {
        let mut refused = Error::NotOpened("release");
        for identity in identities {
            match release::open(&self.place(), self.nonce, identity, &self.release) {
                Ok(key) => return Ok(wrap::open(&self.place(), identity, &key, epoch_key, wrap)?),
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }
}

/// What the chain says about a release's slot.
pub struct Granted {
    /// The compartment granted.
    pub compartment: Compartment,
    wrap: Bytes,
    contracts: Contracts,
    /// Ascending, up to the epoch of the wrap.
    epochs: Vec<Epoch>,
}

impl Granted {
    /// Reads the grant's wrap and the epochs of its compartment.
    pub async fn look_up(client: &Client, release: &Release) -> Result<Self, Failure> {
        let events = history::read(client).await?;
        let slot = release.slot.0;
        let grant = GrantState::fold(events.iter().filter(|logged| logged.event.subject() == slot));
        let terms = grant.terms.filter(|terms| terms.serial == release.serial);
        let terms = terms.ok_or_else(|| Failure::Chain(format!("slot {slot} holds no grant {}", release.serial)))?;
        let wrap = grant
            .wraps
            .into_iter()
            .find(|wrapped| wrapped.epoch == release.epoch && wrapped.suite == SUITE);
        let wrap = wrap.ok_or_else(|| Failure::Chain(format!("the grant has no wrap for epoch {}", release.epoch)))?;
        let scope = Scope::new(&terms.scope).map_err(|_| {
            Failure::Input("this release is for a grant of one record; only grants of a scope are opened here".into())
        })?;
        let compartment = Compartment::of(terms.patient, &scope);
        let mut epochs = history::epochs(&events, compartment);
        epochs.retain(|epoch| epoch.number <= release.epoch);
        if epochs.last().is_none_or(|epoch| epoch.number != release.epoch) {
            return Err(Failure::Chain(format!(
                "the compartment has no epoch {}",
                release.epoch
            )));
        }
        let contracts = *client.contracts();
        Ok(Self {
            compartment,
            wrap: wrap.wrap,
            contracts,
            epochs,
        })
    }

    /// The secrets of the wrap's epoch and of every epoch before it, newest first, walking the links back.
    pub fn secrets(&self, release: &Release, identities: &[Identity]) -> Result<Vec<EpochSecret>, Failure> {
        let mut newer: Option<(&Epoch, EpochSecret)> = None;
        let mut secrets = Vec::new();
        for epoch in self.epochs.iter().rev() {
            let secret = match &newer {
                None => release.unwrap(identities, &self.wrap, &epoch.key)?,
                // Without a link history ends: the patient opened that epoch afresh.
                Some((above, _)) if above.link.is_empty() => break,
                Some((above, secret)) => {
                    let (contracts, compartment) = (self.contracts, self.compartment);
                    let step = link::Step {
                        contracts,
                        compartment,
                        previous: epoch.number,
                        epoch: above.number,
                    };
                    link::open(&step, secret, &epoch.key, &above.link)?
                }
            };
            secrets.push(secret.clone());
            newer = Some((epoch, secret));
        }
        Ok(secrets)
    }
}
