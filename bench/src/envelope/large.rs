//! A large file in memory, against the raw line of the cipher.

use std::{
    hint::black_box,
    io::{self, Read, Write},
    iter, thread,
};

use anyhow::Result;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use chartseal_envelope::{
    age::{self, CHUNK, Opener, Sealer, TAG},
    key::Identity,
};

use super::Envelope;
use crate::measure::{Contestant, goal, race, ratio};

/// MiB/s of the raw line of the chosen back end on one core.
pub struct Raw {
    pub seal: f64,
    pub open: f64,
}

pub fn run(bench: &Envelope, identity: &Identity, cores: usize) -> Result<Raw> {
    let len = bench.mib << 20;
    let plain: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
    let sealed = age::seal(identity.public_key(), &plain)?.bytes;
    let seal = sealing(bench, identity, &plain, cores);
    let open = opening(bench, identity, &sealed, len, cores)?;
    Ok(Raw { seal, open })
}

fn print(title: &str, mib: usize, contestants: &[Contestant], times: &[f64]) {
    println!("{title}");
    for (contestant, time) in contestants.iter().zip(times) {
        println!("  {:<50} {:>8.0} MiB/s", contestant.name, mib as f64 / time);
    }
}

fn sealing(bench: &Envelope, identity: &Identity, plain: &[u8], cores: usize) -> f64 {
    let to = identity.public_key();
    let (mut aws, mut crate_, mut many) = (plain.to_vec(), plain.to_vec(), plain.to_vec());
    let len = plain.len();
    let aws_key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).expect("32 bytes"));
    let crate_key = ChaCha20Poly1305::new(&[7; 32].into());
    let peer: age_crate::x25519::Recipient = to.to_string().parse().expect("a recipient");
    let mut contestants = [
        Contestant::new("raw: aws-lc, in place", || raw_seal(&aws_key, &mut aws)),
        Contestant::new("raw: chacha20poly1305 crate (AVX-512 cfg), in place", || {
            for (at, chunk) in crate_.chunks_mut(CHUNK).enumerate() {
                black_box(
                    crate_key
                        .encrypt_inout_detached(&nonce(at).into(), &[], chunk.into())
                        .expect("seals"),
                );
            }
        }),
        Contestant::new("Chartseal, pushed 1 MiB at a time", || {
            let (mut sealer, mut out) = (Sealer::new(to).expect("a key"), Vec::new());
            for piece in plain.chunks(1 << 20) {
                sealer.push_over(piece, &mut out).expect("seals");
                black_box(&out);
            }
            sealer.finish(&mut out).expect("seals");
        }),
        Contestant::new("Chartseal, through, 1 thread", || through_seal(identity, plain, 1)),
        Contestant::elsewhere(format!("Chartseal, through, {cores} threads"), || {
            through_seal(identity, plain, cores)
        }),
        Contestant::elsewhere(format!("Chartseal, pushed 4 MiB at a time, {cores} threads"), || {
            let (mut sealer, mut out) = (Sealer::new(to).expect("a key").threads(cores), Vec::new());
            for piece in plain.chunks(4 << 20) {
                sealer.push_over(piece, &mut out).expect("seals");
                black_box(&out);
            }
            sealer.finish(&mut out).expect("seals");
        }),
        Contestant::elsewhere(format!("raw: aws-lc, {cores} threads"), || {
            thread::scope(|scope| {
                for part in many.chunks_mut(len.div_ceil(cores)) {
                    scope.spawn(|| raw_seal(&aws_key, part));
                }
            });
        }),
        Contestant::new("age crate 0.11", || {
            let sealing = age_crate::Encryptor::with_recipients(iter::once(&peer as _)).expect("one recipient");
            let mut to = sealing.wrap_output(io::sink()).expect("a header");
            to.write_all(plain).expect("seals");
            to.finish().expect("seals");
        }),
        Contestant::new("a copy: what any reader does before the cipher", || copied(plain)),
    ];
    let times = race(bench.rounds, &mut contestants);
    print("sealing a large file", bench.mib, &contestants, &times);
    verdicts(&times, cores);
    bench.mib as f64 / times[0]
}

