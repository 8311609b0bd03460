use alloy_primitives::{Address, B256};
use chartseal_record::content::{DAG_PB, cid_of_digest};

use super::*;
use crate::{age::opened_size, key::EpochSecret};

fn epoch() -> EpochSecret {
    EpochSecret::from_bytes([3; 32])
}

fn compartment() -> Compartment {
    Compartment(B256::repeat_byte(4))
}

pub(crate) fn header(resource: &[u8]) -> RecordHeader {
    RecordHeader {
        statement: Statement {
            compartment: compartment(),
            id: B256::repeat_byte(5),
            version: 1,
            previous: B256::ZERO,
            resource: ContentHash::of(resource).0,
            author: Address::repeat_byte(6),
            authored_at: 1_700_000_000,
        },
        signature: Bytes::from(vec![7; 65]),
        attachments: vec![AttachmentRef {
            cid: cid_of_digest(DAG_PB, B256::repeat_byte(8)),
            file_key: FileKey::from_bytes([9; 16]),
            size: 123_456,
            sha256: B256::repeat_byte(10),
        }],
    }
}

const RESOURCE: &[u8] = br#"{"resourceType":"Patient","name":[{"family":"Canary"}]}"#;

fn plain() -> Vec<u8> {
    compose(&header(RESOURCE), RESOURCE).unwrap().to_vec()
}

fn line_of(plain: &[u8]) -> String {
    String::from_utf8(plain.split(|&b| b == b'\n').next().unwrap().to_vec()).unwrap()
}

/// A plaintext with another first line, padded as it should be.
fn with_line(line: &str) -> Vec<u8> {
    let mut plain = [line.as_bytes(), b"\n", RESOURCE].concat();
    plain.resize(padded(plain.len()), 0);
    plain
}

#[test]
fn a_record_opens_as_it_was_sealed() {
    for len in [0, 1, 100, 65_000, 65_536, 500_000] {
        let resource = vec![b'x'; len];
        let sealed = seal(epoch().public_key(), &header(&resource), &resource).unwrap();
        assert_eq!(sealed.content, ContentHash::of(&sealed.bytes));
        let (file_key, opened) = open_keyed(epoch().identity(), compartment(), &sealed.bytes).unwrap();
        assert_eq!(
            open(epoch().identity(), compartment(), &sealed.bytes),
            Ok(opened.clone())
        );
        assert!(file_key == sealed.file_key);
        let elsewhere = Compartment(B256::ZERO);
        let refused = open_keyed(epoch().identity(), elsewhere, &sealed.bytes).map(drop);
        assert_eq!(refused, Err(Error::OtherCompartment));
        assert_eq!((opened.header, &*opened.resource), (header(&resource), &resource));
        let alone = open_with_file_key(&sealed.file_key, compartment(), &sealed.bytes).unwrap();
        assert_eq!(*alone.resource, resource);
        let plain = opened_size(sealed.bytes.len() as u64).unwrap() as usize;
        assert_eq!(padded(plain), plain);
    }
}

#[test]
fn a_record_of_another_compartment_is_refused() {
    let sealed = seal(epoch().public_key(), &header(RESOURCE), RESOURCE).unwrap();
    let elsewhere = Compartment(B256::ZERO);
    assert_eq!(
        open(epoch().identity(), elsewhere, &sealed.bytes),
        Err(Error::OtherCompartment)
    );
    assert_eq!(
        open_with_file_key(&sealed.file_key, elsewhere, &sealed.bytes),
        Err(Error::OtherCompartment)
    );
    assert!(open_anywhere(epoch().identity(), &sealed.bytes).is_ok());
}

#[test]
fn the_former_epoch_opens_nothing_of_the_next() {
    let next = EpochSecret::from_bytes([33; 32]);
    let sealed = seal(next.public_key(), &header(RESOURCE), RESOURCE).unwrap();
    assert!(open(next.identity(), compartment(), &sealed.bytes).is_ok());
    assert_eq!(
        open(epoch().identity(), compartment(), &sealed.bytes),
        Err(Error::NoMatch)
    );
}

#[test]
fn a_statement_about_other_bytes_is_refused_both_ways() {
    assert!(matches!(compose(&header(b"a"), b"b"), Err(Error::Record(_))));
    let mut changed = plain();
    let at = changed.windows(6).position(|w| w == b"Canary").unwrap();
    changed[at] = b'K';
    assert!(matches!(parse(&changed), Err(Error::Record(_))));
}

