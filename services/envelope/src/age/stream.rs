//! The payload: STREAM over ChaCha20-Poly1305 in chunks of 64 KiB.
//!
//! ```text
//! key   = HKDF-SHA256(file key, salt 16-byte nonce, info "payload")
//! chunk = ChaCha20-Poly1305(key, nonce = 11-byte big-endian counter ‖ (1 if last, else 0), at most 65,536 bytes)
//! ```
//! A chunk is last only because its nonce says so, and it may be empty only if the whole payload is. Chunks do not
//! depend on each other, so a run of them is spread over threads.

use std::{iter, thread};

use zeroize::{Zeroize, Zeroizing};

use super::header::derive;
use crate::{
    cipher::Cipher,
    error::{Error, Result},
    key::FileKey,
};

/// Plaintext bytes of every chunk but the last: 65,536.
pub const CHUNK: usize = 64 * 1024;
/// Bytes of authentication behind every chunk: 16.
pub const TAG: usize = crate::cipher::TAG;
/// Bytes of nonce before the first chunk.
pub(crate) const NONCE: usize = 16;
/// Sealed bytes of every chunk but the last.
pub(crate) const FULL: usize = CHUNK + TAG;

pub(crate) const CUT: Error = Error::Payload("it ends before its last chunk is complete");
pub(crate) const MORE: Error = Error::Payload("bytes follow its last chunk");
const NUMBERS: Error = Error::Payload("it has more chunks than can be numbered");
const ROOM: Error = Error::Payload("a chunk was given no room");
const EMPTY: Error = Error::Payload("its last chunk is empty although others precede it");
const CHANGED: Error = Error::Payload("a chunk is changed, missing or out of order, or the end is cut off or extended");

/// The key of one payload: seals and opens its chunks by their numbers, from any thread.
pub(crate) struct Line(Cipher);

/// How a run of chunks ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// All authentic, none of them last.
    GoesOn,
    /// All authentic, and the final one is the last of the file.
    Ended,
    /// What stands before it is authentic; then this.
    Refused(Error),
}

impl Line {
    pub fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Self {
        Self(Cipher::new(&derive(file_key.as_bytes(), nonce, b"payload")))
    }

    /// Seals `plain`, which begins with chunk `first`, into `sealed`, which has [`sealed_len`] bytes. Returns the
    /// number of the next chunk. Unless `last`, `plain` is whole chunks.
    ///
    /// Hazard: a chunk number is sealed once per key.
    pub fn seal(&self, first: u64, plain: &[u8], last: bool, sealed: &mut [u8], threads: usize) -> Result<u64> {
        let count = chunks(plain.len());
        let next = first.checked_add(count as u64).ok_or(NUMBERS)?;
        if sealed.len() != sealed_len(plain.len()) {
            return Err(ROOM);
        }
        let span = span(count, threads);
        let parts = (first..).step_by(span).zip(sealed.chunks_mut(span * FULL)).enumerate();
        let parts = parts.map(|(i, (at, sealed))| {
            let plain = part(plain, i, span * CHUNK);
            let ends = last && at + chunks(plain.len()) as u64 == next;
            move || self.seal_span(at, plain, ends, sealed)
        });
        let done = side_by_side(parts).into_iter().all(|sealed| sealed == Some(true));
        done.then_some(next).ok_or(ROOM)
    }

    fn seal_span(&self, first: u64, plain: &[u8], ends: bool, sealed: &mut [u8]) -> bool {
        let count = chunks(plain.len());
        sealed.chunks_mut(FULL).enumerate().all(|(i, sealed)| {
            let nonce = nonce(first + i as u64, ends && i + 1 == count);
            self.0.seal(nonce, part(plain, i, CHUNK), sealed)
        })
    }

    /// Opens a run of whole chunks that begins with chunk `first`, into `plain`, which has at least [`opened_len`]
    /// bytes. Returns how many of them are authentic and in order from the first on (the others are zeros), and how
    /// the run ended.
    pub fn open(&self, first: u64, sealed: &[u8], plain: &mut [u8], threads: usize) -> (usize, Run) {
        let count = sealed.len().div_ceil(FULL);
        if first.checked_add(count as u64).is_none() {
            return (0, Run::Refused(NUMBERS));
        }
        let span = span(count, threads);
        let parts = (first..).step_by(span).zip(sealed.chunks(span * FULL));
        let parts = parts.zip(rooms(plain, span * CHUNK));
        let runs = side_by_side(parts.map(|((at, sealed), plain)| move || self.open_span(at, sealed, plain)));
        let (mut opened, mut end) = (0, Run::GoesOn);
        for run in runs {
            let (bytes, run) = run.unwrap_or((0, Run::Refused(CHANGED)));
            match end {
                Run::GoesOn => {
                    opened += bytes;
                    end = run;
                }
                Run::Ended => end = Run::Refused(MORE),
                Run::Refused(_) => break,
            }
        }
        if let Run::Refused(_) = end {
            plain.get_mut(opened..).unwrap_or_default().zeroize();
        }
        (opened, end)
    }

