//! Links: the previous epoch's secret sealed to the new epoch's key, so that the newest secret reads history.

use alloy_primitives::U256;
use alloy_sol_types::SolValue;
use chartseal_record::{Compartment, Contracts};

use crate::{
    capsule::{self, CAPSULE},
    error::Result,
    key::{EpochSecret, PublicKey, SUITE},
};

const LABEL: &str = "chartseal/v1/link";
const WHAT: &str = "link";

/// Which step of which compartment a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The deployment.
    pub contracts: Contracts,
    /// Patient × scope.
    pub compartment: Compartment,
    /// The epoch left behind.
    pub previous: u32,
    /// The epoch opened.
    pub epoch: u32,
}

impl Step {
    /// abi.encode("chartseal/v1/link", uint16 suite, uint256 chainId, address consent, bytes32 compartment,
    /// uint32 previousEpoch, uint32 epoch)
    pub(crate) fn info(&self) -> Vec<u8> {
        let chain = U256::from(self.contracts.chain_id);
        (
            LABEL,
            SUITE,
            chain,
            self.contracts.consent,
            self.compartment.0,
            self.previous,
            self.epoch,
        )
            .abi_encode_params()
    }
}

/// Seals `previous` to the key of the epoch that follows it.
pub fn seal(step: &Step, new: &PublicKey, previous: &EpochSecret) -> Result<[u8; CAPSULE]> {
    capsule::seal(new, None, &step.info(), previous.as_bytes())
}

/// Walks one epoch back. `expected` is the previous epoch's public key, from the chain.
pub fn open(step: &Step, secret: &EpochSecret, expected: &PublicKey, link: &[u8]) -> Result<EpochSecret> {
    let opened = capsule::open(WHAT, secret.identity(), None, &step.info(), link)?;
    EpochSecret::checked(WHAT, *opened, expected)
}

#[cfg(test)]
pub(crate) fn seal_with(
    seed: capsule::Seed,
    step: &Step,
    new: &PublicKey,
    previous: &EpochSecret,
) -> Result<[u8; CAPSULE]> {
    capsule::seal_with(seed, new, None, &step.info(), previous.as_bytes())
}

#[cfg(test)]
mod tests {
    use chartseal_record::{Address, B256};

    use super::*;
    use crate::Error;

    fn step() -> Step {
        Step {
            contracts: Contracts {
                chain_id: 31337,
                directory: Address::repeat_byte(1),
                consent: Address::repeat_byte(2),
                anchors: Address::repeat_byte(3),
            },
            compartment: Compartment(B256::repeat_byte(4)),
            previous: 1,
            epoch: 2,
        }
    }

    #[test]
    fn the_newest_epoch_walks_back_and_no_epoch_walks_forward() {
        let (old, new) = (EpochSecret::from_bytes([1; 32]), EpochSecret::from_bytes([2; 32]));
        let link = seal(&step(), new.public_key(), &old).unwrap();
        assert_eq!(open(&step(), &new, old.public_key(), &link).unwrap(), old);
        assert_eq!(
            open(&step(), &old, new.public_key(), &link),
            Err(Error::NotOpened(WHAT))
        );
    }

    #[test]
    fn a_link_opens_only_at_its_own_step() {
        let (old, new) = (EpochSecret::from_bytes([1; 32]), EpochSecret::from_bytes([2; 32]));
        let here = step();
        let link = seal(&here, new.public_key(), &old).unwrap();
        let elsewhere = [
            Step { previous: 0, ..here },
            Step { epoch: 3, ..here },
            Step {
                compartment: Compartment(B256::ZERO),
                ..here
            },
            Step {
                contracts: Contracts {
                    chain_id: 1,
                    ..here.contracts
                },
                ..here
            },
            Step {
                contracts: Contracts {
                    consent: Address::ZERO,
                    ..here.contracts
                },
                ..here
            },
        ];
        for place in elsewhere {
            assert_eq!(
                open(&place, &new, old.public_key(), &link),
                Err(Error::NotOpened(WHAT)),
                "{place:?}"
            );
        }
    }

    #[test]
    fn a_link_to_a_secret_that_is_not_the_epochs_is_refused() {
        let (old, new) = (EpochSecret::from_bytes([1; 32]), EpochSecret::from_bytes([2; 32]));
        let forged = seal(&step(), new.public_key(), &EpochSecret::from_bytes([66; 32])).unwrap();
        assert_eq!(
            open(&step(), &new, old.public_key(), &forged),
            Err(Error::OtherSecret(WHAT))
        );
    }
}
