//! The list of a batch's records on IPFS.

use alloy_primitives::B256;
use cid::Cid;
use ipld_core::ipld::Ipld;

use crate::{
    content::{ContentHash, DAG_CBOR, RAW, cid_of_digest, digest_of},
    merkle::{self, BadLeaves, Tree},
    place::Compartment,
};

/// Records in one batch at most, so that a manifest stays below 1 MiB.
pub const MAX_RECORDS: usize = 8192;

/// One record as the swarm sees it: nothing but its place and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Patient × scope.
    pub compartment: Compartment,
    /// Epoch it is sealed to.
    pub epoch: u32,
    /// SHA-256 of the sealed bytes.
    pub content: ContentHash,
}

impl Entry {
    /// Its Merkle leaf.
    pub fn leaf(&self) -> B256 {
        merkle::leaf(self.compartment, self.epoch, self.content)
    }
}

/// dag-cbor `{"v": 1, "records": [[compartment, epoch, link], …]}`, ascending by leaf, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    tree: Tree,
}

/// Why bytes or entries are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// More than [`MAX_RECORDS`].
    #[error("a batch holds at most 8192 records; this one has {0}")]
    TooMany(usize),
    /// Empty, or a leaf twice.
    #[error(transparent)]
    Leaves(#[from] BadLeaves),
    /// Not the one canonical encoding of a version 1 manifest.
    #[error("not a version 1 manifest: expected canonical dag-cbor {{v, records}} with ascending leaves")]
    Encoding,
}

impl Manifest {
    /// Sorts the entries and builds their tree.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, BadManifest> {
        if entries.len() > MAX_RECORDS {
            return Err(BadManifest::TooMany(entries.len()));
        }
        entries.sort_by_cached_key(Entry::leaf);
        let tree = Tree::new(entries.iter().map(Entry::leaf).collect())?;
        Ok(Self { entries, tree })
    }

    /// The entries, ascending by leaf.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tree over them.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The manifest's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let record = |e: &Entry| {
            Ipld::List(vec![
                Ipld::Bytes(e.compartment.0.to_vec()),
                Ipld::Integer(e.epoch.into()),
                Ipld::Link(e.content.cid()),
            ])
        };
        let map = [
            ("v".to_owned(), Ipld::Integer(1)),
            (
                "records".to_owned(),
                Ipld::List(self.entries.iter().map(record).collect()),
            ),
        ];
        serde_ipld_dagcbor::to_vec(&Ipld::Map(map.into())).expect("integers, bytes and links all encode, into memory")
    }

    /// Reads a manifest. Anything but the canonical encoding is refused, so a manifest has one CID.
    ///
    /// The caller bounds the input; entries beyond [`MAX_RECORDS`] are refused before the tree is built.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadManifest> {
        let ipld: Ipld = serde_ipld_dagcbor::from_slice(bytes).map_err(|_| BadManifest::Encoding)?;
        let Ipld::Map(mut map) = ipld else {
            return Err(BadManifest::Encoding);
        };
        let (Some(Ipld::Integer(1)), Some(Ipld::List(records)), true) =
            (map.remove("v"), map.remove("records"), map.is_empty())
        else {
            return Err(BadManifest::Encoding);
        };
        if records.len() > MAX_RECORDS {
            return Err(BadManifest::TooMany(records.len()));
        }
        let entries = records
            .into_iter()
            .map(entry)
            .collect::<Option<Vec<_>>>()
            .ok_or(BadManifest::Encoding)?;
        let manifest = Self::new(entries)?;
        if manifest.encode() == bytes {
            Ok(manifest)
        } else {
            Err(BadManifest::Encoding)
        }
    }

    /// sha2-256 of the encoding: what the anchor carries.
    pub fn digest(&self) -> B256 {
        ContentHash::of(&self.encode()).0
    }
}

/// The CID of a manifest from the digest in its anchor.
pub fn cid(digest: B256) -> Cid {
    cid_of_digest(DAG_CBOR, digest)
}

fn entry(ipld: Ipld) -> Option<Entry> {
    let Ipld::List(fields) = ipld else { return None };
    let [Ipld::Bytes(compartment), Ipld::Integer(epoch), Ipld::Link(link)] = <[Ipld; 3]>::try_from(fields).ok()? else {
        return None;
    };
    let (codec, digest) = digest_of(&link).ok()?;
    (codec == RAW).then_some(Entry {
        compartment: Compartment(B256::try_from(compartment.as_slice()).ok()?),
        epoch: u32::try_from(epoch).ok()?,
        content: ContentHash(digest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(n: u32) -> Vec<Entry> {
        (0..n)
            .map(|i| Entry {
                compartment: Compartment(B256::repeat_byte(i as u8)),
                epoch: i + 1,
                content: ContentHash::of(&i.to_be_bytes()),
            })
            .collect()
    }

    #[test]
    fn a_manifest_reads_back_and_its_order_does_not_depend_on_the_callers() {
        let manifest = Manifest::new(entries(20)).unwrap();
        let mut reversed = entries(20);
        reversed.reverse();
        assert_eq!(Manifest::new(reversed).unwrap().encode(), manifest.encode());
        assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
    }

    #[test]
    fn anything_but_the_canonical_bytes_is_refused() {
        let bytes = Manifest::new(entries(3)).unwrap().encode();
        let mut swapped = Manifest::new(entries(3)).unwrap();
        swapped.entries.swap(0, 1);
        assert_eq!(Manifest::decode(&swapped.encode()), Err(BadManifest::Encoding));
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..cut]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Manifest::decode(&longer).is_err());
        let twice = Manifest::new([entries(1), entries(1)].concat());
        assert!(matches!(twice, Err(BadManifest::Leaves(BadLeaves::Twice(_)))));
    }

    #[test]
    fn a_full_manifest_fits_into_one_block() {
        let manifest = Manifest::new(
            (0..MAX_RECORDS as u32)
                .map(|i| Entry {
                    compartment: Compartment(B256::with_last_byte(1)),
                    epoch: u32::MAX,
                    content: ContentHash::of(&i.to_be_bytes()),
                })
                .collect(),
        )
        .unwrap();
        assert!(manifest.encode().len() <= 1 << 20, "{}", manifest.encode().len());
    }
}
