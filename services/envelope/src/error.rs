//! Everything that can go wrong here, told apart as far as it may be told.

use std::io;

/// Why something was not sealed or not opened.
///
/// [`Error::Header`], [`Error::HeaderMac`], [`Error::NoMatch`] and [`Error::Payload`] are the four ways a binary age
/// file is refused; a file in armour has [`Error::Armor`] too. A failed decryption does not say why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text around a file in armour is not in the one form that is read. What was handed out before was authentic.
    #[error("the armour of this age file is damaged: {0}; get the file again, or the binary one")]
    Armor(&'static str),
    /// The header is not the one canonical form of an age v1 header.
    #[error("this is not a well-formed age v1 file: {0}")]
    Header(&'static str),
    /// A file key was found, but the header's MAC was not made with it.
    #[error("the age header was changed after it was written: its MAC does not match its file key")]
    HeaderMac,
    /// The header is in order, but no key given here is among its recipients.
    #[error("none of the given keys opens this file: it was sealed to somebody else, or for another epoch")]
    NoMatch,
    /// The payload is truncated, extended, reordered or changed. Chunks already handed out were authentic.
    #[error("the sealed bytes are damaged: {0}")]
    Payload(&'static str),
    /// Text or bytes that should be a key are not one.
    #[error("this is not a key: {0}")]
    Key(&'static str),
    /// The public key is a point of low order: everything sealed to it could be opened by anyone.
    #[error("the public key is refused: it is a point of low order; ask its owner for a freshly made one")]
    WeakKey,
    /// A wrap, link or release has another length than its suite prescribes.
    #[error("a {what} of suite 1 is {expected} bytes long, this one is {found}")]
    Length {
        /// wrap, record wrap, link or release
        what: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A wrap, link or release does not open: wrong key, wrong release key, or made for another place.
    #[error(
        "this {0} does not open here: the key, the release key and the place (slot, serial, epoch, recipient) must be those it was made for"
    )]
    NotOpened(&'static str),
    /// A wrap or link opened, but the secret in it is not the one of the epoch's public key on chain.
    #[error(
        "this {0} opens, but to a secret that does not belong to the epoch's public key: whoever made it made it wrong; refuse it"
    )]
    OtherSecret(&'static str),
    /// The plaintext of a sealed record is not in the one form of the format.
    #[error("the opened bytes are not a record: {0}")]
    Record(&'static str),
    /// The record opens, but it is not the one the grant's slot names.
    #[error("the record opens, but it is not the one that was granted: refuse it")]
    OtherRecord,
    /// The record belongs to another compartment than the one it was found in.
    #[error("the record belongs to another compartment than the one it was found in: refuse it")]
    OtherCompartment,
    /// A record would be, or is, larger than a sealed record may be.
    #[error("a sealed record is at most {limit} bytes, this one has {size}: move large parts into attachments")]
    TooLarge {
        /// Sealed size in bytes.
        size: u64,
        /// The most allowed.
        limit: u64,
    },
    /// The plaintext of a root backup is not in the one form of the format.
    #[error("the opened bytes are not a root backup: {0}")]
    Backup(&'static str),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes; nothing was sealed, try again")]
    Random,
}

/// Why a stream of bytes was not sealed or opened to its end: what it was read from, what it was written to, or what
/// it is.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The source failed; what was written before is a beginning only.
    #[error("the bytes cannot be read to their end: {0}")]
    Read(#[source] io::Error),
    /// The destination failed.
    #[error("the bytes cannot be written: {0}")]
    Write(#[source] io::Error),
    /// The bytes themselves are refused.
    #[error(transparent)]
    Age(#[from] Error),
}

impl Broken {
    /// A source that failed. Armour refuses through the reader that takes it off, and is told apart here.
    pub(crate) fn reading(source: io::Error) -> Self {
        match source.downcast::<Error>() {
            Ok(error) => Self::Age(error),
            Err(source) => Self::Read(source),
        }
    }
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;
