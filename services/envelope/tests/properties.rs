//! What holds for every input: round trips, ranges, truncations, flipped bits, places.
//!
//! The cases are the same every time; `PROPTEST_RNG_SEED` gives others, `PROPTEST_CASES` more (`make soak` does both).

use std::{io::Read, ops::Range};

use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_envelope::{
    Broken, Error,
    age::{self, CHUNK, Opener, Ranges, Sealer, Unarmored},
    key::{EpochSecret, FileKey, Identity, ReleaseKey},
    link::{self, Step},
    record::{self, AttachmentRef, RecordHeader},
    release,
    wrap::{self, Place},
};
use chartseal_record::{
    Address, B256, Compartment, ContentHash, Contracts, Slot,
    content::{DAG_PB, cid_of_digest},
    padding::padded,
    statement::Statement,
};
use proptest::{prelude::*, test_runner::RngSeed};

/// Few by default: a debug build takes a while for 200 KB.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => default.cases,
            None => 100,
        },
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(3),
            chosen @ RngSeed::Fixed(_) => chosen,
        },
        // A failure prints its input and its seed; what stays of it is a named test.
        failure_persistence: None,
        ..default
    }
}

fn identity() -> Identity {
    Identity::from_bytes([7; 32])
}

/// Bytes of some length; the lengths around whole chunks come up often.
fn plaintext() -> impl Strategy<Value = Vec<u8>> {
    let near = (0..4usize, -2..3isize).prop_map(|(chunks, by)| (chunks * CHUNK).saturating_add_signed(by));
    (prop_oneof![0..2000usize, near, 0..3 * CHUNK], any::<u8>())
        .prop_map(|(len, seed)| (0..len).map(|i| (i * 31 % 251) as u8 ^ seed).collect())
}

/// Where a sequence of bytes is cut into pieces.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..100_000usize, 0..8)
}

fn pieces<'a>(mut rest: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, after) = rest.split_at(rest.len().min(*cut));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Everything that was let out, and how it ended.
fn opened(file: &[u8], cuts: &[usize], threads: usize) -> (Vec<u8>, Result<(), Error>) {
    let (mut opener, mut out) = (Opener::new(&[identity()]).threads(threads), Vec::new());
    for piece in pieces(file, cuts) {
        if let Err(error) = opener.push(piece, &mut out) {
            return (out, Err(error));
        }
    }
    let end = opener.finish(&mut out);
    (out, end)
}

fn opened_through(from: impl Read + Send, threads: usize) -> (Vec<u8>, Result<u64, Broken>) {
    let mut out = Vec::new();
    let end = age::open_through(&[identity()], from, &mut out, threads);
    (out, end)
}

fn fetch(file: &[u8], at: Range<u64>) -> &[u8] {
    &file[at.start as usize..at.end as usize]
}

