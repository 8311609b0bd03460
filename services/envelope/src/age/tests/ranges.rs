use std::ops::Range;

use super::*;

/// What a store would return for sealed bytes `at`.
fn fetch(file: &[u8], at: Range<u64>) -> &[u8] {
    &file[at.start as usize..at.end as usize]
}

fn read(ranges: &Ranges, file: &[u8], plain: Range<u64>) -> crate::Result<Vec<u8>> {
    let mut out = b"before".to_vec();
    let opened = ranges.open(plain.clone(), fetch(file, ranges.sealed(plain)?), &mut out);
    assert_eq!(&out[..6], b"before");
    assert!(opened.is_ok() || out.len() == 6, "all or nothing");
    opened.map(|()| out.split_off(6))
}

fn case(len: usize) -> (Vec<u8>, Vec<u8>, FileKey) {
    let plain = Seeded(len as u64).bytes(len);
    let Sealed { bytes, file_key } = seal(identity().public_key(), &plain).unwrap();
    (plain, bytes, file_key)
}

#[test]
fn every_range_is_what_stands_there() {
    let mut seed = Seeded(40);
    for len in EDGES.into_iter().chain([3 * CHUNK + 17, 1_048_583]) {
        let (plain, file, file_key) = case(len);
        let size = file.len() as u64;
        let beginning = &file[..184];
        for ranges in [
            Ranges::new(&[identity()], beginning, size).unwrap(),
            Ranges::with_file_key(&file_key, &file, size).unwrap(),
        ] {
            assert_eq!(ranges.claimed_size(), len as u64);
            let last = fetch(&file, ranges.last_chunk());
            assert_eq!(ranges.proved_size(last), Ok(len as u64));
            let edges: Vec<usize> = (0..=len / CHUNK + 1)
                .flat_map(|n| [(n * CHUNK).saturating_sub(1), n * CHUNK, n * CHUNK + 1])
                .chain([len, len.saturating_sub(1), seed.below(len + 1), seed.below(len + 1)])
                .filter(|&at| at <= len)
                .collect();
            for (&from, &to) in edges.iter().flat_map(|a| edges.iter().map(move |b| (a, b))) {
                let range = from as u64..to as u64;
                if from > to {
                    assert!(ranges.sealed(range).is_err());
                    continue;
                }
                let sealed = ranges.sealed(range.clone()).unwrap();
                let most = (to - from) + 131_104 + (to - from) / 4096;
                assert!(sealed.end - sealed.start <= most as u64, "{range:?} takes {sealed:?}");
                assert!(
                    read(&ranges, &file, range.clone()).unwrap() == plain[from..to],
                    "{range:?} of {len}"
                );
            }
            assert!(ranges.sealed(0..len as u64 + 1).is_err());
            assert!(ranges.open(0..u64::MAX, &file, &mut Vec::new()).is_err());
        }
    }
}

#[test]
fn a_size_that_is_not_the_files_is_never_proved() {
    let (plain, file, _) = case(2 * CHUNK + 100);
    let whole = file.len();
    for sealed in (0..whole + 200_000)
        .step_by(37)
        .chain([whole - 116, whole - 116 - CHUNK - TAG])
    {
        if sealed == whole {
            continue;
        }
        let stored = [&file[..sealed.min(whole)], &vec![0; sealed.saturating_sub(whole)]].concat();
        let Ok(ranges) = Ranges::new(&[identity()], &file[..184], sealed as u64) else {
            continue;
        };
        let size = ranges.claimed_size();
        assert!(
            ranges.proved_size(fetch(&stored, ranges.last_chunk())).is_err(),
            "{sealed}"
        );
        assert!(size == 0 || read(&ranges, &stored, size - 1..size).is_err(), "{sealed}");
        // What lies before the last chunk is what it was, wherever the file ends.
        if size > CHUNK as u64 + 1 {
            assert_eq!(read(&ranges, &stored, 5..1000).unwrap(), plain[5..1000], "{sealed}");
        }
    }
}

#[test]
fn chunks_open_at_their_own_places_only() {
    let (_, file, _) = case(4 * CHUNK);
    let ranges = Ranges::new(&[identity()], &file[..184], file.len() as u64).unwrap();
    let chunk = |at: u64| at * CHUNK as u64..(at + 1) * CHUNK as u64;
    for wanted in 0..4 {
        for given in 0..4 {
            let sealed = fetch(&file, ranges.sealed(chunk(given)).unwrap());
            let opened = ranges.open(chunk(wanted), sealed, &mut Vec::new());
            assert_eq!(opened.is_ok(), wanted == given, "{given} for {wanted}");
        }
    }
    let mut seed = Seeded(41);
    for _ in 0..500 {
        let mut sealed = fetch(&file, ranges.sealed(chunk(1)).unwrap()).to_vec();
        let bit = seed.below(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(ranges.open(chunk(1), &sealed, &mut Vec::new()), Err(Error::Payload(_))),
            "bit {bit}"
        );
    }
}

#[test]
fn ranges_begin_with_the_same_refusals_as_whole_files() {
    let (_, file, _) = case(10);
    let size = file.len() as u64;
    let new = |identity: Identity, bytes: &[u8]| Ranges::new(&[identity], bytes, size).map(drop);
    assert_eq!(new(Identity::from_bytes([8; 32]), &file), Err(Error::NoMatch));
    for end in 0..184 {
        assert!(matches!(new(identity(), &file[..end]), Err(Error::Header(_))), "{end}");
    }
    let mut changed = file.clone();
    changed[167 - 20] ^= 1;
    assert!(matches!(
        new(identity(), &changed),
        Err(Error::HeaderMac | Error::Header(_))
    ));
    assert!(Ranges::new(&[identity()], &file, 184).is_err());
}
