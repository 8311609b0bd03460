//! The contracts as they are deployed: their initcode, and whether the code at an address is theirs.
//!
//! The code on chain differs from the compiled one where the constructor wrote immutables into it (the Directory's
//! address, the EIP-712 domain). Those places are known from the compiler and left out of the comparison, so that the
//! committed artifact alone decides: no file written at deployment has to be believed. The one immutable that could
//! mislead, the Directory that `Consent` and `Anchors` ask, is compared through its view.

use std::sync::LazyLock;

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider,
    sol_types::{Eip712Domain, SolValue},
};
use chartseal_record::Contracts;
use serde::Deserialize;

use crate::{
    bindings::{Anchors, Consent},
    client::Client,
    error::Error,
};

/// A committed artifact, as `contracts/bin/artifacts.js` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    bytecode: Bytes,
    deployed_bytecode: Bytes,
    immutables: Vec<Place>,
}

/// Bytes of the deployed code that the constructor writes.
#[derive(Deserialize)]
struct Place {
    start: usize,
    length: usize,
}

fn artifact(json: &str) -> Artifact {
    serde_json::from_str(json).expect("a committed file; the tests of this module read it")
}

static DIRECTORY: LazyLock<Artifact> =
    LazyLock::new(|| artifact(include_str!("../../../contracts/abi/Directory.json")));
static CONSENT: LazyLock<Artifact> = LazyLock::new(|| artifact(include_str!("../../../contracts/abi/Consent.json")));
static ANCHORS: LazyLock<Artifact> = LazyLock::new(|| artifact(include_str!("../../../contracts/abi/Anchors.json")));

/// Data of the transaction that creates `Directory`; `admin` becomes its first registrar and names further ones.
pub fn directory_initcode(admin: Address) -> Bytes {
    initcode(&DIRECTORY, admin)
}

/// Data of the transaction that creates `Consent`.
pub fn consent_initcode(directory: Address) -> Bytes {
    initcode(&CONSENT, directory)
}

/// Data of the transaction that creates `Anchors`.
pub fn anchors_initcode(directory: Address) -> Bytes {
    initcode(&ANCHORS, directory)
}

/// Whether `code` is that of `Anchors` in this very deployment: nothing the constructor wrote into it is another's.
pub fn is_anchors(contracts: &Contracts, code: &[u8]) -> bool {
    ANCHORS.made(code)
        && ANCHORS
            .written(code)
            .all(|word| word == contracts.directory.into_word())
}

/// The same for `Consent`, which also keeps its own address, the chain and its EIP-712 domain.
pub fn is_consent(contracts: &Contracts, code: &[u8]) -> bool {
    let directory = contracts.directory.into_word();
    let domain = domain_words(contracts.chain_id, contracts.consent, &contracts.consent_domain());
    CONSENT.made(code)
        && CONSENT
            .written(code)
            .all(|word| word == directory || domain.contains(&word))
        && CONSENT.written(code).any(|word| word == directory)
}

/// The same for `Directory`, which keeps its own address, the chain and its EIP-712 domain.
pub fn is_directory(contracts: &Contracts, code: &[u8]) -> bool {
    let domain = domain_words(contracts.chain_id, contracts.directory, &contracts.directory_domain());
    DIRECTORY.made(code) && DIRECTORY.written(code).all(|word| domain.contains(&word))
}

/// What OpenZeppelin's EIP712 writes into a contract's code.
fn domain_words(chain_id: u64, contract: Address, domain: &Eip712Domain) -> [B256; 7] {
    [
        contract.into_word(),
        U256::from(chain_id).into(),
        domain.separator(),
        keccak256("Chartseal"),
        keccak256("1"),
        short("Chartseal"),
        short("1"),
    ]
}

/// A text of at most 31 bytes as OpenZeppelin's `ShortString` keeps it: left-aligned, its length in the last byte.
fn short(text: &'static str) -> B256 {
    let mut word = B256::right_padding_from(text.as_bytes());
    word[31] = u8::try_from(text.len()).expect("both texts are short");
    word
}

/// All three constructors take one address.
fn initcode(artifact: &Artifact, argument: Address) -> Bytes {
    [&artifact.bytecode[..], &argument.abi_encode()].concat().into()
}

impl Artifact {
    fn made(&self, code: &[u8]) -> bool {
        let blank = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for place in &self.immutables {
                if let Some(hole) = bytes.get_mut(place.start..place.start + place.length) {
                    hole.fill(0);
                }
            }
            bytes
        };
        code.len() == self.deployed_bytecode.len() && blank(code) == blank(&self.deployed_bytecode)
    }

    /// What the constructor wrote, in code this artifact made.
    fn written<'a>(&'a self, code: &'a [u8]) -> impl Iterator<Item = B256> + 'a {
        let word = |place: &Place| {
            code.get(place.start..place.start + place.length)
                .map(B256::left_padding_from)
        };
        self.immutables.iter().filter_map(word)
    }
}

impl Client {
    /// Checks that the node serves the configured chain and that the three contracts are this program's.
    pub async fn check_contracts(&self) -> Result<(), Error> {
        let contracts = *self.contracts();
        let found = self.chain_id().await?;
        if found != contracts.chain_id {
            return Err(Error::OtherChain {
                expected: contracts.chain_id,
                found,
            });
        }
        self.check_code("Directory", contracts.directory, &DIRECTORY).await?;
        self.check_code("Consent", contracts.consent, &CONSENT).await?;
        self.check_code("Anchors", contracts.anchors, &ANCHORS).await?;
        let of_consent = self.view(contracts.consent, Consent::directoryCall {}).await?;
        same_directory("Consent", contracts.consent, contracts.directory, of_consent)?;
        let of_anchors = self.view(contracts.anchors, Anchors::directoryCall {}).await?;
        same_directory("Anchors", contracts.anchors, contracts.directory, of_anchors)
    }

    async fn check_code(&self, contract: &'static str, address: Address, artifact: &Artifact) -> Result<(), Error> {
        let code = self.ask(self.provider().get_code_at(address)).await?;
        if code.is_empty() {
            return Err(Error::NoCode { contract, address });
        }
        if !artifact.made(&code) {
            return Err(Error::OtherCode {
                contract,
                address,
                found: keccak256(&code),
            });
        }
        Ok(())
    }
}

fn same_directory(contract: &'static str, address: Address, expected: Address, found: Address) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::OtherDirectory {
            contract,
            address,
            expected,
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_artifacts_can_be_read_and_fit_a_transaction() {
        for artifact in [&*DIRECTORY, &*CONSENT, &*ANCHORS] {
            assert!(artifact.made(&artifact.deployed_bytecode));
            assert!(!artifact.made(&artifact.deployed_bytecode[1..]));
            // EIP-170 and EIP-3860.
            assert!(artifact.deployed_bytecode.len() <= 24_576);
            assert!(artifact.bytecode.len() <= 49_152);
        }
    }

    #[test]
    fn code_that_differs_outside_the_immutables_is_noticed() {
        let mut code = CONSENT.deployed_bytecode.to_vec();
        let hole = &CONSENT.immutables[0];
        code[hole.start] ^= 0xff;
        assert!(CONSENT.made(&code));
        code[0] ^= 0xff;
        assert!(!CONSENT.made(&code));
    }
}
