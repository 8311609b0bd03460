//! One JSON file an insurer can keep: what it was given, by whom, under which grant, and that it was so.
//!
//! ```text
//! {"packet":{…},"signature":"0x…"}      RFC 8785, and nothing else is taken
//! digest    = SHA-256 of the bytes of {…} as they stand in the file
//! signature = the issuer's statement key over EIP-712 Packet(digest, issuer, block, time)
//! ```
//! It needs no server of ours to be read: every key is in it, and every algorithm is named.

mod check;
mod proofs;
mod signers;
mod words;

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

pub use self::{
    check::BadPacket,
    proofs::{Account, Proofs, StorageKeys},
    signers::{Listed, Signers, Standing, Unshown},
    words::{Base64, Text},
};
use crate::{
    account::{Role, Status},
    canonical,
    contracts::Contracts,
    place::Target,
    receipt::{Addresses, Receipt},
    typed,
};

/// The `format` of a packet that leaves it to the chain whose keys its signers were.
pub const FORMAT: &str = "chartseal-packet/1";
/// The `format` of one that proves it ([`Signers`]), and else is the same.
pub const FORMAT_WITH_SIGNERS: &str = "chartseal-packet/2";
/// Records in one packet: the claim and what it cites.
pub const MAX_RECORDS: usize = 16;
/// Bytes of a packet at most: 32 MiB. Sixteen full records would have 42.
pub const MAX_PACKET: usize = 32 << 20;
/// Bytes of an embedded attachment's sealed file at most: one raw block. A larger one is named by its CID.
pub const MAX_EMBEDDED: usize = 1 << 20;

/// What each thing was made with, in words that can be looked up in ten years.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Algorithms {
    /// How the file is written.
    pub canonical: String,
    /// Of resources, documents, sealed files and the packet.
    pub hash: String,
    /// Of authors, patients and the issuer.
    pub signature: String,
    /// The sealed files.
    pub sealed: String,
    /// From a record's leaf to the anchored root.
    pub tree: String,
}

impl Algorithms {
    /// Those of [`FORMAT`].
    pub fn known() -> Self {
        Self {
            canonical: "RFC8785".into(),
            hash: "SHA-256".into(),
            signature: "EIP-712/secp256k1".into(),
            sealed: "age-encryption.org/v1".into(),
            tree: "OpenZeppelin StandardMerkleTree/keccak256".into(),
        }
    }
}

/// Who made the packet, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// The organisation.
    pub account: Address,
    /// Its statement key.
    pub signer: Address,
    /// The newest block the issuer knew: every grant's state is as of it.
    pub block: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// Unix seconds.
    pub time: u64,
}

/// A grant under which records were given, as it stood at the issuer's block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Given {
    /// Whose records.
    pub patient: Address,
    /// Who may read them: the issuer.
    pub grantee: Address,
    /// The scope's name; empty if the grant is of one record.
    pub scope: String,
    /// The commitment to one record; zero if the grant is of a scope.
    pub record: B256,
    /// The commitment's salt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<B256>,
    /// Counts the grants in the slot.
    #[serde(with = "words::decimal")]
    pub serial: u64,
    /// READ = 1, WRITE = 2.
    pub permission: u8,
    /// Unix seconds, exclusive.
    #[serde(with = "words::decimal")]
    pub until: u64,
    /// Purpose of use.
    pub purpose: String,
    /// Epoch of the wrap the patient signed.
    pub epoch: u32,
    /// Its suite.
    pub suite: u16,
    /// Hash of the key it was made for.
    pub recipient_key_hash: B256,
    /// keccak256 of the wrap.
    pub wrap_hash: B256,
    /// The patient's over these terms.
    pub signature: Bytes,
    /// The patient's controller when it signed.
    pub controller: Address,
    /// Block of the grant.
    pub block: u64,
    /// Its transaction.
    pub transaction: B256,
    /// At the issuer's block, every serial up to this one was revoked: the grant was live, so it is a lower one.
    #[serde(with = "words::decimal")]
    pub revoked: u64,
}

/// Who said it, as the Directory had it in the block of the record's anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Author {
    /// The author's account.
    pub account: Address,
    /// The controller or statement key that signed.
    pub signer: Address,
    /// What it was.
    pub role: Role,
    /// Whether it counted.
    pub status: Status,
    /// The salted commitment to its papers.
    pub credential: B256,
    /// Unix seconds; 0 = they do not expire.
    #[serde(with = "words::decimal")]
    pub credential_expiry: u64,
    /// The block of which this speaks.
    pub block: u64,
}

