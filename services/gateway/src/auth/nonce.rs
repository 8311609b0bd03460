//! Sign-in nonces that cost nothing to hand out.
//!
//! `nonce = hex(time(8, big endian) ‖ random(8) ‖ HMAC-SHA256(key, time ‖ random)[..16])`: strangers may ask for as many
//! as they like without a row being written. Used ones are kept until they are too old.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::problem::Failure;

/// Seconds between asking for a nonce and signing in with it.
pub const LIFE: u64 = 600;

/// Makes and recognises nonces.
pub struct Nonces(Zeroizing<[u8; 32]>);

impl Nonces {
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// A fresh one: 64 hex digits.
    pub fn issue(&self, now: u64) -> Result<String, Failure> {
        let mut body = [0; 16];
        body[..8].copy_from_slice(&now.to_be_bytes());
        getrandom::fill(&mut body[8..]).map_err(|_| Failure::Random)?;
        let tag = self.mac(&body).finalize().into_bytes();
        Ok(hex::encode([&body[..], &tag[..16]].concat()))
    }

    /// When a nonce of ours stops counting; `None` if it is not ours or has stopped already.
    pub fn expiry(&self, nonce: &str, now: u64) -> Option<u64> {
        let bytes: [u8; 32] = hex::decode(nonce).ok()?.try_into().ok()?;
        self.mac(&bytes[..16]).verify_truncated_left(&bytes[16..]).ok()?;
        let issued = u64::from_be_bytes(bytes[..8].try_into().ok()?);
        let expires = issued.saturating_add(LIFE);
        (issued <= now && now < expires).then_some(expires)
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0[..])
            .expect("HMAC takes keys of any length")
            .chain_update(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces() -> Nonces {
        Nonces::new(Zeroizing::new([3; 32]))
    }

    #[test]
    fn only_our_own_and_only_young_nonces_count() {
        let nonce = nonces().issue(1000).unwrap();
        assert_eq!(nonces().expiry(&nonce, 1000), Some(1600));
        assert_eq!(nonces().expiry(&nonce, 1600), None, "too old");
        assert_eq!(nonces().expiry(&nonce, 999), None, "from the future");
        assert_eq!(
            Nonces::new(Zeroizing::new([4; 32])).expiry(&nonce, 1000),
            None,
            "another gateway's"
        );
        let mut other = nonce.clone();
        other.replace_range(0..1, if nonce.starts_with('0') { "1" } else { "0" });
        assert_eq!(nonces().expiry(&other, 1000), None, "changed");
        for bad in ["", "abcdefgh", &nonce[..62], &"g".repeat(64)] {
            assert_eq!(nonces().expiry(bad, 1000), None, "{bad:?}");
        }
    }
}
