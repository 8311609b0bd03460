//! Files go both ways between Chartseal, the `age` crate and the `rage` program (in RAGE; `make bench` builds it).

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Write},
    iter,
    process::Command,
};

use chartseal_envelope::{age, key::Identity};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SIZES: [usize; 7] = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB + 7, 300 * MIB];

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn the_age_crate_opens_what_is_sealed_here() {
    let identity = Identity::generate().unwrap();
    let theirs: age_crate::x25519::Identity = identity.to_text().parse().unwrap();
    for len in SIZES {
        let (plain, mut sealed) = (sample(len), Vec::new());
        age::seal_through(identity.public_key(), plain.as_slice(), &mut sealed, 2).unwrap();
        assert_eq!(sealed.len() as u64, age::sealed_size(len as u64));
        let opening = age_crate::Decryptor::new_buffered(sealed.as_slice()).unwrap();
        let mut opened = Vec::with_capacity(len);
        let mut from = opening.decrypt(iter::once(&theirs as _)).unwrap();
        from.read_to_end(&mut opened).unwrap();
        assert!(opened == plain, "{len}");
    }
}

#[test]
fn what_the_age_crate_sealed_opens_here() {
    let identity = Identity::generate().unwrap();
    let to: age_crate::x25519::Recipient = identity.public_key().to_string().parse().unwrap();
    for len in SIZES {
        let (plain, mut sealed) = (sample(len), Vec::new());
        let sealing = age_crate::Encryptor::with_recipients(iter::once(&to as _)).unwrap();
        let mut writer = sealing.wrap_output(&mut sealed).unwrap();
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap();
        let mut opened = Vec::with_capacity(len);
        age::open_through(std::slice::from_ref(&identity), sealed.as_slice(), &mut opened, 2).unwrap();
        assert!(opened == plain, "{len}");
        let stranger = Identity::generate().unwrap();
        assert!(age::open_through(&[stranger], sealed.as_slice(), io::sink(), 1).is_err());
    }
}

#[test]
fn files_go_both_ways_between_rage_and_us() {
    let rage = env::var_os("RAGE").unwrap_or_else(|| "rage".into());
    let run = |args: &[&OsStr]| {
        let ran = Command::new(&rage).args(args).status();
        assert!(ran.expect("set RAGE to the rage program").success(), "{args:?}");
    };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let [key, plain, ours, theirs, out] = ["key", "plain", "ours", "theirs", "out"].map(path);
    let identity = Identity::generate().unwrap();
    fs::write(&key, identity.to_text().as_bytes()).unwrap();
    let to = identity.public_key().to_string();
    for len in SIZES {
        fs::write(&plain, sample(len)).unwrap();
        let _ = fs::remove_file(&out);
        let from = File::open(&plain).unwrap();
        age::seal_through(identity.public_key(), from, File::create(&ours).unwrap(), 2).unwrap();
        run(&[
            "-d".as_ref(),
            "-i".as_ref(),
            key.as_ref(),
            "-o".as_ref(),
            out.as_ref(),
            ours.as_ref(),
        ]);
        // rage makes no file where nothing was sealed.
        assert!(fs::read(&out).unwrap_or_default() == sample(len), "{len}");

        let _ = fs::remove_file(&theirs);
        run(&[
            "-r".as_ref(),
            to.as_ref(),
            "-o".as_ref(),
            theirs.as_ref(),
            plain.as_ref(),
        ]);
        let (from, identities) = (File::open(&theirs).unwrap(), [identity.clone()]);
        age::open_through(&identities, from, File::create(&out).unwrap(), 2).unwrap();
        assert!(fs::read(&out).unwrap() == sample(len), "{len}");
    }
}
