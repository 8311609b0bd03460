//! Sealed records: one version of one resource, with its statement, in one age file.
//!
//! ```text
//! {"v":1,"statement":{…},"signature":"0x…","length":n,"attachments":[…]}   one line of JSON, ≤ 256 KiB
//! \n
//! n bytes of the resource, exactly as signed
//! zeros up to the Padmé length of all before
//! ```
//! Opening checks the form, the resource against its statement, and the compartment. It does not check who
//! signed: that takes the chain.

use alloy_primitives::Bytes;
use chartseal_record::{Compartment, ContentHash, padding::padded, statement::Statement};
use zeroize::Zeroizing;

use crate::{
    age::{self, Sealed},
    error::{Error, Result},
    key::{FileKey, Identity, PublicKey},
};

mod line;

pub use line::AttachmentRef;

/// The most bytes a sealed record may have: 1 MiB, so that it is one raw IPFS block. By Padmé and age's own bytes,
/// line and resource together come to at most 1,032,192.
pub const MAX_SEALED: u64 = 1_048_576;
/// The longest first line: 256 KiB, about 1,000 attachments.
pub const MAX_LINE: usize = 256 * 1024;

/// What stands before the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// The author's claim.
    pub statement: Statement,
    /// The author's signature over it: 65 bytes, or whatever a contract wallet takes.
    pub signature: Bytes,
    /// The documents that hang on it.
    pub attachments: Vec<AttachmentRef>,
}

/// A sealed record and the key that opens it alone.
#[derive(Clone)]
pub struct SealedRecord {
    /// The age file: what is stored, hashed and anchored.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`: its CID.
    pub content: ContentHash,
    /// Opens this record and, through it, its attachments; nothing else.
    pub file_key: FileKey,
}

/// Shows what the swarm sees.
impl std::fmt::Debug for SealedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedRecord({}, {} bytes)", self.content, self.bytes.len())
    }
}

/// An opened record: authentic as bytes, its author still to be verified.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedRecord {
    /// What stands before the resource.
    pub header: RecordHeader,
    /// The FHIR resource, exactly as signed.
    pub resource: Zeroizing<Vec<u8>>,
}

/// Shows the content's length, never the content.
impl std::fmt::Debug for OpenedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "OpenedRecord({} bytes, {} attachments)",
            self.resource.len(),
            self.header.attachments.len()
        )
    }
}

/// Seals a record to its compartment's epoch key.
///
/// Refused where the statement is about other bytes, or where it would be larger than [`MAX_SEALED`].
pub fn seal(epoch_key: &PublicKey, header: &RecordHeader, resource: &[u8]) -> Result<SealedRecord> {
    let Sealed { bytes, file_key } = age::seal(epoch_key, &compose(header, resource)?)?;
    Ok(SealedRecord {
        content: ContentHash::of(&bytes),
        bytes,
        file_key,
    })
}

/// Opens a record found in `compartment` (its leaf's, its epoch key's) with an epoch's identity.
pub fn open(identity: &Identity, compartment: Compartment, sealed: &[u8]) -> Result<OpenedRecord> {
    open_anywhere(identity, sealed)?.found_in(compartment)
}

/// The same with the record's own key, for whoever hands the record on.
pub fn open_keyed(identity: &Identity, compartment: Compartment, sealed: &[u8]) -> Result<(FileKey, OpenedRecord)> {
    check_size(sealed.len() as u64)?;
    let (file_key, plain) = age::open_keyed(identity, sealed)?;
    Ok((file_key, parse_sole(&plain, sealed)?.found_in(compartment)?))
}

/// Opens a record found in `compartment` with its own key, as a grant of one record gives it.
pub fn open_with_file_key(file_key: &FileKey, compartment: Compartment, sealed: &[u8]) -> Result<OpenedRecord> {
    open_anywhere_with_file_key(file_key, sealed)?.found_in(compartment)
}

/// The same where no compartment is known to compare with.
///
/// Hazard: as of [`open_anywhere`].
pub fn open_anywhere_with_file_key(file_key: &FileKey, sealed: &[u8]) -> Result<OpenedRecord> {
    check_size(sealed.len() as u64)?;
    let plain = age::open_with_file_key(file_key, sealed)?;
    parse_sole(&plain, sealed)
}

/// Opens a record where no compartment is known to compare with.
///
/// Hazard: whoever holds an epoch's public key can seal another compartment's signed record to it. Say that
/// the place was not checked, or use [`open`].
pub fn open_anywhere(identity: &Identity, sealed: &[u8]) -> Result<OpenedRecord> {
    check_size(sealed.len() as u64)?;
    let plain = age::open(identity, sealed)?;
    parse_sole(&plain, sealed)
}

impl OpenedRecord {
    fn found_in(self, compartment: Compartment) -> Result<Self> {
        if self.header.statement.compartment == compartment {
            Ok(self)
        } else {
            Err(Error::OtherCompartment)
        }
    }
}

/// The plaintext of a record: line, newline, resource, padding.
pub fn compose(header: &RecordHeader, resource: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    check_resource(header, resource)?;
    let mut plain = line::write(header, resource.len())?;
    if plain.len() > MAX_LINE {
        return Err(Error::Record(
            "its first line is longer than 256 KiB: it has too many attachments",
        ));
    }
    let size = padded(plain.len().saturating_add(1).saturating_add(resource.len()));
    check_size(age::sealed_size(size as u64))?;
    let missing = size.saturating_sub(plain.len());
    plain.reserve_exact(missing);
    plain.push(b'\n');
    plain.extend_from_slice(resource);
    plain.resize(size, 0);
    Ok(plain)
}

/// Reads the plaintext of a record; only the one form is taken.
pub fn parse(plain: &[u8]) -> Result<OpenedRecord> {
    let searched = plain.get(..MAX_LINE + 1).unwrap_or(plain);
    let end = searched
        .iter()
        .position(|&b| b == b'\n')
        .ok_or(Error::Record("its first line does not end within 256 KiB"))?;
    let (first, rest) = plain.split_at(end);
    let (header, length) = line::read(first)?;
    let rest = rest.get(1..).unwrap_or_default();
    let length = usize::try_from(length).ok().filter(|&n| n <= rest.len());
    let (resource, padding) =
        rest.split_at(length.ok_or(Error::Record("its resource is shorter than its length says"))?);
    if padded(plain.len().saturating_sub(padding.len())) != plain.len() {
        return Err(Error::Record("its padding is not the Padmé length"));
    }
    if padding.iter().any(|&b| b != 0) {
        return Err(Error::Record("its padding is not zeros"));
    }
    check_resource(&header, resource)?;
    Ok(OpenedRecord {
        header,
        resource: Zeroizing::new(resource.to_vec()),
    })
}

/// A header with exactly one X25519 recipient has one length, so the sizes tell if there were others.
fn parse_sole(plain: &[u8], sealed: &[u8]) -> Result<OpenedRecord> {
    if age::sealed_size(plain.len() as u64) != sealed.len() as u64 {
        return Err(Error::Record("its file has recipients beside the epoch key"));
    }
    parse(plain)
}

fn check_resource(header: &RecordHeader, resource: &[u8]) -> Result<()> {
    match ContentHash::of(resource).0 == header.statement.resource {
        true => Ok(()),
        false => Err(Error::Record("its statement was signed over another resource")),
    }
}

fn check_size(size: u64) -> Result<()> {
    if size > MAX_SEALED {
        Err(Error::TooLarge {
            size,
            limit: MAX_SEALED,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
