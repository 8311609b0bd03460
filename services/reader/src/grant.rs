//! From a grantee's key and a release to an epoch secret: with a wrap given by hand, or with wrap, epoch keys and
//! links read from the chain. Or to one record, with what its custodian gave beside the release.

use std::path::Path;

use chartseal_chain::Client;
use chartseal_envelope::{
    Error,
    key::{EpochSecret, Identity, PublicKey, SUITE},
    link,
    record::OpenedRecord,
    record_wrap, release,
    wrap::{self, Place},
};
use chartseal_record::{
    B256, Bytes, Compartment, ContentHash, Contracts, Scope, Slot,
    event::Logged,
    grant::{GrantState, Terms},
    receipt::Addresses,
    release::ReleasedRecord,
};
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
    record: Option<ReleasedRecord>,
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

    /// Whether it is of a grant of one record.
    pub fn is_of_record(&self) -> bool {
        self.record.is_some()
    }

    /// Opens the one record that was granted, which must be the one that the patient's commitment on chain is to.
    pub async fn open_record(
        &self,
        client: &Client,
        identities: &[Identity],
        cid: ContentHash,
        compartment: Option<Compartment>,
        sealed: &[u8],
    ) -> Result<OpenedRecord, Failure> {
        let Some(record) = self.record.as_ref().filter(|record| record.cid == cid) else {
            return Err(Failure::Input(format!("the release is not of {cid}")));
        };
        let terms = newest_terms(&history::read(client).await?, self)?.1;
        let granted = record_wrap::Granted {
            place: self.place(),
            patient: terms.patient,
            grantee: terms.grantee,
            salt: record.salt,
            compartment,
        };
        let mut refused = Error::NotOpened("release");
        for identity in identities {
            match release::open(&self.place(), self.nonce, identity, &self.release) {
                Ok(key) => {
                    return Ok(record_wrap::open_record(
                        &granted,
                        identity,
                        &key,
                        &record.wrap,
                        sealed,
                    )?);
                }
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
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

/// The slot of a release, and the terms it was released under.
fn newest_terms(events: &[Logged], release: &Release) -> Result<(GrantState, Terms), Failure> {
    let slot = release.slot.0;
    let grant = GrantState::fold(events.iter().filter(|logged| logged.event.subject() == slot));
    let terms = grant.terms.clone().filter(|terms| terms.serial == release.serial);
    let terms = terms.ok_or_else(|| Failure::Chain(format!("slot {slot} holds no grant {}", release.serial)))?;
    Ok((grant, terms))
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
        let (grant, terms) = newest_terms(&events, release)?;
        let wrap = grant
            .wraps
            .into_iter()
            .find(|wrapped| wrapped.epoch == release.epoch && wrapped.suite == SUITE);
        let wrap = wrap.ok_or_else(|| Failure::Chain(format!("the grant has no wrap for epoch {}", release.epoch)))?;
        let scope = Scope::new(&terms.scope).map_err(|_| {
            Failure::Input(
                "the grant is of one record, and the release lacks what its custodian gave with it: record".into(),
            )
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
