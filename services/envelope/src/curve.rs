//! X25519 (RFC 7748).
//!
//! Keys are made with `x25519-dalek`, and HPKE runs on it. The agreement with a stanza's share, which is nearly all the
//! work of a small file, and the check of an opened wrap or link run on aws-lc (s2n-bignum, formally verified): 2.2 × as
//! fast where the key is kept, 1.7 × where it is not (`make bench`). `x25519-dalek` is its oracle in the tests below.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use subtle::ConstantTimeEq;
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, Zeroizing};

const ANY: &str = "any 32 bytes are an X25519 secret";

/// x25519(secret, 9).
pub(crate) fn public(secret: &[u8; 32]) -> [u8; 32] {
    // StaticSecret wipes itself; the multiplication uses dalek's table for the base point.
    x25519_dalek::PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// Whether `public` is x25519(secret, 9); constant time.
pub(crate) fn yields(secret: &[u8; 32], public: &[u8; 32]) -> bool {
    Ephemeral::from_bytes(*secret).share.ct_eq(public).into()
}

/// A secret as aws-lc wants it: made on first use, since to make one costs a quarter of an agreement, and shared by
/// all clones. aws-lc wipes it when the last of them is gone.
#[derive(Clone, Default)]
pub(crate) struct Prepared(Arc<OnceLock<PrivateKey>>);

impl Prepared {
    /// x25519(secret, point), or `None` where the result is all zeros: the point has low order. It is always the same
    /// secret.
    pub fn agreed(&self, secret: &[u8; 32], point: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let key = || PrivateKey::from_private_key(&X25519, secret).expect(ANY);
        agreed_by(self.0.get_or_init(key), point)
    }
}

fn agreed_by(secret: &PrivateKey, point: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    agree(secret, UnparsedPublicKey::new(&X25519, point), (), |shared| {
        <[u8; 32]>::try_from(shared).map(Zeroizing::new).map_err(|_| ())
    })
    .ok()
}

/// The ephemeral pair of one stanza.
///
/// Hazard: made for one stanza and used once; the type is consumed by use.
pub(crate) struct Ephemeral {
    secret: PrivateKey,
    share: [u8; 32],
}

impl Ephemeral {
    /// From 32 fresh random bytes, which are wiped.
    pub fn from_bytes(mut secret: [u8; 32]) -> Self {
        let key = PrivateKey::from_private_key(&X25519, &secret).expect(ANY);
        secret.zeroize();
        let share = key.compute_public_key().expect("a key pair holds its public key");
        let share = share.as_ref().try_into().expect("an X25519 public key has 32 bytes");
        Self { secret: key, share }
    }

    /// x25519(ephemeral, 9)
    pub fn share(&self) -> [u8; 32] {
        self.share
    }

    /// x25519(ephemeral, point), or `None` where the point has low order.
    pub fn agreed(self, point: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        agreed_by(&self.secret, point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age::tests::Seeded;

    /// The points whose agreement is all zeros with every secret, and their other spellings.
    const LOW_ORDER: [&str; 7] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    #[test]
    fn both_implementations_agree_on_every_point() {
        let mut seed = Seeded(21);
        for round in 0..2_000 {
            let secret: [u8; 32] = seed.bytes(32).try_into().unwrap();
            // Points on the curve, on its twist, with the ignored top bit set, above the prime.
            let mut point: [u8; 32] = seed.bytes(32).try_into().unwrap();
            if round % 4 == 0 {
                point[1..31].fill(0xff);
                point[31] |= 0x7f;
            }
            let expected = x25519_dalek::x25519(secret, point);
            // Some points so near the prime are of low order.
            let expected = (expected != [0; 32]).then_some(Zeroizing::new(expected));
            assert_eq!(Prepared::default().agreed(&secret, &point), expected, "round {round}");
            assert_eq!(Ephemeral::from_bytes(secret).agreed(&point), expected);
            let base = x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES);
            assert_eq!((public(&secret), Ephemeral::from_bytes(secret).share()), (base, base));
            assert!(yields(&secret, &base) && !yields(&secret, &point));
        }
    }

    #[test]
    fn points_of_low_order_agree_on_nothing() {
        for low in LOW_ORDER {
            let mut point: [u8; 32] = hex::decode(low).unwrap().try_into().unwrap();
            for top in [0, 0x80] {
                point[31] = point[31] & 0x7f | top;
                assert_eq!(x25519_dalek::x25519([7; 32], point), [0; 32], "{low}");
                assert_eq!(Prepared::default().agreed(&[7; 32], &point), None, "{low}");
                assert!(Ephemeral::from_bytes([7; 32]).agreed(&point).is_none(), "{low}");
            }
        }
    }

    /// RFC 7748 §5.2 and §6.1.
    #[test]
    fn the_vectors_of_the_rfc_hold() {
        let bytes = |text: &str| <[u8; 32]>::try_from(hex::decode(text).unwrap()).unwrap();
        let scalar = bytes("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let point = bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
        let out = bytes("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
        let agreed = |secret: &_, point: &_| *Prepared::default().agreed(secret, point).unwrap();
        assert_eq!(agreed(&scalar, &point), out);
        let alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(agreed(&alice, &public(&bob)), shared);
        assert_eq!(agreed(&bob, &public(&alice)), shared);
    }
}
