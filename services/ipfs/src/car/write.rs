use std::{
    io::{self, Seek, SeekFrom, Write},
    path::PathBuf,
};

use cid::Cid;

use super::{Header, Section, check_roots};
use crate::{
    Error,
    block::{BLOCK_LIMIT, CID_LENGTH, Key},
};

/// Writes a CAR whose roots may be known only at its end. [`Writer::finish`] MUST be called.
///
/// It trusts its caller to have hashed the blocks; making the file durable is the caller's part too.
pub struct Writer<W> {
    out: W,
    path: PathBuf,
    position: u64,
    header: usize,
    sections: Vec<Section>,
}

impl<W: Write> Writer<W> {
    /// Begins a CAR with these roots. If they are not known yet, pass as many placeholders. Errors name `path`.
    pub fn new(mut out: W, path: impl Into<PathBuf>, roots: &[Cid]) -> Result<Self, Error> {
        let path = path.into();
        let header = head(roots)?;
        out.write_all(&header).map_err(Error::disk("write", &path))?;
        Ok(Self {
            out,
            path,
            position: header.len() as u64,
            header: header.len(),
            sections: Vec::new(),
        })
    }

    pub fn append(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), Error> {
        let section = section(cid, bytes.len())?;
        let written = self.out.write_all(&section).and_then(|()| self.out.write_all(bytes));
        written.map_err(|error| self.failed(error))?;
        let offset = self.position + section.len() as u64;
        // `section` has held the length to 2 MiB.
        self.sections.push(Section {
            key: Key::of(cid)?,
            offset,
            length: bytes.len() as u32,
        });
        self.position = offset + bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::disk("write", &self.path)(error)
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Puts the true roots, as many as announced, into the header, flushes and returns what is below, positioned
    /// after the header.
    pub fn finish(self, roots: &[Cid]) -> Result<W, Error> {
        self.finish_indexed(roots).map(|(out, _)| out)
    }

    pub(crate) fn finish_indexed(mut self, roots: &[Cid]) -> Result<(W, Vec<Section>), Error> {
        let header = head(roots)?;
        if header.len() != self.header {
            return Err(Error::RootCount { got: roots.len() });
        }
        let patched = self
            .out
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.out.write_all(&header));
        patched
            .and_then(|()| self.out.flush())
            .map_err(|error| self.failed(error))?;
        Ok((self.out, self.sections))
    }
}

/// A header with its length before it.
pub(crate) fn head(roots: &[Cid]) -> Result<Vec<u8>, Error> {
    check_roots(roots)?;
    let header = serde_ipld_dagcbor::to_vec(&Header {
        roots: roots.to_vec(),
        version: 1,
    })
    .expect("a list of CIDs and a number have a DAG-CBOR form, and a Vec takes every byte");
    let mut head = Vec::with_capacity(header.len() + 5);
    put_varint(&mut head, header.len() as u64);
    head.extend_from_slice(&header);
    Ok(head)
}

/// What stands before a block's bytes.
pub(crate) fn section(cid: &Cid, length: usize) -> Result<Vec<u8>, Error> {
    let key = Key::of(cid)?;
    if length > BLOCK_LIMIT {
        return Err(Error::BlockTooLarge {
            cid: Box::new(*cid),
            size: length as u64,
        });
    }
    let mut section = Vec::with_capacity(CID_LENGTH + 4);
    put_varint(&mut section, (CID_LENGTH + length) as u64);
    section.extend_from_slice(&key.to_bytes());
    Ok(section)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
