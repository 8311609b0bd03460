use std::{
    io::{self, BufReader, Read, Seek},
    path::PathBuf,
};

use bytes::Bytes;
use cid::Cid;

use super::{HEADER_LIMIT, Header, SECTION_LIMIT, Section, check_roots};
use crate::{
    Error,
    block::{Block, CID_LENGTH, Key},
};

/// Reads a CAR strictly: one version, one kind of CID, minimal lengths, nothing after the last block, every block
/// hashed. Memory: one block of at most 2 MiB, and the header's roots, whatever lengths the file claims.
pub struct Reader<R> {
    inner: BufReader<R>,
    path: PathBuf,
    position: u64,
    roots: Vec<Cid>,
}

impl<R: Read> Reader<R> {
    /// Reads the header. Errors name `path`.
    pub fn new(inner: R, path: impl Into<PathBuf>) -> Result<Self, Error> {
        // Small, because an index of large blocks skips most of what a large buffer would fetch.
        let inner = BufReader::with_capacity(8192, inner);
        let mut reader = Self {
            inner,
            path: path.into(),
            position: 0,
            roots: Vec::new(),
        };
        let length = reader.varint()?.ok_or_else(|| reader.malformed("it is empty"))?;
        if length > HEADER_LIMIT {
            return Err(reader.malformed("its header is too long"));
        }
        let bytes = reader.exactly(length)?;
        let header: Header = serde_ipld_dagcbor::from_slice(&bytes)
            .map_err(|_| reader.malformed("its header is not {roots, version} in DAG-CBOR"))?;
        if header.version != 1 {
            return Err(reader.malformed("its version is not 1"));
        }
        // DAG-CBOR has one form for every value; the decoder is more generous.
        if serde_ipld_dagcbor::to_vec(&header).ok().as_deref() != Some(&bytes) {
            return Err(reader.malformed("its header is not canonical DAG-CBOR"));
        }
        check_roots(&header.roots)?;
        reader.roots = header.roots;
        Ok(reader)
    }

    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// The next block, or None where the file ends between two blocks.
    pub fn next_block(&mut self) -> Result<Option<Block>, Error> {
        let Some(section) = self.head()? else { return Ok(None) };
        let bytes = self.exactly(u64::from(section.length))?;
        Block::verified(section.key.cid(), Bytes::from(bytes), &self.path.display().to_string()).map(Some)
    }

    fn head(&mut self) -> Result<Option<Section>, Error> {
        let Some(length) = self.varint()? else { return Ok(None) };
        if length > SECTION_LIMIT {
            return Err(self.malformed("a block is larger than 2 MiB"));
        }
        let length = length
            .checked_sub(CID_LENGTH as u64)
            .ok_or_else(|| self.malformed("a section is shorter than a CID"))?;
        let mut cid = [0; CID_LENGTH];
        self.fill(&mut cid)?;
        let key = Key::from_bytes(&cid).ok_or_else(|| self.malformed("a CID is not CIDv1 with sha2-256"))?;
        Ok(Some(Section {
            key,
            offset: self.position,
            length: length as u32,
        }))
    }

    /// None at the end of the file, if it comes before the first byte.
    fn varint(&mut self) -> Result<Option<u64>, Error> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let mut byte = [0];
            match self.inner.read_exact(&mut byte) {
                Ok(()) => self.position += 1,
                Err(error) if shift == 0 && error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            }
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                if byte[0] == 0 && shift > 0 {
                    return Err(self.malformed("a length is not minimal"));
                }
                return Ok(Some(value));
            }
        }
        Err(self.malformed("a length exceeds 63 bits"))
    }

    fn exactly(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        // The callers have held the length to a few MiB.
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.inner.read_exact(bytes).map_err(|error| self.failed(error))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn malformed(&self, reason: &'static str) -> Error {
        Error::MalformedCar {
            at: self.position,
            reason,
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.malformed("it ends within a block")
        } else {
            Error::disk("read", &self.path)(error)
        }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// The next block's place, its bytes skipped unread: a file that ends within them is noticed when they are read.
    pub(crate) fn next_section(&mut self) -> Result<Option<Section>, Error> {
        let Some(section) = self.head()? else { return Ok(None) };
        self.inner
            .seek_relative(i64::from(section.length))
            .map_err(|error| self.failed(error))?;
        self.position += u64::from(section.length);
        Ok(Some(section))
    }
}
