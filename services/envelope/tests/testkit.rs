//! The age project's own test vectors: what opens, what does not, and why.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is the failure")]

use std::{collections::BTreeMap, fs, io::Read, path::PathBuf};

use chartseal_envelope::{
    Broken, Error,
    age::{self, Opener, Ranges, Unarmored},
    key::Identity,
};
use sha2::{Digest, Sha256};

#[derive(Default)]
struct Vector {
    name: String,
    expect: String,
    payload: Option<String>,
    identities: Vec<Identity>,
    passphrase: Option<String>,
    armored: bool,
    file: Vec<u8>,
}

fn read(path: PathBuf) -> Vector {
    let bytes = fs::read(&path).unwrap();
    let end = bytes.windows(2).position(|w| w == b"\n\n").unwrap();
    let mut vector = Vector {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        ..Vector::default()
    };
    let mut compressed = false;
    for line in std::str::from_utf8(&bytes[..end]).unwrap().lines() {
        let (key, value) = line.split_once(": ").unwrap();
        match key {
            "expect" => vector.expect = value.into(),
            "payload" => vector.payload = Some(value.into()),
            "identity" => vector.identities.push(value.parse().unwrap()),
            "passphrase" => vector.passphrase = Some(value.into()),
            "armored" => vector.armored = value == "yes",
            "compressed" => compressed = value == "zlib",
            "file key" | "comment" => {}
            other => panic!("{}: unknown key {other}", vector.name),
        }
    }
    vector.file = bytes[end + 2..].to_vec();
    if compressed {
        let mut whole = Vec::new();
        flate2::read::ZlibDecoder::new(vector.file.as_slice())
            .read_to_end(&mut whole)
            .unwrap();
        vector.file = whole;
    }
    vector
}

fn opener(vector: &Vector) -> Opener {
    match &vector.passphrase {
        Some(passphrase) => Opener::with_passphrase(passphrase),
        None => Opener::new(&vector.identities),
    }
}

/// Pushes the file in pieces; what came out is returned with how it ended.
fn run(vector: &Vector, piece: usize) -> (Vec<u8>, Result<(), Error>) {
    let (mut opener, mut out) = (opener(vector), Vec::new());
    for part in vector.file.chunks(piece) {
        if let Err(error) = opener.push(part, &mut out) {
            return (out, Err(error));
        }
    }
    let end = opener.finish(&mut out);
    (out, end)
}

/// The same through a reader and a writer on two threads.
fn run_through(vector: &Vector, file: impl Read + Send) -> (Vec<u8>, Result<(), Error>) {
    let mut out = Vec::new();
    let end = age::open_through(&vector.identities, file, &mut out, 2);
    let end = end.map(drop).map_err(|broken| match broken {
        Broken::Age(error) => error,
        other => panic!("{}: {other}", vector.name),
    });
    (out, end)
}

/// The binary file in its armour, or the refusal.
fn unarmored(file: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    match Unarmored::new(file).read_to_end(&mut out) {
        Ok(_) => Ok(out),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

/// Yields a byte at a time.
struct Slowly<'a>(&'a [u8]);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

/// The same by random access, which reads the chunks one by one from the last to the first.
fn run_backwards(vector: &Vector) -> Result<Vec<u8>, Error> {
    let ranges = Ranges::new(&vector.identities, &vector.file, vector.file.len() as u64)?;
    let fetch = |at: std::ops::Range<u64>| &vector.file[at.start as usize..at.end as usize];
    let size = ranges.proved_size(fetch(ranges.last_chunk()))?;
    let mut whole = Vec::new();
    let most = age::CHUNK as u64;
    for at in (0..size.div_ceil(most)).rev() {
        let chunk = at * most..size.min((at + 1) * most);
        let mut out = Vec::new();
        ranges.open(chunk.clone(), fetch(ranges.sealed(chunk)?), &mut out)?;
        out.append(&mut whole);
        whole = out;
    }
    Ok(whole)
}

fn verdict(result: &Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "success",
        Err(Error::Armor(_)) => "armor failure",
        Err(Error::Header(_)) => "header failure",
        Err(Error::HeaderMac) => "HMAC failure",
        Err(Error::NoMatch) => "no match",
        Err(Error::Payload(_)) => "payload failure",
        Err(_) => "another error",
    }
}

#[test]
fn every_vector_ends_as_the_age_project_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testkit");
    let mut seen = 0;
    let mut by_kind = BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "md") {
            continue;
        }
        let mut vector = read(path);
        *by_kind.entry(vector.expect.clone()).or_default() += 1;
        seen += 1;
        let (name, expect, payload) = (vector.name.clone(), vector.expect.clone(), vector.payload.clone());
        let mut check = |way: &str, out: &[u8], end: Result<(), Error>| {
            let hash = hex::encode(Sha256::digest(out));
            let payload = payload.as_ref().is_none_or(|expected| *expected == hash);
            if verdict(&end) != expect || !payload {
                wrong.push(format!(
                    "{name} {way}: expected {expect}, found {end:?}, payload {payload}"
                ));
            }
        };
        if vector.armored {
            let worn = vector.file.clone();
            if vector.passphrase.is_none() {
                for (way, reader) in [
                    ("in armour", Unarmored::new(&worn[..])),
                    ("as it comes", Unarmored::either(&worn[..])),
                ] {
                    // What does not begin as armour is not taken for it unless it has to be.
                    if way == "in armour" || worn.trim_ascii_start().starts_with(b"-----BEGIN") {
                        let (out, end) = run_through(&vector, reader);
                        check(way, &out, end);
                    }
                }
                let (out, end) = run_through(&vector, Unarmored::new(Slowly(&worn)));
                check("in armour, slowly", &out, end);
            }
            match unarmored(&worn) {
                Ok(file) => vector.file = file,
                Err(error) => {
                    check("without its armour", &[], Err(error));
                    continue;
                }
            }
        }
        // One piece, odd pieces, and for small files single bytes: the borders must not matter.
        for piece in [usize::MAX, 1000, if vector.file.len() < 10_000 { 1 } else { 70_001 }] {
            // Passphrases are slow by design; once is enough.
            if vector.passphrase.is_some() && piece != usize::MAX {
                continue;
            }
            let (out, end) = run(&vector, piece);
            check(&format!("in pieces of {piece}"), &out, end);
        }
        if vector.passphrase.is_none() {
            let (out, end) = run_through(&vector, Unarmored::either(&vector.file[..]));
            check("through two threads, perhaps in armour", &out, end);
            let (out, end) = run_through(&vector, &vector.file[..]);
            check("through two threads", &out, end);
            // A range says nothing of chunks it does not hold, but here together they are the whole file.
            match run_backwards(&vector) {
                Ok(out) => check("by ranges", &out, Ok(())),
                Err(_) if vector.expect != "success" => {}
                Err(error) => check("by ranges", &[], Err(error)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{seen} vectors: {by_kind:?}");
    assert_eq!(
        seen, 124,
        "vectors in tests/testkit; see its README for those that are not"
    );
}
