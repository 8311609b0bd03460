//! Opening, at once or as the bytes come; only authenticated plaintext leaves.

use std::{fmt, mem};

use zeroize::Zeroizing;

use super::{
    header::{Collector, Header},
    passphrase,
    pushed::{OpenStream, Out},
    stream::{NONCE, open_all},
    x25519,
};
use crate::{
    error::{Error, Result},
    key::{FileKey, Identity},
};

/// What may yield the file key.
pub(super) enum Unlock {
    Identities(Vec<Identity>),
    FileKey(FileKey),
    Passphrase(Zeroizing<String>),
}

impl Unlock {
    /// The file key of this header, its MAC checked.
    pub fn file_key(&self, header: &Header) -> Result<FileKey> {
        passphrase::check_alone(&header.stanzas)?;
        let file_key = match self {
            Self::FileKey(file_key) => Some(file_key.clone()),
            Self::Identities(identities) => from_stanzas(header, identities)?,
            Self::Passphrase(passphrase) => passphrase::unwrap(&header.stanzas, passphrase)?,
        };
        let file_key = file_key.ok_or(Error::NoMatch)?;
        header.verify(&file_key)?;
        Ok(file_key)
    }
}

/// Every stanza is looked at even after one matched, so that a malformed header is refused whoever reads it.
fn from_stanzas(header: &Header, identities: &[Identity]) -> Result<Option<FileKey>> {
    let mut found = None;
    for stanza in &header.stanzas {
        for identity in identities {
            let opened = x25519::unwrap(stanza, identity)?;
            found = found.or(opened);
        }
    }
    Ok(found)
}

/// Opens a whole file in memory.
pub fn open(identity: &Identity, file: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    Ok(open_keyed(identity, file)?.1)
}

/// The same with the file's own key.
pub fn open_keyed(identity: &Identity, file: &[u8]) -> Result<(FileKey, Zeroizing<Vec<u8>>)> {
    open_at_once(&Unlock::Identities(vec![identity.clone()]), file)
}

/// The file's own key, which opens it and nothing else.
pub fn file_key(identity: &Identity, file: &[u8]) -> Result<FileKey> {
    let mut collector = Collector::default();
    match collector.push(file)? {
        Some((header, _)) => Unlock::Identities(vec![identity.clone()]).file_key(&header),
        None => Err(collector.finish()),
    }
}

/// Opens a whole file with its own key: an attachment, or a record granted alone.
///
/// A wrong key is an [`Error::HeaderMac`]: a bare key has no stanza that could say "not for me".
pub fn open_with_file_key(file_key: &FileKey, file: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    Ok(open_at_once(&Unlock::FileKey(file_key.clone()), file)?.1)
}

pub(super) fn open_at_once(unlock: &Unlock, file: &[u8]) -> Result<(FileKey, Zeroizing<Vec<u8>>)> {
    let mut collector = Collector::default();
    let Some((header, payload)) = collector.push(file)? else {
        return Err(collector.finish());
    };
    let file_key = unlock.file_key(&header)?;
    let (nonce, chunks) = payload.split_first_chunk::<NONCE>().ok_or(NO_NONCE)?;
    let plain = open_all(&file_key, nonce, chunks)?;
    Ok((file_key, plain))
}

pub(super) const NO_NONCE: Error = Error::Header("it ends before the 16-byte nonce of the payload");

/// Opens as bytes are pushed; holds at most the header (256 KiB) or one chunk (64 KiB) in memory.
///
/// What it appends to `out` is authentic and in order, but it is the whole file only once
/// [`Opener::finish`] has returned `Ok`: until then treat it as a beginning that may turn out cut off.
pub struct Opener {
    unlock: Unlock,
    state: State,
    threads: usize,
}

enum State {
    Header(Collector),
    Nonce(FileKey, Vec<u8>),
    Payload(OpenStream),
    Refused,
}

impl Opener {
    /// Opens with the first of `identities` the file was sealed to.
    pub fn new(identities: &[Identity]) -> Self {
        Self::with(Unlock::Identities(identities.to_vec()))
    }

    /// Opens with the file's own key.
    pub fn with_file_key(file_key: &FileKey) -> Self {
        Self::with(Unlock::FileKey(file_key.clone()))
    }

    /// Opens with a passphrase. Pushing the end of the header then takes as long as the file's work factor asks.
    pub fn with_passphrase(passphrase: &str) -> Self {
        Self::with(Unlock::Passphrase(Zeroizing::new(passphrase.into())))
    }

    fn with(unlock: Unlock) -> Self {
        Self {
            unlock,
            state: State::Header(Collector::default()),
            threads: 1,
        }
    }

    /// Spreads every push of at least eight chunks (512 KiB) over at most `threads` threads, which live as long as
    /// the push; 1, as it begins, keeps all work on the caller's. What comes out is the same.
    ///
    /// A push still takes its time: in an async program push large pieces where blocking is allowed, or use
    /// [`open_through`](super::open_through).
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Takes sealed bytes, appends plaintext to `out`. After an error it refuses everything else.
    pub fn push(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.push_to(sealed, Out::behind(out))
    }

    /// The same, over what `out` holds instead of behind it: a vector that is used again and again is then not
    /// cleared each time, which saves about a twentieth.
    pub fn push_over(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.push_to(sealed, Out::over(out))
    }

    fn push_to(&mut self, sealed: &[u8], mut out: Out) -> Result<()> {
        let (next, result) = match self.step(sealed, &mut out) {
            Ok(next) => (next, Ok(())),
            Err(error) => (State::Refused, Err(error)),
        };
        self.state = next;
        result
    }

    /// The input has ended: appends the last chunk, or says what is missing.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<()> {
        match self.state {
            State::Header(collector) => Err(collector.finish()),
            State::Nonce(..) => Err(NO_NONCE),
            State::Payload(stream) => stream.finish(&mut Out::behind(out)),
            State::Refused => Err(REFUSED),
        }
    }

    fn step(&mut self, mut sealed: &[u8], out: &mut Out) -> Result<State> {
        let mut state = mem::replace(&mut self.state, State::Refused);
        loop {
            state = match state {
                State::Header(mut collector) => {
                    let Some((header, rest)) = collector.push(sealed)? else {
                        return Ok(State::Header(collector));
                    };
                    sealed = rest;
                    State::Nonce(self.unlock.file_key(&header)?, Vec::with_capacity(NONCE))
                }
                State::Nonce(file_key, mut nonce) => {
                    let (part, rest) = sealed.split_at(sealed.len().min(NONCE.saturating_sub(nonce.len())));
                    nonce.extend_from_slice(part);
                    sealed = rest;
                    let Some(whole) = nonce.first_chunk::<NONCE>() else {
                        return Ok(State::Nonce(file_key, nonce));
                    };
                    State::Payload(OpenStream::new(&file_key, whole))
                }
                State::Payload(mut stream) => {
                    stream.threads = self.threads;
                    stream.push(sealed, out)?;
                    return Ok(State::Payload(stream));
                }
                State::Refused => return Err(REFUSED),
            };
        }
    }
}

const REFUSED: Error = Error::Payload("it was refused before; nothing more is read from it");

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Header(_) => "Opener(header)",
            State::Nonce(..) => "Opener(nonce)",
            State::Payload(_) => "Opener(payload)",
            State::Refused => "Opener(refused)",
        })
    }
}
