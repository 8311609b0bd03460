//! What the contracts say now.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256},
};
use chartseal_record::{Compartment, Slot};

use crate::{
    bindings::{Anchors, Consent, Directory},
    client::Client,
    error::Error,
};

/// Who signs for an account, and whether it may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// The address whose signature counts now; zero if the account does not exist.
    pub controller: Address,
    /// 1 patient, 2 doctor, 3 hospital, 4 insurer; 0 if the account does not exist.
    pub role: u8,
    /// 1 active, 2 suspended, 3 retired; 0 if the account does not exist.
    pub status: u8,
    /// Unix seconds.
    pub credential_expiry: u64,
}

/// One slot's word on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotWord {
    /// Serial of the newest grant; 0 before the first.
    pub serial: u64,
    /// Every serial up to this is revoked.
    pub revoked: u64,
    /// Unix seconds at which the newest grant ends.
    pub until: u64,
    /// READ=1, WRITE=2.
    pub permission: u8,
}

/// One compartment's epoch on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EpochWord {
    /// Number of the newest epoch; 0 before the first.
    pub number: u32,
    /// First 28 bytes of keccak256 of the epoch's public key.
    pub key_hash: [u8; 28],
}

impl Client {
    /// `Directory.authority`.
    pub async fn authority(&self, who: Address) -> Result<Authority, Error> {
        let a = self
            .view(self.contracts().directory, Directory::authorityCall { who })
            .await?;
        Ok(Authority {
            controller: a.controller,
            role: a.role,
            status: a.status,
            credential_expiry: a.credentialExpiry,
        })
    }

    /// `Directory.nonces`: the nonce the next signature of `who` must carry.
    pub async fn nonce_of(&self, who: Address) -> Result<u64, Error> {
        let nonce = self
            .view(self.contracts().directory, Directory::noncesCall { owner: who })
            .await?;
        // One per accepted signature: 2^64 of them never happen.
        Ok(nonce.saturating_to())
    }

    /// `Directory.isStatementKey` at a block number.
    pub async fn is_statement_key(&self, who: Address, key: Address, block: u64) -> Result<bool, Error> {
        let call = Directory::isStatementKeyCall {
            who,
            key,
            number: block,
        };
        self.view(self.contracts().directory, call).await
    }

    /// `Directory.publisherOrg`: the organisation an address publishes for; zero if none.
    pub async fn publisher_org(&self, publisher: Address) -> Result<Address, Error> {
        self.view(self.contracts().directory, Directory::publisherOrgCall { publisher })
            .await
    }

    /// Whether `who` may countersign registrations.
    pub async fn is_registrar(&self, who: Address) -> Result<bool, Error> {
        let role = alloy::primitives::keccak256("REGISTRAR");
        self.view(
            self.contracts().directory,
            Directory::hasRoleCall { role, account: who },
        )
        .await
    }

    /// `Consent.slotState`.
    pub async fn slot_state(&self, slot: Slot) -> Result<SlotWord, Error> {
        let s = self
            .view(self.contracts().consent, Consent::slotStateCall { slot: slot.0 })
            .await?;
        Ok(SlotWord {
            serial: s.serial,
            revoked: s.revoked,
            until: s.until,
            permission: s.permission,
        })
    }

    /// `Consent.isAllowed`: live, unexpired, both accounts active, as of the newest block.
    pub async fn is_allowed(
        &self,
        patient: Address,
        grantee: Address,
        target: B256,
        permission: u8,
    ) -> Result<bool, Error> {
        let call = Consent::isAllowedCall {
            patient,
            grantee,
            target,
            permission,
        };
        self.view(self.contracts().consent, call).await
    }

    /// `Consent.epochOf`, at the newest block.
    pub async fn epoch_of(&self, compartment: Compartment) -> Result<EpochWord, Error> {
        self.epoch_at(compartment, BlockId::latest()).await
    }

    /// `Consent.epochOf`, at a block.
    pub async fn epoch_at(&self, compartment: Compartment, at: BlockId) -> Result<EpochWord, Error> {
        let call = Consent::epochOfCall {
            compartment: compartment.0,
        };
        let e = self.view_at(self.contracts().consent, call, at).await?;
        Ok(EpochWord {
            number: e.number,
            key_hash: e.keyHash.0,
        })
    }

    /// `Anchors.anchoredAt`: the block that holds the anchor with this key, or `None`.
    pub async fn anchored_at(&self, key: B256) -> Result<Option<u64>, Error> {
        let block = self
            .view(self.contracts().anchors, Anchors::anchoredAtCall { key })
            .await?;
        Ok((block != 0).then_some(block))
    }

    /// `Anchors.verify`: the block that holds the anchor, if the proof leads from the leaf to its root.
    pub async fn verify(
        &self,
        org: Address,
        root: B256,
        count: u32,
        manifest: B256,
        leaf: B256,
        proof: Vec<B256>,
    ) -> Result<Option<u64>, Error> {
        let call = Anchors::verifyCall {
            org,
            root,
            count,
            manifest,
            leaf,
            proof,
        };
        let block = self.view(self.contracts().anchors, call).await?;
        Ok((block != 0).then_some(block))
    }
}
