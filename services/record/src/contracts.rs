//! Which contracts, on which chain: every signature, key and receipt is bound to them.

use alloy_primitives::{Address, U256};
use alloy_sol_types::Eip712Domain;
use serde::{Deserialize, Serialize};

/// One deployment of the three contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contracts {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `Directory`: who is who.
    pub directory: Address,
    /// `Consent`: grants, revocations, epochs. Its address stands in the domain of every record's statement.
    pub consent: Address,
    /// `Anchors`: batch roots.
    pub anchors: Address,
}

impl Contracts {
    /// The EIP-712 domain of `Consent` and of everything signed off chain.
    pub fn consent_domain(&self) -> Eip712Domain {
        self.domain(self.consent)
    }

    /// The EIP-712 domain of `Directory`.
    pub fn directory_domain(&self) -> Eip712Domain {
        self.domain(self.directory)
    }

    fn domain(&self, verifying: Address) -> Eip712Domain {
        Eip712Domain::new(
            Some("Chartseal".into()),
            Some("1".into()),
            Some(U256::from(self.chain_id)),
            Some(verifying),
            None,
        )
    }
}
