use std::{
    collections::VecDeque,
    io::{self, Read},
    ops::Range,
};

use bytes::Bytes;
use chartseal_record::content::{DAG_PB, RAW};
use cid::Cid;
use futures::{Stream, stream};

use super::{CHUNK, DEPTH_LIMIT, FileBuilder, Nodes, node};
use crate::{Content, Error};

/// A stretch of the file and the block that stands for it.
#[derive(Clone, Copy)]
struct Part {
    cid: Cid,
    start: u64,
    /// None for the root, whose length only its block tells.
    length: Option<u64>,
    depth: usize,
}

struct Walk {
    source: Content,
    nodes: Option<Nodes>,
    root: Cid,
    range: Range<u64>,
    /// Parts still to be read, the next one last.
    ahead: Vec<Part>,
}

/// Bytes `start..end` of a file (`end` of `None`: to its end), a leaf at a time, reading no leaf outside.
/// A range beyond the end is an error; so is a missing or damaged block, at its place in the stream.
pub(crate) fn read_file(
    source: Content,
    nodes: Option<Nodes>,
    root: Cid,
    start: u64,
    end: Option<u64>,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    let walk = Walk {
        source,
        nodes,
        root,
        range: start..end.unwrap_or(u64::MAX),
        ahead: vec![Part {
            cid: root,
            start: 0,
            length: None,
            depth: 0,
        }],
    };
    stream::try_unfold((walk, end.is_some()), |(mut walk, bounded)| async move {
        Ok(walk.next(bounded).await?.map(|bytes| (bytes, (walk, bounded))))
    })
}

/// Bytes in the file, from its root block alone; None when the place does not have it.
pub(crate) async fn size(source: &Content, root: &Cid) -> Result<Option<u64>, Error> {
    let Some(block) = source.get(root).await? else {
        return Ok(None);
    };
    Ok(Some(contents(root, &block)?.length()))
}

enum Contents {
    Leaf(u64),
    Node(Vec<node::Link>),
}

impl Contents {
    fn length(&self) -> u64 {
        match self {
            Self::Leaf(length) => *length,
            // Decoding has added these up already without an overflow.
            Self::Node(links) => links.iter().map(|link| link.content).sum(),
        }
    }
}

fn contents(cid: &Cid, block: &Bytes) -> Result<Contents, Error> {
    match cid.codec() {
        RAW => Ok(Contents::Leaf(block.len() as u64)),
        DAG_PB => Ok(Contents::Node(node::decode(cid, block)?)),
        _ => Err(Error::NotAFile {
            cid: Box::new(*cid),
            reason: "its codec is neither raw nor dag-pb",
        }),
    }
}

impl Walk {
    /// The next stretch of bytes wanted.
    async fn next(&mut self, bounded: bool) -> Result<Option<Bytes>, Error> {
        while let Some(part) = self.ahead.pop() {
            let block = self.fetch(&part.cid).await?;
            let contents = contents(&part.cid, &block)?;
            let length = contents.length();
            match part.length {
                None => self.check_range(length, bounded)?,
                Some(expected) if expected != length => {
                    return Err(Error::NotAFile {
                        cid: Box::new(self.root),
                        reason: "a child is not as long as its parent says",
                    });
                }
                Some(_) => {}
            }
            match contents {
                Contents::Leaf(_) => {
                    let bytes = self.cut(part.start, &block);
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
                Contents::Node(links) => self.descend(&part, links)?,
            }
        }
        Ok(None)
    }

    async fn fetch(&self, cid: &Cid) -> Result<Bytes, Error> {
        let nodes = self.nodes.as_ref().filter(|_| cid.codec() == DAG_PB);
        if let Some(node) = nodes.and_then(|nodes| nodes.get(cid)) {
            return Ok(node);
        }
        let block = self.source.get(cid).await?.ok_or_else(|| Error::MissingBlock {
            root: Box::new(self.root),
            cid: Box::new(*cid),
            place: self.source.place(),
        })?;
        if let Some(nodes) = nodes {
            nodes.keep(cid, &block);
        }
        Ok(block)
    }

    fn check_range(&self, size: u64, bounded: bool) -> Result<(), Error> {
        let Range { start, end } = self.range;
        if start > size || (bounded && (end > size || start > end)) {
            return Err(Error::OutOfRange {
                cid: Box::new(self.root),
                start,
                end: if bounded { end } else { size },
                size,
            });
        }
        Ok(())
    }

    fn cut(&self, start: u64, leaf: &Bytes) -> Bytes {
        let end = start.saturating_add(leaf.len() as u64);
        let from = self.range.start.clamp(start, end) - start;
        let to = self.range.end.clamp(start, end) - start;
        // Both are at most the leaf's length, which is a usize; from may exceed to only in a range nobody asked for.
        if from < to {
            leaf.slice(from as usize..to as usize)
        } else {
            Bytes::new()
        }
    }

    fn descend(&mut self, part: &Part, links: Vec<node::Link>) -> Result<(), Error> {
        if part.depth == DEPTH_LIMIT {
            return Err(Error::NotAFile {
                cid: Box::new(self.root),
                reason: "its tree is deeper than 3 levels",
            });
        }
        let mut start = part.start;
        let mut wanted = VecDeque::new();
        for link in links {
            let end = start + link.content;
            if start < self.range.end && self.range.start < end {
                wanted.push_front(Part {
                    cid: link.key.cid(),
                    start,
                    length: Some(link.content),
                    depth: part.depth + 1,
                });
            }
            start = end;
        }
        self.ahead.extend(wanted);
        Ok(())
    }
}

/// The CID a file has, without keeping any of it.
pub fn file_cid(mut file: impl Read) -> io::Result<(Cid, u64)> {
    let mut builder = FileBuilder::new();
    let mut discard = |_: &Cid, _: &[u8]| io::Result::Ok(());
    let mut buffer = vec![0; 2 * CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return builder.finish_into(&mut discard),
            Ok(length) => builder.push_into(&buffer[..length], &mut discard)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
