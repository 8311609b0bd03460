//! Sealing to one public key, at once or as the bytes come.

use std::{fmt, mem};

use zeroize::Zeroizing;

use super::{
    header,
    pushed::{Out, SealStream},
    stream::{Line, NONCE, sealed_len},
    x25519,
};
use crate::{
    curve::Ephemeral,
    error::Result,
    key::{FileKey, PublicKey},
    secret::random,
};

/// Everything random in a file. Fresh for every file; fixed only where test vectors are made.
pub(crate) struct Parts {
    pub file_key: FileKey,
    pub ephemeral: Ephemeral,
    pub nonce: [u8; NONCE],
}

impl Parts {
    pub fn generate() -> Result<Self> {
        // One call to the operating system for all of it.
        let bytes = Zeroizing::new(random::<64>()?);
        let (mut file_key, mut secret) = (Zeroizing::new([0; 16]), Zeroizing::new([0; 32]));
        let mut nonce = [0; NONCE];
        for (to, from) in file_key.iter_mut().chain(&mut *secret).chain(&mut nonce).zip(&*bytes) {
            *to = *from;
        }
        Ok(Self {
            file_key: FileKey::from_bytes(*file_key),
            ephemeral: Ephemeral::from_bytes(*secret),
            nonce,
        })
    }

    /// Header and nonce, which precede the first chunk, and what the chunks are sealed with.
    pub fn begin(self, recipient: &PublicKey) -> Result<Beginning> {
        let Self {
            file_key,
            ephemeral,
            nonce,
        } = self;
        let stanza = x25519::wrap(&file_key, recipient, ephemeral)?;
        let mut bytes = header::write(&[stanza], &file_key);
        bytes.extend_from_slice(&nonce);
        Ok(Beginning { bytes, file_key, nonce })
    }
}

/// A file whose header is written.
pub(crate) struct Beginning {
    pub bytes: Vec<u8>,
    pub file_key: FileKey,
    pub nonce: [u8; NONCE],
}

/// A sealed file and the key that opens it alone.
#[derive(Clone)]
pub struct Sealed {
    /// The age file.
    pub bytes: Vec<u8>,
    /// Opens this file and no other: what an [attachment reference](crate::record::AttachmentRef) carries
    /// and what a grant of one record wraps.
    pub file_key: FileKey,
}

/// Shows the length: nobody wants a megabyte of ciphertext in a log.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}

/// Seals all of `plaintext` to `recipient`.
pub fn seal(recipient: &PublicKey, plaintext: &[u8]) -> Result<Sealed> {
    seal_with(Parts::generate()?, recipient, plaintext)
}

pub(crate) fn seal_with(parts: Parts, recipient: &PublicKey, plaintext: &[u8]) -> Result<Sealed> {
    let Beginning {
        bytes: beginning,
        file_key,
        nonce,
    } = parts.begin(recipient)?;
    // Fresh zeros cost nothing where they come from the operating system; a vector that grows is cleared by hand.
    let mut bytes = vec![0; beginning.len() + sealed_len(plaintext.len())];
    let (start, payload) = bytes.split_at_mut(beginning.len());
    start.copy_from_slice(&beginning);
    Line::new(&file_key, &nonce).seal(0, plaintext, true, payload, 1)?;
    Ok(Sealed { bytes, file_key })
}

/// Seals as bytes are pushed; holds at most one chunk (64 KiB) in memory.
///
/// [`Sealer::finish`] MUST be called: without the last chunk the file opens nowhere.
#[derive(Debug)]
pub struct Sealer {
    file_key: FileKey,
    beginning: Vec<u8>,
    stream: SealStream,
}

impl Sealer {
    /// A new file for `recipient`.
    pub fn new(recipient: &PublicKey) -> Result<Self> {
        Self::with(Parts::generate()?, recipient)
    }

    pub(crate) fn with(parts: Parts, recipient: &PublicKey) -> Result<Self> {
        let Beginning {
            bytes: beginning,
            file_key,
            nonce,
        } = parts.begin(recipient)?;
        Ok(Self {
            stream: SealStream::new(&file_key, &nonce),
            beginning,
            file_key,
        })
    }

    /// Spreads every push of at least eight chunks (512 KiB) over at most `threads` threads, which live as long as
    /// the push; 1, as it begins, keeps all work on the caller's. The bytes are the same.
    ///
    /// A push then takes its time divided by the threads, but still takes it: in an async program push large pieces
    /// where blocking is allowed (1 MiB is about 0.4 ms on one thread), or use [`seal_through`](super::seal_through).
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.stream.threads = threads;
        self
    }

    /// The key that opens this file alone.
    pub fn file_key(&self) -> &FileKey {
        &self.file_key
    }

    /// Takes plaintext, appends sealed bytes to `out` (sometimes none, sometimes the header first).
    pub fn push(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.push_to(plaintext, Out::behind(out))
    }

    /// The same, over what `out` holds instead of behind it: a vector that is used again and again is then not
    /// cleared each time, which saves about a twentieth.
    pub fn push_over(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.push_to(plaintext, Out::over(out))
    }

    fn push_to(&mut self, plaintext: &[u8], mut out: Out) -> Result<()> {
        out.write(&mem::take(&mut self.beginning));
        self.stream.push(plaintext, &mut out)
    }

    /// Appends the last chunk.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<()> {
        let mut out = Out::behind(out);
        out.write(&self.beginning);
        self.stream.finish(&mut out)
    }
}
