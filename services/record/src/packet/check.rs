//! What a packet must be to prove anything: everything that needs neither a chain nor a key.

use alloy_primitives::{Address, B256};
use cid::Cid;

use super::{
    Algorithms, Evidence, FORMAT, FORMAT_WITH_SIGNERS, Given, MAX_EMBEDDED, MAX_PACKET, MAX_RECORDS, Packet, Signed,
};
use crate::{
    canonical::{self, NotExact},
    content::{self, ContentHash},
    contracts::Contracts,
    place::{Compartment, Target},
    receipt::BadReceipt,
    statement::Statement,
    typed::{self, BadSignature},
};

/// Why a packet proves nothing. `record` and `grant` count from 0, as the packet's lists do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPacket {
    /// Too long to be read.
    #[error("the packet has {0} bytes; at most {MAX_PACKET} are read")]
    TooLarge(usize),
    /// Not JSON of this shape.
    #[error("not a packet: {0}")]
    Shape(String),
    /// A number that some reader would round.
    #[error(transparent)]
    Number(#[from] NotExact),
    /// Another format or version.
    #[error("packet format '{0}' is not known; expected '{FORMAT}' or '{FORMAT_WITH_SIGNERS}'")]
    Format(String),
    /// Something was made in another way than this format says.
    #[error("the packet names other algorithms than those of '{FORMAT}'")]
    Algorithms,
    /// The same values, written differently: whoever compares files would see two packets.
    #[error("the packet is not written canonically (RFC 8785); it was changed after it was made")]
    NotCanonical,
    /// No records, or too many.
    #[error("a packet holds from 1 to {MAX_RECORDS} records; this one has {0}")]
    Count(usize),
    /// The patient did not sign these terms.
    #[error("grant {grant}: the patient's controller did not sign these terms")]
    Terms {
        /// Which.
        grant: usize,
    },
    /// The grant gave the issuer nothing to read at that time.
    #[error("grant {grant}: {why}")]
    NotLive {
        /// Which.
        grant: usize,
        /// Revoked, expired, another's.
        why: &'static str,
    },
    /// A receipt proves nothing.
    #[error("record {record}: {why}")]
    Receipt {
        /// Which.
        record: usize,
        /// Why.
        why: BadReceipt,
    },
    /// Parts of a record do not belong together.
    #[error("record {record}: {why}")]
    Record {
        /// Which.
        record: usize,
        /// Which parts.
        why: &'static str,
    },
    /// The chain's state was not what the packet says, or the proof is of something else.
    #[error("state proof: {0}")]
    Proofs(String),
    /// A signature that no key made.
    #[error("the issuer's signature: {0}")]
    Signature(#[from] BadSignature),
    /// Another key signed, or the packet was changed afterwards.
    #[error("the signature is not the issuer's key {expected} over this packet: it was changed after it was signed")]
    Issuer {
        /// The packet's.
        expected: Address,
    },
}

impl Signed {
    /// Reads a packet and checks all that needs neither a chain nor a key: form, paths, grants, authors, hashes, signature.
    ///
    /// It does not check that the issuer's block is on the chain, nor, without proofs, the anchors, nor that the signers
    /// were the accounts' keys beyond what [`Packet::unshown`] says, nor that the file keys open the sealed records to
    /// these resources.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadPacket> {
        if bytes.len() > MAX_PACKET {
            return Err(BadPacket::TooLarge(bytes.len()));
        }
        let signed: Self = serde_json::from_slice(bytes).map_err(|e| BadPacket::Shape(place_of(&e)))?;
        let packet = &signed.packet;
        if ![FORMAT, FORMAT_WITH_SIGNERS].contains(&&*packet.format) {
            return Err(BadPacket::Format(packet.format.clone()));
        }
        if packet.algorithms != Algorithms::known() {
            return Err(BadPacket::Algorithms);
        }
        if canonical::write(&signed)? != bytes {
            return Err(BadPacket::NotCanonical);
        }
        packet.check()?;
        let signer = typed::recover(packet.signing_digest()?, &signed.signature)?;
        match signer == packet.issuer.signer {
            true => Ok(signed),
            false => Err(BadPacket::Issuer {
                expected: packet.issuer.signer,
            }),
        }
    }
}

/// Where, never what: the message of an unknown field or value would repeat it.
fn place_of(error: &serde_json::Error) -> String {
    format!(
        "it is not JSON of a packet's shape at line {} column {}",
        error.line(),
        error.column()
    )
}

