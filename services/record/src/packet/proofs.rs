//! What the chain's state was at the issuer's block, provable against nothing but that block's hash.
//!
//! ```text
//! block hash = keccak(header)          the header's 4th field is the state root, the 9th the number
//! state root → account of Anchors      RLP(nonce, balance, storage root, keccak(code))
//! storage root → slot                  keccak(anchor key ‖ 0) holds the block of the anchor
//! ```
//! and the same for `Consent`, where keccak(slot ‖ 2) holds the grant's word, and for `Directory` ([`Signers`]). Nothing in
//! it is believed: every value on the way is one the packet says, so a proof of another value does not verify.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde::{Deserialize, Serialize};

use super::{
    BadPacket, Evidence, Given, Packet, Signers,
    signers::{Listed, Standing},
    words,
};
use crate::{contracts::Contracts, place::Slot, receipt::BadReceipt, typed};

/// Nodes on one path at most: a key has 64 nibbles.
const LONGEST: usize = 65;
/// Fields of a header before the state root, and from there to the number.
const STATE_ROOT: usize = 3;
const NUMBER: usize = 8;

/// Proofs by EIP-1186 (`eth_getProof`) at the issuer's block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// RLP of the issuer's block's header.
    pub header: Bytes,
    /// `Anchors`; its storage proofs are of the records' anchors, one for each record.
    pub anchors: Account,
    /// `Consent`; its storage proofs are of the grants' slots, one for each grant.
    pub consent: Account,
    /// `Directory`, with what it had of the signers. Without it, whose keys they were is for the chain to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<Signers>,
}

/// A contract in the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// The account's nonce.
    #[serde(with = "words::decimal")]
    pub nonce: u64,
    /// Its wei.
    pub balance: U256,
    /// Root of its storage.
    pub storage_hash: B256,
    /// Its code, whose hash the account has.
    pub code: Bytes,
    /// From the state root to the account.
    pub proof: Vec<Bytes>,
    /// From the storage root to each slot.
    pub storage: Vec<Vec<Bytes>>,
}

/// The storage slot of `mapping(bytes32 key => uint256 number)` in `Anchors`.
const ANCHORS: u8 = 0;
/// The storage slot of `mapping(bytes32 slot => SlotWord)` in `Consent`: two of its EIP-712 base come first.
const SLOTS: u8 = 2;

/// Where each contract keeps what a packet's proofs are of, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageKeys {
    /// One for each record.
    pub anchors: Vec<B256>,
    /// One for each grant.
    pub consent: Vec<B256>,
    /// One for each account, then one for each key.
    pub directory: Vec<B256>,
}

/// Where a mapping at this slot keeps a key's value.
pub(super) fn at(mapping: u8, key: B256) -> B256 {
    keccak256([key, B256::with_last_byte(mapping)].concat())
}

impl Given {
    /// The slot's word as `Consent` stores it, if this is the newest grant in its slot.
    pub fn word(&self, contracts: &Contracts) -> U256 {
        let digest = typed::digest(&self.typed(), &contracts.consent_domain());
        let fields = [
            (self.serial, 0),
            (self.revoked, 64),
            (self.until, 128),
            (self.permission.into(), 192),
        ];
        let fingerprint = U256::from_be_slice(&digest[..7]) << 200;
        fields
            .into_iter()
            .fold(fingerprint, |word, (field, bits)| word | (U256::from(field) << bits))
    }

    /// Where `Consent` keeps the grant's word. `None` if the terms name neither one scope nor one record.
    pub fn storage_key(&self) -> Option<B256> {
        let slot = Slot::of(self.patient, self.grantee, &self.target()?);
        Some(at(SLOTS, slot.0))
    }
}

impl Evidence {
    /// Where `Anchors` keeps the block of the record's anchor.
    pub fn storage_key(&self) -> Result<B256, BadReceipt> {
        Ok(at(ANCHORS, self.receipt.anchor_key()?))
    }
}

impl Packet {
    /// What a node is asked to prove of it. What has no place is not asked for, and is refused in the packet.
    pub fn storage_keys(&self) -> StorageKeys {
        let accounts = self.accounts().into_iter().map(Standing::storage_key);
        let keys = self
            .keys()
            .into_iter()
            .map(|(account, key)| Listed::storage_key(account, key));
        StorageKeys {
            anchors: self
                .records
                .iter()
                .filter_map(|evidence| evidence.storage_key().ok())
                .collect(),
            consent: self.grants.iter().filter_map(Given::storage_key).collect(),
            directory: accounts.chain(keys).collect(),
        }
    }

