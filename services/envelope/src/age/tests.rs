use super::{seal::seal_with, *};
use crate::{
    Error,
    curve::Ephemeral,
    key::{FileKey, Identity, PublicKey},
};

mod ranges;
mod threads;

const EDGES: [usize; 6] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK];

fn identity() -> Identity {
    Identity::from_bytes([9; 32])
}

/// A small generator with a seed, so that a failing case can be run again.
pub(crate) struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

fn pushed_in_pieces(file: &[u8], mut opener: Opener, seed: &mut Seeded, most: usize) -> crate::Result<Vec<u8>> {
    let (mut out, mut rest) = (Vec::new(), file);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + seed.below(most)));
        opener.push(piece, &mut out)?;
        rest = after;
    }
    opener.finish(&mut out)?;
    Ok(out)
}

#[test]
fn what_is_sealed_opens_again_at_every_chunk_edge() {
    for len in EDGES {
        let plain = Seeded(len as u64).bytes(len);
        let sealed = seal(identity().public_key(), &plain).unwrap();
        assert_eq!(sealed.bytes.len() as u64, sealed_size(len as u64), "{len}");
        assert_eq!(opened_size(sealed.bytes.len() as u64), Some(len as u64));
        assert_eq!(*open(&identity(), &sealed.bytes).unwrap(), plain, "{len}");
        assert_eq!(
            *open_with_file_key(&sealed.file_key, &sealed.bytes).unwrap(),
            plain,
            "{len}"
        );
    }
}

#[test]
fn sizes_no_file_has_are_told() {
    let known: Vec<u64> = (0..3 * CHUNK as u64).map(sealed_size).collect();
    let smallest = known[0];
    assert_eq!(smallest, 168 + 16 + 16);
    for size in 0..known[known.len() - 1] {
        assert_eq!(
            opened_size(size).is_some(),
            known.binary_search(&size).is_ok(),
            "{size}"
        );
    }
    assert_eq!(sealed_size(u64::MAX), u64::MAX);
    assert_eq!(opened_size(u64::MAX).map(sealed_size), Some(u64::MAX));
}

#[test]
fn pieces_of_any_size_make_the_same_file_as_one_piece() {
    let mut seed = Seeded(1);
    for round in 0..40 {
        let len = if round < EDGES.len() {
            EDGES[round]
        } else {
            seed.below(3 * CHUNK)
        };
        let plain = seed.bytes(len);
        let parts = || seal::Parts {
            file_key: FileKey::from_bytes([1; 16]),
            ephemeral: Ephemeral::from_bytes([2; 32]),
            nonce: [3; 16],
        };
        let whole = seal_with(parts(), identity().public_key(), &plain).unwrap().bytes;
        let mut sealer = Sealer::with(parts(), identity().public_key()).unwrap();
        let (mut out, mut rest) = (Vec::new(), plain.as_slice());
        let most = [1 + seed.below(100), CHUNK, 3 * CHUNK][round % 3].max(len / 500 + 1);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + seed.below(most)));
            sealer.push(piece, &mut out).unwrap();
            rest = after;
        }
        sealer.finish(&mut out).unwrap();
        assert!(out == whole, "round {round}: {len} bytes in pieces of at most {most}");
        let opener = Opener::new(&[identity()]);
        assert!(
            pushed_in_pieces(&out, opener, &mut seed, most).unwrap() == plain,
            "round {round}"
        );
        let opener = Opener::with_file_key(&FileKey::from_bytes([1; 16]));
        assert!(
            pushed_in_pieces(&out, opener, &mut seed, most).unwrap() == plain,
            "round {round}"
        );
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_of_a_small_file_is_refused() {
    let sealed = seal(identity().public_key(), b"a small file").unwrap().bytes;
    for end in 0..sealed.len() {
        assert!(open(&identity(), &sealed[..end]).is_err(), "cut at {end}");
    }
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&identity(), &changed).is_err(), "bit {bit}");
        let (mut opener, mut out) = (Opener::new(&[identity()]), Vec::new());
        let refused = opener.push(&changed, &mut out).is_err() || opener.finish(&mut out).is_err();
        assert!(refused && out.is_empty(), "bit {bit}");
    }
    let mut longer = sealed;
    longer.push(0);
    assert!(matches!(open(&identity(), &longer), Err(Error::Payload(_))));
}

#[test]
fn chunks_cannot_be_dropped_swapped_or_repeated() {
    let plain = Seeded(7).bytes(3 * CHUNK + 5);
    let sealed = seal(identity().public_key(), &plain).unwrap().bytes;
    let start = HEADER as usize + 16;
    let (head, payload) = sealed.split_at(start);
    let chunks: Vec<&[u8]> = payload.chunks(CHUNK + TAG).collect();
    let with = |order: &[usize]| {
        let body: Vec<u8> = order.iter().flat_map(|&i| chunks[i].to_vec()).collect();
        [head, &body].concat()
    };
    assert_eq!(*open(&identity(), &with(&[0, 1, 2, 3])).unwrap(), plain);
    for order in [
        &[0, 1, 2][..],
        &[0, 1, 3],
        &[1, 0, 2, 3],
        &[0, 1, 2, 3, 3],
        &[0, 0, 1, 2, 3],
        &[3],
        &[],
    ] {
        let file = with(order);
        assert!(matches!(open(&identity(), &file), Err(Error::Payload(_))), "{order:?}");
        let (mut opener, mut out) = (Opener::new(&[identity()]), Vec::new());
        let pushed = opener.push(&file, &mut out);
        assert!(pushed.is_err() || opener.finish(&mut out).is_err(), "{order:?}");
        assert!(
            plain.starts_with(&out),
            "only what is authentic and in order left, {order:?}"
        );
    }
}

