use std::{
    io::{self, Read, Write},
    panic::{self, AssertUnwindSafe},
};

use super::*;
use crate::{Broken, age::through::seal_through_with};

fn parts() -> Parts {
    Parts {
        file_key: FileKey::from_bytes([1; 16]),
        ephemeral: Ephemeral::from_bytes([2; 32]),
        nonce: [3; 16],
    }
}

/// Lengths around the borders of chunks, of groups, and of what is worth a second thread.
fn lengths() -> impl Iterator<Item = usize> {
    let chunks = [0, 1, 4, 7, 8, 16, 17, 32, 33];
    let around = |at: usize| [at.saturating_sub(1), at, at + 1];
    chunks.into_iter().flat_map(move |n| around(n * CHUNK))
}

/// A reader that yields little at a time and is interrupted now and then.
struct Dribble<'a> {
    rest: &'a [u8],
    seed: Seeded,
}

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.seed.below(10) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(1 + self.seed.below(100_000)).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(most);
        buffer[..most].copy_from_slice(piece);
        self.rest = rest;
        Ok(most)
    }
}

fn dribble(rest: &[u8]) -> Dribble<'_> {
    Dribble {
        rest,
        seed: Seeded(rest.len() as u64),
    }
}

#[test]
fn any_number_of_threads_makes_and_opens_the_same_file() {
    for len in lengths() {
        let plain = Seeded(len as u64).bytes(len);
        let whole = seal_with(parts(), identity().public_key(), &plain).unwrap().bytes;
        for threads in [0, 1, 2, 3, 5] {
            let (mut sealer, mut out) = (Sealer::with(parts(), identity().public_key()).unwrap(), Vec::new());
            sealer = sealer.threads(threads);
            let (first, second) = plain.split_at(len / 3);
            sealer.push(first, &mut out).unwrap();
            sealer.push(second, &mut out).unwrap();
            sealer.finish(&mut out).unwrap();
            assert!(out == whole, "pushed: {len} bytes, {threads} threads");

            let mut out = Vec::new();
            seal_through_with(parts(), identity().public_key(), dribble(&plain), &mut out, threads).unwrap();
            assert!(out == whole, "through: {len} bytes, {threads} threads");

            let (mut opener, mut out) = (Opener::new(&[identity()]).threads(threads), Vec::new());
            let (first, second) = whole.split_at(whole.len() / 3);
            opener.push(first, &mut out).unwrap();
            opener.push(second, &mut out).unwrap();
            opener.finish(&mut out).unwrap();
            assert!(out == plain, "pushed: {len} bytes, {threads} threads");

            let mut out = Vec::new();
            let size = open_through(&[identity()], dribble(&whole), &mut out, threads).unwrap();
            assert!(
                out == plain && size == len as u64,
                "through: {len} bytes, {threads} threads"
            );
        }
    }
}

/// What one pushing thread makes of a file: the measure for all others.
fn pushed(file: &[u8]) -> (Vec<u8>, crate::Result<()>) {
    let (mut opener, mut out) = (Opener::new(&[identity()]), Vec::new());
    let pushed = opener.push(file, &mut out);
    let end = pushed.and_then(|()| opener.finish(&mut out));
    (out, end)
}

