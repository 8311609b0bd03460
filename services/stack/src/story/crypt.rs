//! The doctor's own device: wraps from the chain, releases from the custodian, opening with a key no gateway has.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use anyhow::{Context, Result, ensure};
use chartseal_chain::bindings::Consent;
use chartseal_envelope::key::{EpochSecret, Identity, PublicKey, ReleaseKey};
use chartseal_envelope::{release, tree, wrap};
use chartseal_record::{Compartment, Slot, typed};
use serde_json::{Value, json};

use super::{People, Story};
use crate::client::{Answer, text};
use crate::session::Session;

/// A wrap as the chain shows it to everyone, for ever.
#[derive(Clone, Debug)]
pub struct Wrapped {
    pub slot: Slot,
    pub serial: u64,
    pub epoch: u32,
    pub wrap: Bytes,
    /// The epoch's public key, from its `Advanced` event.
    pub epoch_key: PublicKey,
}

impl Story {
    /// The newest wrap for `grantee` in a compartment, whether or not its grant is still live.
    pub async fn wrap_of(&self, patient: Address, grantee: Address, scope: &str) -> Result<Wrapped> {
        let compartment = self.compartment(patient, scope)?;
        let slot = Slot::with_word(patient, grantee, compartment.0);
        let consent = self.contracts.consent;
        let granted = self.node.logs::<Consent::Granted>(consent).await?;
        let granted = granted
            .into_iter()
            .map(|seen| seen.event)
            .rfind(|event| event.slot == slot.0);
        let granted = granted.context("the chain shows no grant in this slot")?;
        let rewrapped = self.node.logs::<Consent::Rewrapped>(consent).await?;
        let rewrapped = rewrapped
            .into_iter()
            .map(|seen| seen.event)
            .rfind(|event| event.slot == slot.0 && event.serial == granted.serial);
        let (epoch, wrap) = match rewrapped {
            Some(event) => (event.epoch, event.wrap),
            None => (granted.epoch, granted.wrap),
        };
        Ok(Wrapped {
            slot,
            serial: granted.serial,
            epoch,
            wrap,
            epoch_key: self.epoch_key(compartment, epoch).await?,
        })
    }

    /// Every wrap the chain ever showed for `grantee` in a compartment.
    pub async fn wraps_of(&self, patient: Address, grantee: Address, scope: &str) -> Result<Vec<Wrapped>> {
        let compartment = self.compartment(patient, scope)?;
        let slot = Slot::with_word(patient, grantee, compartment.0);
        let consent = self.contracts.consent;
        let mut found = Vec::new();
        for seen in self.node.logs::<Consent::Granted>(consent).await? {
            found.push((seen.event.slot, seen.event.serial, seen.event.epoch, seen.event.wrap));
        }
        for seen in self.node.logs::<Consent::Rewrapped>(consent).await? {
            found.push((seen.event.slot, seen.event.serial, seen.event.epoch, seen.event.wrap));
        }
        let mut wraps = Vec::new();
        for (_, serial, epoch, wrap) in found.into_iter().filter(|(at, ..)| *at == slot.0) {
            let epoch_key = self.epoch_key(compartment, epoch).await?;
            wraps.push(Wrapped {
                slot,
                serial,
                epoch,
                wrap,
                epoch_key,
            });
        }
        Ok(wraps)
    }

    /// An epoch's secret, derived from the patient's own backup and checked against the key on chain.
    pub async fn secret_from_backup(
        &self,
        people: &People,
        compartment: Compartment,
        epoch: u32,
    ) -> Result<EpochSecret> {
        let kept = people.kept.as_ref().context("the patient has no backup")?;
        let secret = tree::epoch_secret(&kept.opened.root, &self.contracts, compartment, epoch);
        let on_chain = self.epoch_key(compartment, epoch).await?;
        ensure!(
            *secret.public_key() == on_chain,
            "the backup's root yields another key than epoch {epoch} has on chain"
        );
        Ok(secret)
    }

    /// The public key of one epoch, checked against the hash the contract keeps if it is the newest.
    pub async fn epoch_key(&self, compartment: Compartment, epoch: u32) -> Result<PublicKey> {
        let advanced = self.node.logs::<Consent::Advanced>(self.contracts.consent).await?;
        let event = advanced
            .into_iter()
            .map(|seen| seen.event)
            .find(|event| event.compartment == compartment.0 && event.epoch == epoch)
            .with_context(|| format!("the chain shows no epoch {epoch} of this compartment"))?;
        let word = self.chain.epoch_of(compartment).await?;
        if word.number == epoch {
            ensure!(
                keccak256(&event.key)[..28] == word.key_hash,
                "event and contract name different epoch keys"
            );
        }
        Ok(PublicKey::try_from(event.key.as_ref())?)
    }

    /// `POST /v1/releases`, signed by the reader's wallet. The nonce is returned, since the release is bound to it.
    pub async fn ask_release(&self, reader: &Session, custodian: Address, wrapped: &Wrapped) -> Result<(Answer, B256)> {
        let asked = typed::Release {
            slot: wrapped.slot.0,
            serial: wrapped.serial,
            epoch: wrapped.epoch,
            reader: reader.account,
            purpose: "TREAT".to_owned(),
            nonce: B256::from(random()?),
            time: u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp())?,
            custodian,
        };
        let body = release_body(
            &asked,
            &reader
                .wallet
                .sign_digest(typed::digest(&asked, &self.contracts.consent_domain()))?,
        );
        Ok((reader.gateway.post("/v1/releases", &body).await?, asked.nonce))
    }

    /// Opens a release with the reader's key.
    pub fn open_release(
        &self,
        identity: &Identity,
        wrapped: &Wrapped,
        answer: Answer,
        nonce: B256,
    ) -> Result<ReleaseKey> {
        let sealed = text(&answer.expect(200)?, "release")?;
        let sealed = hex::decode(sealed.trim_start_matches("0x")).context("the release is not hex")?;
        Ok(release::open(&self.place(wrapped), nonce, identity, &sealed)?)
    }

    /// Opens a wrap with both halves: the grantee's key and the release key.
    pub fn open_wrap(&self, identity: &Identity, wrapped: &Wrapped, key: &ReleaseKey) -> Result<EpochSecret> {
        let place = self.place(wrapped);
        Ok(wrap::open(&place, identity, key, &wrapped.epoch_key, &wrapped.wrap)?)
    }

    fn place(&self, wrapped: &Wrapped) -> wrap::Place {
        wrap::Place {
            contracts: self.contracts,
            slot: wrapped.slot,
            serial: wrapped.serial,
            epoch: wrapped.epoch,
        }
    }
}

/// The body of `POST /v1/releases`.
pub fn release_body(asked: &typed::Release, signature: &str) -> Value {
    json!({
        "slot": asked.slot,
        "serial": asked.serial,
        "epoch": asked.epoch,
        "reader": asked.reader,
        "purpose": asked.purpose,
        "nonce": asked.nonce,
        "time": asked.time,
        "custodian": asked.custodian,
        "signature": signature,
    })
}

/// 32 bytes nobody knows.
pub fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the operating system gave no randomness")?;
    Ok(bytes)
}
