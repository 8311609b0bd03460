//! CARs, well formed and not.

use std::io::Cursor;

use chartseal_ipfs::{
    Cid, Error,
    car::{Reader, Writer},
    dag_cbor_cid, raw_cid,
};

use crate::suite::{MIB, bytes};

fn car(blocks: &[&[u8]]) -> Vec<u8> {
    let placeholder = raw_cid(b"");
    let mut writer = Writer::new(Cursor::new(Vec::new()), "memory", &[placeholder]).unwrap();
    for block in blocks {
        writer.append(&raw_cid(block), block).unwrap();
    }
    writer.finish(&[raw_cid(blocks[0])]).unwrap().into_inner()
}

fn read(car: &[u8]) -> Result<(Vec<Cid>, Vec<Vec<u8>>), Error> {
    let mut reader = Reader::new(car, "memory")?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        blocks.push(block.bytes().to_vec());
    }
    Ok((reader.roots().to_vec(), blocks))
}

#[test]
fn what_was_written_is_read_and_the_root_is_the_one_given_last() {
    let large = bytes(2 * MIB);
    let (roots, blocks) = read(&car(&[b"first", b"", &large])).unwrap();
    assert_eq!(roots, [raw_cid(b"first")]);
    assert_eq!(blocks, [&b"first"[..], b"", &large]);
}

#[test]
fn the_header_is_carv1_s() {
    let root = raw_cid(b"x");
    let header = [
        &[0x3a, 0xa2, 0x65][..],
        b"roots",
        &[0x81, 0xd8, 0x2a, 0x58, 0x25, 0],
        &root.to_bytes(),
        &[0x67],
        b"version",
        &[1],
    ];
    assert!(car(&[b"x"]).starts_with(&header.concat()));
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error_or_a_shorter_list() {
    let whole = car(&[b"first block", b"second block"]);
    for length in 0..whole.len() {
        match read(&whole[..length]) {
            Ok((_, blocks)) => assert!(blocks.len() < 2, "cut to {length}"),
            Err(error) => assert!(matches!(error, Error::MalformedCar { .. }), "cut to {length}: {error}"),
        }
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            if let Ok((roots, blocks)) = read(&flipped) {
                // Only the root's own bytes can change unnoticed here: a root is a claim, checked when it is fetched.
                assert_eq!(blocks, [&b"first block"[..], b"second block"]);
                assert_ne!(roots, [raw_cid(b"first block")]);
            }
        }
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused_before_anything_is_read() {
    let varint = |mut value: u64| {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    };
    let head = &car(&[b"x"])[..59];
    for (bytes, reason) in [
        (vec![], "empty"),
        (varint(1 << 40), "header is too long"),
        (vec![0xff; 12], "63 bits"),
        (vec![0x80, 0x00], "not minimal"),
        ([&varint(3)[..], &[0xff; 3]].concat(), "header is not"),
        ([head, &varint(1 << 40)].concat(), "larger than 2 MiB"),
        ([head, &varint(36 + 2 * MIB as u64 + 1)].concat(), "larger than 2 MiB"),
        ([head, &varint(35), &[0; 35]].concat(), "shorter than a CID"),
        ([head, &[0]].concat(), "shorter than a CID"),
        ([head, &varint(36), &[0; 36]].concat(), "not CIDv1"),
    ] {
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} / {reason}");
    }
}

#[test]
fn a_writer_refuses_what_a_reader_would() {
    let new = |roots: &[Cid]| Writer::new(Cursor::new(Vec::new()), "memory", roots);
    assert!(matches!(new(&[]), Err(Error::RootCount { got: 0 })));
    let v0: Cid = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n".parse().unwrap();
    assert!(matches!(new(&[v0]), Err(Error::Unsupported { .. })));
    let mut writer = new(&[dag_cbor_cid(b"")]).unwrap();
    assert!(matches!(
        writer.append(&raw_cid(b""), &vec![0; 2 * MIB + 1]),
        Err(Error::BlockTooLarge { .. })
    ));
    assert!(matches!(
        writer.finish(&[raw_cid(b"a"), raw_cid(b"b")]),
        Err(Error::RootCount { got: 2 })
    ));
}
