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

    fn nonce(&self, last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        let (_, tail) = nonce.split_at_mut(3);
        let (counter, flag) = tail.split_at_mut(8);
        counter.copy_from_slice(&self.next.to_be_bytes());
        flag.fill(u8::from(last));
        nonce
    }

    /// 2^64 chunks of 64 KiB are never reached; if they were, the counter would refuse to wrap.
    fn step(&mut self) -> Result<()> {
        self.next = self
            .next
            .checked_add(1)
            .ok_or(Error::Payload("it has more chunks than can be numbered"))?;
        Ok(())
    }

    fn seal(&mut self, plain: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let at = out.len();
        out.resize(at + plain.len(), 0);
        let room = out.get_mut(at..).unwrap_or_default();
        let buffer = InOutBuf::new(plain, room).map_err(|_| Error::Payload("a chunk was given no room"))?;
        let nonce = self.nonce(last).into();
        let sealed = self.cipher.encrypt_inout_detached(&nonce, &[], buffer);
        out.extend_from_slice(&sealed.map_err(|_| Error::Payload("a chunk is too large"))?);
        self.step()
    }

    /// Appends the chunk's plaintext and steps on, or leaves all as it was.
    fn open(&mut self, sealed: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let (body, tag) = sealed.split_last_chunk::<TAG>().ok_or(CUT)?;
        if body.is_empty() && self.next > 0 {
            return Err(Error::Payload("its last chunk is empty although others precede it"));
        }
        let at = out.len();
        out.resize(at + body.len(), 0);
        let nonce = self.nonce(last).into();
        let opened = InOutBuf::new(body, out.get_mut(at..).unwrap_or_default())
            .ok()
            .and_then(|buffer| self.cipher.decrypt_inout_detached(&nonce, &[], buffer, tag.into()).ok());
        if opened.is_none() {
            // The cipher checks before it decrypts, but what it leaves behind is not ours to hand out.
            out.truncate(at);
            return Err(Error::Payload(
                "a chunk is changed, missing or out of order, or the end is cut off or extended",
            ));
        }
        self.step()
    }
}

const CUT: Error = Error::Payload("it ends before its last chunk is complete");

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

    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<()> {
        // A full chunk is sealed only when another byte follows it: otherwise it may be the last.
        while self.held.len() + input.len() > CHUNK {
            let (part, rest) = input.split_at(CHUNK - self.held.len());
            if self.held.is_empty() {
                self.line.seal(part, false, out)?;
            } else {
                hold(&mut self.held, CHUNK, part);
                self.line.seal(&self.held, false, out)?;
                self.held.clear();
            }
            input = rest;
        }
        hold(&mut self.held, CHUNK, input);
        Ok(())
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.line.seal(&self.held, true, out)
    }
}

/// Opens pushed bytes; appends only what is authenticated.
pub(crate) struct OpenStream {
    line: Line,
    held: Zeroizing<Vec<u8>>,
    ended: bool,
}

impl OpenStream {
    pub fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Self {
        Self {
            line: Line::new(file_key, nonce),
            held: Zeroizing::new(Vec::new()),
            ended: false,
        }
    }

    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<()> {
        const FULL: usize = CHUNK + TAG;
        while !input.is_empty() {
            if self.ended {
                return Err(Error::Payload("bytes follow its last chunk"));
            }
            let (part, rest) = input.split_at(input.len().min(FULL - self.held.len()));
            input = rest;
            if part.len() == FULL {
                self.open_full(part, out)?;
                continue;
            }
            hold(&mut self.held, FULL, part);
            if self.held.len() == FULL {
                let mut chunk = std::mem::take(&mut self.held);
                self.open_full(&chunk, out)?;
                chunk.clear();
                self.held = chunk;
            }
        }
        Ok(())
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        match (self.ended, self.held.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => Err(CUT),
            (false, false) => self.line.open(&self.held, true, out),
        }
    }

    /// A full chunk may be the last one too: its tag tells, and a wrong guess costs the tag only.
    fn open_full(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.line.open(chunk, false, out).is_err() {
            self.line.open(chunk, true, out)?;
            self.ended = true;
        }
        Ok(())
    }
}

/// Reserves a whole piece at once, so that a growing vector leaves no unwiped copy behind.
fn hold(held: &mut Vec<u8>, size: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
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