#[test]
fn any_number_of_threads_refuses_the_same_at_the_same_place() {
    let plain = Seeded(30).bytes(35 * CHUNK + 99);
    let whole = seal_with(parts(), identity().public_key(), &plain).unwrap().bytes;
    let payload = HEADER as usize + 16;
    let mut seed = Seeded(31);
    for round in 0..60 {
        let mut file = whole.clone();
        let at = payload + seed.below(whole.len() - payload);
        match round % 6 {
            0 | 1 => file[at] ^= 1 << seed.below(8),
            2 => file.truncate(at),
            3 => file.truncate(payload + (at - payload) / stream::FULL * stream::FULL),
            4 => file.extend(seed.bytes(at)),
            _ => drop(file.drain(payload..payload + stream::FULL)),
        }
        let (expected, refused) = pushed(&file);
        assert!(plain.starts_with(&expected), "round {round}");
        let refused = refused.unwrap_err();
        for threads in 1..=4 {
            let (mut opener, mut out) = (Opener::new(&[identity()]).threads(threads), Vec::new());
            let end = opener.push(&file, &mut out).and_then(|()| opener.finish(&mut out));
            assert_eq!((out == expected, end), (true, Err(refused.clone())), "round {round}");

            let mut out = Vec::new();
            let end = open_through(&[identity()], file.as_slice(), &mut out, threads);
            assert!(out == expected, "round {round}, {threads} threads");
            assert!(
                matches!(end, Err(Broken::Age(error)) if error == refused),
                "round {round}"
            );
        }
    }
}

/// Fails, or panics, after so many bytes.
struct Failing<T> {
    inner: T,
    left: usize,
    panics: bool,
}

impl<T> Failing<T> {
    fn spend(&mut self, bytes: usize) -> io::Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None if self.panics => panic!("as asked"),
            None => return Err(io::Error::other("as asked")),
        }
        Ok(())
    }
}

impl<T: Read> Read for Failing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.spend(read).map(|()| read)
    }
}

impl<T: Write> Write for Failing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spend(bytes.len())?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[test]
fn a_failing_source_or_destination_ends_it_with_a_beginning_only() {
    let plain = Seeded(32).bytes(50 * CHUNK);
    let whole = seal_with(parts(), identity().public_key(), &plain).unwrap().bytes;
    for threads in 1..=3 {
        for left in [0, 100, 500_000, 3_000_000] {
            let failing = |panics| Failing {
                inner: whole.as_slice(),
                left,
                panics,
            };
            let mut out = Vec::new();
            let end = open_through(&[identity()], failing(false), &mut out, threads);
            assert!(matches!(end, Err(Broken::Read(_))) && plain.starts_with(&out), "{left}");

            let to = Failing {
                inner: io::sink(),
                left,
                panics: false,
            };
            let end = open_through(&[identity()], whole.as_slice(), to, threads);
            assert!(matches!(end, Err(Broken::Write(_))), "{left}");

            // Not a hang: the other threads do not wait for the one that panicked.
            let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
                open_through(&[identity()], failing(true), io::sink(), threads)
            }));
            assert!(panicked.is_err(), "{left}");
        }
    }
}

#[test]
fn a_vector_that_is_written_over_holds_the_same_pieces() {
    let mut seed = Seeded(33);
    let plain = seed.bytes(9 * CHUNK + 3);
    let whole = seal_with(parts(), identity().public_key(), &plain).unwrap().bytes;
    for most in [1000, CHUNK, 5 * CHUNK] {
        let mut sealer = Sealer::with(parts(), identity().public_key()).unwrap().threads(2);
        let (mut sealed, mut again, mut all) = (vec![7; 99], Vec::new(), Vec::new());
        for piece in plain.chunks(most) {
            sealer.push_over(piece, &mut sealed).unwrap();
            all.extend_from_slice(&sealed);
        }
        sealer.finish(&mut all).unwrap();
        assert!(all == whole, "{most}");

        let (mut opener, mut opened) = (Opener::new(&[identity()]).threads(2), vec![7; 99]);
        for piece in whole.chunks(most) {
            opener.push_over(piece, &mut opened).unwrap();
            again.extend_from_slice(&opened);
        }
        opener.finish(&mut again).unwrap();
        assert!(again == plain, "{most}");

        // What is left of a refused piece is what was authentic of it, not what the vector held before.
        let mut changed = whole.clone();
        let at = 6 * stream::FULL;
        changed[at] ^= 1;
        let (mut opener, mut opened) = (Opener::new(&[identity()]), vec![7; 10 * CHUNK]);
        assert!(opener.push_over(&changed, &mut opened).is_err());
        assert!(plain.starts_with(&opened) && opened.len() == 5 * CHUNK);
    }
}
