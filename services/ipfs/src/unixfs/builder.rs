use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use cid::Cid;

use super::{
    CHUNK, LINKS,
    node::{self, Link},
};
use crate::block::{Block, Key};

/// Builds a file's tree from bytes as they come.
///
/// Memory: one chunk of 1 MiB plus, per level, the links of one unfinished node (at most 64 KiB). A block is final
/// when it leaves; [`FileBuilder::finish`] MUST be called, or the last chunk and the nodes above never leave.
pub struct FileBuilder {
    chunk: usize,
    links: usize,
    buffer: BytesMut,
    /// Unfinished nodes, the one just above the leaves first.
    levels: Vec<Vec<Link>>,
    size: u64,
}

/// What is left when a file ends.
#[derive(Debug)]
pub struct Finished {
    /// The last leaf and the nodes above it, children before parents; the root is the last.
    pub blocks: Vec<Block>,
    pub root: Cid,
    /// Bytes in the file.
    pub size: u64,
}

impl Default for FileBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FileBuilder {
    pub fn new() -> Self {
        Self::shaped(CHUNK, LINKS)
    }

    /// Another shape than the profile's, so that a test reaches three levels with a handful of bytes.
    fn shaped(chunk: usize, links: usize) -> Self {
        Self {
            chunk,
            links,
            buffer: BytesMut::new(),
            levels: vec![Vec::new()],
            size: 0,
        }
    }

    /// Takes the next bytes, any number, and returns the blocks they completed.
    pub fn push(&mut self, data: &[u8]) -> Vec<Block> {
        let mut blocks = Vec::new();
        let Ok(()) = self.push_into(data, &mut collect(&mut blocks));
        blocks
    }

    /// Ends the file.
    pub fn finish(self) -> Finished {
        let mut blocks = Vec::new();
        let Ok((root, size)) = self.finish_into(&mut collect(&mut blocks));
        Finished { blocks, root, size }
    }

