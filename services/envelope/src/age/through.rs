//! Whole files from a reader to a writer, on any number of threads.

use std::io::{self, Read, Write};

use super::{
    header::Collector,
    open::{NO_NONCE, Unlock},
    pump::{Source, pump, read_full, read_some},
    seal::{Beginning, Parts},
    stream::{CHUNK, FULL, Line, NONCE, Run, opened_len, sealed_len},
};
use crate::{
    error::Broken,
    key::{FileKey, Identity, PublicKey},
};

/// Chunks a thread takes at a time: 1 MiB, worked on for half a millisecond, in which a thread that waits for its turn
/// has long been woken. With a quarter of it two threads came to 1.4 × one instead of 1.9.
const GROUP: usize = 16;

/// Seals everything `from` yields into a file for `recipient`, written to `to`. Returns the file's own key.
///
/// It blocks until all is written; memory is 2 MiB for each of `threads` threads (0 is taken as 1, and with 1
/// everything happens on the caller's). An async program calls it where blocking is allowed, with a pipe at either end.
///
/// Hazard: after an error what was written is a beginning that opens nowhere to its end; throw it away.
pub fn seal_through(
    recipient: &PublicKey,
    from: impl Read + Send,
    to: impl Write + Send,
    threads: usize,
) -> Result<FileKey, Broken> {
    seal_through_with(Parts::generate()?, recipient, from, to, threads)
}

pub(super) fn seal_through_with(
    parts: Parts,
    recipient: &PublicKey,
    from: impl Read + Send,
    mut to: impl Write + Send,
    threads: usize,
) -> Result<FileKey, Broken> {
    let Beginning {
        bytes: beginning,
        file_key,
        nonce,
    } = parts.begin(recipient)?;
    to.write_all(&beginning).map_err(Broken::Write)?;
    let line = Line::new(&file_key, &nonce);
    pump(Source::new(from, GROUP * CHUNK), to, threads, |group, out| {
        out.resize(sealed_len(group.bytes().len()), 0);
        let sealed = line.seal(group.number * GROUP as u64, group.bytes(), group.ends, out, 1);
        match sealed {
            Ok(_) => (out.len(), if group.ends { Run::Ended } else { Run::GoesOn }),
            Err(error) => (0, Run::Refused(error)),
        }
    })?;
    Ok(file_key)
}

/// Opens an age v1 file that `from` yields, sealed to one of `identities`, and writes the plaintext to `to`. Returns
/// the bytes written.
///
/// Only authenticated bytes are written, in order; they are the whole file only if this returns `Ok`. It blocks like
/// [`seal_through`] and takes as much memory, and up to 256 KiB for the header.
pub fn open_through(
    identities: &[Identity],
    from: impl Read + Send,
    to: impl Write + Send,
    threads: usize,
) -> Result<u64, Broken> {
    open_all_through(&Unlock::Identities(identities.to_vec()), from, to, threads)
}

/// [`open_through`] with the file's own key instead of an identity.
pub fn open_through_with_file_key(
    file_key: &FileKey,
    from: impl Read + Send,
    to: impl Write + Send,
    threads: usize,
) -> Result<u64, Broken> {
    open_all_through(&Unlock::FileKey(file_key.clone()), from, to, threads)
}

fn open_all_through(
    unlock: &Unlock,
    mut from: impl Read + Send,
    to: impl Write + Send,
    threads: usize,
) -> Result<u64, Broken> {
    let (file_key, rest) = read_header(unlock, &mut from)?;
    let mut from = io::Cursor::new(rest).chain(from);
    let mut nonce = [0; NONCE];
    if read_full(&mut from, &mut nonce).map_err(Broken::reading)? < NONCE {
        return Err(NO_NONCE.into());
    }
    let line = Line::new(&file_key, &nonce);
    pump(Source::new(from, GROUP * FULL), to, threads, |group, out| {
        out.resize(opened_len(group.bytes().len()), 0);
        line.open(group.number * GROUP as u64, group.bytes(), out, 1)
    })
}

/// The file key, and the bytes read beyond the header.
fn read_header(unlock: &Unlock, from: &mut impl Read) -> Result<(FileKey, Vec<u8>), Broken> {
    let (mut collector, mut piece) = (Collector::default(), [0; 4096]);
    loop {
        let read = read_some(from, &mut piece).map_err(Broken::reading)?;
        if read == 0 {
            return Err(collector.finish().into());
        }
        if let Some((header, rest)) = collector.push(piece.get(..read).unwrap_or_default())? {
            return Ok((unlock.file_key(&header)?, rest.to_vec()));
        }
    }
}
