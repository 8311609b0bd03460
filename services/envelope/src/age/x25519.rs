//! The X25519 stanza: a file key sealed to one public key.
//!
//! ```text
//! -> X25519 base64(share)            share = x25519(ephemeral, 9)
//! base64(ChaCha20-Poly1305(key, nonce 0, file key))
//! key = HKDF-SHA256(x25519(ephemeral, recipient), salt share ‖ recipient, info "age-encryption.org/v1/X25519")
//! ```

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, aead::Aead};
use zeroize::Zeroizing;

use super::header::{Stanza, decode_exactly, derive, encode};
use crate::{
    curve::Ephemeral,
    error::{Error, Result},
    key::{FileKey, Identity, PublicKey},
};

const KIND: &str = "X25519";
const INFO: &[u8] = b"age-encryption.org/v1/X25519";

/// Seals `file_key` to `recipient`. Every stanza needs an ephemeral of its own: two under one key and nonce
/// would give both file keys away.
pub(crate) fn wrap(file_key: &FileKey, recipient: &PublicKey, ephemeral: Ephemeral) -> Result<Stanza> {
    let share = ephemeral.share();
    let shared = ephemeral.agreed(recipient.as_bytes()).ok_or(Error::WeakKey)?;
    let key = wrap_key(&shared, &share, recipient);
    Ok(Stanza {
        kind: KIND.into(),
        args: vec![encode(&share)],
        body: seal_file_key(&key, file_key),
    })
}

/// The file key, if the stanza is for this identity. `None`: another type, or not for me. An error: it says
/// X25519 but is not a well-formed X25519 stanza.
pub(crate) fn unwrap(stanza: &Stanza, identity: &Identity) -> Result<Option<FileKey>> {
    if stanza.kind != KIND {
        return Ok(None);
    }
    let [share] = stanza.args.as_slice() else {
        return Err(Error::Header("an X25519 stanza has exactly one argument"));
    };
    let share = decode_exactly::<32>(share.as_bytes())
        .ok_or(Error::Header("an X25519 share is 43 canonical base64 characters"))?;
    let shared = identity
        .agree(&share)
        .ok_or(Error::Header("an X25519 share is a point of low order"))?;
    let key = wrap_key(&shared, &share, identity.public_key());
    open_file_key(&key, &stanza.body)
}

/// ChaCha20-Poly1305 under a key used once, nonce zero.
pub(crate) fn seal_file_key(key: &[u8; 32], file_key: &FileKey) -> Vec<u8> {
    let cipher = ChaCha20Poly1305::new(key.into());
    cipher
        .encrypt(&[0; 12].into(), file_key.as_bytes().as_slice())
        .expect("16 bytes are below the cipher's 256 GiB")
}

/// The length is looked at before the key is: a longer body could be made to open under two keys.
pub(crate) fn open_file_key(key: &[u8; 32], body: &[u8]) -> Result<Option<FileKey>> {
    if body.len() != FileKey::LEN + 16 {
        return Err(Error::Header(
            "the body of a stanza that seals a file key is 32 bytes long",
        ));
    }
    let opened = ChaCha20Poly1305::new(key.into()).decrypt(&[0; 12].into(), body);
    opened
        .ok()
        .map(Zeroizing::new)
        .map(|bytes| FileKey::try_from(bytes.as_slice()))
        .transpose()
}

fn wrap_key(shared: &[u8; 32], share: &[u8; 32], recipient: &PublicKey) -> Zeroizing<[u8; 32]> {
    let mut salt = [0; 64];
    let (first, second) = salt.split_at_mut(32);
    first.copy_from_slice(share);
    second.copy_from_slice(recipient.as_bytes());
    derive(shared, &salt, INFO)
}
