//! Whose keys the signers of a packet were, as `Directory` had it at the issuer's block.
//!
//! ```text
//! keccak(account ‖ 4)                  suite 2 ‖ credentialExpiry 8 ‖ status 1 ‖ role 1 ‖ controller 20
//! keccak(key ‖ keccak(account ‖ 7))    until 8 ‖ from 8: the blocks in which the key signs for the account
//! ```
//! A window never reaches into the past (`setStatementKey`), so the one of the issuer's block is that of every block before
//! it. A controller may have been another before; who was it then, no state of a later block tells.

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use super::{
    BadPacket, Packet,
    proofs::{Account, at, holds},
    words,
};
use crate::account::{Role, Status};

/// The storage slot of `mapping(address who => Standing)` in `Directory`.
const STANDINGS: u8 = 4;
/// The storage slot of `mapping(address who => mapping(address key => Window))` in `Directory`.
const STATEMENT_KEYS: u8 = 7;

/// Proofs of the packet's accounts and keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signers {
    /// `Directory`; its storage proofs are of the accounts, then of the keys.
    pub directory: Account,
    /// One for each of [`Packet::accounts`].
    pub accounts: Vec<Standing>,
    /// One for each of [`Packet::keys`].
    pub keys: Vec<Listed>,
}

/// What `Directory` has of an account in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Standing {
    /// Its id.
    pub account: Address,
    /// Who signs its decisions.
    pub controller: Address,
    /// What it is.
    pub role: Role,
    /// Whether it counts.
    pub status: Status,
    /// Unix seconds; 0 = its papers do not expire.
    #[serde(with = "words::decimal")]
    pub credential_expiry: u64,
    /// Of its encryption key.
    pub suite: u16,
}

/// The window of a key; from 0 until 0 if it never was a statement key of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Whose it is.
    pub account: Address,
    /// Its address.
    pub key: Address,
    /// First block.
    #[serde(with = "words::decimal")]
    pub from: u64,
    /// First block in which it no longer counts.
    #[serde(with = "words::decimal")]
    pub until: u64,
}

/// A signature whose key the state at the issuer's block does not show to be its account's. It may have been: a controller
/// that has handed over since is not in that state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unshown {
    /// Of this record's author.
    Author(usize),
    /// Of this grant's patient.
    Patient(usize),
}

impl Standing {
    /// Where `Directory` keeps an account's word.
    pub fn storage_key(account: Address) -> B256 {
        at(STANDINGS, account.into_word())
    }

    /// Reads the word; `None` if it is not one of an account.
    pub fn read(account: Address, word: U256) -> Option<Self> {
        let bytes = word.to_be_bytes::<32>();
        let [s, t, e @ .., status, role] = *bytes.first_chunk::<12>()?;
        Some(Self {
            account,
            controller: Address::from_slice(&bytes[12..]),
            role: Role::from_number(role)?,
            status: Status::from_number(status)?,
            credential_expiry: u64::from_be_bytes(e),
            suite: u16::from_be_bytes([s, t]),
        })
    }

    /// The word.
    pub fn word(&self) -> U256 {
        let mut bytes = self.controller.into_word();
        bytes[..2].copy_from_slice(&self.suite.to_be_bytes());
        bytes[2..10].copy_from_slice(&self.credential_expiry.to_be_bytes());
        (bytes[10], bytes[11]) = (self.status as u8, self.role as u8);
        U256::from_be_bytes(bytes.0)
    }

    fn is_active(&self, now: u64) -> bool {
        self.status == Status::Active && (self.role == Role::Patient || now < self.credential_expiry)
    }
}

impl Listed {
    /// Where `Directory` keeps the window of an account's key.
    pub fn storage_key(account: Address, key: Address) -> B256 {
        let keys = at(STATEMENT_KEYS, account.into_word());
        alloy_primitives::keccak256([key.into_word(), keys].concat())
    }

    /// Reads the word.
    pub fn read(account: Address, key: Address, word: U256) -> Self {
        let [from, until, ..] = word.into_limbs();
        Self {
            account,
            key,
            from,
            until,
        }
    }

    /// The word.
    pub fn word(&self) -> U256 {
        U256::from_limbs([self.from, self.until, 0, 0])
    }

    fn counts_at(&self, block: u64) -> bool {
        (self.from..self.until).contains(&block)
    }
}

impl Signers {
    /// What a node proved of the packet's accounts and keys, from the words it found there. `None` if one of the accounts is
    /// none of `Directory`'s.
    pub fn of(packet: &Packet, directory: Account, words: &[U256]) -> Option<Self> {
        let (accounts, keys) = (packet.accounts(), packet.keys());
        let (standings, windows) = words.split_at_checked(accounts.len())?;
        let accounts = accounts.iter().zip(standings);
        let keys = keys.iter().zip(windows);
        Some(Self {
            directory,
            accounts: accounts
                .map(|(account, word)| Standing::read(*account, *word))
                .collect::<Option<_>>()?,
            keys: keys
                .map(|((account, key), word)| Listed::read(*account, *key, *word))
                .collect(),
        })
    }

