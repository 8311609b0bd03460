//! Armour: an age file as text, which mail and chat carry unharmed.
//!
//! ```text
//! -----BEGIN AGE ENCRYPTED FILE-----
//! base64 of the file, padded, canonical, in lines of 64 characters of which only the last may be shorter
//! -----END AGE ENCRYPTED FILE-----
//! ```
//! Source: C2SP age.md "ASCII armor", RFC 7468 in its strict form. Lines end with LF or CRLF, the last one may end with
//! neither, and white space may stand before and behind: at most 1 KiB each. Every other spelling is refused.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::error::Error;

const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";
/// What every PEM text begins with, and no binary age file.
const MARK: &[u8] = b"-----BEGIN";
const COLUMNS: usize = 64;
/// Bytes in a full line.
const FULL: usize = 48;
/// The longest line: 64 characters, CR and LF. What is longer is cut here and refused for its length.
const LONGEST: u64 = 66;
/// White space before and behind.
const WHITE: usize = 1024;

/// Takes the armour off what it reads, if it wears any: a reader of binary age bytes, for
/// [`open_through`](super::open_through).
///
/// It holds one line and a buffer of 64 KiB. Damaged armour is an [`io::Error`] that carries [`Error::Armor`];
/// `open_through` gives it back as that.
///
/// Hazard: armour authenticates nothing. Its beginning is read before its end is known to be in order, so whoever reads
/// on his own counts on nothing before the reader has ended without an error.
pub struct Unarmored<R> {
    from: BufReader<R>,
    state: State,
    /// The last line, decoded, and how much of it was taken.
    line: Vec<u8>,
    taken: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Beginning {
        must: bool,
    },
    Binary,
    /// Whether the last line was full, so that another may follow.
    Armored {
        open: bool,
    },
    Ended,
}

impl<R: Read> Unarmored<R> {
    /// Reads armour, or a binary file as it is. Text that begins like some PEM counts as armour.
    pub fn either(from: R) -> Self {
        Self::with(from, false)
    }

    /// Reads armour only.
    pub fn new(from: R) -> Self {
        Self::with(from, true)
    }

    fn with(from: R, must: bool) -> Self {
        Self {
            from: BufReader::with_capacity(64 * 1024, from),
            state: State::Beginning { must },
            line: Vec::with_capacity(FULL),
            taken: 0,
        }
    }

    /// Finds out what it reads, and takes the first line off.
    fn begin(&mut self, must: bool) -> io::Result<State> {
        let mut start = Vec::with_capacity(WHITE + MARK.len());
        // A source may yield less at a time than it takes to know.
        while start.len() < WHITE + MARK.len() {
            let white = start.iter().take_while(|b| is_white(**b)).count();
            let seen = start.get(white..).unwrap_or_default();
            if !seen.is_empty() && !MARK.starts_with(seen.get(..MARK.len()).unwrap_or(seen)) || seen.len() >= MARK.len()
            {
                break;
            }
            let mut byte = [0];
            if super::pump::read_full(&mut self.from, &mut byte)? == 0 {
                break;
            }
            start.extend_from_slice(&byte);
        }
        let white = start.iter().take_while(|b| is_white(**b)).count();
        let armored = start.get(white..).is_some_and(|rest| rest.starts_with(MARK));
        if !armored && !must {
            self.line = start;
            return Ok(State::Binary);
        }
        if !armored {
            return Err(refused("it does not begin with -----BEGIN AGE ENCRYPTED FILE-----"));
        }
        let rest = self.line()?;
        if [MARK, &rest].concat() != BEGIN {
            return Err(refused("its first line is not -----BEGIN AGE ENCRYPTED FILE-----"));
        }
        Ok(State::Armored { open: true })
    }

    /// The next line without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::with_capacity(LONGEST as usize);
        self.from.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        Ok(line)
    }

    /// Decodes the next line, or sees the end.
    fn next(&mut self, open: bool) -> io::Result<State> {
        let line = self.line()?;
        if line == END {
            self.check_behind()?;
            return Ok(State::Ended);
        }
        if !open {
            return Err(refused("a line follows one that is shorter than 64 characters"));
        }
        if line.is_empty() || line.len() > COLUMNS {
            return Err(refused(
                "a line is empty or longer than 64 characters, or its last line is missing",
            ));
        }
        (self.taken, self.line) = (0, Vec::with_capacity(FULL));
        BASE64
            .decode_vec(&line, &mut self.line)
            .map_err(|_| refused("a line is not canonical padded base64"))?;
        Ok(State::Armored {
            open: self.line.len() == FULL,
        })
    }

    fn check_behind(&mut self) -> io::Result<()> {
        let mut behind = Vec::new();
        self.from.by_ref().take(WHITE as u64 + 1).read_to_end(&mut behind)?;
        match behind.len() <= WHITE && behind.iter().all(|b| is_white(*b)) {
            true => Ok(()),
            false => Err(refused("something other than white space follows its last line")),
        }
    }
}

impl<R: Read> Read for Unarmored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let ready = self.line.get(self.taken..).unwrap_or_default();
            if !ready.is_empty() || buffer.is_empty() {
                let len = ready.len().min(buffer.len());
                for (to, from) in buffer.iter_mut().zip(ready) {
                    *to = *from;
                }
                self.taken += len;
                return Ok(len);
            }
            self.state = match self.state {
                State::Beginning { must } => self.begin(must)?,
                State::Binary => return self.from.read(buffer),
                State::Armored { open } => self.next(open)?,
                State::Ended => return Ok(0),
            };
        }
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Error::Armor(why))
}

impl<R> fmt::Debug for Unarmored<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unarmored({:?})", self.state)
    }
}
