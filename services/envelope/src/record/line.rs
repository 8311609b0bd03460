//! The first line of a record's plaintext, as JSON.

use alloy_primitives::{B256, Bytes};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chartseal_record::{content::digest_of, statement::Statement};
use cid::Cid;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::RecordHeader;
use crate::{
    error::{Error, Result},
    key::FileKey,
};

const VERSION: u8 = 1;

/// A document that hangs on a record.
///
/// Hazard: it serialises with its key, as it stands in a record's first line. Serialise it only into what is then sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttachmentRef {
    /// CID of the sealed file (CIDv1, sha2-256, profile unixfs-v1-2025).
    #[serde(with = "cid_text")]
    pub cid: Cid,
    /// Opens the sealed file.
    #[serde(with = "key_text")]
    pub file_key: FileKey,
    /// Bytes of the document itself.
    pub size: u64,
    /// SHA-256 of the document itself.
    pub sha256: B256,
}

#[derive(Serialize)]
struct LineOut<'a> {
    v: u8,
    statement: &'a Statement,
    signature: &'a Bytes,
    length: u64,
    attachments: &'a [AttachmentRef],
}

/// Derived reading refuses unknown and repeated fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineIn {
    v: u8,
    statement: Statement,
    signature: Bytes,
    length: u64,
    attachments: Vec<AttachmentRef>,
}

pub(super) fn write(header: &RecordHeader, length: usize) -> Result<Zeroizing<Vec<u8>>> {
    let RecordHeader {
        statement,
        signature,
        attachments,
    } = header;
    let line = LineOut {
        v: VERSION,
        statement,
        signature,
        length: length as u64,
        attachments,
    };
    // Room for all of it at once: growing would leave unwiped copies of file keys behind.
    let mut out = Zeroizing::new(Vec::with_capacity(1024 + 2 * signature.len() + 320 * attachments.len()));
    serde_json::to_writer(&mut *out, &line).map_err(|_| Error::Record("its first line cannot be written as JSON"))?;
    Ok(out)
}

/// The header and the resource's length.
pub(super) fn read(line: &[u8]) -> Result<(RecordHeader, u64)> {
    // A derived reader would also take a JSON array in the order of the fields.
    if !line.starts_with(b"{") {
        return Err(Error::Record("its first line is not a JSON object"));
    }
    let LineIn {
        v,
        statement,
        signature,
        length,
        attachments,
    } = serde_json::from_slice(line).map_err(|_| {
        Error::Record("its first line is not JSON of exactly v, statement, signature, length, attachments")
    })?;
    if v != VERSION {
        return Err(Error::Record("its v is not 1: it was written by a later Chartseal"));
    }
    Ok((
        RecordHeader {
            statement,
            signature,
            attachments,
        },
        length,
    ))
}

/// The usual text of a CID, and only kinds that Chartseal writes.
mod cid_text {
    use serde::{Deserializer, Serializer, de::Error as _};

    use super::{Cid, Deserialize, digest_of};

    pub fn serialize<S: Serializer>(cid: &Cid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(cid)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Cid, D::Error> {
        let text = String::deserialize(from)?;
        let cid = text.parse::<Cid>().map_err(|_| D::Error::custom("not a CID"))?;
        digest_of(&cid).map_err(D::Error::custom)?;
        Ok(cid)
    }
}

/// Base64 with padding, canonical.
mod key_text {
    use serde::{Deserializer, Serializer, de::Error as _};

    use super::{BASE64, Deserialize, Engine, FileKey, Zeroizing};

    pub fn serialize<S: Serializer>(key: &FileKey, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(BASE64.encode(key.as_bytes())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FileKey, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        let bytes = BASE64
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| D::Error::custom("not base64"))?;
        FileKey::try_from(bytes.as_slice()).map_err(D::Error::custom)
    }
}