    pub(super) fn check_proofs(&self, proofs: &Proofs) -> Result<(), BadPacket> {
        let bad = |why: &str| BadPacket::Proofs(why.to_owned());
        let contracts = self.deployment();
        if keccak256(&proofs.header) != self.issuer.block_hash {
            return Err(bad("the header is not that of the issuer's block"));
        }
        let (root, number) = header(&proofs.header).ok_or_else(|| bad("the header is not one of a block"))?;
        if number != self.issuer.block {
            return Err(bad("the header has another number than the issuer's block"));
        }
        proofs.anchors.check(contracts.anchors, root, "Anchors")?;
        proofs.consent.check(contracts.consent, root, "Consent")?;
        if proofs.anchors.storage.len() != self.records.len() || proofs.consent.storage.len() != self.grants.len() {
            return Err(bad("there is not one of each record and each grant"));
        }
        for (record, (evidence, nodes)) in self.records.iter().zip(&proofs.anchors.storage).enumerate() {
            let place = evidence
                .storage_key()
                .map_err(|why| BadPacket::Receipt { record, why })?;
            let block = U256::from(evidence.receipt.block);
            if !holds(proofs.anchors.storage_hash, place, &block, nodes) {
                return Err(bad(&format!(
                    "record {record}: its anchor is not in Anchors' storage at that block"
                )));
            }
        }
        for (grant, (given, nodes)) in self.grants.iter().zip(&proofs.consent.storage).enumerate() {
            let word = given.word(&contracts);
            let place = given.storage_key();
            if !place.is_some_and(|place| holds(proofs.consent.storage_hash, place, &word, nodes)) {
                return Err(bad(&format!(
                    "grant {grant}: its slot did not hold this grant, so revoked, at that block"
                )));
            }
        }
        match &proofs.signers {
            Some(signers) => self.check_signers(signers, root),
            None => Ok(()),
        }
    }
}

impl Account {
    pub(super) fn check(&self, address: Address, root: B256, name: &str) -> Result<(), BadPacket> {
        let account = TrieAccount::new(self.nonce, self.balance, self.storage_hash, keccak256(&self.code));
        match leads(root, address, Some(alloy_rlp::encode(account)), &self.proof) {
            true => Ok(()),
            false => Err(BadPacket::Proofs(format!(
                "{name} is no such account in the state of that block"
            ))),
        }
    }
}

/// Whether the nodes lead from the storage root to this word; storage keeps none that is zero, and then they lead nowhere.
pub(super) fn holds(root: B256, key: B256, word: &U256, nodes: &[Bytes]) -> bool {
    let value = (!word.is_zero()).then(|| alloy_rlp::encode(word));
    leads(root, key, value, nodes)
}

/// Whether the nodes lead from the root to this value under the hash of `key`, and there are no others.
fn leads(root: B256, key: impl AsRef<[u8]>, value: Option<Vec<u8>>, nodes: &[Bytes]) -> bool {
    let path = Nibbles::unpack(keccak256(key));
    nodes.len() <= LONGEST && verify_proof(root, path, value, nodes).is_ok()
}

/// State root and number. Read by place, since later forks only add fields behind them.
fn header(mut rlp: &[u8]) -> Option<(B256, u64)> {
    let list = alloy_rlp::Header::decode(&mut rlp).ok().filter(|list| list.list)?;
    let mut rest = rlp
        .get(..list.payload_length)
        .filter(|fields| fields.len() == rlp.len())?;
    let (mut root, mut number) = (None, None);
    for field in 0..=NUMBER {
        let bytes = alloy_rlp::Header::decode_bytes(&mut rest, false).ok()?;
        match field {
            STATE_ROOT => root = B256::try_from(bytes).ok(),
            NUMBER if bytes.len() <= 8 => number = Some(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))),
            _ => {}
        }
    }
    root.zip(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_by_place_and_nothing_else_is_one() {
        let fields: [&[u8]; 11] = [
            &[1; 32],
            &[2; 32],
            &[3; 20],
            &[4; 32],
            &[],
            &[],
            &[],
            &[],
            &[1, 2],
            &[],
            &[],
        ];
        let mut rlp = Vec::new();
        alloy_rlp::encode_list::<&[u8], [u8]>(&fields, &mut rlp);
        assert_eq!(header(&rlp), Some((B256::repeat_byte(4), 258)));
        assert_eq!(header(&[&rlp[..], &[0]].concat()), None, "bytes behind it");
        assert_eq!(header(&rlp[..rlp.len() - 1]), None, "cut off");
        assert_eq!(header(&alloy_rlp::encode(&rlp[..])), None, "no list");
    }
}
