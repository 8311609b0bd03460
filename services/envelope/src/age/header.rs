//! The header of an age file: parsed strictly, so that one header has one spelling.
//!
//! ```text
//! age-encryption.org/v1
//! -> type argument…
//! base64 body, unpadded, canonical, wrapped at 64 columns, ended by a line shorter than 64
//! --- base64 of HMAC-SHA256(HKDF-SHA256(file key, salt "", info "header"), all bytes up to and including "---")
//! ```

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    key::FileKey,
};

const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";
const ARMOR: &[u8] = b"-----BEGIN AGE";
const MAC_MARK: &[u8] = b"---";
const COLUMNS: usize = 64;

/// The longest header read, in bytes: about 2,000 X25519 recipients. Keeps an endless header from filling memory.
pub(crate) const MAX_HEADER: usize = 256 * 1024;

/// One recipient's part of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stanza {
    pub kind: String,
    pub args: Vec<String>,
    pub body: Vec<u8>,
}

impl Stanza {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"-> ");
        out.extend_from_slice(self.kind.as_bytes());
        for arg in &self.args {
            out.push(b' ');
            out.extend_from_slice(arg.as_bytes());
        }
        out.push(b'\n');
        let body = BASE64.encode(&self.body);
        let mut rest = body.as_bytes();
        while rest.len() >= COLUMNS {
            let (line, after) = rest.split_at(COLUMNS);
            out.extend_from_slice(line);
            out.push(b'\n');
            rest = after;
        }
        // The short line ends the body, and is there even when it is empty.
        out.extend_from_slice(rest);
        out.push(b'\n');
    }
}

/// A header in order, its MAC not yet checked: that takes the file key.
#[derive(Debug)]
pub(crate) struct Header {
    pub stanzas: Vec<Stanza>,
    covered: Vec<u8>,
    mac: [u8; 32],
}

/// Writes a whole header.
pub(crate) fn write(stanzas: &[Stanza], file_key: &FileKey) -> Vec<u8> {
    let mut out = VERSION_LINE.to_vec();
    for stanza in stanzas {
        stanza.write(&mut out);
    }
    out.extend_from_slice(MAC_MARK);
    let mac = mac_over(file_key, &out).finalize().into_bytes();
    out.push(b' ');
    out.extend_from_slice(BASE64.encode(mac).as_bytes());
    out.push(b'\n');
    out
}

impl Header {
    /// Parses exactly the bytes of a header, from the version line to the newline after the MAC.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes
            .strip_prefix(VERSION_LINE)
            .ok_or(Error::Header("it does not begin with the line 'age-encryption.org/v1'"))?;
        let mut stanzas = Vec::new();
        loop {
            let line = take_line(&mut rest)?;
            if let Some(intro) = line.strip_prefix(b"-> ") {
                stanzas.push(stanza(intro, &mut rest)?);
                continue;
            }
            let mac = line.strip_prefix(b"--- ").ok_or(Error::Header(
                "a header line is neither a stanza ('-> ') nor the MAC ('--- ')",
            ))?;
            if stanzas.is_empty() {
                return Err(Error::Header("it names no recipient"));
            }
            if !rest.is_empty() {
                return Err(Error::Header("bytes follow its MAC line"));
            }
            let mac =
                decode_exactly::<32>(mac).ok_or(Error::Header("its MAC is not 43 canonical base64 characters"))?;
            // The MAC line is "--- ", 43 characters and a newline; all before the space is covered.
            let covered = bytes.len().saturating_sub(45);
            return Ok(Self {
                stanzas,
                covered: bytes.get(..covered).unwrap_or_default().to_vec(),
                mac,
            });
        }
    }

    /// Checks, in constant time, that the header was made by someone who knew this file key.
    pub fn verify(&self, file_key: &FileKey) -> Result<()> {
        mac_over(file_key, &self.covered)
            .verify_slice(&self.mac)
            .map_err(|_| Error::HeaderMac)
    }
}