fn opening(bench: &Envelope, identity: &Identity, sealed: &[u8], len: usize, cores: usize) -> Result<f64> {
    let aws_key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).expect("32 bytes"));
    let crate_key = ChaCha20Poly1305::new(&[7; 32].into());
    // Raw chunks of their own: what was opened in place is gone, so the cipher goes out of place, as the file does.
    let mut raw = vec![0; len / CHUNK * (CHUNK + TAG)];
    for chunk in raw.chunks_mut(CHUNK + TAG) {
        let (body, tag) = chunk.split_at_mut(CHUNK);
        let sealed = aws_key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), body);
        tag.copy_from_slice(sealed.expect("seals").as_ref());
    }
    let mut other = vec![0; CHUNK];
    let peer: age_crate::x25519::Identity = identity.to_text().parse().expect("an identity");
    let mut contestants = [
        Contestant::new("raw: aws-lc", || raw_open(&aws_key, &raw)),
        Contestant::new("raw: chacha20poly1305 crate (AVX-512 cfg)", || {
            for chunk in raw.chunks(CHUNK + TAG) {
                let (body, tag) = chunk.split_last_chunk::<TAG>().expect("a tag");
                let buffer = InOutBuf::new(body, &mut other).expect("as long");
                crate_key
                    .decrypt_inout_detached(&[0; 12].into(), &[], buffer, tag.into())
                    .expect("opens");
                black_box(&other);
            }
        }),
        Contestant::new("Chartseal, pushed 1 MiB at a time", || {
            let (mut opener, mut out) = (Opener::new(std::slice::from_ref(identity)), Vec::new());
            for piece in sealed.chunks(1 << 20) {
                opener.push_over(piece, &mut out).expect("opens");
                black_box(&out);
            }
            opener.finish(&mut out).expect("opens");
        }),
        Contestant::new("Chartseal, through, 1 thread", || through_open(identity, sealed, 1)),
        Contestant::elsewhere(format!("Chartseal, through, {cores} threads"), || {
            through_open(identity, sealed, cores)
        }),
        Contestant::elsewhere(format!("Chartseal, pushed 4 MiB at a time, {cores} threads"), || {
            let (mut opener, mut out) = (Opener::new(std::slice::from_ref(identity)).threads(cores), Vec::new());
            for piece in sealed.chunks(4 << 20) {
                opener.push_over(piece, &mut out).expect("opens");
                black_box(&out);
            }
            opener.finish(&mut out).expect("opens");
        }),
        Contestant::elsewhere(format!("raw: aws-lc, {cores} threads"), || {
            let part = raw.len() / (CHUNK + TAG) / cores * (CHUNK + TAG);
            thread::scope(|scope| {
                for part in raw.chunks(part) {
                    scope.spawn(|| raw_open(&aws_key, part));
                }
            });
        }),
        Contestant::new("age crate 0.11", || {
            let opening = age_crate::Decryptor::new_buffered(sealed).expect("a header");
            let mut from = opening.decrypt(iter::once(&peer as _)).expect("its identity");
            let mut buffer = vec![0; 1 << 16];
            while from.read(&mut buffer).expect("opens") > 0 {
                black_box(&buffer);
            }
        }),
        Contestant::new("a copy: what any reader does before the cipher", || copied(sealed)),
    ];
    let times = race(bench.rounds, &mut contestants);
    print("opening a large file", bench.mib, &contestants, &times);
    verdicts(&times, cores);
    Ok(bench.mib as f64 / times[0])
}

fn verdicts(times: &[f64], cores: usize) {
    let [aws, crate_, pushed, one, all, pushed_all, aws_all, peer, copy] = times else {
        return;
    };
    ratio("raw: aws-lc / chacha20poly1305 crate", crate_ / aws);
    goal("share of the raw line, pushed, 1 thread", aws / pushed, 0.95);
    goal(
        "share of the raw line, through a reader and a writer, 1 thread",
        aws / one,
        0.95,
    );
    goal(
        "share of that copy and the raw line, the same",
        (aws + copy) / one,
        0.95,
    );
    goal(
        &format!("share of the raw line on {cores} threads, pushed"),
        aws_all / pushed_all,
        0.95,
    );
    goal(
        &format!("share of the raw line on {cores} threads, through"),
        aws_all / all,
        0.95,
    );
    ratio(&format!("{cores} threads / 1 thread, through"), one / all);
    ratio(&format!("{cores} threads / 1 thread, raw"), aws / aws_all);
    ratio("1 thread / age crate", peer / one);
    println!();
}

fn raw_seal(key: &LessSafeKey, bytes: &mut [u8]) {
    for (at, chunk) in bytes.chunks_mut(CHUNK).enumerate() {
        let nonce = Nonce::assume_unique_for_key(nonce(at));
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), chunk);
        let _ = black_box(tag.expect("seals"));
    }
}

fn raw_open(key: &LessSafeKey, bytes: &[u8]) {
    let mut plain = vec![0; CHUNK];
    for chunk in bytes.chunks(CHUNK + TAG) {
        let (body, tag) = chunk.split_at(CHUNK);
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        key.open_separate_gather(nonce, Aad::empty(), body, tag, &mut plain)
            .expect("opens");
        black_box(&plain);
    }
}

/// Reads everything, as much at a time as one thread of `seal_through` takes.
fn copied(mut from: &[u8]) {
    let mut buffer = vec![0; 16 * CHUNK];
    while from.read(&mut buffer).expect("memory can be read") > 0 {
        black_box(&buffer);
    }
}

fn through_seal(identity: &Identity, plain: &[u8], threads: usize) {
    age::seal_through(identity.public_key(), plain, io::sink(), threads).expect("seals");
}

fn through_open(identity: &Identity, sealed: &[u8], threads: usize) {
    age::open_through(std::slice::from_ref(identity), sealed, io::sink(), threads).expect("opens");
}

fn nonce(at: usize) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(at as u64).to_be_bytes());
    nonce
}