#[test]
fn the_largest_record_is_one_mebibyte_sealed() {
    // 63 × 16,384: the largest Padmé length below 1 MiB less the age file's own bytes.
    let overhead = compose(&header(b""), b"").map(|p| line_of(&p).len()).unwrap();
    let most = vec![b'x'; 1_032_192 - overhead - 1 - 6];
    let sealed = seal(epoch().public_key(), &header(&most), &most).unwrap();
    assert_eq!(sealed.bytes.len() as u64, crate::age::sealed_size(1_032_192));
    let over = vec![b'x'; 1_032_192];
    assert!(matches!(
        seal(epoch().public_key(), &header(&over), &over),
        Err(Error::TooLarge { .. })
    ));
    let huge = vec![0; MAX_SEALED as usize + 1];
    assert!(matches!(
        open(epoch().identity(), compartment(), &huge),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn padding_is_zeros_and_exactly_padme() {
    let good = plain();
    assert!(parse(&good).is_ok());
    let mut dirty = good.clone();
    *dirty.last_mut().unwrap() = 1;
    let mut long = good.clone();
    long.resize(padded(good.len() + 1), 0);
    for bad in [dirty, long, good[..good.len() - 1].to_vec()] {
        assert!(matches!(parse(&bad), Err(Error::Record(_))));
    }
    assert!(matches!(parse(b""), Err(Error::Record(_))));
    assert!(matches!(parse(&vec![b'{'; MAX_LINE * 2]), Err(Error::Record(_))));
}

#[test]
fn the_first_line_is_taken_in_one_form_only() {
    let line = line_of(&plain());
    assert!(parse(&with_line(&line)).is_ok());
    let bad = [
        line.replacen("\"v\":1", "\"v\":2", 1),
        line.replacen("\"v\":1", "\"v\":1,\"v\":1", 1),
        line.replacen("\"v\":1", "\"v\":1,\"note\":\"x\"", 1),
        line.replacen("\"v\":1,", "", 1),
        line.replacen("\"version\":1", "\"version\":1,\"version\":1", 1),
        line.replacen("\"version\":1", "\"version\":1,\"note\":1", 1),
        line.replacen("\"size\":", "\"size\":1,\"size\":", 1),
        line.replacen("\"size\":", "\"note\":1,\"size\":", 1),
        line.replacen("\"length\":", "\"length\":9", 1),
        line.replacen("\"length\":", "\"length\":-", 1),
        line.replacen("\"cid\":\"bafy", "\"cid\":\"Qm", 1),
        line.replacen("==\"", "=\"", 1),
        format!("[{line}]"),
        format!("{line}{line}"),
        "{}".into(),
        String::new(),
    ];
    for line in bad {
        assert!(matches!(parse(&with_line(&line)), Err(Error::Record(_))), "{line}");
    }
}

#[test]
fn a_file_with_a_second_recipient_is_not_a_record() {
    let padded = plain();
    let text = crate::age::tests::sealed_to_two(epoch().public_key(), &padded);
    assert!(crate::age::open(epoch().identity(), &text).is_ok());
    assert!(matches!(
        open_anywhere(epoch().identity(), &text),
        Err(Error::Record(_))
    ));
}

#[test]
fn an_opened_record_prints_no_content() {
    let shown = format!("{:?}", parse(&plain()).unwrap());
    assert_eq!(shown, "OpenedRecord(55 bytes, 1 attachments)");
    assert!(!format!("{:?}", header(RESOURCE)).contains("CQkJ"), "no file key");
}

#[test]
fn no_damage_to_a_plaintext_changes_what_it_says_or_panics() {
    let mut seed = crate::age::tests::Seeded(3);
    let (good, meant) = (plain(), parse(&plain()).unwrap());
    for round in 0..5_000 {
        let mut damaged = good.clone();
        crate::age::tests::damage(&mut seed, &mut damaged);
        // The resource is under its hash and the padding under its rule. The line's other values are under the
        // statement's signature and the file's own authentication, not under this parser.
        if let Ok(opened) = parse(&damaged) {
            assert_eq!(*opened.resource, *meant.resource, "round {round}");
        }
    }
}

#[test]
fn every_flipped_bit_and_every_truncation_of_a_sealed_record_is_refused() {
    let sealed = seal(epoch().public_key(), &header(RESOURCE), RESOURCE).unwrap();
    let refused = |bytes: &[u8]| {
        open(epoch().identity(), compartment(), bytes).is_err()
            && open_with_file_key(&sealed.file_key, compartment(), bytes).is_err()
    };
    assert!(!refused(&sealed.bytes));
    for bit in 0..sealed.bytes.len() * 8 {
        let mut changed = sealed.bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // With the bare file key nobody looks at the stanza, but the header's MAC covers it.
        assert!(refused(&changed), "bit {bit}");
    }
    for end in 0..sealed.bytes.len() {
        assert!(refused(&sealed.bytes[..end]), "cut at {end}");
        assert!(refused(&sealed.bytes[end + 1..]), "begun at {}", end + 1);
    }
    assert!(refused(&[&sealed.bytes[..], &[0]].concat()), "a byte more");
}
