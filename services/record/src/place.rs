//! Where things live: compartments (patient × scope) and slots (patient × grantee × target).

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::scope::Scope;

/// keccak256(abi.encode(address patient, string scope)): one patient × one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Compartment(pub B256);

impl Compartment {
    /// The compartment of `patient`'s records in `scope`.
    pub fn of(patient: Address, scope: &Scope) -> Self {
        Self(keccak256((patient, scope.as_str()).abi_encode_params()))
    }
}

const RECORD: &str = "chartseal/v1/record";

/// What a grant opens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// A whole scope of the patient.
    Scope(Scope),
    /// One record, named on chain only by a salted commitment.
    Record(B256),
}

impl Target {
    /// One record: keccak256(abi.encode("chartseal/v1/record", bytes32 statement, bytes32 salt)), where `statement` is
    /// the EIP-712 digest of the record's statement. It stays the same when the record is sealed again.
    ///
    /// Hazard: without 32 fresh random bytes as `salt`, whoever reads the chain could try statements until one fits.
    pub fn record(statement: B256, salt: B256) -> Self {
        Self::Record(keccak256((RECORD, statement, salt).abi_encode_params()))
    }

    /// The 32 bytes that stand for the target in a slot: the compartment, or keccak256(abi.encode(address patient,
    /// bytes32 commitment)). The one hashes 64 bytes, the other at least 128: a commitment that somebody took from a
    /// compartment leads to neither.
    pub fn word(&self, patient: Address) -> B256 {
        match self {
            Self::Scope(scope) => Compartment::of(patient, scope).0,
            Self::Record(commitment) => keccak256((patient, *commitment).abi_encode()),
        }
    }

    /// The pair (`scope`, `record`) as it stands in the signed structs: an empty scope means one record.
    pub fn fields(&self) -> (String, B256) {
        match self {
            Self::Scope(scope) => (scope.to_string(), B256::ZERO),
            Self::Record(commitment) => (String::new(), *commitment),
        }
    }

    /// Reads the pair back. `None` if the scope's name is not one.
    pub fn from_fields(scope: &str, record: B256) -> Option<Self> {
        match (scope, record) {
            ("", commitment) if commitment != B256::ZERO => Some(Self::Record(commitment)),
            (name, B256::ZERO) => Scope::new(name).ok().map(Self::Scope),
            _ => None,
        }
    }
}

/// keccak256(abi.encode(address patient, address grantee, bytes32 target)): where one grant lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub B256);

impl Slot {
    /// The slot of `grantee` at `patient`'s `target`.
    pub fn of(patient: Address, grantee: Address, target: &Target) -> Self {
        Self::with_word(patient, grantee, target.word(patient))
    }

    /// The same from the target's 32 bytes.
    pub fn with_word(patient: Address, grantee: Address, target: B256) -> Self {
        Self(keccak256((patient, grantee, target).abi_encode_params()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compartment_depends_on_patient_and_scope() {
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let clinical = Compartment::of(a, &Scope::clinical());
        assert_ne!(clinical, Compartment::of(b, &Scope::clinical()));
        assert_ne!(clinical, Compartment::of(a, &Scope::claims()));
    }

    #[test]
    fn a_record_is_named_by_statement_and_salt() {
        let of = |statement, salt| Target::record(B256::repeat_byte(statement), B256::repeat_byte(salt));
        assert_eq!(of(1, 2), of(1, 2));
        assert_ne!(of(1, 2), of(1, 3));
        assert_ne!(of(1, 2), of(2, 2));
    }

    #[test]
    fn a_commitment_never_stands_where_a_compartment_does() {
        let patient = Address::repeat_byte(1);
        let clinical = Compartment::of(patient, &Scope::clinical());
        let posing = Target::Record(clinical.0);
        assert_ne!(posing.word(patient), clinical.0);
        assert_ne!(
            posing.word(patient),
            posing.word(Address::repeat_byte(2)),
            "and it is one patient's own"
        );
    }

    #[test]
    fn a_target_reads_back_from_its_fields() {
        for target in [Target::Scope(Scope::claims()), Target::Record(B256::repeat_byte(7))] {
            let (scope, record) = target.fields();
            assert_eq!(Target::from_fields(&scope, record), Some(target));
        }
        assert_eq!(Target::from_fields("", B256::ZERO), None);
        assert_eq!(Target::from_fields("clinical", B256::repeat_byte(1)), None);
    }
}
