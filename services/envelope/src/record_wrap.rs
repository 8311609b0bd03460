//! Record wraps: the grant of one record. Its file key sealed to a grantee, dead without the release key.
//!
//! On chain stands nothing but the slot, whose target is a salted commitment
//! ([`Target::record`](chartseal_record::Target::record)). The wrap stays with the custodian, who hands it out with the
//! release. The file key opens this one record and, since they stand in its first line, the keys of its attachments.
//!
//! ```text
//! record wrap = enc (32) ‖ ciphertext (16) ‖ tag (16)        HPKE, PSK mode, as a wrap
//! info        = abi.encode("chartseal/v1/record-wrap", uint16 suite, uint256 chainId, address consent, bytes32 slot,
//!                          uint64 serial, uint32 epoch, bytes32 contentHash)
//! psk, psk_id   the release key, and the same name as of a wrap at this place
//! ```

use alloy_primitives::{Address, B256};
use chartseal_record::{Compartment, ContentHash, Slot, Target};

use crate::{
    capsule,
    error::{Error, Result},
    key::{FileKey, Identity, PublicKey, ReleaseKey},
    record::{self, OpenedRecord},
    wrap::Place,
};

/// Bytes of a record wrap of suite 1.
pub const RECORD_WRAP: usize = 64;

const LABEL: &str = "chartseal/v1/record-wrap";
const WHAT: &str = "record wrap";

/// abi.encode("chartseal/v1/record-wrap", uint16 suite, uint256 chainId, address consent, bytes32 slot, uint64 serial,
/// uint32 epoch, bytes32 contentHash)
pub(crate) fn info(place: &Place, content: ContentHash) -> Vec<u8> {
    place.info_with(LABEL, content.0)
}

/// Seals the file key of the sealed record `content` to the grantee's Directory key, to be opened only with
/// `release_key` too. `place` is the grant's slot and serial, and the epoch the record is sealed in.
///
/// Hazard: a release key is made for one wrap, as in [`wrap::seal`](crate::wrap::seal).
pub fn seal(
    place: &Place,
    content: ContentHash,
    recipient: &PublicKey,
    release_key: &ReleaseKey,
    file_key: &FileKey,
) -> Result<[u8; RECORD_WRAP]> {
    let id = place.psk_id(recipient);
    let info = info(place, content);
    capsule::seal(recipient, Some((release_key, &id)), &info, file_key.as_bytes())
}

/// Opens a record wrap.
///
/// Hazard: nothing says yet that the key belongs to the record, nor the record to the grant; [`open_record`] does.
pub fn open(
    place: &Place,
    content: ContentHash,
    identity: &Identity,
    release_key: &ReleaseKey,
    wrap: &[u8],
) -> Result<FileKey> {
    let id = place.psk_id(identity.public_key());
    let psk = Some((release_key, &*id));
    let opened = capsule::open(WHAT, identity, psk, &info(place, content), wrap)?;
    Ok(FileKey::from_bytes(*opened))
}

/// Whose grant of which record: what, with the record's statement, makes the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// The grant's slot and serial, and the epoch the record is sealed in.
    pub place: Place,
    /// Who granted it.
    pub patient: Address,
    /// Who reads.
    pub grantee: Address,
    /// The salt of the commitment, which the custodian hands out with the wrap.
    pub salt: B256,
    /// Where the record was found: its leaf's. None where nobody told: then the statement that the patient granted says so
    /// itself.
    pub compartment: Option<Compartment>,
}

/// Opens the one record that was granted: the wrap, the record with the key in it, and the grant's slot against the
/// record's statement. It does not check who signed the statement: that takes the chain.
pub fn open_record(
    granted: &Granted,
    identity: &Identity,
    release_key: &ReleaseKey,
    wrap: &[u8],
    sealed: &[u8],
) -> Result<OpenedRecord> {
    let place = &granted.place;
    let file_key = open(place, ContentHash::of(sealed), identity, release_key, wrap)?;
    let opened = match granted.compartment {
        Some(compartment) => record::open_with_file_key(&file_key, compartment, sealed)?,
        None => record::open_anywhere_with_file_key(&file_key, sealed)?,
    };
    let target = Target::record(opened.header.statement.digest(&place.contracts), granted.salt);
    match Slot::of(granted.patient, granted.grantee, &target) == place.slot {
        true => Ok(opened),
        false => Err(Error::OtherRecord),
    }
}

