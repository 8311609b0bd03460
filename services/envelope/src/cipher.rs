//! ChaCha20-Poly1305 (RFC 8439) for the chunks of a payload.
//!
//! It runs on aws-lc, which is in the tree for TLS anyway. Measured beside it in one run (`make bench`), on a core with
//! AVX-512, aws-lc is this much faster than the `chacha20poly1305` crate: 2.0 × on 4 KiB, which is what a record is;
//! on whole chunks 1.2 × where every build carries `--cfg chacha20_avx512`, 1.7 × where one does not, and a build flag
//! is what a program that depends on this crate loses first. The crate seals file keys and HPKE capsules, and is the
//! oracle in the tests below.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

/// Bytes of authentication behind every message.
pub(crate) const TAG: usize = 16;

/// A key, ready for any number of messages and threads. aws-lc wipes its copy when it is freed.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    pub fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("32 bytes are the length of its keys");
        Self(LessSafeKey::new(key))
    }

    /// `sealed` = ciphertext ‖ tag, 16 bytes longer than `plain`. False, and nothing written, if the lengths differ
    /// otherwise or exceed the cipher's 256 GiB.
    ///
    /// Hazard: a nonce is used for one message only.
    #[must_use]
    pub fn seal(&self, nonce: [u8; 12], plain: &[u8], sealed: &mut [u8]) -> bool {
        let Some((body, tag)) = sealed.split_at_mut_checked(plain.len()) else {
            return false;
        };
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_out_of_place_scatter(nonce, Aad::empty(), plain, body, &[], tag)
            .is_ok()
    }

    /// `plain` is 16 bytes shorter than `sealed`. False, and `plain` zeros, if `sealed` is not authentic.
    #[must_use]
    pub fn open(&self, nonce: [u8; 12], sealed: &[u8], plain: &mut [u8]) -> bool {
        let Some((body, tag)) = sealed.split_last_chunk::<TAG>() else {
            return false;
        };
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.0.open_separate_gather(nonce, Aad::empty(), body, tag, plain);
        if opened.is_err() {
            // It decrypts before it compares tags.
            plain.zeroize();
        }
        opened.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{ChaCha20Poly1305, KeyInit, aead::Aead};

    use super::*;
    use crate::age::tests::Seeded;

    #[test]
    fn both_implementations_agree_on_messages_of_every_kind() {
        let mut seed = Seeded(20);
        let lengths = (0..300).chain([1023, 1024, 1025, 4096, 65_535, 65_536, 65_537]);
        for len in lengths {
            let key: [u8; 32] = seed.bytes(32).try_into().unwrap();
            let nonce: [u8; 12] = seed.bytes(12).try_into().unwrap();
            let plain = seed.bytes(len);
            let oracle = ChaCha20Poly1305::new(&key.into());
            let expected = oracle.encrypt(&nonce.into(), plain.as_slice()).unwrap();

            let mut sealed = vec![0; len + TAG];
            assert!(Cipher::new(&key).seal(nonce, &plain, &mut sealed));
            assert_eq!(sealed, expected, "{len}");

            let mut opened = vec![0; len];
            assert!(Cipher::new(&key).open(nonce, &expected, &mut opened));
            assert_eq!(opened, plain, "{len}");

            let bit = seed.below(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            assert!(!Cipher::new(&key).open(nonce, &sealed, &mut opened));
            assert!(oracle.decrypt(&nonce.into(), sealed.as_slice()).is_err());
            assert_eq!(opened, vec![0; len], "nothing of a refused message is left");
        }
    }

    #[test]
    fn lengths_that_do_not_belong_together_are_refused() {
        let cipher = Cipher::new(&[1; 32]);
        for room in [0, 5, 15, 20, 22] {
            assert!(!cipher.seal([0; 12], b"hello", &mut vec![0; room]), "{room}");
        }
        let mut sealed = vec![0; 21];
        assert!(cipher.seal([0; 12], b"hello", &mut sealed));
        for room in [0, 4, 6] {
            assert!(!cipher.open([0; 12], &sealed, &mut vec![0; room]), "{room}");
        }
        assert!(!cipher.open([0; 12], &sealed[..15], &mut []));
    }
}
