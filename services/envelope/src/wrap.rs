//! Wraps: the re-encrypted key grant. An epoch secret sealed to a grantee, dead without the release key.

use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;
use chartseal_record::{Contracts, Slot};

use crate::{
    capsule::{self, CAPSULE},
    error::Result,
    key::{EpochSecret, Identity, PublicKey, ReleaseKey, SUITE},
};

const LABEL: &str = "chartseal/v1/wrap";
const WHAT: &str = "wrap";

/// Which grant, at which epoch, a wrap or a release is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The deployment.
    pub contracts: Contracts,
    /// Patient, grantee, target.
    pub slot: Slot,
    /// The grant in the slot.
    pub serial: u64,
    /// The epoch whose secret is wrapped.
    pub epoch: u32,
}

impl Place {
    /// abi.encode("chartseal/v1/wrap", uint16 suite, uint256 chainId, address consent, bytes32 slot, uint64 serial,
    /// uint32 epoch)
    pub(crate) fn info(&self) -> Vec<u8> {
        let chain = U256::from(self.contracts.chain_id);
        (
            LABEL,
            SUITE,
            chain,
            self.contracts.consent,
            self.slot.0,
            self.serial,
            self.epoch,
        )
            .abi_encode_params()
    }

    /// abi.encode(label, uint16 suite, uint256 chainId, address consent, bytes32 slot, uint64 serial, uint32 epoch,
    /// bytes32 word): what releases and record wraps are bound to.
    pub(crate) fn info_with(&self, label: &str, word: B256) -> Vec<u8> {
        let chain = U256::from(self.contracts.chain_id);
        (
            label,
            SUITE,
            chain,
            self.contracts.consent,
            self.slot.0,
            self.serial,
            self.epoch,
            word,
        )
            .abi_encode_params()
    }

    /// keccak256(abi.encode(bytes32 slot, uint64 serial, uint32 epoch, bytes32 recipientKeyHash))
    pub(crate) fn psk_id(&self, recipient: &PublicKey) -> B256 {
        keccak256((self.slot.0, self.serial, self.epoch, recipient.key_hash()).abi_encode_params())
    }
}

/// Seals `secret` to the grantee's Directory key, to be opened only with `release_key` too.
///
/// Hazard: a release key is made for one wrap ([`ReleaseKey::generate`]); shared between two wraps it could
/// not be destroyed for one of them.
pub fn seal(
    place: &Place,
    recipient: &PublicKey,
    release_key: &ReleaseKey,
    secret: &EpochSecret,
) -> Result<[u8; CAPSULE]> {
    let id = place.psk_id(recipient);
    capsule::seal(recipient, Some((release_key, &id)), &place.info(), secret.as_bytes())
}

/// Opens a wrap. `expected` is the epoch's public key, from the chain: a secret that does not belong to it is
/// refused, whoever signed the wrap.
pub fn open(
    place: &Place,
    identity: &Identity,
    release_key: &ReleaseKey,
    expected: &PublicKey,
    wrap: &[u8],
) -> Result<EpochSecret> {
    let id = place.psk_id(identity.public_key());
    let opened = capsule::open(WHAT, identity, Some((release_key, &id)), &place.info(), wrap)?;
    EpochSecret::checked(WHAT, *opened, expected)
}

/// keccak256 of a wrap: the `wrapHash` a patient signs.
pub fn hash(wrap: &[u8]) -> B256 {
    keccak256(wrap)
}

