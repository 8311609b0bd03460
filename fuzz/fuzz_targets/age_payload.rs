//! A file of ours, damaged behind its header: it opens to what was sealed or not at all, and what left before the
//! refusal is a beginning of it.
#![no_main]

use std::sync::LazyLock;

use chartseal_envelope::{
    age::{self, CHUNK, Opener, Ranges, Sealed, TAG},
    key::Identity,
};
use libfuzzer_sys::fuzz_target;

struct Case {
    plain: Vec<u8>,
    sealed: Sealed,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let identity = Identity::from_bytes([7; 32]);
    [0, 1, 100, 2000, CHUNK, CHUNK + 1, 2 * CHUNK]
        .map(|len| {
            let plain: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let sealed = age::seal(identity.public_key(), &plain).expect("seals");
            Case { plain, sealed }
        })
        .into()
});

const PAYLOAD: usize = age::HEADER as usize + 16;

fuzz_target!(|input: &[u8]| {
    let [case, piece, edits @ ..] = input else { return };
    let cases = &*CASES;
    let (small, large) = cases.split_at(4);
    // One in 64 is a file of several chunks, which takes a hundred times as long. Drawn from the whole input: drawn from
    // one byte, the fuzzer would keep that byte and mutate the slow ones only.
    let cases = if sum(input) % 64 == 0 { large } else { small };
    let case = &cases[usize::from(*case) % cases.len()];
    let mut file = case.sealed.bytes.clone();
    damage(&mut file, edits);
    let same = file == case.sealed.bytes;

    let key = &case.sealed.file_key;
    let whole = age::open_with_file_key(key, &file);
    assert_eq!(whole.is_ok(), same);
    assert!(whole.is_err() || *whole.expect("checked") == case.plain);

    let (mut opener, mut pushed) = (Opener::with_file_key(key), Vec::new());
    // At most 50 pieces, so that their number is not what takes the time.
    let piece = 1 + file.len() / (1 + usize::from(piece % 50));
    let end = file.chunks(piece).try_for_each(|piece| opener.push(piece, &mut pushed));
    let end = end.and_then(|()| opener.finish(&mut pushed));
    assert_eq!(end.is_ok(), same);
    assert!(case.plain.starts_with(&pushed));

    let mut through = Vec::new();
    assert_eq!(
        age::open_through_with_file_key(key, file.as_slice(), &mut through, 1).is_ok(),
        same
    );
    assert_eq!(pushed, through);

    let Ok(ranges) = Ranges::with_file_key(key, &file, file.len() as u64) else {
        return;
    };
    let fetch = |at: std::ops::Range<u64>| &file[at.start as usize..at.end as usize];
    if let Ok(size) = ranges.proved_size(fetch(ranges.last_chunk())) {
        assert_eq!(size, case.plain.len() as u64);
    }
    let size = ranges.claimed_size();
    let (start, mut out) = (size.min(edits.len() as u64), Vec::new());
    if ranges
        .open(
            start..size,
            fetch(ranges.sealed(start..size).expect("within")),
            &mut out,
        )
        .is_ok()
        && !out.is_empty()
    {
        assert_eq!(out, case.plain[start as usize..]);
    }
});

/// FNV-1a.
fn sum(input: &[u8]) -> u64 {
    input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
        >> 20
}

/// Edits of four bytes each: what, where, with what. Header and nonce stay, so that all of it falls on the chunks.
fn damage(file: &mut Vec<u8>, edits: &[u8]) {
    for edit in edits.chunks_exact(4) {
        let (what, at, with) = (edit[0], usize::from(u16::from_le_bytes([edit[1], edit[2]])), edit[3]);
        let at = PAYLOAD + at * 3 % (file.len() - PAYLOAD).max(1);
        match what % 5 {
            0 if at < file.len() => file[at] ^= with,
            1 => file.truncate(at),
            2 => file.extend(std::iter::repeat_n(with, usize::from(edit[1]))),
            3 if at < file.len() => drop(file.remove(at)),
            _ if file.len() >= PAYLOAD + 2 * (CHUNK + TAG) => {
                let (first, second) = file[PAYLOAD..].split_at_mut(CHUNK + TAG);
                first.swap_with_slice(&mut second[..CHUNK + TAG]);
            }
            _ => {}
        }
    }
}