#[cfg(test)]
pub(crate) fn seal_with(
    seed: capsule::Seed,
    place: &Place,
    content: ContentHash,
    recipient: &PublicKey,
    release_key: &ReleaseKey,
    file_key: &FileKey,
) -> Result<[u8; RECORD_WRAP]> {
    let id = place.psk_id(recipient);
    let info = info(place, content);
    capsule::seal_with(seed, recipient, Some((release_key, &id)), &info, file_key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        age,
        key::EpochSecret,
        record::{SealedRecord, tests::header},
        wrap::tests::{elsewhere, place},
    };

    const RESOURCE: &[u8] = b"{}";

    struct Case {
        granted: Granted,
        grantee: Identity,
        key: ReleaseKey,
        sealed: SealedRecord,
        wrap: [u8; RECORD_WRAP],
    }

    fn case() -> Case {
        let (grantee, key) = (Identity::from_bytes([8; 32]), ReleaseKey::from_bytes([9; 32]));
        let header = header(RESOURCE);
        let epoch = EpochSecret::from_bytes([3; 32]);
        let sealed = record::seal(epoch.public_key(), &header, RESOURCE).unwrap();
        let (patient, doctor, salt) = (Address::repeat_byte(1), Address::repeat_byte(2), B256::repeat_byte(3));
        let here = place();
        let target = Target::record(header.statement.digest(&here.contracts), salt);
        let granted = Granted {
            place: Place {
                slot: Slot::of(patient, doctor, &target),
                ..here
            },
            patient,
            grantee: doctor,
            salt,
            compartment: Some(header.statement.compartment),
        };
        let place = &granted.place;
        let wrap = seal(place, sealed.content, grantee.public_key(), &key, &sealed.file_key).unwrap();
        Case {
            granted,
            grantee,
            key,
            sealed,
            wrap,
        }
    }

    #[test]
    fn a_grant_of_one_record_opens_it_and_its_documents_and_no_other() {
        let Case {
            granted,
            grantee,
            key,
            sealed,
            wrap,
        } = case();
        let nobody_told = Granted {
            compartment: None,
            ..granted
        };
        open_record(&nobody_told, &grantee, &key, &wrap, &sealed.bytes).unwrap();
        let opened = open_record(&granted, &grantee, &key, &wrap, &sealed.bytes).unwrap();
        assert_eq!((&opened.resource[..], &opened.header), (RESOURCE, &header(RESOURCE)));
        // The attachment's key is the one its file was sealed with.
        let document = &opened.header.attachments[0];
        assert_eq!(document.file_key, FileKey::from_bytes([9; 16]));

        let other = record::seal(EpochSecret::from_bytes([3; 32]).public_key(), &header(b"[]"), b"[]").unwrap();
        let refused = open_record(&granted, &grantee, &key, &wrap, &other.bytes);
        assert_eq!(refused, Err(Error::NotOpened(WHAT)), "the wrap names the sealed bytes");
        assert_eq!(
            age::open_with_file_key(&sealed.file_key, &other.bytes),
            Err(Error::HeaderMac)
        );
    }

    #[test]
    fn it_takes_the_grantee_the_release_key_and_the_place() {
        let Case {
            granted,
            grantee,
            key,
            sealed,
            wrap,
        } = case();
        let refused = Err(Error::NotOpened(WHAT));
        let (stranger, other_key) = (Identity::from_bytes([12; 32]), ReleaseKey::from_bytes([11; 32]));
        assert_eq!(open(&granted.place, sealed.content, &stranger, &key, &wrap), refused);
        assert_eq!(
            open(&granted.place, sealed.content, &grantee, &other_key, &wrap),
            refused
        );
        let places = elsewhere().map(|place| match place.slot {
            Slot(B256::ZERO) => place,
            _ => Place {
                slot: granted.place.slot,
                ..place
            },
        });
        for place in places {
            assert_eq!(
                open(&place, sealed.content, &grantee, &key, &wrap),
                refused,
                "{place:?}"
            );
        }
        for bit in 0..wrap.len() * 8 {
            let mut changed = wrap;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                open(&granted.place, sealed.content, &grantee, &key, &changed),
                refused,
                "bit {bit}"
            );
        }
        // A wrap of an epoch is no record wrap, nor the reverse.
        let length = |found| {
            Err(Error::Length {
                what: WHAT,
                expected: 64,
                found,
            })
        };
        for found in [0, 63, 65, 80] {
            assert_eq!(
                open(&granted.place, sealed.content, &grantee, &key, &vec![0; found]),
                length(found)
            );
        }
    }

    #[test]
    fn a_custodian_that_hands_out_another_record_than_was_granted_is_refused() {
        let Case {
            granted, grantee, key, ..
        } = case();
        // Everything in order, and sealed at the place of the grant, but about another statement than its commitment.
        let other = record::seal(EpochSecret::from_bytes([3; 32]).public_key(), &header(b"[]"), b"[]").unwrap();
        let place = &granted.place;
        let wrap = seal(place, other.content, grantee.public_key(), &key, &other.file_key).unwrap();
        let opened = open_record(&granted, &grantee, &key, &wrap, &other.bytes);
        assert_eq!(opened, Err(Error::OtherRecord));
        let wrong = [
            Granted {
                salt: B256::ZERO,
                ..granted
            },
            Granted {
                patient: Address::ZERO,
                ..granted
            },
            Granted {
                grantee: Address::ZERO,
                ..granted
            },
        ];
        let Case { sealed, wrap, .. } = case();
        for granted in wrong {
            let opened = open_record(&granted, &grantee, &key, &wrap, &sealed.bytes);
            assert_eq!(opened, Err(Error::OtherRecord));
        }
    }
}
