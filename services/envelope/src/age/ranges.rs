//! Random access: any range of a file's plaintext from only the chunks that hold it.

use std::{fmt, ops::Range};

use zeroize::Zeroizing;

use super::{
    header::Collector,
    open::{NO_NONCE, Unlock},
    stream::{CHUNK, CUT, FULL, Line, NONCE, TAG},
};
use crate::{
    error::{Error, Result},
    key::{FileKey, Identity},
};

/// Opens ranges of one file; it holds the file's key, none of its bytes.
///
/// ```text
/// beginning = header ‖ 16-byte nonce                       184 bytes of a file written here
/// chunk k   = sealed bytes from beginning + k × 65,552     for plaintext from k × 65,536
/// ```
/// To read `a..b`: fetch [`Ranges::sealed`]`(a..b)`, hand it to [`Ranges::open`]. Whatever comes out is authentic and
/// stands at that place of the file, even if the file was cut off behind it. Several threads may open ranges at once.
///
/// Hazard: how long the file is follows from `sealed_size` alone, which the place where it lies can misstate. What
/// depends on the end (the size itself, "the last n bytes", "from here to the end") first takes
/// [`Ranges::proved_size`], which authenticates the last chunk as the last. A range that holds the last chunk's bytes
/// proves it by itself.
pub struct Ranges {
    line: Line,
    /// Bytes before the first chunk.
    beginning: u64,
    /// Bytes of the whole sealed file.
    sealed: u64,
    chunks: u64,
    size: u64,
}

impl Ranges {
    /// For one of `identities`. `beginning` is the file from its first byte to at least its nonce (184 bytes of a
    /// file written here, at most 262,160 of any), `sealed_size` the bytes of the whole file.
    pub fn new(identities: &[Identity], beginning: &[u8], sealed_size: u64) -> Result<Self> {
        Self::with(&Unlock::Identities(identities.to_vec()), beginning, sealed_size)
    }

    /// [`Ranges::new`] with the file's own key.
    pub fn with_file_key(file_key: &FileKey, beginning: &[u8], sealed_size: u64) -> Result<Self> {
        Self::with(&Unlock::FileKey(file_key.clone()), beginning, sealed_size)
    }

    fn with(unlock: &Unlock, bytes: &[u8], sealed: u64) -> Result<Self> {
        let mut collector = Collector::default();
        let Some((header, rest)) = collector.push(bytes)? else {
            return Err(collector.finish());
        };
        let file_key = unlock.file_key(&header)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(NO_NONCE)?;
        let beginning = (bytes.len() - rest.len()) as u64;
        let payload = sealed.checked_sub(beginning).ok_or(CUT)?;
        let chunks = payload.div_ceil(FULL as u64);
        let size = payload.checked_sub(chunks * TAG as u64).ok_or(CUT)?;
        // The last chunk has a tag, and a byte more unless it is the only one.
        if chunks == 0 || (chunks > 1 && size <= (chunks - 1) * CHUNK as u64) {
            return Err(CUT);
        }
        Ok(Self {
            line: Line::new(&file_key, nonce),
            beginning,
            sealed,
            chunks,
            size,
        })
    }

    /// Bytes of plaintext if `sealed_size` was right: see the hazard above.
    pub fn claimed_size(&self) -> u64 {
        self.size
    }

    /// Where the last chunk lies in the sealed file: 16 to 65,552 bytes.
    pub fn last_chunk(&self) -> Range<u64> {
        self.chunk(self.chunks - 1)
    }

    /// Bytes of plaintext, proved by the last chunk (the bytes of [`Ranges::last_chunk`]).
    pub fn proved_size(&self, last_chunk: &[u8]) -> Result<u64> {
        let mut scratch = Zeroizing::new(vec![0; last_chunk.len().saturating_sub(TAG).min(CHUNK)]);
        self.line.open_one(self.chunks - 1, true, last_chunk, &mut scratch)?;
        // The tag says that it is the last, its length says where it ends.
        match (self.chunks - 1) * CHUNK as u64 + scratch.len() as u64 {
            size if size == self.size => Ok(size),
            _ => Err(CUT),
        }
    }

    /// Which sealed bytes hold this plaintext: whole chunks, at most 131,104 bytes and one 4,096th more than it.
    pub fn sealed(&self, plain: Range<u64>) -> Result<Range<u64>> {
        let (first, end) = self.chunks_of(&plain)?;
        if first == end {
            return Ok(self.beginning..self.beginning);
        }
        Ok(self.chunk(first).start..self.chunk(end - 1).end)
    }

    /// Opens `plain` from the bytes of [`Ranges::sealed`]`(plain)`, appending all of it to `out`, or nothing.
    pub fn open(&self, plain: Range<u64>, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let expected = self.sealed(plain.clone())?;
        if sealed.len() as u64 != expected.end - expected.start {
            return Err(Error::Payload("other sealed bytes were given than hold the range"));
        }
        let before = out.len();
        let opened = self.open_chunks(&plain, sealed, out);
        if opened.is_err() {
            out.truncate(before);
        }
        opened
    }

    fn open_chunks(&self, plain: &Range<u64>, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let (first, _) = self.chunks_of(plain)?;
        // No larger than it must be: it is wiped byte by byte.
        let mut scratch = Zeroizing::new(vec![0; sealed.len().saturating_sub(TAG).min(CHUNK)]);
        for (at, sealed) in (first..).zip(sealed.chunks(FULL)) {
            let start = at * CHUNK as u64;
            let body = sealed.len().checked_sub(TAG).ok_or(CUT)?;
            let room = scratch.get_mut(..body).ok_or(CUT)?;
            self.line.open_one(at, at + 1 == self.chunks, sealed, room)?;
            let from = plain.start.saturating_sub(start) as usize;
            let to = (plain.end - start).min(body as u64) as usize;
            out.extend_from_slice(room.get(from..to).unwrap_or_default());
        }
        Ok(())
    }

    /// The chunks that hold a range: from the first to before the second.
    fn chunks_of(&self, plain: &Range<u64>) -> Result<(u64, u64)> {
        if plain.start > plain.end || plain.end > self.size {
            return Err(Error::Payload("the range does not lie within the file"));
        }
        let first = plain.start / CHUNK as u64;
        let end = if plain.start == plain.end {
            first
        } else {
            plain.end.div_ceil(CHUNK as u64)
        };
        Ok((first, end))
    }

    fn chunk(&self, at: u64) -> Range<u64> {
        let start = self.beginning + at * FULL as u64;
        start..self.sealed.min(start + FULL as u64)
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ranges({} chunks)", self.chunks)
    }
}