    fn standing(&self, account: Address) -> Option<&Standing> {
        self.accounts.iter().find(|standing| standing.account == account)
    }

    fn counts(&self, account: Address, key: Address, block: u64) -> bool {
        let listed = self
            .keys
            .iter()
            .find(|listed| (listed.account, listed.key) == (account, key));
        listed.is_some_and(|listed| listed.counts_at(block))
    }

    fn controls(&self, account: Address, key: Address) -> bool {
        self.standing(account)
            .is_some_and(|standing| standing.controller == key)
    }
}

impl Packet {
    /// The accounts it speaks of, each once: the issuer, the authors, the patients.
    pub fn accounts(&self) -> Vec<Address> {
        let authors = self.records.iter().map(|evidence| evidence.author.account);
        let patients = self.grants.iter().map(|given| given.patient);
        once([self.issuer.account].into_iter().chain(authors).chain(patients))
    }

    /// The keys that may be statement keys, each once with its account: the issuer's, the authors'.
    pub fn keys(&self) -> Vec<(Address, Address)> {
        let authors = self.records.iter().map(|evidence| &evidence.author);
        let authors = authors.map(|author| (author.account, author.signer));
        once([(self.issuer.account, self.issuer.signer)].into_iter().chain(authors))
    }

    /// Which signatures its proofs do not show to be by keys of their accounts; `None` if it has no proof of any.
    pub fn unshown(&self) -> Option<Vec<Unshown>> {
        let signers = self.proofs.as_ref()?.signers.as_ref()?;
        let authors = self.records.iter().enumerate().filter(|(_, evidence)| {
            let author = &evidence.author;
            !signers.counts(author.account, author.signer, author.block)
                && !signers.controls(author.account, author.signer)
        });
        let patients = self.grants.iter().enumerate();
        let patients = patients.filter(|(_, given)| !signers.controls(given.patient, given.controller));
        let authors = authors.map(|(record, _)| Unshown::Author(record));
        let patients = patients.map(|(grant, _)| Unshown::Patient(grant));
        Some(authors.chain(patients).collect())
    }

    pub(super) fn check_signers(&self, signers: &Signers, root: B256) -> Result<(), BadPacket> {
        let bad = |why: String| Err(BadPacket::Proofs(why));
        let directory = &signers.directory;
        directory.check(self.contracts.directory, root, "Directory")?;
        let accounts = signers.accounts.iter().map(|standing| standing.account);
        let keys = signers.keys.iter().map(|listed| (listed.account, listed.key));
        if !accounts.eq(self.accounts())
            || !keys.eq(self.keys())
            || directory.storage.len() != signers.accounts.len() + signers.keys.len()
        {
            return bad("there is not one of each account and each key, in their order".into());
        }
        let (standings, windows) = directory.storage.split_at(signers.accounts.len());
        for (standing, nodes) in signers.accounts.iter().zip(standings) {
            let place = Standing::storage_key(standing.account);
            if !holds(directory.storage_hash, place, &standing.word(), nodes) {
                return bad(format!(
                    "Directory had account {} otherwise at that block",
                    standing.account
                ));
            }
        }
        for (listed, nodes) in signers.keys.iter().zip(windows) {
            let Listed { account, key, .. } = *listed;
            if !holds(
                directory.storage_hash,
                Listed::storage_key(account, key),
                &listed.word(),
                nodes,
            ) {
                return bad(format!(
                    "Directory had key {key} of account {account} otherwise at that block"
                ));
            }
        }
        self.check_standings(signers)
    }

    /// What no packet may say, whatever else is shown: a role is for ever, the issuer's block is the proofs', and a grant lives
    /// only while both its accounts are active.
    fn check_standings(&self, signers: &Signers) -> Result<(), BadPacket> {
        let bad = |why: String| Err(BadPacket::Proofs(why));
        let issuer = &self.issuer;
        if !signers.counts(issuer.account, issuer.signer, issuer.block) {
            return bad("the issuer's key was no statement key of its account at that block".into());
        }
        for (record, evidence) in self.records.iter().enumerate() {
            let author = &evidence.author;
            if !signers
                .standing(author.account)
                .is_some_and(|standing| standing.role == author.role)
            {
                return bad(format!(
                    "record {record}: its author is no {} in Directory",
                    author.role
                ));
            }
        }
        let active = |account| {
            signers
                .standing(account)
                .is_some_and(|standing| standing.is_active(issuer.time))
        };
        for (grant, given) in self.grants.iter().enumerate() {
            if !active(given.patient) || !active(given.grantee) {
                return bad(format!(
                    "grant {grant}: its patient or its grantee was not active when the packet was made"
                ));
            }
        }
        Ok(())
    }
}

/// Each once, where it first stands.
fn once<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    all.for_each(|one| {
        if !seen.contains(&one) {
            seen.push(one);
        }
    });
    seen
}
