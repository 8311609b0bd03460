//! Groups of bytes from a reader through a function to a writer, on any number of threads, in bounded memory.
//!
//! Every thread does the same: take the next group from the reader, work on it, wait for its turn, write it. So reading,
//! working and writing overlap, the bytes come out in order, and each thread holds one group in and one out, whatever
//! the size of the file.

use std::{
    io::{self, ErrorKind, Read, Write},
    panic::{self, AssertUnwindSafe},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use zeroize::Zeroizing;

use super::stream::{CUT, MORE, Run};
use crate::error::Broken;

/// Bytes on their way through one thread.
pub(super) struct Group {
    /// Counts from 0.
    pub number: u64,
    buffer: Zeroizing<Vec<u8>>,
    len: usize,
    /// Nothing follows it.
    pub ends: bool,
}

/// What a group begins with before it is known to be larger.
const SMALL: usize = 64 * 1024;

impl Group {
    /// Makes room without leaving an unwiped copy behind.
    fn grow(&mut self, size: usize) {
        if self.buffer.len() < size {
            let mut larger = Zeroizing::new(vec![0; size]);
            for (to, from) in larger.iter_mut().zip(self.buffer.iter()) {
                *to = *from;
            }
            self.buffer = larger;
        }
    }

    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

/// The reader and the next group's number.
pub(super) struct Source<R> {
    from: R,
    size: usize,
    next: u64,
    /// The byte that follows the last group: only by reading it is known that the group was not the last.
    ahead: Option<u8>,
    ended: bool,
}

impl<R: Read> Source<R> {
    /// In groups of `size` bytes.
    pub fn new(from: R, size: usize) -> Self {
        Self {
            from,
            size,
            next: 0,
            ahead: None,
            ended: false,
        }
    }

    /// Fills `group`; false if the last group was taken before. Every group but the last has `size` bytes.
    fn take(&mut self, group: &mut Group) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        (group.number, group.len, group.ends) = (self.next, 0, false);
        self.next += 1;
        // An error ends it too: no thread reads on behind a hole.
        self.ended = true;
        // A small file takes a small buffer: to clear and wipe one of full size would cost more than its file.
        let mut room = group.buffer.len().clamp(SMALL.min(self.size), self.size);
        group.grow(room);
        let mut len = 0;
        if let (Some(byte), Some(first)) = (self.ahead.take(), group.buffer.first_mut()) {
            *first = byte;
            len = 1;
        }
        loop {
            len += read_full(&mut self.from, group.buffer.get_mut(len..room).unwrap_or_default())?;
            if len < room || room == self.size {
                break;
            }
            room = room.saturating_mul(4).min(self.size);
            group.grow(room);
        }
        let mut ahead = [0];
        if len == self.size && read_full(&mut self.from, &mut ahead)? == 1 {
            self.ahead = Some(ahead[0]);
            self.ended = false;
        }
        (group.len, group.ends) = (len, self.ended);
        Ok(true)
    }
}

/// The writer and whose turn it is.
struct Sink<W> {
    to: W,
    turn: u64,
    written: u64,
    ended: bool,
    /// Set once: everyone goes home.
    stopped: Option<Broken>,
    panicked: bool,
}

impl<W: Write> Sink<W> {
    fn write(&mut self, bytes: &[u8], run: Run) -> Result<(), Broken> {
        if self.ended {
            return Err(MORE.into());
        }
        self.to.write_all(bytes).map_err(Broken::Write)?;
        self.written += bytes.len() as u64;
        match run {
            Run::GoesOn => Ok(()),
            Run::Ended => {
                self.ended = true;
                Ok(())
            }
            Run::Refused(error) => Err(error.into()),
        }
    }
}

/// Sends every group of `source` through `work` and to `to`, in order. `work` fills the vector and says how many of its
/// bytes are to be written, and how the run ended. Returns the bytes written.
pub(super) fn pump<R: Read + Send, W: Write + Send>(
    source: Source<R>,
    to: W,
    threads: usize,
    work: impl Fn(&Group, &mut Vec<u8>) -> (usize, Run) + Sync,
) -> Result<u64, Broken> {
    let source = Mutex::new(source);
    let sink = Mutex::new(Sink {
        to,
        turn: 0,
        written: 0,
        ended: false,
        stopped: None,
        panicked: false,
    });
    let turned = Condvar::new();
    let worker = || {
        // A reader or writer that panics must not leave the others waiting for its turn.
        let ran = panic::catch_unwind(AssertUnwindSafe(|| carry(&source, &sink, &turned, &work)));
        if let Err(panic) = ran {
            held(&sink).panicked = true;
            turned.notify_all();
            panic::resume_unwind(panic);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(worker);
        }
        worker();
    });
    let mut sink = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
    match sink.stopped {
        Some(broken) => return Err(broken),
        None if !sink.ended => return Err(CUT.into()),
        None => {}
    }
    sink.to.flush().map_err(Broken::Write)?;
    Ok(sink.written)
}

/// One thread's loop.
fn carry<R: Read, W: Write>(
    source: &Mutex<Source<R>>,
    sink: &Mutex<Sink<W>>,
    turned: &Condvar,
    work: impl Fn(&Group, &mut Vec<u8>) -> (usize, Run),
) {
    let mut group = Group {
        number: 0,
        buffer: Zeroizing::new(Vec::new()),
        len: 0,
        ends: false,
    };
    let mut out = Zeroizing::new(Vec::new());
    loop {
        let taken = held(source).take(&mut group);
        let (ready, run) = match taken {
            Ok(false) => return,
            Ok(true) => work(&group, &mut out),
            Err(_) => (0, Run::GoesOn),
        };
        let mut sink = held(sink);
        while sink.turn != group.number && sink.stopped.is_none() && !sink.panicked {
            sink = turned.wait(sink).unwrap_or_else(PoisonError::into_inner);
        }
        if sink.stopped.is_some() || sink.panicked {
            return;
        }
        let written = match taken {
            Err(error) => Err(Broken::reading(error)),
            Ok(_) => sink.write(out.get(..ready).unwrap_or_default(), run),
        };
        sink.turn += 1;
        sink.stopped = written.err();
        turned.notify_all();
    }
}

/// A lock whose holder panicked still guards what it guards: `panicked` tells the others to stop.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until `buffer` is full or the reader ends.
pub(super) fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match read_some(from, room)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

pub(super) fn read_some(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
