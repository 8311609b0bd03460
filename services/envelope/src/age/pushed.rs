//! The payload as its bytes come: what is left of a chunk is held back until it is whole.

use std::{fmt, mem};

use zeroize::Zeroizing;

use super::stream::{CHUNK, CUT, FULL, Line, MORE, NONCE, Run, opened_len, sealed_len};
use crate::{error::Result, key::FileKey};

/// Where bytes go: behind what a vector holds, or over it. Over what it holds nothing has to be cleared first, which
/// is a twentieth of the time.
pub(super) struct Out<'a> {
    to: &'a mut Vec<u8>,
    at: usize,
}

impl<'a> Out<'a> {
    pub fn behind(to: &'a mut Vec<u8>) -> Self {
        let at = to.len();
        Self { to, at }
    }

    pub fn over(to: &'a mut Vec<u8>) -> Self {
        Self { to, at: 0 }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// The next `len` bytes, to be filled; they count once `at` is moved.
    fn room(&mut self, len: usize) -> &mut [u8] {
        let end = self.at + len;
        if self.to.len() < end {
            self.to.resize(end, 0);
        }
        self.to.get_mut(self.at..end).unwrap_or_default()
    }
}

/// What was not written over is not part of it.
impl Drop for Out<'_> {
    fn drop(&mut self) {
        self.to.truncate(self.at);
    }
}

/// Seals pushed bytes. Holds back at most one chunk, since only the end tells which is last.
pub(crate) struct SealStream {
    line: Line,
    next: u64,
    held: Zeroizing<Vec<u8>>,
    pub threads: usize,
}

impl SealStream {
    pub fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Self {
        Self {
            line: Line::new(file_key, nonce),
            next: 0,
            held: Zeroizing::new(Vec::new()),
            threads: 1,
        }
    }

    pub fn push(&mut self, mut input: &[u8], out: &mut Out) -> Result<()> {
        // A full chunk is sealed only when another byte follows it: otherwise it may be the last.
        if !self.held.is_empty() && self.held.len() + input.len() > CHUNK {
            let (part, rest) = input.split_at(CHUNK - self.held.len());
            hold(&mut self.held, CHUNK, part);
            let mut chunk = mem::take(&mut self.held);
            self.seal(&chunk, false, out)?;
            chunk.clear();
            self.held = chunk;
            input = rest;
        }
        if self.held.is_empty() && input.len() > CHUNK {
            let (run, rest) = input.split_at((input.len() - 1) / CHUNK * CHUNK);
            // One thread goes chunk by chunk: each stays in the cache between being cleared and being written.
            let most = if self.threads > 1 { run.len() } else { CHUNK };
            for run in run.chunks(most) {
                self.seal(run, false, out)?;
            }
            input = rest;
        }
        hold(&mut self.held, CHUNK, input);
        Ok(())
    }

    pub fn finish(mut self, out: &mut Out) -> Result<()> {
        let held = mem::take(&mut self.held);
        self.seal(&held, true, out)
    }

    fn seal(&mut self, plain: &[u8], last: bool, out: &mut Out) -> Result<()> {
        let len = sealed_len(plain.len());
        let room = out.room(len);
        self.next = self.line.seal(self.next, plain, last, room, self.threads)?;
        out.at += len;
        Ok(())
    }
}

/// Opens pushed bytes; appends only what is authenticated.
pub(crate) struct OpenStream {
    line: Line,
    next: u64,
    held: Zeroizing<Vec<u8>>,
    ended: bool,
    pub threads: usize,
}

impl OpenStream {
    pub fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Self {
        Self {
            line: Line::new(file_key, nonce),
            next: 0,
            held: Zeroizing::new(Vec::new()),
            ended: false,
            threads: 1,
        }
    }

    pub fn push(&mut self, mut input: &[u8], out: &mut Out) -> Result<()> {
        if !self.held.is_empty() {
            let (part, rest) = input.split_at(input.len().min(FULL - self.held.len()));
            hold(&mut self.held, FULL, part);
            input = rest;
            if self.held.len() == FULL {
                let mut chunk = mem::take(&mut self.held);
                self.open(&chunk, out)?;
                chunk.clear();
                self.held = chunk;
            }
        }
        let (run, rest) = input.split_at(input.len() / FULL * FULL);
        let most = if self.threads > 1 { run.len().max(FULL) } else { FULL };
        for run in run.chunks(most) {
            self.open(run, out)?;
        }
        if self.ended && !rest.is_empty() {
            return Err(MORE);
        }
        hold(&mut self.held, FULL, rest);
        Ok(())
    }

    pub fn finish(mut self, out: &mut Out) -> Result<()> {
        let held = mem::take(&mut self.held);
        if !held.is_empty() {
            self.open(&held, out)?;
        }
        if self.ended { Ok(()) } else { Err(CUT) }
    }

    fn open(&mut self, sealed: &[u8], out: &mut Out) -> Result<()> {
        if self.ended {
            return Err(MORE);
        }
        let room = out.room(opened_len(sealed.len()));
        let (opened, run) = self.line.open(self.next, sealed, room, self.threads);
        out.at += opened;
        self.next += sealed.len().div_ceil(FULL) as u64;
        match run {
            Run::GoesOn => {}
            Run::Ended => self.ended = true,
            Run::Refused(error) => return Err(error),
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
        write!(f, "SealStream(chunk {})", self.next)
    }
}

impl fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenStream(chunk {})", self.next)
    }
}