/// A document that hangs on a record.
///
/// Hazard: it serialises with its key, as everything in a packet does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// CID of the sealed file.
    pub cid: String,
    /// Opens it.
    pub file_key: Base64,
    /// Bytes of the document itself.
    pub size: u64,
    /// SHA-256 of the document itself.
    pub sha256: B256,
    /// The sealed file, where it is at most [`MAX_EMBEDDED`]. Otherwise the CID says where to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Base64>,
}

/// One record with all that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The FHIR reference by which it was asked for or cited, e.g. `Claim/5f…`.
    pub reference: String,
    /// Where it was anchored, with statement and signature.
    pub receipt: Receipt,
    /// Who said it.
    pub author: Author,
    /// Which of the packet's grants gave it.
    pub grant: u32,
    /// Opens the sealed record; 16 bytes.
    pub file_key: Base64,
    /// The FHIR resource, byte for byte as its author signed it.
    pub resource: Text,
    /// The sealed record: the bytes the receipt's CID names.
    pub sealed: Base64,
    /// The documents that hang on it.
    pub attachments: Vec<Attachment>,
}

/// A claim, what it cites, and what proves both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Packet {
    /// [`Packet::fitting_format`].
    pub format: String,
    /// [`Algorithms::known`].
    pub algorithms: Algorithms,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contracts.
    pub contracts: Addresses,
    /// Who made it, and when.
    pub issuer: Issuer,
    /// What it was made for, e.g. `HPAYMT`.
    pub purpose: String,
    /// Each grant under which a record was given.
    pub grants: Vec<Given>,
    /// The claim first, then what it cites.
    pub records: Vec<Evidence>,
    /// References of the claim that were not granted, or not found: the two look the same.
    pub not_granted: Vec<String>,
    /// That anchors and grants stood on the chain, and whose keys the signers were, for who trusts the hash of the issuer's block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs: Option<Proofs>,
}

/// A packet as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// What was signed.
    pub packet: Packet,
    /// By the issuer's statement key: 65 bytes.
    pub signature: Bytes,
}

impl Packet {
    /// The format that goes with what it proves.
    pub fn fitting_format(&self) -> &'static str {
        match self.proofs.as_ref().and_then(|proofs| proofs.signers.as_ref()) {
            Some(_) => FORMAT_WITH_SIGNERS,
            None => FORMAT,
        }
    }

    /// The packet with these proofs, in the format that goes with them.
    #[must_use]
    pub fn with_proofs(self, proofs: Option<Proofs>) -> Self {
        let packet = Self { proofs, ..self };
        let format = packet.fitting_format().to_owned();
        Self { format, ..packet }
    }

    /// SHA-256 of the canonical bytes.
    pub fn digest(&self) -> Result<B256, BadPacket> {
        Ok(crate::ContentHash::of(&canonical::write(self)?).0)
    }

    /// The struct the issuer signs, under the domain of `Consent`.
    pub fn typed(&self) -> Result<typed::Packet, BadPacket> {
        Ok(typed::Packet {
            digest: self.digest()?,
            issuer: self.issuer.account,
            block: self.issuer.block,
            time: self.issuer.time,
        })
    }

    /// What the issuer's statement key signs.
    pub fn signing_digest(&self) -> Result<B256, BadPacket> {
        Ok(typed::digest(&self.typed()?, &self.deployment().consent_domain()))
    }

    /// The deployment the packet speaks of.
    pub fn deployment(&self) -> Contracts {
        Contracts {
            chain_id: self.chain_id,
            directory: self.contracts.directory,
            consent: self.contracts.consent,
            anchors: self.contracts.anchors,
        }
    }
}

impl Signed {
    /// The file. What would not read back as this very packet is refused.
    pub fn write(&self) -> Result<Vec<u8>, BadPacket> {
        let bytes = canonical::write(self)?;
        Self::parse(&bytes)?;
        Ok(bytes)
    }
}

impl Given {
    /// The struct the patient signed.
    pub fn typed(&self) -> typed::Grant {
        typed::Grant {
            patient: self.patient,
            grantee: self.grantee,
            scope: self.scope.clone(),
            record: self.record,
            serial: self.serial,
            permission: self.permission,
            until: self.until,
            purpose: self.purpose.clone(),
            epoch: self.epoch,
            suite: self.suite,
            recipientKeyHash: self.recipient_key_hash,
            wrapHash: self.wrap_hash,
        }
    }

    /// What was granted; `None` if the terms name neither one scope nor one record.
    pub fn target(&self) -> Option<Target> {
        Target::from_fields(&self.scope, self.record)
    }
}
