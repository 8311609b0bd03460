use bytes::Bytes;
use chartseal_record::content::{DAG_CBOR, DAG_PB, RAW, cid_of_digest, digest_of};
use cid::Cid;
use ipld_core::codec::Links;
use serde_ipld_dagcbor::codec::DagCborCodec;
use sha2::{Digest, Sha256};

use crate::{Error, unixfs};

/// The largest block, 2 MiB: what Bitswap and Kubo exchange. Ours stay under 1 MiB + a few bytes.
pub const BLOCK_LIMIT: usize = 2 * 1024 * 1024;

/// Length of every CID spoken here: version, codec, hash code, hash length, 32 bytes of SHA-256.
pub(crate) const CID_LENGTH: usize = 36;

/// A CID and bytes that were found to hash to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    bytes: Bytes,
}

impl Block {
    /// Takes bytes for `cid` if they are its bytes. `place` is named in the error.
    pub fn verified(cid: Cid, bytes: Bytes, place: &str) -> Result<Self, Error> {
        verify(&cid, &bytes, place)?;
        Ok(Self { cid, bytes })
    }

    /// A raw block, its CID computed.
    pub fn raw(bytes: Bytes) -> Self {
        Self {
            cid: raw_cid(&bytes),
            bytes,
        }
    }

    /// For the builder of trees, which has just hashed the bytes.
    pub(crate) fn hashed(cid: Cid, bytes: Bytes) -> Self {
        Self { cid, bytes }
    }

    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn into_parts(self) -> (Cid, Bytes) {
        (self.cid, self.bytes)
    }
}

/// CIDv1(raw, sha2-256) of the bytes: the CID of a sealed record, and of a file of at most 1 MiB.
pub fn raw_cid(bytes: &[u8]) -> Cid {
    cid_of(RAW, bytes)
}

/// CIDv1(dag-cbor, sha2-256) of the bytes, which are expected to be DAG-CBOR: the CID of a manifest.
pub fn dag_cbor_cid(bytes: &[u8]) -> Cid {
    cid_of(DAG_CBOR, bytes)
}

fn cid_of(codec: u64, bytes: &[u8]) -> Cid {
    Key {
        codec: codec as u8,
        digest: Sha256::digest(bytes).into(),
    }
    .cid()
}

/// Whether `bytes` are what `cid` names.
pub(crate) fn verify(cid: &Cid, bytes: &[u8], place: &str) -> Result<(), Error> {
    let key = Key::of(cid)?;
    if bytes.len() > BLOCK_LIMIT {
        return Err(Error::BlockTooLarge {
            cid: Box::new(*cid),
            size: bytes.len() as u64,
        });
    }
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    if digest == key.digest {
        Ok(())
    } else {
        Err(Error::Corrupt {
            cid: Box::new(*cid),
            place: place.to_owned(),
        })
    }
}

/// What a block points to.
pub(crate) fn links(cid: &Cid, bytes: &[u8]) -> Result<Vec<Cid>, Error> {
    match cid.codec() {
        DAG_CBOR => match DagCborCodec::links(bytes) {
            Ok(links) => Ok(links.collect()),
            Err(_) => Err(Error::Malformed { cid: Box::new(*cid) }),
        },
        DAG_PB => unixfs::links(cid, bytes),
        _ => Ok(Vec::new()),
    }
}

/// A CID of the one kind spoken here in 33 bytes instead of the 96 of [`Cid`]: an index holds millions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    codec: u8,
    digest: [u8; 32],
}

impl Key {
    pub(crate) fn of(cid: &Cid) -> Result<Self, Error> {
        match digest_of(cid) {
            Ok((codec @ (RAW | DAG_PB | DAG_CBOR), digest)) => Ok(Self {
                codec: codec as u8,
                digest: digest.0,
            }),
            _ => Err(Error::Unsupported { cid: Box::new(*cid) }),
        }
    }

    /// Reads the one binary form such a CID has.
    pub(crate) fn from_bytes(bytes: &[u8; CID_LENGTH]) -> Option<Self> {
        let [1, codec, 0x12, 32, digest @ ..] = *bytes else {
            return None;
        };
        matches!(u64::from(codec), RAW | DAG_PB | DAG_CBOR).then_some(Self { codec, digest })
    }

    pub(crate) fn to_bytes(self) -> [u8; CID_LENGTH] {
        let mut bytes = [0; CID_LENGTH];
        bytes[..4].copy_from_slice(&[1, self.codec, 0x12, 32]);
        bytes[4..].copy_from_slice(&self.digest);
        bytes
    }

    pub(crate) fn cid(self) -> Cid {
        cid_of_digest(u64::from(self.codec), self.digest.into())
    }

    /// Of a file's leaf.
    pub(crate) fn of_raw(bytes: &[u8]) -> Self {
        Self {
            codec: RAW as u8,
            digest: Sha256::digest(bytes).into(),
        }
    }

    /// Of a node above leaves.
    pub(crate) fn of_dag_pb(bytes: &[u8]) -> Self {
        Self {
            codec: DAG_PB as u8,
            digest: Sha256::digest(bytes).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_world_has_the_cid_of_the_profile_s_fixture() {
        assert_eq!(
            raw_cid(b"hello world").to_string(),
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
        );
    }

    #[test]
    fn a_key_is_its_cid_in_both_directions() {
        for codec in [RAW, DAG_PB, DAG_CBOR] {
            let cid = cid_of(codec, b"x");
            let key = Key::of(&cid).unwrap();
            assert_eq!(key.cid(), cid);
            assert_eq!(key.to_bytes().as_slice(), cid.to_bytes());
            assert!(Key::from_bytes(&key.to_bytes()).unwrap() == key);
        }
    }

    #[test]
    fn other_kinds_of_cid_are_refused_by_name() {
        for text in [
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
            "bafkqaaa",
            "baguqeerasords4njcts6vs7qvdjfcvgnume4hqohf65zsfguprqphs3icwea",
        ] {
            let cid: Cid = text.parse().unwrap();
            assert!(
                matches!(verify(&cid, b"", "here"), Err(Error::Unsupported { cid: c }) if *c == cid),
                "{text}"
            );
        }
    }
}