    fn open_span(&self, first: u64, sealed: &[u8], plain: &mut [u8]) -> (usize, Run) {
        let (mut opened, mut ended) = (0, false);
        for ((at, sealed), plain) in (first..).zip(sealed.chunks(FULL)).zip(rooms(plain, CHUNK)) {
            if ended {
                return (opened, Run::Refused(MORE));
            }
            match self.open_next(at, sealed, plain) {
                Ok(last) => ended = last,
                Err(error) => return (opened, Run::Refused(error)),
            }
            opened += sealed.len() - TAG;
        }
        (opened, if ended { Run::Ended } else { Run::GoesOn })
    }

    /// Opens a chunk that may be the last one, and says whether it is.
    fn open_next(&self, at: u64, sealed: &[u8], plain: &mut [u8]) -> Result<bool> {
        let body = sealed.len().checked_sub(TAG).ok_or(CUT)?;
        if body == 0 && at > 0 {
            return Err(EMPTY);
        }
        let plain = plain.get_mut(..body).ok_or(ROOM)?;
        // A short chunk can only be last. A full one may be too: its tag tells, and a wrong guess costs time only.
        if body == CHUNK && self.0.open(nonce(at, false), sealed, plain) {
            return Ok(false);
        }
        self.open_one(at, true, sealed, plain).map(|()| true)
    }

    /// Opens one chunk whose place is known.
    pub fn open_one(&self, at: u64, last: bool, sealed: &[u8], plain: &mut [u8]) -> Result<()> {
        match self.0.open(nonce(at, last), sealed, plain) {
            true => Ok(()),
            false => Err(CHANGED),
        }
    }
}

/// Runs all jobs, the first on this thread and each other one on a thread of its own. `None`: it panicked.
fn side_by_side<T: Send>(mut jobs: impl Iterator<Item = impl FnOnce() -> T + Send>) -> Vec<Option<T>> {
    let Some(mine) = jobs.next() else { return Vec::new() };
    let Some(second) = jobs.next() else {
        return vec![Some(mine())];
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = iter::once(second).chain(jobs).map(|job| scope.spawn(job)).collect();
        let mine = Some(mine());
        iter::once(mine)
            .chain(helpers.into_iter().map(|helper| helper.join().ok()))
            .collect()
    })
}

/// The `i`th part of `size` bytes; shorter or empty at the end.
fn part(bytes: &[u8], i: usize, size: usize) -> &[u8] {
    let rest = bytes.get(i * size..).unwrap_or_default();
    rest.get(..size).unwrap_or(rest)
}

/// Where the parts of a plaintext go; an empty last chunk goes nowhere, which is a place too.
fn rooms(plain: &mut [u8], size: usize) -> impl Iterator<Item = &mut [u8]> {
    plain.chunks_mut(size).chain(iter::once(&mut [][..]))
}

fn nonce(at: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (_, tail) = nonce.split_at_mut(3);
    let (counter, flag) = tail.split_at_mut(8);
    counter.copy_from_slice(&at.to_be_bytes());
    flag.fill(u8::from(last));
    nonce
}

/// Chunks that `plain` bytes are sealed in. Nothing is one empty chunk.
fn chunks(plain: usize) -> usize {
    plain.div_ceil(CHUNK).max(1)
}

/// Bytes that `plain` bytes become.
pub(crate) fn sealed_len(plain: usize) -> usize {
    plain.saturating_add(chunks(plain).saturating_mul(TAG))
}

/// Bytes of plaintext in a run of `sealed` bytes, a whole chunk's for every whole chunk.
pub(crate) fn opened_len(sealed: usize) -> usize {
    sealed / FULL * CHUNK + (sealed % FULL).saturating_sub(TAG)
}

/// Consecutive chunks for each thread. To start one costs about as much as to seal one chunk, so it gets four or more.
fn span(chunks: usize, threads: usize) -> usize {
    const WORTH_A_THREAD: usize = 4;
    chunks.div_ceil(threads.max(1)).max(WORTH_A_THREAD)
}

/// Opens all of `sealed`, or nothing.
pub(crate) fn open_all(file_key: &FileKey, nonce: &[u8; NONCE], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(vec![0; opened_len(sealed.len())]);
    match Line::new(file_key, nonce).open(0, sealed, &mut plain, 1) {
        (_, Run::Ended) => Ok(plain),
        (_, Run::GoesOn) => Err(CUT),
        (_, Run::Refused(error)) => Err(error),
    }
}
