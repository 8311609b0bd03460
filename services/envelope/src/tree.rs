//! The key tree: every epoch secret of a patient follows from the root.

use alloy_primitives::U256;
use alloy_sol_types::SolValue;
use chartseal_record::{Compartment, Contracts};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key::{EpochSecret, Root};

const LABEL: &str = "chartseal/v1/epoch";

/// HKDF-SHA256(ikm root, no salt, info abi.encode("chartseal/v1/epoch", uint256 chainId, address consent,
/// bytes32 compartment, uint32 epoch)), 32 bytes.
///
/// Hazard: a number is used once per compartment. Whoever derives keeps a durable high-water mark and goes
/// above it, whatever a re-org drops.
pub fn epoch_secret(root: &Root, contracts: &Contracts, compartment: Compartment, epoch: u32) -> EpochSecret {
    let place = (
        LABEL,
        U256::from(contracts.chain_id),
        contracts.consent,
        compartment.0,
        epoch,
    );
    let mut secret = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, root.as_bytes())
        .expand(&place.abi_encode_params(), &mut *secret)
        .expect("32 bytes are fewer than 255 blocks");
    EpochSecret::from_bytes(*secret)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chartseal_record::{Address, B256};

    use super::*;

    #[test]
    fn every_part_of_the_place_changes_the_secret() {
        let contracts = Contracts {
            chain_id: 31337,
            directory: Address::repeat_byte(1),
            consent: Address::repeat_byte(2),
            anchors: Address::repeat_byte(3),
        };
        let (root, here) = (Root::from_bytes([5; 32]), Compartment(B256::repeat_byte(4)));
        let secrets = [
            epoch_secret(&root, &contracts, here, 1),
            epoch_secret(&root, &contracts, here, 2),
            epoch_secret(&root, &contracts, Compartment(B256::repeat_byte(6)), 1),
            epoch_secret(
                &root,
                &Contracts {
                    chain_id: 1,
                    ..contracts
                },
                here,
                1,
            ),
            epoch_secret(
                &root,
                &Contracts {
                    consent: Address::ZERO,
                    ..contracts
                },
                here,
                1,
            ),
            epoch_secret(&Root::from_bytes([6; 32]), &contracts, here, 1),
        ];
        let distinct: HashSet<_> = secrets.iter().map(|secret| *secret.as_bytes()).collect();
        assert_eq!(distinct.len(), secrets.len());
        assert_eq!(epoch_secret(&root, &contracts, here, 1), secrets[0]);
    }
}