impl Packet {
    fn check(&self) -> Result<(), BadPacket> {
        if !(1..=MAX_RECORDS).contains(&self.records.len()) || self.grants.len() > self.records.len() {
            return Err(BadPacket::Count(self.records.len()));
        }
        if self.format != self.fitting_format() {
            let why = format!("a packet with one of its signers is of '{FORMAT_WITH_SIGNERS}', and no other is");
            return Err(BadPacket::Proofs(why));
        }
        let contracts = self.deployment();
        for (grant, given) in self.grants.iter().enumerate() {
            self.check_grant(grant, given, &contracts)?;
        }
        for (record, evidence) in self.records.iter().enumerate() {
            self.check_record(record, evidence, &contracts)?;
        }
        match &self.proofs {
            Some(proofs) => self.check_proofs(proofs),
            None => Ok(()),
        }
    }

    fn check_grant(&self, grant: usize, given: &Given, contracts: &Contracts) -> Result<(), BadPacket> {
        let not_live = |why| Err(BadPacket::NotLive { grant, why });
        if given.grantee != self.issuer.account {
            return not_live("it was given to somebody else than the issuer");
        }
        if given.permission & typed::READ == 0 {
            return not_live("it does not let the issuer read");
        }
        if given.serial <= given.revoked {
            return not_live("it was revoked at the issuer's block");
        }
        if self.issuer.time >= given.until {
            return not_live("it had expired when the packet was made");
        }
        if given.block > self.issuer.block {
            return not_live("it was given after the packet was made");
        }
        let digest = typed::digest(&given.typed(), &contracts.consent_domain());
        match typed::recover(digest, &given.signature) {
            Ok(signer) if signer == given.controller => Ok(()),
            _ => Err(BadPacket::Terms { grant }),
        }
    }

    fn check_record(&self, record: usize, evidence: &Evidence, contracts: &Contracts) -> Result<(), BadPacket> {
        let bad = |why| Err(BadPacket::Record { record, why });
        let receipt = &evidence.receipt;
        if receipt.format != crate::receipt::FORMAT {
            return bad("its receipt has another format");
        }
        receipt.check().map_err(|why| BadPacket::Receipt { record, why })?;
        if receipt.deployment() != *contracts {
            return bad("its receipt speaks of another deployment than the packet");
        }
        let (Some(statement), Some(signature)) = (&receipt.statement, &receipt.signature) else {
            return bad("its receipt has no statement of its author");
        };
        if statement.compartment != receipt.compartment {
            return bad("its statement is about another compartment than its receipt");
        }
        if statement.author != evidence.author.account || receipt.block != evidence.author.block {
            return bad("its author is described at another block, or is another's");
        }
        if !typed::recover(statement.digest(contracts), signature).is_ok_and(|key| key == evidence.author.signer) {
            return bad("its statement was not signed by the author's key");
        }
        if ContentHash::of(evidence.resource.0.as_bytes()).0 != statement.resource {
            return bad("its resource is not what its author signed");
        }
        if ContentHash::of(&evidence.sealed.0) != receipt.cid {
            return bad("its sealed bytes are not those that were anchored");
        }
        let grant = usize::try_from(evidence.grant).ok().and_then(|i| self.grants.get(i));
        if !grant.is_some_and(|given| given.covers(statement, contracts)) {
            return bad("the grant it names is not of this record");
        }
        match evidence.attachments.iter().all(attachment_holds) {
            true => Ok(()),
            false => bad("an attachment is not what its content id says"),
        }
    }
}

impl Given {
    /// Whether the grant is of this record, or of the scope it is in.
    fn covers(&self, statement: &Statement, contracts: &Contracts) -> bool {
        match (self.target(), self.salt) {
            (Some(Target::Scope(scope)), None) => Compartment::of(self.patient, &scope) == statement.compartment,
            (Some(record), Some(salt)) => record == Target::record(statement.digest(contracts), salt),
            _ => false,
        }
    }
}

fn attachment_holds(attachment: &super::Attachment) -> bool {
    let Ok((codec, digest)) = attachment
        .cid
        .parse::<Cid>()
        .map_err(drop)
        .and_then(|c| content::digest_of(&c).map_err(drop))
    else {
        return false;
    };
    let is = |bytes: &[u8], hash: B256| bytes.len() <= MAX_EMBEDDED && ContentHash::of(bytes).0 == hash;
    match &attachment.sealed {
        // Only a single raw block hashes to its CID.
        Some(sealed) => codec == content::RAW && is(&sealed.0, digest),
        None => true,
    }
}
