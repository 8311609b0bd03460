//! A key sealed by HPKE (RFC 9180): what wraps, links and releases are made of.
//!
//! ```text
//! capsule = enc (32) ‖ ciphertext (as long as the key: 32, of a record's file key 16) ‖ tag (16)
//! suite 1 = DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, ChaCha20-Poly1305 0x0003; aad empty
//! ```
//! HPKE gives the sender no authentication. Callers bind the place in `info` and check the key that comes out.

use std::convert::Infallible;

use hpke::{
    Deserializable, HpkeError, OpModeR, OpModeS, PskBundle, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::{Kem, X25519HkdfSha256},
    rand_core::{TryCryptoRng, TryRng},
    single_shot_open, single_shot_seal_with_rng,
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    error::{Error, Result},
    key::{Identity, PublicKey, ReleaseKey},
    secret::random,
};

/// Bytes of a wrap, link or release of suite 1.
pub const CAPSULE: usize = 80;
const ENC: usize = 32;
const TAG: usize = 16;

/// A pre-shared key and its name: present in wraps, absent in links and releases.
pub(crate) type Psk<'a> = Option<(&'a ReleaseKey, &'a [u8; 32])>;

/// Seals a key under a fresh ephemeral key. `N` is 48 more than the key's length.
pub(crate) fn seal<const N: usize>(recipient: &PublicKey, psk: Psk<'_>, info: &[u8], key: &[u8]) -> Result<[u8; N]> {
    seal_with(Seed(random()?), recipient, psk, info, key)
}

/// The same from a given ephemeral seed (`ikmE` of RFC 9180): for vectors only, a seed is never used twice.
pub(crate) fn seal_with<const N: usize>(
    seed: Seed,
    recipient: &PublicKey,
    psk: Psk<'_>,
    info: &[u8],
    key: &[u8],
) -> Result<[u8; N]> {
    let psk = psk.map(|(key, id)| (&key.as_bytes()[..], &id[..]));
    // Sealing fails only where the shared secret is all zeros.
    let whole = hpke_seal(seed, recipient, psk, info, &[], key).map_err(|_| Error::WeakKey)?;
    let found = whole.len();
    whole.try_into().map_err(|_| Error::Length {
        what: "capsule",
        expected: N,
        found,
    })
}

/// Opens a capsule of a key of `K` bytes. `what` names it in errors.
pub(crate) fn open<const K: usize>(
    what: &'static str,
    identity: &Identity,
    psk: Psk<'_>,
    info: &[u8],
    capsule: &[u8],
) -> Result<Zeroizing<[u8; K]>> {
    let expected = ENC + K + TAG;
    if capsule.len() != expected {
        return Err(Error::Length {
            what,
            expected,
            found: capsule.len(),
        });
    }
    let psk = psk.map(|(key, id)| (&key.as_bytes()[..], &id[..]));
    let opened = hpke_open(identity, psk, info, &[], capsule).map_err(|_| Error::NotOpened(what))?;
    let key = opened.as_slice().try_into().map_err(|_| Error::NotOpened(what))?;
    Ok(Zeroizing::new(key))
}

/// SealBase or SealPSK of RFC 9180 §6.1: enc ‖ ct.
fn hpke_seal(
    mut seed: Seed,
    recipient: &PublicKey,
    psk: Option<(&[u8], &[u8])>,
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
) -> std::result::Result<Vec<u8>, HpkeError> {
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(recipient.as_bytes())?;
    let mode = match psk {
        Some((key, id)) => OpModeS::Psk(PskBundle::new(key, id)?),
        None => OpModeS::Base,
    };
    let (enc, sealed) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &mode, &public, info, plain, aad, &mut seed,
    )?;
    Ok([enc.to_bytes().as_slice(), &sealed].concat())
}

/// OpenBase or OpenPSK of RFC 9180 §6.1, from enc ‖ ct.
fn hpke_open(
    identity: &Identity,
    psk: Option<(&[u8], &[u8])>,
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> std::result::Result<Zeroizing<Vec<u8>>, HpkeError> {
    let (enc, sealed) = sealed.split_at_checked(ENC).ok_or(HpkeError::OpenError)?;
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc)?;
    let private = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(identity.as_bytes())?;
    let mode = match psk {
        Some((key, id)) => OpModeR::Psk(PskBundle::new(key, id)?),
        None => OpModeR::Base,
    };
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&mode, &private, &enc, info, sealed, aad)
        .map(Zeroizing::new)
}

/// Hands HPKE the 32 bytes it derives its one ephemeral key from. The operating system is asked before, where
/// its refusal is an error; inside `hpke` it would be a panic.
pub(crate) struct Seed(pub [u8; 32]);

impl TryRng for Seed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word).map(|()| u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word).map(|()| u64::from_le_bytes(word))
    }

    /// DeriveKeyPair asks once, for 32 bytes. Should a later `hpke` ask again, it gets other bytes, not the same.
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> std::result::Result<(), Infallible> {
        for part in out.chunks_mut(32) {
            for (to, from) in part.iter_mut().zip(self.0) {
                *to = from;
            }
            self.0 = *crate::age::derive(&self.0, &[], b"chartseal/v1/seed");
        }
        Ok(())
    }
}

impl TryCryptoRng for Seed {}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use serde_json::Value;

    use super::*;

    /// `tests/vectors/rfc9180.json`: the first encryptions of RFC 9180 §A.2.1 and §A.2.2.
    #[test]
    fn our_suite_is_the_one_of_rfc_9180() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/rfc9180.json");
        let all: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for (name, case) in all["cases"].as_object().unwrap() {
            let bytes = |field: &str| hex::decode(case[field].as_str().unwrap()).unwrap();
            let array = |field: &str| <[u8; 32]>::try_from(bytes(field)).unwrap();
            let (key, id) = (bytes("psk"), bytes("psk_id"));
            let psk = (!key.is_empty()).then_some((&key[..], &id[..]));
            let recipient = Identity::from_bytes(array("skRm"));
            assert_eq!(*recipient.public_key().as_bytes(), array("pkRm"), "{name}");
            let (info, aad, plain) = (bytes("info"), bytes("aad"), bytes("pt"));
            let whole = [bytes("enc"), bytes("ct")].concat();
            let seed = Seed(array("ikmE"));
            let sealed = hpke_seal(seed, recipient.public_key(), psk, &info, &aad, &plain);
            assert_eq!(sealed.unwrap(), whole, "{name}");
            assert_eq!(
                *hpke_open(&recipient, psk, &info, &aad, &whole).unwrap(),
                plain,
                "{name}"
            );
            let other = psk.map_or(Some((&[1; 32][..], &b"id"[..])), |_| None);
            assert!(hpke_open(&recipient, other, &info, &aad, &whole).is_err(), "{name}");
        }
    }
}
