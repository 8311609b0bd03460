//! A contract's refusal, as the error it declared.

use std::fmt;

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{ContractError, GenericContractError, SolInterface},
};
use chartseal_record::Contracts;

use crate::bindings::{AnchorsErrors, ConsentErrors, DirectoryErrors};

/// Why a contract refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revert {
    /// An error of `Directory`.
    Directory(DirectoryErrors),
    /// An error of `Consent`.
    Consent(ConsentErrors),
    /// An error of `Anchors`.
    Anchors(AnchorsErrors),
    /// `revert("…")` or `require(…, "…")`: none of our contracts has one, a contract wallet may.
    Reason(String),
    /// Solidity's own checks: overflow, index, assertion.
    Panic(U256),
    /// Nothing we know; empty if the code ran out of gas or gave no reason.
    Unknown(Bytes),
}

impl Revert {
    /// Reads the data of a refused call to `to`. The three contracts share some of OpenZeppelin's errors, so the one
    /// that was called is asked first; the others follow, because `Consent` and `Anchors` call `Directory`.
    pub fn decode(contracts: Option<&Contracts>, to: Option<Address>, data: &[u8]) -> Self {
        let directory = || DirectoryErrors::abi_decode(data).ok().map(Self::Directory);
        let consent = || ConsentErrors::abi_decode(data).ok().map(Self::Consent);
        let anchors = || AnchorsErrors::abi_decode(data).ok().map(Self::Anchors);
        let called = |address: fn(&Contracts) -> Address| contracts.map(address).is_some_and(|a| Some(a) == to);
        let own = if called(|c| c.consent) {
            consent().or_else(directory)
        } else if called(|c| c.anchors) {
            anchors().or_else(directory)
        } else {
            directory().or_else(consent).or_else(anchors)
        };
        own.unwrap_or_else(|| Self::general(data))
    }

    fn general(data: &[u8]) -> Self {
        match GenericContractError::abi_decode(data) {
            Ok(ContractError::Revert(revert)) => Self::Reason(revert.reason),
            Ok(ContractError::Panic(panic)) => Self::Panic(panic.code),
            _ => Self::Unknown(Bytes::copy_from_slice(data)),
        }
    }

    /// The error's name as the contract declares it; stable, fit for a column or a metric.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Directory(e) => DirectoryErrors::name_by_selector(e.selector()).unwrap_or("Directory"),
            Self::Consent(e) => ConsentErrors::name_by_selector(e.selector()).unwrap_or("Consent"),
            Self::Anchors(e) => AnchorsErrors::name_by_selector(e.selector()).unwrap_or("Anchors"),
            Self::Reason(_) => "Error",
            Self::Panic(_) => "Panic",
            Self::Unknown(_) => "Unknown",
        }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(e) => write!(f, "{} of Directory, {e:?}", self.name()),
            Self::Consent(e) => write!(f, "{} of Consent, {e:?}", self.name()),
            Self::Anchors(e) => write!(f, "{} of Anchors, {e:?}", self.name()),
            Self::Reason(reason) => write!(f, "{reason}"),
            Self::Panic(code) => write!(f, "Solidity panic {code}"),
            Self::Unknown(data) if data.is_empty() => f.write_str("no reason was given"),
            Self::Unknown(data) => write!(f, "unknown error {data}"),
        }
    }
}
