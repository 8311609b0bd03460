//! Sealing to one public key, at once or as the bytes come.

use std::fmt;

use super::{
    header, sealed_size,
    stream::{NONCE, SealStream, seal_all},
    x25519,
};
use crate::{
    error::Result,
    key::{FileKey, Identity, PublicKey},
    secret::random,
};

/// Everything random in a file. Fresh for every file; fixed only where test vectors are made.
pub(crate) struct Parts {
    pub file_key: FileKey,
    pub ephemeral: Identity,
    pub nonce: [u8; NONCE],
}

impl Parts {
    fn generate() -> Result<Self> {
        Ok(Self {
            file_key: FileKey::generate()?,
            ephemeral: Identity::generate()?,
            nonce: random()?,
        })
    }

    /// Header and nonce: what precedes the first chunk.
    fn beginning(&self, recipient: &PublicKey) -> Result<Vec<u8>> {
        let stanza = x25519::wrap(&self.file_key, recipient, &self.ephemeral)?;
        let mut out = header::write(&[stanza], &self.file_key);
        out.extend_from_slice(&self.nonce);
        Ok(out)
    }
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
    let mut bytes = parts.beginning(recipient)?;
    let size = usize::try_from(sealed_size(plaintext.len() as u64)).unwrap_or(usize::MAX);
    bytes.reserve_exact(size.saturating_sub(bytes.len()));
    seal_all(&parts.file_key, &parts.nonce, plaintext, &mut bytes)?;
    Ok(Sealed {
        bytes,
        file_key: parts.file_key,
    })
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
        Ok(Self {
            beginning: parts.beginning(recipient)?,
            stream: SealStream::new(&parts.file_key, &parts.nonce),
            file_key: parts.file_key,
        })
    }

    /// The key that opens this file alone.
    pub fn file_key(&self) -> &FileKey {
        &self.file_key
    }

    /// Takes plaintext, appends sealed bytes to `out` (sometimes none, sometimes the header first).
    pub fn push(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.append(&mut self.beginning);
        self.stream.push(plaintext, out)
    }

    /// Appends the last chunk.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        out.append(&mut self.beginning);
        self.stream.finish(out)
    }
}
