//! Secrets at rest: every row is sealed by the master key and bound to its place.
//!
//! `row key = HKDF-SHA256(ikm = master key, salt = "", info = "chartseal/v1/vault" ‖ org ‖ kind ‖ 0x00 ‖ place)`,
//! `row = 0x01 ‖ nonce(24) ‖ XChaCha20-Poly1305(row key, nonce, secret, ad = the same info)`.
//! A row moved to another organisation, kind or place does not open. Deleting is the store's work
//! (secure_delete, WAL truncated). Rollback is not prevented: whoever can restore the whole database
//! of yesterday restores the keys of yesterday, which is why a revocation receipt names the day when
//! the last backup is gone.

pub mod rows;

use std::fmt;

use alloy::primitives::Address;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::problem::Failure;

const LABEL: &[u8] = b"chartseal/v1/vault";
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// What a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A patient's root; place = the account.
    Root,
    /// An account's X25519 secret; place = account|keccak256(public key).
    EncryptionKey,
    /// A secp256k1 statement key; place = account|address of the key.
    StatementKey,
    /// What it also takes to open a wrap; place = slot|serial|epoch|keccak256(wrap). Of a grant of one record the wrap too,
    /// which no chain has, and what it is about (`custody::single`).
    ReleaseKey,
    /// An audit entry; place = patient (its sequence is bound by the hash chain).
    Audit,
    /// A request for access with its reason; place = its digest.
    Request,
    /// Why a registrar refused a registration; place = the intent.
    Refusal,
    /// An answer kept under an Idempotency-Key; place = the caller.
    Answer,
    /// The name, type and file key of bytes that wait for their record.
    Staged,
    /// A whole backup; organisation zero, place = its format. Not kept: it is a file.
    Backup,
    /// A search inside its paging link; place = the caller. Not kept: it travels with the link.
    Page,
}

impl Kind {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::EncryptionKey => "encryption-key",
            Self::StatementKey => "statement-key",
            Self::ReleaseKey => "release-key",
            Self::Audit => "audit",
            Self::Request => "request",
            Self::Refusal => "refusal",
            Self::Answer => "answer",
            Self::Staged => "staged",
            Self::Backup => "backup",
            Self::Page => "page",
        }
    }
}

/// The master key's only holder.
pub struct Vault {
    derive: Hkdf<Sha256>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    pub fn new(master: &[u8; 32]) -> Self {
        Self {
            derive: Hkdf::new(None, master),
        }
    }

    /// Seals `secret` to its place.
    pub fn seal(&self, org: Address, kind: Kind, place: &str, secret: &[u8]) -> Result<Vec<u8>, Failure> {
        let info = info(org, kind, place);
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| Failure::Random)?;
        let sealed = self
            .cipher(&info)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: secret,
                    aad: &info,
                },
            )
            .map_err(|_| Failure::Vault("sealing"))?;
        Ok([&[VERSION][..], &nonce, &sealed].concat())
    }

    /// Opens what was sealed at this place; anything else is a [`Failure`].
    pub fn open(&self, org: Address, kind: Kind, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let refused = Failure::Vault(kind.as_str());
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(refused);
        };
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE>() else {
            return Err(refused);
        };
        let info = info(org, kind, place);
        self.cipher(&info)
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: &info,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| refused)
    }

    /// A key for another use of the organisation: blind indexes, nonces.
    /// HKDF-SHA256(master key, info = "chartseal/v1/" ‖ label ‖ 0x00 ‖ org).
    pub fn subkey(&self, label: &str, org: Address) -> Zeroizing<[u8; 32]> {
        self.expand(&[b"chartseal/v1/", label.as_bytes(), &[0], org.as_slice()])
    }

    fn cipher(&self, info: &[u8]) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.expand(&[info])).into())
    }

    fn expand(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        self.derive
            .expand_multi_info(info, &mut key[..])
            .expect("32 bytes are fewer than the 8160 HKDF-SHA256 can give");
        key
    }
}

/// Unambiguous: the label and the organisation have fixed lengths, a kind holds no zero byte.
fn info(org: Address, kind: Kind, place: &str) -> Vec<u8> {
    [LABEL, org.as_slice(), kind.as_str().as_bytes(), &[0], place.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: Address = Address::repeat_byte(0xA1);

    fn vault() -> Vault {
        Vault::new(&[7; 32])
    }

    #[test]
    fn a_secret_comes_back_from_its_place() {
        let sealed = vault().seal(ORG, Kind::Root, "0xaa", b"root").unwrap();
        assert_eq!(
            vault().open(ORG, Kind::Root, "0xaa", &sealed).unwrap().as_slice(),
            b"root"
        );
    }

    #[test]
    fn a_row_opens_at_no_other_place_and_under_no_other_key() {
        let sealed = vault().seal(ORG, Kind::ReleaseKey, "s|1|1", b"key").unwrap();
        assert!(vault().open(Address::ZERO, Kind::ReleaseKey, "s|1|1", &sealed).is_err());
        assert!(vault().open(ORG, Kind::Root, "s|1|1", &sealed).is_err());
        assert!(vault().open(ORG, Kind::ReleaseKey, "s|1|2", &sealed).is_err());
        assert!(
            Vault::new(&[8; 32])
                .open(ORG, Kind::ReleaseKey, "s|1|1", &sealed)
                .is_err()
        );
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_refused() {
        let sealed = vault().seal(ORG, Kind::Root, "p", &[9; 32]).unwrap();
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(vault().open(ORG, Kind::Root, "p", &bad).is_err(), "byte {i}");
            assert!(vault().open(ORG, Kind::Root, "p", &sealed[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn the_same_secret_never_seals_to_the_same_bytes() {
        let seal = || vault().seal(ORG, Kind::Root, "p", &[9; 32]).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", vault()), "Vault(…)");
    }

    #[test]
    fn subkeys_differ_by_label_and_organisation() {
        let v = vault();
        assert_ne!(*v.subkey("blind", ORG), *v.subkey("nonce", ORG));
        assert_ne!(*v.subkey("blind", ORG), *v.subkey("blind", Address::ZERO));
    }
}