fn armor(file: &[u8], end: &str) -> String {
    let text = STANDARD.encode(file);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line));
    let body: String = lines.map(|line| format!("{line}{end}")).collect();
    format!("-----BEGIN AGE ENCRYPTED FILE-----{end}{body}-----END AGE ENCRYPTED FILE-----{end}")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_sealed_in_any_pieces_opens_in_any_pieces(
        plain in plaintext(), ins in cuts(), outs in cuts(), threads in 1..4usize,
    ) {
        let (mut sealer, mut sealed) = (Sealer::new(identity().public_key()).unwrap().threads(threads), Vec::new());
        for piece in pieces(&plain, &ins) {
            sealer.push(piece, &mut sealed).unwrap();
        }
        let key = sealer.file_key().clone();
        sealer.finish(&mut sealed).unwrap();
        prop_assert_eq!(sealed.len() as u64, age::sealed_size(plain.len() as u64));
        prop_assert_eq!(age::opened_size(sealed.len() as u64), Some(plain.len() as u64));
        prop_assert!(opened(&sealed, &outs, threads) == (plain.clone(), Ok(())));
        prop_assert!(*age::open_with_file_key(&key, &sealed).unwrap() == plain);
        let (out, end) = opened_through(&sealed[..], threads);
        prop_assert!(out == plain && end.unwrap() == plain.len() as u64);
    }

    #[test]
    fn every_range_is_what_stands_there(plain in plaintext(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let sealed = age::seal(identity().public_key(), &plain).unwrap().bytes;
        let ranges = Ranges::new(&[identity()], &sealed[..184], sealed.len() as u64).unwrap();
        prop_assert_eq!(ranges.proved_size(fetch(&sealed, ranges.last_chunk())), Ok(plain.len() as u64));
        let (a, b) = (a.index(plain.len() + 1), b.index(plain.len() + 1));
        let range = a.min(b) as u64..a.max(b) as u64;
        let mut out = Vec::new();
        ranges.open(range.clone(), fetch(&sealed, ranges.sealed(range).unwrap()), &mut out).unwrap();
        prop_assert!(out == plain[a.min(b)..a.max(b)]);
    }

    #[test]
    fn every_truncation_is_refused_and_lets_out_a_beginning(
        plain in plaintext(), end in any::<prop::sample::Index>(), outs in cuts(), threads in 1..4usize,
    ) {
        let mut sealed = age::seal(identity().public_key(), &plain).unwrap().bytes;
        sealed.truncate(end.index(sealed.len()));
        let (out, end) = opened(&sealed, &outs, threads);
        prop_assert!(end.is_err() && plain.starts_with(&out));
        let (through, end) = opened_through(&sealed[..], threads);
        prop_assert!(end.is_err() && through == out);
    }

    #[test]
    fn flipped_bits_are_refused_and_let_out_a_beginning(
        plain in plaintext(), bits in prop::collection::vec(any::<prop::sample::Index>(), 1..4), outs in cuts(),
        threads in 1..4usize,
    ) {
        let sealed = age::seal(identity().public_key(), &plain).unwrap().bytes;
        let mut changed = sealed.clone();
        for bit in bits {
            let bit = bit.index(sealed.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        prop_assume!(changed != sealed);
        let (out, end) = opened(&changed, &outs, threads);
        prop_assert!(end.is_err() && plain.starts_with(&out));
        prop_assert!(opened_through(&changed[..], threads).1.is_err());
    }

    #[test]
    fn armour_comes_off_and_damaged_armour_lets_out_a_beginning(
        plain in plaintext(), crlf in any::<bool>(), at in any::<prop::sample::Index>(), with in any::<u8>(),
    ) {
        let sealed = age::seal(identity().public_key(), &plain).unwrap().bytes;
        let text = armor(&sealed, if crlf { "\r\n" } else { "\n" });
        let (out, end) = opened_through(Unarmored::either(text.as_bytes()), 1);
        prop_assert!(end.is_ok() && out == plain);
        let mut changed = text.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = with;
        let (out, end) = opened_through(Unarmored::new(&changed[..]), 1);
        prop_assert!(plain.starts_with(&out));
        // White space may stand behind, and a line may end with LF or CRLF; nothing else may change.
        let white = with.is_ascii_whitespace() && text.as_bytes()[at].is_ascii_whitespace();
        prop_assert!(end.is_err() || white || changed == text.as_bytes());
    }

    #[test]
    fn a_record_opens_as_it_was_sealed_and_in_its_compartment_only(
        resource in prop::collection::vec(any::<u8>(), 0..5000), secret in any::<[u8; 32]>(), place in any::<[u8; 32]>(),
        attachments in prop::collection::vec((any::<[u8; 32]>(), any::<[u8; 16]>(), any::<u64>()), 0..4),
        (version, authored_at) in (any::<u32>(), any::<u64>()), signature in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let (epoch, compartment) = (EpochSecret::from_bytes(secret), Compartment(B256::from(place)));
        let header = RecordHeader {
            statement: Statement {
                compartment,
                id: B256::from(secret),
                version,
                previous: B256::from(place),
                resource: ContentHash::of(&resource).0,
                author: Address::from_slice(&place[..20]),
                authored_at,
            },
            signature: signature.into(),
            attachments: attachments.into_iter().map(|(digest, key, size)| AttachmentRef {
                cid: cid_of_digest(DAG_PB, B256::from(digest)),
                file_key: FileKey::from_bytes(key),
                size,
                sha256: B256::from(digest),
            }).collect(),
        };
        let sealed = record::seal(epoch.public_key(), &header, &resource).unwrap();
        let opened = record::open(epoch.identity(), compartment, &sealed.bytes).unwrap();
        prop_assert!(opened.header == header && *opened.resource == resource);
        let size = age::opened_size(sealed.bytes.len() as u64).unwrap() as usize;
        prop_assert_eq!(padded(size), size);
        let elsewhere = Compartment(B256::from(place.map(|byte| !byte)));
        prop_assert!(record::open(epoch.identity(), elsewhere, &sealed.bytes) == Err(Error::OtherCompartment));
    }

    #[test]
    fn wraps_links_and_releases_open_where_they_were_made_and_nowhere_else(
        (slot, nonce) in any::<([u8; 32], [u8; 32])>(), (serial, epoch) in any::<(u64, u32)>(),
        (grantee, old, new) in any::<([u8; 32], [u8; 32], [u8; 32])>(), key in any::<[u8; 32]>(), chain_id in any::<u64>(),
        other in 0..4usize,
    ) {
        let (grantee, key) = (Identity::from_bytes(grantee), ReleaseKey::from_bytes(key));
        let (old, new) = (EpochSecret::from_bytes(old), EpochSecret::from_bytes(new));
        let [directory, consent, anchors] = [1, 2, 3].map(Address::repeat_byte);
        let contracts = Contracts { chain_id, directory, consent, anchors };
        let here = Place { contracts, slot: Slot(B256::from(slot)), serial, epoch };
        let there = match other {
            0 => Place { serial: serial ^ 1, ..here },
            1 => Place { epoch: epoch ^ 1, ..here },
            2 => Place { slot: Slot(B256::from(slot.map(|byte| !byte))), ..here },
            _ => Place { contracts: Contracts { chain_id: chain_id ^ 1, ..contracts }, ..here },
        };
        let made = wrap::seal(&here, grantee.public_key(), &key, &new).unwrap();
        prop_assert!(wrap::open(&here, &grantee, &key, new.public_key(), &made) == Ok(new.clone()));
        prop_assert!(wrap::open(&there, &grantee, &key, new.public_key(), &made) == Err(Error::NotOpened("wrap")));

        let nonce = B256::from(nonce);
        let made = release::seal(&here, nonce, grantee.public_key(), &key).unwrap();
        prop_assert!(release::open(&here, nonce, &grantee, &made) == Ok(key));
        prop_assert!(release::open(&there, nonce, &grantee, &made) == Err(Error::NotOpened("release")));

        let step = Step { contracts, compartment: Compartment(B256::from(slot)), previous: epoch, epoch: epoch ^ 1 };
        let made = link::seal(&step, new.public_key(), &old).unwrap();
        prop_assert!(link::open(&step, &new, old.public_key(), &made) == Ok(old.clone()));
        let back = Step { previous: step.epoch, epoch: step.previous, ..step };
        prop_assert!(link::open(&back, &new, old.public_key(), &made) == Err(Error::NotOpened("link")));
    }
}
