//! A file that somebody else wrote: every way to open it comes to the same end, and none panics.
#![no_main]

use std::{io::Read, sync::LazyLock};

use chartseal_envelope::{
    Broken, Error,
    age::{self, Opener, Ranges, Unarmored},
    key::Identity,
};
use libfuzzer_sys::fuzz_target;

/// The identity of the age project's vectors, which are the seeds.
static IDENTITY: LazyLock<[Identity; 1]> = LazyLock::new(|| {
    let text = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";
    [text.parse().expect("an identity")]
});

fuzz_target!(|file: &[u8]| {
    let identities = &*IDENTITY;
    let whole = age::open(&identities[0], file);

    let (mut opener, mut pushed) = (Opener::new(identities), Vec::new());
    // Pieces as uneven as the file itself.
    let piece = 1 + file.iter().map(|&byte| usize::from(byte)).sum::<usize>() % 100;
    let end = file.chunks(piece).try_for_each(|piece| opener.push(piece, &mut pushed));
    let end = end.and_then(|()| opener.finish(&mut pushed));
    assert_eq!(kind(&end), kind(&whole));

    let (through, end) = open(file);
    assert_eq!(kind(&end), kind(&whole));
    assert_eq!(pushed, through);

    let (unarmored, end) = open(Unarmored::either(file));
    match worn(file) {
        // In armour it is another file, if it is one.
        true => assert!(kind(&whole).is_some()),
        false => assert!(kind(&end) == kind(&whole) && unarmored == pushed),
    }

    match (whole, Ranges::new(identities, file, file.len() as u64)) {
        (Ok(plain), ranges) => {
            let ranges = ranges.expect("a file that opens has ranges");
            let mut out = Vec::new();
            let size = plain.len() as u64;
            let at = ranges.sealed(0..size).expect("lies within");
            ranges
                .open(0..size, &file[at.start as usize..at.end as usize], &mut out)
                .expect("opens");
            assert!(out == *plain && out == pushed);
        }
        // Beyond the header a range sees its own chunks only.
        (Err(error), Ok(_)) => assert!(matches!(error, Error::Payload(_))),
        (Err(_), Err(_)) => {}
    }
});

fn open(from: impl Read + Send) -> (Vec<u8>, Result<(), Error>) {
    let mut out = Vec::new();
    match age::open_through(&*IDENTITY, from, &mut out, 1) {
        Ok(_) => (out, Ok(())),
        Err(Broken::Age(error)) => (out, Err(error)),
        Err(broken) => panic!("{broken}"),
    }
}

fn worn(file: &[u8]) -> bool {
    file.trim_ascii_start().starts_with(b"-----BEGIN")
}

/// Which of the ways to end, without the sentence.
fn kind<T>(end: &Result<T, Error>) -> Option<std::mem::Discriminant<Error>> {
    end.as_ref().err().map(std::mem::discriminant)
}
