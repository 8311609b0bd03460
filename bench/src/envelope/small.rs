//! Small records: what a whole age file costs when the payload is next to nothing.

use std::{
    hint::black_box,
    io::{Read, Write},
    iter, thread,
};

use anyhow::Result;
use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use chartseal_envelope::{age, key::Identity};

use super::{Envelope, SMALL};
use crate::measure::{Contestant, goal, race, ratio};

pub fn run(bench: &Envelope, identity: &Identity, cores: usize) -> Result<()> {
    curves(bench);
    ciphers(bench);
    let plain = [b'r'; SMALL];
    let to = identity.public_key();
    let peer_to: age_crate::x25519::Recipient = to.to_string().parse().expect("a recipient");
    let peer: age_crate::x25519::Identity = identity.to_text().parse().expect("an identity");
    let file = age::seal(to, &plain)?.bytes;

    let ours = || drop(black_box(age::seal(to, &plain).expect("seals")));
    let theirs = || {
        let mut out = Vec::new();
        let sealing = age_crate::Encryptor::with_recipients(iter::once(&peer_to as _)).expect("one recipient");
        let mut to = sealing.wrap_output(&mut out).expect("a header");
        to.write_all(&plain).expect("seals");
        to.finish().expect("seals");
        black_box(out);
    };
    pair(bench, cores, "sealing", &ours, &theirs);

    let ours = || drop(black_box(age::open(identity, &file).expect("opens")));
    let theirs = || {
        let opening = age_crate::Decryptor::new_buffered(file.as_slice()).expect("a header");
        let mut out = Vec::new();
        let mut from = opening.decrypt(iter::once(&peer as _)).expect("its identity");
        from.read_to_end(&mut out).expect("opens");
        black_box(out);
    };
    pair(bench, cores, "opening", &ours, &theirs);
    Ok(())
}

fn pair(bench: &Envelope, cores: usize, what: &str, ours: &(impl Fn() + Sync), theirs: &(impl Fn() + Sync)) {
    let mut contestants = [
        Contestant::new("Chartseal, 1 thread", || many(bench.files, 1, ours)),
        Contestant::new("age crate 0.11, 1 thread", || many(bench.files, 1, theirs)),
        Contestant::elsewhere(format!("Chartseal, {cores} threads"), || many(bench.files, cores, ours)),
        Contestant::elsewhere(format!("age crate 0.11, {cores} threads"), || {
            many(bench.files, cores, theirs)
        }),
    ];
    let times = race(bench.rounds, &mut contestants);
    println!("{what} {} files of 4 KiB", bench.files);
    for (contestant, time) in contestants.iter().zip(&times) {
        println!("  {:<50} {:>8.0} /s", contestant.name, bench.files as f64 / time);
    }
    goal("1 thread / age crate", times[1] / times[0], 2.0);
    goal(
        &format!("{cores} threads / age crate on as many"),
        times[3] / times[2],
        2.0,
    );
    ratio(&format!("{cores} threads / 1 thread"), times[0] / times[2]);
    println!();
}

/// The same `count` times in all, on the calling thread alone or on several.
fn many(count: usize, threads: usize, work: &(impl Fn() + Sync)) {
    if threads == 1 {
        return (0..count).for_each(|_| work());
    }
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..count / threads).for_each(|_| work()));
        }
    });
}

fn curves(bench: &Envelope) {
    const TIMES: usize = 2000;
    let point = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from([9; 32])).to_bytes();
    let dalek = x25519_dalek::StaticSecret::from([8; 32]);
    let aws = PrivateKey::from_private_key(&X25519, &[8; 32]).expect("a secret");
    let with = |secret: &PrivateKey| {
        agree(secret, UnparsedPublicKey::new(&X25519, &point), (), |shared| {
            black_box(shared);
            Ok(())
        })
        .expect("agrees");
    };
    let mut contestants = [
        Contestant::new("X25519 agreement: aws-lc, key from bytes each time", || {
            (0..TIMES).for_each(|_| with(&PrivateKey::from_private_key(&X25519, &[8; 32]).expect("a secret")));
        }),
        Contestant::new("X25519 agreement: aws-lc, key kept", || {
            (0..TIMES).for_each(|_| with(&aws))
        }),
        Contestant::new("X25519 agreement: x25519-dalek", || {
            (0..TIMES).for_each(|_| drop(black_box(dalek.diffie_hellman(&point.into()))));
        }),
        Contestant::new("X25519 public key: x25519-dalek", || {
            (0..TIMES).for_each(|_| {
                black_box(x25519_dalek::PublicKey::from(&dalek));
            });
        }),
    ];
    let times = race(bench.rounds, &mut contestants);
    println!("curves");
    for (contestant, time) in contestants.iter().zip(&times) {
        println!("  {:<50} {:>8.0} /s", contestant.name, TIMES as f64 / time);
    }
    ratio(
        "aws-lc as used (from bytes) / x25519-dalek (used if > 1.25)",
        times[2] / times[0],
    );
    println!();
}

/// The cipher alone on 4 KiB, a new key for each, as each file has one.
fn ciphers(bench: &Envelope) {
    let sealed = {
        let (mut body, key) = (vec![b'r'; SMALL], aws_key(0));
        let tag = key.seal_in_place_separate_tag(aws_nonce(), Aad::empty(), &mut body);
        (
            body,
            <[u8; 16]>::try_from(tag.expect("seals").as_ref()).expect("16 bytes"),
        )
    };
    let (mut one, mut two, mut three, mut four) = ([0; SMALL], [0; SMALL], [0; SMALL], [0; SMALL]);
    let times = bench.files;
    let mut contestants = [
        Contestant::new("4 KiB sealed: aws-lc", || {
            for at in 0..times {
                let tag = aws_key(at).seal_in_place_separate_tag(aws_nonce(), Aad::empty(), &mut one);
                let _ = black_box(tag.expect("seals"));
            }
        }),
        Contestant::new("4 KiB sealed: chacha20poly1305 crate", || {
            for at in 0..times {
                let tag = crate_key(at).encrypt_inout_detached(&[0; 12].into(), &[], two.as_mut_slice().into());
                black_box(tag.expect("seals"));
            }
        }),
        Contestant::new("4 KiB opened: aws-lc", || {
            for _ in 0..times {
                let (body, tag) = &sealed;
                let opened = aws_key(0).open_separate_gather(aws_nonce(), Aad::empty(), body, tag, &mut three);
                opened.expect("opens");
                black_box(&three);
            }
        }),
        Contestant::new("4 KiB opened: chacha20poly1305 crate", || {
            for _ in 0..times {
                let (body, tag) = &sealed;
                let buffer = InOutBuf::new(body, &mut four).expect("as long");
                let opened = crate_key(0).decrypt_inout_detached(&[0; 12].into(), &[], buffer, tag.into());
                opened.expect("opens");
                black_box(&four);
            }
        }),
    ];
    let medians = race(bench.rounds, &mut contestants);
    println!("ciphers");
    for (contestant, time) in contestants.iter().zip(&medians) {
        println!("  {:<50} {:>8.0} /s", contestant.name, times as f64 / time);
    }
    ratio("sealed: aws-lc / chacha20poly1305 crate", medians[1] / medians[0]);
    ratio("opened: aws-lc / chacha20poly1305 crate", medians[3] / medians[2]);
    println!();
}

fn key_of(at: usize) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&at.to_le_bytes());
    key
}

fn aws_key(at: usize) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key_of(at)).expect("32 bytes"))
}

fn aws_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn crate_key(at: usize) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&key_of(at).into())
}
