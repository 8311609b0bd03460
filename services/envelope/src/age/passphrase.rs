//! The scrypt stanza: a file key sealed under a passphrase. Always alone in its header.
//!
//! ```text
//! -> scrypt base64(16-byte salt) log2(N)
//! base64(ChaCha20-Poly1305(key, nonce 0, file key))
//! key = scrypt(passphrase, salt "age-encryption.org/v1/scrypt" ‖ salt, N, r = 8, p = 1)
//! ```

use zeroize::Zeroizing;

use super::{
    header::{self, Stanza, decode_exactly, encode},
    open::{Unlock, open_at_once},
    stream::{Line, NONCE, sealed_len},
    x25519::{open_file_key, seal_file_key},
};
use crate::{
    error::{Error, Result},
    key::FileKey,
    secret::random,
};

const KIND: &str = "scrypt";
const LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

/// The least work a passphrase file is written with: log2(N) = 15 takes 32 MiB and about a tenth of a second.
pub const MIN_WORK_FACTOR: u8 = 15;
/// The most work a passphrase file may ask of its reader: log2(N) = 20 takes 1 GiB. `age -p` writes 18.
pub const MAX_WORK_FACTOR: u8 = 20;

/// Seals `plaintext` under a passphrase; a work factor outside the two limits is taken as the nearer one.
pub fn seal_with_passphrase(passphrase: &str, work_factor: u8, plaintext: &[u8]) -> Result<Vec<u8>> {
    let work_factor = work_factor.clamp(MIN_WORK_FACTOR, MAX_WORK_FACTOR);
    let (file_key, salt, nonce) = (FileKey::generate()?, random()?, random::<NONCE>()?);
    let key = passphrase_key(passphrase, &salt, work_factor)?;
    let stanza = Stanza {
        kind: KIND.into(),
        args: vec![encode(&salt), work_factor.to_string()],
        body: seal_file_key(&key, &file_key),
    };
    let mut out = header::write(&[stanza], &file_key);
    out.extend_from_slice(&nonce);
    let beginning = out.len();
    out.resize(beginning + sealed_len(plaintext.len()), 0);
    let payload = out.get_mut(beginning..).unwrap_or_default();
    Line::new(&file_key, &nonce).seal(0, plaintext, true, payload, 1)?;
    Ok(out)
}

/// Opens a passphrase file. A wrong passphrase is [`Error::NoMatch`].
pub fn open_with_passphrase(passphrase: &str, file: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    Ok(open_at_once(&Unlock::Passphrase(Zeroizing::new(passphrase.into())), file)?.1)
}

/// A passphrase authenticates the writer only if no other recipient knows the file key.
pub(super) fn check_alone(stanzas: &[Stanza]) -> Result<()> {
    if stanzas.len() > 1 && stanzas.iter().any(|stanza| stanza.kind == KIND) {
        return Err(Error::Header("a scrypt stanza stands beside other recipients"));
    }
    Ok(())
}

pub(super) fn unwrap(stanzas: &[Stanza], passphrase: &str) -> Result<Option<FileKey>> {
    let [stanza] = stanzas else { return Ok(None) };
    if stanza.kind != KIND {
        return Ok(None);
    }
    let [salt, work_factor] = stanza.args.as_slice() else {
        return Err(Error::Header("a scrypt stanza has exactly two arguments"));
    };
    let salt = decode_exactly::<16>(salt.as_bytes())
        .ok_or(Error::Header("a scrypt salt is 22 canonical base64 characters"))?;
    let work_factor = work_factor_of(work_factor)?;
    if stanza.body.len() != FileKey::LEN + 16 {
        return Err(Error::Header(
            "the body of a stanza that seals a file key is 32 bytes long",
        ));
    }
    open_file_key(&*passphrase_key(passphrase, &salt, work_factor)?, &stanza.body)
}

/// Decimal, no sign, no leading zero, and not more work than we are willing to do for a stranger's file.
fn work_factor_of(text: &str) -> Result<u8> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    match text.parse::<u8>() {
        Ok(factor) if digits && factor <= MAX_WORK_FACTOR => Ok(factor),
        _ => Err(Error::Header("a scrypt work factor is a plain decimal from 1 to 20")),
    }
}

fn passphrase_key(passphrase: &str, salt: &[u8; 16], work_factor: u8) -> Result<Zeroizing<[u8; 32]>> {
    let params = scrypt::Params::new(work_factor, 8, 1).map_err(|_| Error::Header("scrypt refuses its work factor"))?;
    let mut key = Zeroizing::new([0; 32]);
    let salt = [LABEL, salt].concat();
    scrypt::scrypt(passphrase.as_bytes(), &salt, &params, &mut *key)
        .map_err(|_| Error::Header("scrypt refuses its output length"))?;
    Ok(key)
}
