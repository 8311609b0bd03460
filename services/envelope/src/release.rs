//! Releases: the release key sealed to the grantee, for one signed request.

use alloy_primitives::B256;

use crate::{
    capsule::{self, CAPSULE},
    error::Result,
    key::{Identity, PublicKey, ReleaseKey},
    wrap::Place,
};

const LABEL: &str = "chartseal/v1/release";
const WHAT: &str = "release";

/// abi.encode("chartseal/v1/release", uint16 suite, uint256 chainId, address consent, bytes32 slot, uint64 serial,
/// uint32 epoch, bytes32 nonce)
pub(crate) fn info(place: &Place, nonce: B256) -> Vec<u8> {
    place.info_with(LABEL, nonce)
}

/// Seals the release key of `place` to the grantee's Directory key, for the request with this nonce.
///
/// Hazard: whoever opens it can open the wrap for ever. Make the audit entry durable first.
pub fn seal(place: &Place, nonce: B256, recipient: &PublicKey, key: &ReleaseKey) -> Result<[u8; CAPSULE]> {
    capsule::seal(recipient, None, &info(place, nonce), key.as_bytes())
}

/// Opens the answer to the request with this nonce. Nothing says who sealed it: the key proves itself by
/// opening the wrap.
pub fn open(place: &Place, nonce: B256, identity: &Identity, release: &[u8]) -> Result<ReleaseKey> {
    let opened = capsule::open(WHAT, identity, None, &info(place, nonce), release)?;
    Ok(ReleaseKey::from_bytes(*opened))
}

#[cfg(test)]
pub(crate) fn seal_with(
    seed: capsule::Seed,
    place: &Place,
    nonce: B256,
    recipient: &PublicKey,
    key: &ReleaseKey,
) -> Result<[u8; CAPSULE]> {
    capsule::seal_with(seed, recipient, None, &info(place, nonce), key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Error,
        wrap::tests::{elsewhere, place},
    };

    #[test]
    fn a_release_opens_for_its_reader_its_place_and_its_request() {
        let (reader, key) = (Identity::from_bytes([1; 32]), ReleaseKey::from_bytes([2; 32]));
        let nonce = B256::repeat_byte(3);
        let release = seal(&place(), nonce, reader.public_key(), &key).unwrap();
        assert_eq!(open(&place(), nonce, &reader, &release).unwrap(), key);
        let refused = Err(Error::NotOpened(WHAT));
        assert_eq!(open(&place(), B256::ZERO, &reader, &release), refused);
        assert_eq!(open(&place(), nonce, &Identity::from_bytes([4; 32]), &release), refused);
        for place in elsewhere() {
            assert_eq!(open(&place, nonce, &reader, &release), refused, "{place:?}");
        }
    }
}
