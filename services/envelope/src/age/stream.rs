//! The payload: STREAM over ChaCha20-Poly1305 in chunks of 64 KiB.
//!
//! ```text
//! key   = HKDF-SHA256(file key, salt 16-byte nonce, info "payload")
//! chunk = ChaCha20-Poly1305(key, nonce = 11-byte big-endian counter ‖ (1 if last, else 0), at most 65,536 bytes)
//! ```
//! A chunk is last only because its nonce says so, and it may be empty only if the whole payload is.

use std::fmt;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use zeroize::Zeroizing;

use super::header::derive;
use crate::{
    error::{Error, Result},
    key::FileKey,
};

/// Plaintext bytes of every chunk but the last.
pub const CHUNK: usize = 64 * 1024;
/// Bytes of authentication on every chunk.
pub const TAG: usize = 16;
/// Bytes of nonce before the first chunk.
pub(crate) const NONCE: usize = 16;

/// The cipher and the place of the next chunk.
struct Line {
    cipher: ChaCha20Poly1305,
    next: u64,
}

impl Line {
    fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Self {
        let key = derive(file_key.as_bytes(), nonce, b"payload");
        Self {
            cipher: ChaCha20Poly1305::new((&*key).into()),
            next: 0,
        }
    }

    /// The nonce of this chunk; steps on. 2^64 chunks of 64 KiB are never reached, and never wrap if they are.
    fn step(&mut self, last: bool) -> Result<[u8; 12]> {
        let mut nonce = [0; 12];
        let (_, tail) = nonce.split_at_mut(3);
        let (counter, flag) = tail.split_at_mut(8);
        counter.copy_from_slice(&self.next.to_be_bytes());
        flag.fill(u8::from(last));
        self.next = self
            .next
            .checked_add(1)
            .ok_or(Error::Payload("it has more chunks than age can number"))?;
        Ok(nonce)
    }

    fn seal(&mut self, plain: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let nonce = self.step(last)?;
        let at = out.len();
        out.resize(at + plain.len(), 0);
        let room = out.get_mut(at..).unwrap_or_default();
        let buffer = InOutBuf::new(plain, room).map_err(|_| Error::Payload("a chunk was given no room"))?;
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), &[], buffer)
            .map_err(|_| Error::Payload("a chunk is too large"))?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Appends the chunk's plaintext, or leaves `out` as it was.
    fn open(&mut self, sealed: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let (body, tag) = sealed
            .split_last_chunk::<TAG>()
            .ok_or(Error::Payload("it ends before its last chunk is complete"))?;
        if body.is_empty() && self.next > 0 {
            return Err(Error::Payload("its last chunk is empty although others precede it"));
        }
        let nonce = self.step(last)?;
        let at = out.len();
        out.resize(at + body.len(), 0);
        let opened = InOutBuf::new(body, out.get_mut(at..).unwrap_or_default())
            .ok()
            .and_then(|buffer| {
                self.cipher
                    .decrypt_inout_detached(&nonce.into(), &[], buffer, tag.into())
                    .ok()
            });
        if opened.is_none() {
            // The cipher checks before it decrypts, but what it leaves behind is not ours to hand out.
            out.truncate(at);
            return Err(Error::Payload(
                "a chunk is changed, missing, out of order, or the end is cut off or extended",
            ));
        }
        Ok(())
    }
}

/// Seals all of `plaintext`, appending to `out`.
pub(crate) fn seal_all(file_key: &FileKey, nonce: &[u8; NONCE], mut plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut line = Line::new(file_key, nonce);
    while plaintext.len() > CHUNK {
        let (chunk, rest) = plaintext.split_at(CHUNK);
        line.seal(chunk, false, out)?;
        plaintext = rest;
    }
    line.seal(plaintext, true, out)
}

/// Opens all of `sealed`, or nothing.
pub(crate) fn open_all(file_key: &FileKey, nonce: &[u8; NONCE], mut sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut line = Line::new(file_key, nonce);
    let mut out = Zeroizing::new(Vec::with_capacity(sealed.len()));
    while sealed.len() > CHUNK + TAG {
        let (chunk, rest) = sealed.split_at(CHUNK + TAG);
        line.open(chunk, false, &mut out)?;
        sealed = rest;
    }
    line.open(sealed, true, &mut out)?;
    Ok(out)
}

/// Seals pushed bytes. Holds back at most one chunk, since only the end tells which is last.
pub(crate) struct SealStream {
    line: Line,
    held: Zeroizing<Vec<u8>>,
}

impl SealStream {
    pub fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Self {
        Self {
            line: Line::new(file_key, nonce),
            held: Zeroizing::new(Vec::new()),
        }
    }

    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let line = &mut self.line;
        cut(&mut self.held, CHUNK, input, |chunk| line.seal(chunk, false, out))
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.line.seal(&self.held, true, out)
    }
}

/// Opens pushed bytes; appends only what is authenticated.
pub(crate) struct OpenStream {
    line: Line,
    held: Zeroizing<Vec<u8>>,
}

impl OpenStream {
    pub fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Self {
        Self {
            line: Line::new(file_key, nonce),
            held: Zeroizing::new(Vec::new()),
        }
    }

    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let line = &mut self.line;
        cut(&mut self.held, CHUNK + TAG, input, |chunk| line.open(chunk, false, out))
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.line.open(&self.held, true, out)
    }
}

/// Cuts `held ‖ input` into pieces of `size`, always holding back the last one: 1 to `size` bytes.
fn cut(held: &mut Vec<u8>, size: usize, mut input: &[u8], mut full: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let missing = size.saturating_sub(held.len());
    if input.len() <= missing {
        grow(held, size, input);
        return Ok(());
    }
    if !held.is_empty() {
        let (first, rest) = input.split_at(missing);
        grow(held, size, first);
        full(held)?;
        held.clear();
        input = rest;
    }
    while input.len() > size {
        let (chunk, rest) = input.split_at(size);
        full(chunk)?;
        input = rest;
    }
    grow(held, size, input);
    Ok(())
}

/// Reserves a whole piece at once, so that no unwiped copy is left behind by a growing vector.
fn grow(held: &mut Vec<u8>, size: usize, bytes: &[u8]) {
    held.reserve_exact(size.saturating_sub(held.len()));
    held.extend_from_slice(bytes);
}

impl fmt::Debug for SealStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealStream(chunk {})", self.line.next)
    }
}

impl fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenStream(chunk {})", self.line.next)
    }
}
