//! Content hashes and the CIDs that are nothing more.

use std::{fmt, str::FromStr};

use alloy_primitives::B256;
use cid::{Cid, multihash::Multihash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Multicodec of raw bytes.
pub const RAW: u64 = 0x55;
/// Multicodec of dag-pb (UnixFS nodes above the leaves).
pub const DAG_PB: u64 = 0x70;
/// Multicodec of dag-cbor (manifests).
pub const DAG_CBOR: u64 = 0x71;
/// Multihash code of sha2-256.
pub const SHA2_256: u64 = 0x12;

/// SHA-256 of sealed bytes. A sealed record is at most 1 MiB, one raw block, so its CID holds exactly this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentHash(pub B256);

/// The CID is not a CIDv1 of a codec Chartseal writes, with a sha2-256 multihash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a content id Chartseal writes: expected a CIDv1 with sha2-256 (it starts with 'bafkrei', 'bafybei' or 'bafyrei')"
)]
pub struct BadCid;

impl ContentHash {
    /// Hashes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(B256::from_slice(&Sha256::digest(bytes)))
    }

    /// The CID of the bytes as one raw block.
    pub fn cid(&self) -> Cid {
        cid_of_digest(RAW, self.0)
    }

    /// Reads the hash out of a raw CID.
    pub fn from_cid(cid: &Cid) -> Result<Self, BadCid> {
        match digest_of(cid)? {
            (RAW, digest) => Ok(Self(digest)),
            _ => Err(BadCid),
        }
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cid().fmt(f)
    }
}

impl FromStr for ContentHash {
    type Err = BadCid;
    fn from_str(s: &str) -> Result<Self, BadCid> {
        Self::from_cid(&Cid::from_str(s).map_err(|_| BadCid)?)
    }
}

/// A content hash in JSON as the CID of its bytes.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::ContentHash;

    pub fn serialize<S: Serializer>(hash: &ContentHash, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(hash)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ContentHash, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// CIDv1 of a sha2-256 digest under `codec`.
pub fn cid_of_digest(codec: u64, digest: B256) -> Cid {
    let hash = Multihash::<64>::wrap(SHA2_256, digest.as_slice()).expect("32 bytes fit into 64");
    Cid::new_v1(codec, hash)
}

/// Codec and sha2-256 digest of a CIDv1; any other CID is refused.
pub fn digest_of(cid: &Cid) -> Result<(u64, B256), BadCid> {
    let sha256 = cid.hash().code() == SHA2_256 && cid.hash().digest().len() == 32;
    if cid.version() == cid::Version::V1 && sha256 {
        Ok((cid.codec(), B256::from_slice(cid.hash().digest())))
    } else {
        Err(BadCid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_has_the_cid_every_ipfs_node_gives_it() {
        // Fixture of IPIP-0499, profile unixfs-v1-2025.
        let cid = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        assert_eq!(ContentHash::of(b"hello world").to_string(), cid);
        assert_eq!(cid.parse::<ContentHash>().unwrap(), ContentHash::of(b"hello world"));
    }

    #[test]
    fn other_kinds_of_cid_are_refused() {
        let v0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n";
        let dag = cid_of_digest(DAG_PB, B256::ZERO).to_string();
        for text in [v0, dag.as_str(), "", "bafkrei", "hello"] {
            assert_eq!(text.parse::<ContentHash>(), Err(BadCid), "{text}");
        }
    }
}