#[cfg(test)]
pub(crate) fn seal_with(
    seed: capsule::Seed,
    place: &Place,
    recipient: &PublicKey,
    release_key: &ReleaseKey,
    secret: &EpochSecret,
) -> Result<[u8; CAPSULE]> {
    let id = place.psk_id(recipient);
    capsule::seal_with(
        seed,
        recipient,
        Some((release_key, &id)),
        &place.info(),
        secret.as_bytes(),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use chartseal_record::Address;

    use super::*;
    use crate::Error;

    pub(crate) fn place() -> Place {
        Place {
            contracts: Contracts {
                chain_id: 31337,
                directory: Address::repeat_byte(1),
                consent: Address::repeat_byte(2),
                anchors: Address::repeat_byte(3),
            },
            slot: Slot(B256::repeat_byte(4)),
            serial: 7,
            epoch: 3,
        }
    }

    pub(crate) fn elsewhere() -> [Place; 5] {
        let here = place();
        [
            Place {
                slot: Slot(B256::ZERO),
                ..here
            },
            Place { serial: 8, ..here },
            Place { epoch: 4, ..here },
            Place {
                contracts: Contracts {
                    chain_id: 1,
                    ..here.contracts
                },
                ..here
            },
            Place {
                contracts: Contracts {
                    consent: Address::ZERO,
                    ..here.contracts
                },
                ..here
            },
        ]
    }

    struct Case {
        grantee: Identity,
        key: ReleaseKey,
        secret: EpochSecret,
        wrap: [u8; CAPSULE],
    }

    fn case() -> Case {
        let (grantee, key) = (Identity::from_bytes([8; 32]), ReleaseKey::from_bytes([9; 32]));
        let secret = EpochSecret::from_bytes([10; 32]);
        let wrap = seal(&place(), grantee.public_key(), &key, &secret).unwrap();
        Case {
            grantee,
            key,
            secret,
            wrap,
        }
    }

    #[test]
    fn a_wrap_opens_with_the_grantees_key_and_the_release_key_together() {
        let Case {
            grantee,
            key,
            secret,
            wrap,
        } = case();
        assert_eq!(
            open(&place(), &grantee, &key, secret.public_key(), &wrap).unwrap(),
            secret
        );
        let other_key = ReleaseKey::from_bytes([11; 32]);
        let other = Identity::from_bytes([12; 32]);
        for (identity, key) in [(&grantee, &other_key), (&other, &key), (&other, &other_key)] {
            assert_eq!(
                open(&place(), identity, key, secret.public_key(), &wrap),
                Err(Error::NotOpened(WHAT))
            );
        }
    }

    #[test]
    fn a_wrap_opens_only_at_its_own_place() {
        let Case {
            grantee,
            key,
            secret,
            wrap,
        } = case();
        for place in elsewhere() {
            let opened = open(&place, &grantee, &key, secret.public_key(), &wrap);
            assert_eq!(opened, Err(Error::NotOpened(WHAT)), "{place:?}");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_other_length_of_a_wrap_is_refused() {
        let Case {
            grantee,
            key,
            secret,
            wrap,
        } = case();
        for bit in 0..wrap.len() * 8 {
            // X25519 ignores the top bit of a public key, but HPKE's key schedule covers it.
            let mut changed = wrap;
            changed[bit / 8] ^= 1 << (bit % 8);
            let opened = open(&place(), &grantee, &key, secret.public_key(), &changed);
            assert_eq!(opened, Err(Error::NotOpened(WHAT)), "bit {bit}");
        }
        for found in [0, 1, 79] {
            let opened = open(&place(), &grantee, &key, secret.public_key(), &wrap[..found]);
            assert_eq!(
                opened,
                Err(Error::Length {
                    what: WHAT,
                    expected: 80,
                    found
                })
            );
        }
    }

    #[test]
    fn a_wrap_of_a_secret_that_is_not_the_epochs_is_refused() {
        let Case {
            grantee, key, secret, ..
        } = case();
        let forged = seal(&place(), grantee.public_key(), &key, &EpochSecret::from_bytes([66; 32])).unwrap();
        let opened = open(&place(), &grantee, &key, secret.public_key(), &forged);
        assert_eq!(opened, Err(Error::OtherSecret(WHAT)));
    }

    #[test]
    fn nothing_is_wrapped_to_a_point_of_low_order() {
        let Case { key, secret, .. } = case();
        let weak = PublicKey::from_bytes([0; 32]);
        assert_eq!(seal(&place(), &weak, &key, &secret), Err(Error::WeakKey));
    }
}
