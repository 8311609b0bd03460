//! The people of every test, and what they decide.

use alloy::{
    primitives::{B256, Bytes, keccak256},
    signers::local::PrivateKeySigner,
};
use chartseal_chain::calls;
use chartseal_record::typed;
use chartseal_stage::{Chain, FAR, key, sign};

use crate::stage::Stage;

pub fn hospital() -> PrivateKeySigner {
    key(1)
}
pub fn publisher() -> PrivateKeySigner {
    key(2)
}
pub fn relayer() -> PrivateKeySigner {
    key(3)
}
pub fn statement() -> PrivateKeySigner {
    key(4)
}
pub fn patient() -> PrivateKeySigner {
    key(5)
}

/// Somebody else who registers.
pub fn stranger() -> PrivateKeySigner {
    key(6)
}

/// A chain with the hospital registered, its publisher and its statement key listed.
pub async fn chain() -> Chain {
    let chain = Chain::start().await;
    chain.register(&hospital(), 3, None).await;
    chain.statement_key(&hospital(), statement().address()).await;
    chain.publisher(&hospital(), &publisher()).await;
    chain
}

impl Stage {
    /// Calldata that registers `who`; patients with the hospital as custodian in gateway mode.
    pub fn registering(&self, who: &PrivateKeySigner, role: u8) -> Bytes {
        let custodian = (role == 1).then(|| hospital().address());
        self.chain
            .registration_call(who, &self.chain.registration(who.address(), role, custodian))
    }

    /// Calldata of the patient's permission for the hospital to write.
    pub fn grant(&self, scope: &str, serial: u64) -> Bytes {
        self.permission(scope, serial, typed::WRITE, None)
    }

    /// Calldata of the patient's permission for the hospital to read, with a wrap of epoch 1.
    pub fn reading(&self, scope: &str, serial: u64) -> Bytes {
        self.permission(scope, serial, typed::READ, Some(vec![1; 80].into()))
    }

    fn permission(&self, scope: &str, serial: u64, permission: u8, wrap: Option<Bytes>) -> Bytes {
        let sealed = wrap.is_some();
        let grant = typed::Grant {
            patient: patient().address(),
            grantee: hospital().address(),
            scope: scope.into(),
            record: B256::ZERO,
            serial,
            permission,
            until: FAR,
            purpose: "TREAT".into(),
            epoch: u32::from(sealed),
            suite: if sealed { typed::SUITE_X25519 } else { typed::SUITE_NONE },
            recipientKeyHash: if sealed { self.hospitals_key_hash() } else { B256::ZERO },
            wrapHash: wrap.as_ref().map_or(B256::ZERO, keccak256),
        };
        let signature = sign(&patient(), &grant, &self.chain.contracts.consent_domain());
        calls::grant(&grant, wrap.unwrap_or_default(), signature)
    }

    /// Calldata of a wrap of a later epoch for the hospital's grant, signed by the custodian's statement key.
    pub fn rewrap(&self, scope: &str, serial: u64, epoch: u32) -> Bytes {
        let wrap: Bytes = vec![epoch as u8; 80].into();
        let rewrap = typed::Rewrap {
            patient: patient().address(),
            grantee: hospital().address(),
            scope: scope.into(),
            record: B256::ZERO,
            serial,
            epoch,
            suite: typed::SUITE_X25519,
            recipientKeyHash: self.hospitals_key_hash(),
            wrapHash: keccak256(&wrap),
            by: hospital().address(),
        };
        let signature = sign(&statement(), &rewrap, &self.chain.contracts.consent_domain());
        calls::rewrap(&rewrap, wrap, signature)
    }

    fn hospitals_key_hash(&self) -> B256 {
        keccak256(&self.chain.registration(hospital().address(), 3, None).encryptionKey)
    }

    /// Calldata that opens an epoch with a key made from `seed`, signed by the custodian's statement key.
    pub fn advance(&self, scope: &str, epoch: u32, seed: u8) -> Bytes {
        let advance = typed::Advance {
            patient: patient().address(),
            scope: scope.into(),
            epoch,
            suite: typed::SUITE_X25519,
            key: vec![seed; 32].into(),
            link: Bytes::new(),
            wraps: calls::wraps_hash(&[]),
            by: hospital().address(),
        };
        let signature = sign(&statement(), &advance, &self.chain.contracts.consent_domain());
        calls::advance(&advance, vec![], signature)
    }
}