    /// As [`FileBuilder::push`], lending each block to `sink` instead: whole chunks within `data` are not copied.
    /// After an error of the sink the builder is of no further use.
    pub fn push_into<E>(
        &mut self,
        mut data: &[u8],
        sink: &mut impl FnMut(&Cid, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        // A full chunk is only cut when a byte follows it: were it the file's only one, it would be the root itself,
        // and were a file's last chunk cut twice, an empty leaf would follow.
        while !data.is_empty() {
            if self.buffer.len() == self.chunk {
                let mut leaf = std::mem::take(&mut self.buffer);
                self.leaf(&leaf, sink)?;
                leaf.clear();
                self.buffer = leaf;
            }
            if self.buffer.is_empty() && data.len() > self.chunk {
                let (leaf, rest) = data.split_at(self.chunk);
                self.leaf(leaf, sink)?;
                data = rest;
                continue;
            }
            let (part, rest) = data.split_at(data.len().min(self.chunk - self.buffer.len()));
            self.buffer.extend_from_slice(part);
            data = rest;
        }
        Ok(())
    }

    /// As [`FileBuilder::finish`], lending each block to `sink`; returns the root and the file's size in bytes.
    pub fn finish_into<E>(mut self, sink: &mut impl FnMut(&Cid, &[u8]) -> Result<(), E>) -> Result<(Cid, u64), E> {
        let leaf = std::mem::take(&mut self.buffer);
        if !leaf.is_empty() || self.size == 0 {
            self.leaf(&leaf, sink)?;
        }
        let mut level = 0;
        loop {
            let top = level + 1 == self.levels.len();
            if top && let [only] = self.levels[level][..] {
                return Ok((only.key.cid(), self.size));
            }
            if !self.levels[level].is_empty() {
                self.close(level, sink)?;
            }
            level += 1;
        }
    }

    fn leaf<E>(&mut self, leaf: &[u8], sink: &mut impl FnMut(&Cid, &[u8]) -> Result<(), E>) -> Result<(), E> {
        let key = Key::of_raw(leaf);
        sink(&key.cid(), leaf)?;
        let length = leaf.len() as u64;
        self.size += length;
        self.add(
            0,
            Link {
                key,
                content: length,
                total: length,
            },
            sink,
        )
    }

    fn add<E>(
        &mut self,
        level: usize,
        link: Link,
        sink: &mut impl FnMut(&Cid, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if level == self.levels.len() {
            self.levels.push(Vec::new());
        }
        // Closed only when a further child comes, as with leaves: a node that fills up last may be the root.
        if self.levels[level].len() == self.links {
            self.close(level, sink)?;
        }
        self.levels[level].push(link);
        Ok(())
    }

    fn close<E>(&mut self, level: usize, sink: &mut impl FnMut(&Cid, &[u8]) -> Result<(), E>) -> Result<(), E> {
        let children = std::mem::take(&mut self.levels[level]);
        let node = node::encode(&children);
        let key = Key::of_dag_pb(&node);
        sink(&key.cid(), &node)?;
        let content = children.iter().map(|child| child.content).sum();
        let total = node.len() as u64 + children.iter().map(|child| child.total).sum::<u64>();
        self.add(level + 1, Link { key, content, total }, sink)
    }
}

fn collect(blocks: &mut Vec<Block>) -> impl FnMut(&Cid, &[u8]) -> Result<(), Infallible> {
    |cid, bytes| {
        blocks.push(Block::hashed(*cid, Bytes::copy_from_slice(bytes)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chartseal_record::content::{DAG_PB, RAW};

    fn build(chunk: usize, links: usize, data: &[u8], step: usize) -> (Vec<Block>, Cid, u64) {
        let mut builder = FileBuilder::shaped(chunk, links);
        let mut blocks: Vec<Block> = data.chunks(step).flat_map(|part| builder.push(part)).collect();
        let finished = builder.finish();
        blocks.extend(finished.blocks);
        (blocks, finished.root, finished.size)
    }

    /// The rule of the profile in four lines, to hold the incremental builder against: cut, then fold level by level.
    fn by_the_rule(chunk: usize, links: usize, data: &[u8]) -> Cid {
        let mut level: Vec<Link> = if data.is_empty() {
            vec![&data[..0]]
        } else {
            data.chunks(chunk).collect()
        }
        .iter()
        .map(|leaf| Link {
            key: Key::of_raw(leaf),
            content: leaf.len() as u64,
            total: leaf.len() as u64,
        })
        .collect();
        while level.len() > 1 {
            level = level
                .chunks(links)
                .map(|children| {
                    let node = node::encode(children);
                    Link {
                        key: Key::of_dag_pb(&node),
                        content: children.iter().map(|c| c.content).sum(),
                        total: node.len() as u64 + children.iter().map(|c| c.total).sum::<u64>(),
                    }
                })
                .collect();
        }
        level[0].key.cid()
    }

    #[test]
    fn every_length_and_step_gives_the_tree_of_the_rule() {
        let data: Vec<u8> = (0..600u32).map(|n| (n % 251) as u8).collect();
        for length in (0..140).chain([255, 256, 257, 511, 512, 513, 600]) {
            for step in [1, 3, 4, 5, 64, 1000] {
                let (blocks, root, size) = build(4, 4, &data[..length], step);
                assert_eq!(
                    root,
                    by_the_rule(4, 4, &data[..length]),
                    "{length} bytes in steps of {step}"
                );
                assert_eq!(size, length as u64);
                assert_eq!(blocks.last().unwrap().cid(), &root);
                let leaves: Vec<u8> = blocks
                    .iter()
                    .filter(|b| b.cid().codec() == RAW)
                    .flat_map(|b| b.bytes().to_vec())
                    .collect();
                assert_eq!(leaves, data[..length]);
            }
        }
    }

    /// From Kubo 0.43, `ipfs add -n -Q --cid-version=1 --raw-leaves --chunker=size-16 --max-file-links=4`: full and just
    /// overfull trees of one to five levels.
    #[test]
    fn deep_trees_are_kubo_s() {
        for (length, cid) in [
            (64, "bafybeia3js4mxxkyappgnq5klhpvoci7g2nib2hjqkjymkmfecaby4dmnq"),
            (65, "bafybeieixyuxszinqsy4zudruq5y3iplxpijuiql567ljvhxbduftqythy"),
            (256, "bafybeicqi4rfzx36lnuhohlrzwyqsvgxr2wfa7ah6367j3ibvbzlxfe4ei"),
            (257, "bafybeictrzz5w6pxw3rippzzwixg3jafxot4yapgssbcwyw4gyyjlkrtba"),
            (1024, "bafybeib4sez3xsu7wxmxlacu25ac6dyrvdwe5tapixfpv4ejavmm76go2e"),
            (1025, "bafybeiekazt3ytlmpcnchykm3cne6chbewtlxxkfqh24cbplsbd5kmnmoa"),
            (4097, "bafybeigjmszsavxzomb4o7ddhl2mphoekfi7u7wqeuiyu2kkvns7ibh7oi"),
            (5000, "bafybeigmuuhcidmjogwwsz6pybesfv5frr6r5o6aqjrssucgjn6fsgdz4y"),
        ] {
            let data: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            assert_eq!(build(16, 4, &data, 100).1.to_string(), cid, "{length} bytes");
        }
    }

    #[test]
    fn an_empty_file_is_the_empty_raw_block() {
        let finished = FileBuilder::new().finish();
        assert_eq!(
            finished.root.to_string(),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
        );
        assert_eq!(finished.blocks.len(), 1);
    }

    #[test]
    fn a_file_of_one_chunk_is_its_leaf_and_one_byte_more_is_a_tree() {
        let data = vec![7; CHUNK + 1];
        assert_eq!(build(CHUNK, LINKS, &data[..CHUNK], CHUNK).1.codec(), RAW);
        let (blocks, root, _) = build(CHUNK, LINKS, &data, 100_000);
        assert_eq!((blocks.len(), root.codec()), (3, DAG_PB));
    }
}
