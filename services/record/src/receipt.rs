//! One JSON file that proves a record.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::{
    content::{self, ContentHash},
    contracts::Contracts,
    manifest, merkle,
    place::Compartment,
    statement::Statement,
};

/// The `format` of the receipts this crate writes.
pub const FORMAT: &str = "chartseal-receipt/1";

/// The three addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// `Directory`.
    pub directory: Address,
    /// `Consent`.
    pub consent: Address,
    /// `Anchors`.
    pub anchors: Address,
}

/// Proves, without a key, that content stands under a root an organisation anchored; with the plaintext's
/// statement and signature, also who said it.
///
/// It does not prove that the bytes still exist anywhere, nor that the author had the patient's WRITE
/// grant: that is on the chain, at the anchor's block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// [`FORMAT`].
    pub format: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contracts.
    pub contracts: Addresses,
    /// The sealed record's CID.
    #[serde(with = "content::as_text")]
    pub cid: ContentHash,
    /// Patient × scope.
    pub compartment: Compartment,
    /// Epoch it was sealed to.
    pub epoch: u32,
    /// Siblings from the leaf to the root.
    pub proof: Vec<B256>,
    /// The anchored root.
    pub root: B256,
    /// The organisation that anchored it.
    pub organisation: Address,
    /// Records in the batch.
    pub count: u32,
    /// CID of the batch's manifest.
    pub manifest: String,
    /// The anchoring transaction.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// The author's statement: only for readers of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
    /// The signature over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Bytes>,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// Not JSON of this shape.
    #[error("not a receipt: {0}")]
    Shape(String),
    /// Another format or version.
    #[error("receipt format '{0}' is not known; expected '{FORMAT}'")]
    Format(String),
    /// The path does not lead from the leaf to the root.
    #[error("the Merkle path does not lead from this content, compartment and epoch to the root")]
    Path,
    /// The manifest's CID is not CIDv1 dag-cbor sha2-256.
    #[error("the manifest is not named by a CIDv1 dag-cbor sha2-256")]
    Manifest,
}

impl Receipt {
    /// Reads a receipt and checks its path.
    pub fn parse(json: &[u8]) -> Result<Self, BadReceipt> {
        let receipt: Self = serde_json::from_slice(json).map_err(|e| BadReceipt::Shape(e.to_string()))?;
        if receipt.format != FORMAT {
            return Err(BadReceipt::Format(receipt.format));
        }
        receipt.check()?;
        Ok(receipt)
    }

    /// Its Merkle leaf.
    pub fn leaf(&self) -> B256 {
        merkle::leaf(self.compartment, self.epoch, self.cid)
    }

    /// Checks everything that needs no chain: the path and the manifest's name.
    pub fn check(&self) -> Result<(), BadReceipt> {
        self.manifest_digest()?;
        // 13 siblings reach 8192 leaves; a longer path cannot come from a batch.
        let ok = self.proof.len() <= 13 && merkle::verify(self.root, self.leaf(), &self.proof);
        if ok { Ok(()) } else { Err(BadReceipt::Path) }
    }

    /// sha2-256 of the manifest, as the anchor carries it.
    pub fn manifest_digest(&self) -> Result<B256, BadReceipt> {
        let cid = self.manifest.parse::<cid::Cid>().map_err(|_| BadReceipt::Manifest)?;
        match content::digest_of(&cid) {
            Ok((content::DAG_CBOR, digest)) => Ok(digest),
            _ => Err(BadReceipt::Manifest),
        }
    }

    /// keccak256(abi.encode(address org, bytes32 root, uint32 count, bytes32 manifest)): what `Anchors` remembers.
    pub fn anchor_key(&self) -> Result<B256, BadReceipt> {
        Ok(anchor_key(
            self.organisation,
            self.root,
            self.count,
            self.manifest_digest()?,
        ))
    }

    /// The deployment the receipt speaks of.
    pub fn deployment(&self) -> Contracts {
        Contracts {
            chain_id: self.chain_id,
            directory: self.contracts.directory,
            consent: self.contracts.consent,
            anchors: self.contracts.anchors,
        }
    }
}

impl From<&Contracts> for Addresses {
    fn from(c: &Contracts) -> Self {
        Self {
            directory: c.directory,
            consent: c.consent,
            anchors: c.anchors,
        }
    }
}

/// The key under which `Anchors` remembers a batch.
pub fn anchor_key(org: Address, root: B256, count: u32, manifest: B256) -> B256 {
    keccak256((org, root, count, manifest).abi_encode_params())
}

/// The manifest's CID as a receipt names it.
pub fn manifest_name(digest: B256) -> String {
    manifest::cid(digest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Entry, Manifest};

    fn receipt() -> Receipt {
        let entries: Vec<_> = (0..5u8)
            .map(|i| Entry {
                compartment: Compartment(B256::repeat_byte(i)),
                epoch: 1,
                content: ContentHash::of(&[i]),
            })
            .collect();
        let manifest = Manifest::new(entries.clone()).unwrap();
        Receipt {
            format: FORMAT.into(),
            chain_id: 31337,
            contracts: Addresses {
                directory: Address::ZERO,
                consent: Address::ZERO,
                anchors: Address::ZERO,
            },
            cid: entries[2].content,
            compartment: entries[2].compartment,
            epoch: 1,
            proof: manifest.tree().proof(entries[2].leaf()).unwrap(),
            root: manifest.tree().root(),
            organisation: Address::repeat_byte(9),
            count: 5,
            manifest: manifest_name(manifest.digest()),
            transaction: B256::ZERO,
            block: 7,
            statement: None,
            signature: None,
        }
    }

    #[test]
    fn a_receipt_reads_back() {
        let json = serde_json::to_vec(&receipt()).unwrap();
        assert_eq!(Receipt::parse(&json).unwrap(), receipt());
    }

    #[test]
    fn a_receipt_for_other_content_place_or_epoch_is_refused() {
        let other = [
            Receipt {
                cid: ContentHash::of(b"other"),
                ..receipt()
            },
            Receipt {
                compartment: Compartment(B256::ZERO),
                ..receipt()
            },
            Receipt { epoch: 2, ..receipt() },
            Receipt {
                root: B256::ZERO,
                ..receipt()
            },
            Receipt {
                proof: vec![],
                ..receipt()
            },
        ];
        for receipt in other {
            assert_eq!(receipt.check(), Err(BadReceipt::Path));
        }
        assert_eq!(
            Receipt {
                manifest: receipt().cid.to_string(),
                ..receipt()
            }
            .check(),
            Err(BadReceipt::Manifest)
        );
    }
}
