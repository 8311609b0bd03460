//! The nodes above the leaves: dag-pb around UnixFS, both protobuf, written and read by hand because one shape suffices.
//!
//! ```text
//! node = { 0x12 ‖ len ‖ link }*  0x0a ‖ len ‖ data                      (links first: dag-pb's canonical order)
//! link = 0x0a ‖ 36 ‖ CID   0x12 ‖ 0   0x18 ‖ size of the subtree's blocks
//! data = 0x08 ‖ 2 (file)   0x18 ‖ file size   { 0x20 ‖ file bytes under link i }*
//! ```
//!
//! Reading accepts exactly what writing produces. Anything else is some other builder's tree, and its CID was never
//! in one of our records.

use cid::Cid;

use super::LINKS;
use crate::{
    Error,
    block::{CID_LENGTH, Key},
};

/// A child as its parent sees it.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub key: Key,
    /// Bytes of file content below.
    pub content: u64,
    /// Bytes of all blocks below, the child's own included ("Tsize").
    pub total: u64,
}

pub(super) fn encode(links: &[Link]) -> Vec<u8> {
    let mut data = vec![0x08, 2, 0x18];
    put_varint(&mut data, links.iter().map(|link| link.content).sum());
    for link in links {
        data.push(0x20);
        put_varint(&mut data, link.content);
    }
    let mut node = Vec::with_capacity(links.len() * 52 + data.len() + 8);
    let mut entry = Vec::with_capacity(52);
    for link in links {
        entry.clear();
        entry.extend_from_slice(&[0x0a, CID_LENGTH as u8]);
        entry.extend_from_slice(&link.key.to_bytes());
        entry.extend_from_slice(&[0x12, 0, 0x18]);
        put_varint(&mut entry, link.total);
        node.push(0x12);
        put_varint(&mut node, entry.len() as u64);
        node.extend_from_slice(&entry);
    }
    node.push(0x0a);
    put_varint(&mut node, data.len() as u64);
    node.extend_from_slice(&data);
    node
}

/// The children of a node, in order, each with the bytes of file it stands for.
pub(super) fn decode(cid: &Cid, node: &[u8]) -> Result<Vec<Link>, Error> {
    parse(node).map_err(|reason| Error::NotAFile {
        cid: Box::new(*cid),
        reason,
    })
}

/// The CIDs of a node's children.
pub(crate) fn links(cid: &Cid, node: &[u8]) -> Result<Vec<Cid>, Error> {
    Ok(decode(cid, node)?.iter().map(|link| link.key.cid()).collect())
}

fn parse(node: &[u8]) -> Result<Vec<Link>, &'static str> {
    let mut rest = Input(node);
    let mut links: Vec<Link> = Vec::new();
    while rest.take(0x12) {
        if links.len() == LINKS {
            return Err("a node has more than 1024 links");
        }
        links.push(parse_link(rest.field()?)?);
    }
    if !rest.take(0x0a) {
        return Err("a node has no data where it was expected");
    }
    let mut data = Input(rest.field()?);
    if !rest.0.is_empty() {
        return Err("a node goes on after its data");
    }
    if links.is_empty() {
        return Err("a node has no links");
    }
    if !(data.take(0x08) && data.take(2)) {
        return Err("a node is not a file: its UnixFS type is not 2");
    }
    if !data.take(0x18) {
        return Err("a node has no file size where it was expected");
    }
    let size = data.varint()?;
    let mut sum: u64 = 0;
    for link in &mut links {
        if !data.take(0x20) {
            return Err("a node has fewer sizes than links");
        }
        link.content = data.varint()?;
        // An empty child would let a few hostile nodes keep a reader walking without ever handing it a byte.
        if link.content == 0 {
            return Err("a node has a link to nothing");
        }
        sum = sum.checked_add(link.content).ok_or("a node's sizes exceed 64 bits")?;
    }
    if !data.0.is_empty() {
        return Err("a node has more sizes than links, or modes and times");
    }
    if sum != size {
        return Err("a node's sizes do not add up to its file size");
    }
    Ok(links)
}

fn parse_link(link: &[u8]) -> Result<Link, &'static str> {
    let mut link = Input(link);
    if !link.take(0x0a) {
        return Err("a link has no CID");
    }
    let cid: &[u8; CID_LENGTH] = link.field()?.try_into().map_err(|_| "a link's CID is not 36 bytes")?;
    let key = Key::from_bytes(cid).ok_or("a link's CID is not CIDv1 with sha2-256")?;
    if !(link.take(0x12) && link.take(0)) {
        return Err("a link's name is not empty");
    }
    if !link.take(0x18) {
        return Err("a link has no size");
    }
    let total = link.varint()?;
    if !link.0.is_empty() {
        return Err("a link goes on after its size");
    }
    Ok(Link { key, content: 0, total })
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, tag: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == tag => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value: u64 = 0;
        for shift in (0..63).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("a number ends early")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if *byte == 0 && shift > 0 {
                    Err("a number is not minimal")
                } else {
                    Ok(value)
                };
            }
        }
        Err("a number exceeds 63 bits")
    }

    fn field(&mut self) -> Result<&'a [u8], &'static str> {
        let length = usize::try_from(self.varint()?).map_err(|_| "a field exceeds its block")?;
        let (field, rest) = self.0.split_at_checked(length).ok_or("a field exceeds its block")?;
        self.0 = rest;
        Ok(field)
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> (Cid, Vec<u8>) {
        let leaf = |byte: u8, content| Link {
            key: Key::of_raw(&[byte]),
            content,
            total: content,
        };
        let node = encode(&[leaf(1, 1_048_576), leaf(2, 300)]);
        (Key::of_dag_pb(&node).cid(), node)
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let (cid, node) = node();
        let links = decode(&cid, &node).unwrap();
        assert_eq!(
            links.iter().map(|link| (link.content, link.total)).collect::<Vec<_>>(),
            [(1_048_576, 1_048_576), (300, 300)]
        );
        assert_eq!(encode(&links), node);
    }

    #[test]
    fn no_other_bytes_than_its_own_decode_to_a_node() {
        let (cid, node) = node();
        for length in 0..node.len() {
            assert!(decode(&cid, &node[..length]).is_err(), "cut to {length}");
        }
        assert!(decode(&cid, &[&node[..], &[0]].concat()).is_err());
        for at in 0..node.len() {
            for bit in 0..8 {
                let mut flipped = node.clone();
                flipped[at] ^= 1 << bit;
                // Flips within a CID's hash or a subtree's size make another node, never a second form of this one.
                if let Ok(links) = decode(&cid, &flipped) {
                    assert_eq!(encode(&links), flipped, "byte {at} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn hostile_nodes_are_refused_with_a_reason() {
        let (cid, _) = node();
        let link = |content| Link {
            key: Key::of_raw(b"x"),
            content,
            total: 1,
        };
        let reason = |links: &[Link]| {
            decode(&cid, &encode(links))
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(reason(&[]).contains("no links"));
        assert!(reason(&[link(0)]).contains("link to nothing"));
        assert!(reason(&vec![link(1); LINKS]).is_empty());
        assert!(reason(&vec![link(1); LINKS + 1]).contains("more than 1024"));
        assert!(reason(&[link(u64::MAX >> 1), link(1)]).contains("63 bits"));
        // A length that claims more than there is, and a number that never ends.
        assert!(decode(&cid, &[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
        assert!(
            decode(
                &cid,
                &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
            )
            .is_err()
        );
    }
}