/// Base64 without padding that decodes to exactly `N` bytes; only the canonical spelling.
pub(crate) fn decode_exactly<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // Also refuses a length that the decoder would have to guess about, before it decodes.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    BASE64.decode(text).ok()?.try_into().ok()
}

/// Base64 without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let end = rest
        .iter()
        .position(|&b| b == b'\n')
        .ok_or(Error::Header("it ends in the middle"))?;
    let (line, after) = rest.split_at(end);
    *rest = after.get(1..).unwrap_or_default();
    Ok(line)
}

fn stanza(intro: &[u8], rest: &mut &[u8]) -> Result<Stanza> {
    let mut words = Vec::new();
    for word in intro.split(|&b| b == b' ') {
        if word.is_empty() || !word.iter().all(|b| (33..=126).contains(b)) {
            return Err(Error::Header(
                "a stanza's arguments are not separated by single spaces, or hold other than visible ASCII",
            ));
        }
        words.push(word.iter().copied().map(char::from).collect::<String>());
    }
    let mut encoded = Vec::new();
    loop {
        let line = take_line(rest)?;
        if line.len() > COLUMNS {
            return Err(Error::Header("a stanza's body has a line longer than 64 characters"));
        }
        encoded.extend_from_slice(line);
        if line.len() < COLUMNS {
            break;
        }
    }
    let body = BASE64
        .decode(&encoded)
        .map_err(|_| Error::Header("a stanza's body is not canonical unpadded base64"))?;
    let mut words = words.into_iter();
    let kind = words.next().ok_or(Error::Header("a stanza has no type"))?;
    Ok(Stanza {
        kind,
        args: words.collect(),
        body,
    })
}

/// HMAC-SHA256 under HKDF-SHA256(file key, salt "", info "header").
fn mac_over(file_key: &FileKey, covered: &[u8]) -> Hmac<Sha256> {
    let key = derive(file_key.as_bytes(), &[], b"header");
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*key).expect("HMAC takes a key of any length");
    mac.update(covered);
    mac
}

/// HKDF-SHA256 to 32 bytes, as age uses it everywhere.
pub(crate) fn derive(ikm: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand(info, &mut *key)
        .expect("32 bytes are fewer than 255 blocks");
    key
}

/// Takes bytes until the MAC line is complete.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    bytes: Vec<u8>,
    line_start: usize,
}

impl Collector {
    /// The header once it is complete, with the bytes of `input` that follow it.
    ///
    /// Refuses what can no longer become an age header as soon as that is known.
    pub fn push<'a>(&mut self, mut input: &'a [u8]) -> Result<Option<(Header, &'a [u8])>> {
        while !input.is_empty() {
            let newline = input.iter().position(|&b| b == b'\n');
            let (part, after) = input.split_at(newline.map_or(input.len(), |at| at + 1));
            input = after;
            self.bytes.extend_from_slice(part);
            self.check_beginning()?;
            if newline.is_none() {
                break;
            }
            let line = self.bytes.get(self.line_start..).unwrap_or_default();
            // No base64 line holds a '-', and a stanza begins "->": only the MAC line begins so.
            if line.starts_with(MAC_MARK) {
                return Header::parse(&self.bytes).map(|header| Some((header, input)));
            }
            self.line_start = self.bytes.len();
        }
        Ok(None)
    }

    /// The input ended before the header did: says what is wrong with it.
    pub fn finish(&self) -> Error {
        Header::parse(&self.bytes)
            .err()
            .unwrap_or(Error::Header("it ends in the middle"))
    }

    fn check_beginning(&self) -> Result<()> {
        let seen = self.bytes.len().min(VERSION_LINE.len());
        if self.bytes.get(..seen) != VERSION_LINE.get(..seen) {
            return Err(Error::Header(match self.bytes.starts_with(ARMOR) {
                true => "it is text in armour; take that off first, as 'chartseal-reader decrypt' does",
                false => "it does not begin with the line 'age-encryption.org/v1'",
            }));
        }
        if self.bytes.len() > MAX_HEADER {
            return Err(Error::Header("it is longer than 262,144 bytes"));
        }
        Ok(())
    }
}
