//! The author's signed claim about one version of a record.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::{contracts::Contracts, place::Compartment, typed};

/// What an author signs for one version. The epoch is not in it, so a record can be sealed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// Patient × scope.
    pub compartment: Compartment,
    /// The record's id: 32 random bytes, the same for all its versions.
    pub id: B256,
    /// 1 for the first version.
    pub version: u32,
    /// Digest of the previous version's statement; zero for the first.
    pub previous: B256,
    /// SHA-256 of the resource's bytes.
    pub resource: B256,
    /// The author's account id: a hospital for system uploads, a doctor for wallet writes.
    pub author: Address,
    /// Unix seconds.
    pub authored_at: u64,
}

/// Why a statement cannot follow another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAVersion {
    /// A first version must have version 1 and no previous digest.
    #[error("a first version has version 1 and previous 0x00…; this one has version {0}")]
    First(u32),
    /// Compartment or id differ from the previous version's.
    #[error("a version stays in its record: compartment and id must equal the previous version's")]
    Elsewhere,
    /// version ≠ previous + 1, or `previous` is not the digest of the previous statement.
    #[error(
        "version {found} does not follow version {previous}: expected {previous} + 1 and the digest of its statement"
    )]
    Gap {
        /// The version before.
        previous: u32,
        /// The version found.
        found: u32,
    },
}

impl Statement {
    /// The typed struct a wallet shows.
    pub fn typed(&self) -> typed::Record {
        typed::Record {
            compartment: self.compartment.0,
            id: self.id,
            version: self.version,
            previous: self.previous,
            resource: self.resource,
            author: self.author,
            authoredAt: self.authored_at,
        }
    }

    /// The EIP-712 digest that is signed, and that the next version names as `previous`.
    pub fn digest(&self, contracts: &Contracts) -> B256 {
        typed::digest(&self.typed(), &contracts.consent_domain())
    }

    /// Checks that this statement may follow `previous` (`None`: that it may be the first).
    pub fn follows(&self, previous: Option<&Statement>, contracts: &Contracts) -> Result<(), NotAVersion> {
        let Some(before) = previous else {
            let first = self.version == 1 && self.previous == B256::ZERO;
            return if first {
                Ok(())
            } else {
                Err(NotAVersion::First(self.version))
            };
        };
        if (before.compartment, before.id) != (self.compartment, self.id) {
            return Err(NotAVersion::Elsewhere);
        }
        if before.version.checked_add(1) != Some(self.version) || before.digest(contracts) != self.previous {
            return Err(NotAVersion::Gap {
                previous: before.version,
                found: self.version,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contracts() -> Contracts {
        Contracts {
            chain_id: 31337,
            directory: Address::repeat_byte(1),
            consent: Address::repeat_byte(2),
            anchors: Address::repeat_byte(3),
        }
    }

    fn first() -> Statement {
        Statement {
            compartment: Compartment(B256::repeat_byte(4)),
            id: B256::repeat_byte(5),
            version: 1,
            previous: B256::ZERO,
            resource: B256::repeat_byte(6),
            author: Address::repeat_byte(7),
            authored_at: 1_700_000_000,
        }
    }

    #[test]
    fn a_version_follows_only_its_own_predecessor() {
        let c = contracts();
        let one = first();
        assert_eq!(one.follows(None, &c), Ok(()));
        let two = Statement {
            version: 2,
            previous: one.digest(&c),
            ..one
        };
        assert_eq!(two.follows(Some(&one), &c), Ok(()));
        assert_eq!(two.follows(None, &c), Err(NotAVersion::First(2)));
        let elsewhere = Statement { id: B256::ZERO, ..two };
        assert_eq!(elsewhere.follows(Some(&one), &c), Err(NotAVersion::Elsewhere));
        for bad in [
            Statement { version: 3, ..two },
            Statement {
                previous: B256::ZERO,
                ..two
            },
        ] {
            assert!(matches!(bad.follows(Some(&one), &c), Err(NotAVersion::Gap { .. })));
        }
    }

    #[test]
    fn the_digest_is_bound_to_chain_and_contract() {
        let c = contracts();
        let other_chain = Contracts { chain_id: 1, ..c };
        let other_consent = Contracts {
            consent: Address::ZERO,
            ..c
        };
        assert_ne!(first().digest(&c), first().digest(&other_chain));
        assert_ne!(first().digest(&c), first().digest(&other_consent));
    }
}