#[test]
fn the_four_refusals_are_told_apart() {
    let sealed = seal(identity().public_key(), b"four ways").unwrap();
    let stranger = Identity::from_bytes([8; 32]);
    assert_eq!(open(&stranger, &sealed.bytes).unwrap_err(), Error::NoMatch);
    assert!(matches!(
        open(&identity(), b"not an age file at all"),
        Err(Error::Header(_))
    ));
    let mut payload = sealed.bytes.clone();
    *payload.last_mut().unwrap() ^= 1;
    assert!(matches!(open(&identity(), &payload), Err(Error::Payload(_))));
    // A stanza of an unknown type is tolerated, but it is under the MAC.
    let text = String::from_utf8_lossy(&sealed.bytes[..22]).into_owned() + "-> grease a\n\n";
    let inserted = [text.as_bytes(), &sealed.bytes[22..]].concat();
    assert_eq!(open(&identity(), &inserted).unwrap_err(), Error::HeaderMac);
    assert_eq!(
        open_with_file_key(&FileKey::from_bytes([0; 16]), &sealed.bytes).unwrap_err(),
        Error::HeaderMac
    );
}

#[test]
fn a_refused_opener_stays_refused() {
    let (mut opener, mut out) = (Opener::new(&[identity()]), Vec::new());
    assert!(opener.push(b"age-encryption.org/v2\n", &mut out).is_err());
    let good = seal(identity().public_key(), b"good").unwrap().bytes;
    assert!(opener.push(&good, &mut out).is_err());
    assert!(opener.finish(&mut out).is_err() && out.is_empty());
}

#[test]
fn an_endless_header_is_refused_before_it_fills_memory() {
    let (mut opener, mut out) = (Opener::new(&[identity()]), Vec::new());
    opener.push(b"age-encryption.org/v1\n", &mut out).unwrap();
    let line = [b'A'; 1000];
    let refused = (0..300).find_map(|_| opener.push(&line, &mut out).err());
    assert!(matches!(refused, Some(Error::Header(_))));
}

#[test]
fn nothing_is_sealed_to_a_point_of_low_order() {
    for low in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let weak = PublicKey::from_bytes(low);
        assert_eq!(seal(&weak, b"x").unwrap_err(), Error::WeakKey);
        assert_eq!(Sealer::new(&weak).unwrap_err(), Error::WeakKey);
    }
}

/// A file for `recipient` and somebody else.
pub(crate) fn sealed_to_two(recipient: &PublicKey, plain: &[u8]) -> Vec<u8> {
    let file_key = FileKey::from_bytes([1; 16]);
    let ephemeral = || Ephemeral::from_bytes(crate::secret::random().unwrap());
    let stanzas = [recipient, identity().public_key()].map(|to| x25519::wrap(&file_key, to, ephemeral()).unwrap());
    let mut out = header::write(&stanzas, &file_key);
    out.extend_from_slice(&[3; 16]);
    let mut payload = vec![0; stream::sealed_len(plain.len())];
    stream::Line::new(&file_key, &[3; 16])
        .seal(0, plain, true, &mut payload, 1)
        .unwrap();
    out.append(&mut payload);
    out
}

#[test]
fn either_of_two_recipients_opens() {
    let other = Identity::from_bytes([10; 32]);
    let file = sealed_to_two(other.public_key(), b"for two");
    for identity in [identity(), other] {
        assert_eq!(open(&identity, &file).unwrap().as_slice(), b"for two");
    }
    assert_eq!(
        open(&Identity::from_bytes([11; 32]), &file).unwrap_err(),
        Error::NoMatch
    );
}

/// Damages text-like bytes as a careless or hostile writer would.
pub(crate) fn damage(seed: &mut Seeded, bytes: &mut Vec<u8>) {
    for _ in 0..1 + seed.below(3) {
        let at = seed.below(bytes.len() + 1);
        match seed.below(4) {
            0 if at < bytes.len() => bytes[at] = seed.next() as u8,
            1 => bytes.insert(at, *b"\n -=A>\r\0\xff".get(seed.below(9)).unwrap()),
            2 => bytes.truncate(at),
            _ => {
                let from = seed.below(at + 1);
                let copy = bytes[from..at].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

#[test]
fn no_damage_makes_a_file_open_to_other_bytes_or_panics() {
    let mut seed = Seeded(2);
    let plain = seed.bytes(70_000);
    let small = seal(identity().public_key(), b"small").unwrap().bytes;
    let large = seal(identity().public_key(), &plain).unwrap().bytes;
    let two = sealed_to_two(identity().public_key(), b"small");
    for round in 0..6_000 {
        let (file, content) = match round % 20 {
            0 => (&large, plain.as_slice()),
            1..10 => (&two, b"small".as_slice()),
            _ => (&small, b"small".as_slice()),
        };
        let mut damaged = file.clone();
        damage(&mut seed, &mut damaged);
        if let Ok(opened) = open(&identity(), &damaged) {
            assert!(*opened == content && damaged == *file, "round {round}");
        }
        let most = 1 + damaged.len() / 3;
        let streamed = pushed_in_pieces(&damaged, Opener::new(&[identity()]), &mut seed, most);
        assert_eq!(streamed.is_ok(), damaged == *file, "round {round}");
    }
}
