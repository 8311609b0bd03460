//! Files go both ways between this crate and the `age` program (Debian package `age`), which must be installed.

#![expect(clippy::unwrap_used, reason = "without the age program there is nothing to test")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use chartseal_envelope::{
    Error,
    age::{self, CHUNK, Opener, Sealer},
    key::Identity,
};
use sha2::{Digest, Sha256};

fn run(program: &str, args: &[&str]) -> (bool, Vec<u8>) {
    let out = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("install the Debian package age");
    (out.status.success(), out.stdout)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn the_age_program_opens_what_is_sealed_here() {
    let dir = tempfile::tempdir().unwrap();
    let (key, file) = (dir.path().join("key"), dir.path().join("file.age"));
    let identity = Identity::generate().unwrap();
    fs::write(&key, identity.to_text().as_bytes()).unwrap();
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 17] {
        let plain = sample(len);
        fs::write(&file, age::seal(identity.public_key(), &plain).unwrap().bytes).unwrap();
        assert!(
            run("age", &["-d", "-i", text(&key), text(&file)]) == (true, plain.clone()),
            "{len} at once"
        );

        let (mut sealer, mut out) = (Sealer::new(identity.public_key()).unwrap(), Vec::new());
        plain
            .chunks(10_007)
            .for_each(|piece| sealer.push(piece, &mut out).unwrap());
        sealer.finish(&mut out).unwrap();
        fs::write(&file, &out).unwrap();
        assert!(
            run("age", &["-d", "-i", text(&key), text(&file)]) == (true, plain),
            "{len} streamed"
        );
    }
}

#[test]
fn what_the_age_program_sealed_opens_here() {
    let dir = tempfile::tempdir().unwrap();
    let (key, other, plain, file) = (
        dir.path().join("key"),
        dir.path().join("other"),
        dir.path().join("plain"),
        dir.path().join("file.age"),
    );
    for path in [&key, &other] {
        assert!(run("age-keygen", &["-o", text(path)]).0);
    }
    let identity = Identity::from_file(&fs::read_to_string(&key).unwrap())
        .unwrap()
        .remove(0);
    let second = Identity::from_file(&fs::read_to_string(&other).unwrap())
        .unwrap()
        .remove(0);
    let recipients = [identity.public_key().to_string(), second.public_key().to_string()];
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
        fs::write(&plain, sample(len)).unwrap();
        let args = [
            "-r",
            &recipients[1],
            "-r",
            &recipients[0],
            "-o",
            text(&file),
            text(&plain),
        ];
        assert!(run("age", &args).0);
        let sealed = fs::read(&file).unwrap();
        assert!(*age::open(&identity, &sealed).unwrap() == sample(len), "{len} at once");
        let (mut opener, mut out) = (Opener::new(std::slice::from_ref(&identity)), Vec::new());
        sealed
            .chunks(4099)
            .for_each(|piece| opener.push(piece, &mut out).unwrap());
        opener.finish(&mut out).unwrap();
        assert!(out == sample(len), "{len} streamed");
        assert_eq!(
            age::open(&Identity::generate().unwrap(), &sealed).unwrap_err(),
            Error::NoMatch
        );
    }
}

#[test]
fn public_keys_are_the_age_programs() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let identity = Identity::generate().unwrap();
    fs::write(&key, identity.to_text().as_bytes()).unwrap();
    let (ok, printed) = run("age-keygen", &["-y", text(&key)]);
    assert!(ok);
    assert_eq!(
        String::from_utf8(printed).unwrap().trim(),
        identity.public_key().to_string()
    );
}

/// `age -d` asks on a terminal, so `script` (util-linux) lends it one.
#[test]
#[cfg(target_os = "linux")]
fn the_age_program_opens_a_root_backup() {
    use std::io::Write;

    use chartseal_envelope::{backup, key::Root};

    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("root.age"), dir.path().join("root.json"));
    let (root, passphrase) = (Root::generate().unwrap(), backup::passphrase().unwrap());
    let [consent, patient] = [1, 2].map(chartseal_record::Address::repeat_byte);
    let backup = backup::RootBackup {
        chain_id: 31337,
        consent,
        patient,
        root: root.clone(),
    };
    fs::write(&file, backup::seal(&backup, &passphrase, 15).unwrap()).unwrap();

    let age = format!("age -d -o {} {}", text(&out), text(&file));
    let mut terminal = Command::new("script")
        .args(["-qec", &age, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Kept open until the end: its end would be the terminal's.
    let mut typed = terminal.stdin.take().unwrap();
    typed.write_all(format!("{}\n", *passphrase).as_bytes()).unwrap();
    assert!(terminal.wait().unwrap().success());
    let opened = fs::read_to_string(out).unwrap();
    assert!(
        opened.ends_with("}\n") && opened.contains(&hex::encode(root.as_bytes())),
        "{opened}"
    );
}

/// Streamed from file to file over two threads, so that the large ones fit into any memory.
#[test]
fn files_of_every_size_go_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let identity = Identity::generate().unwrap();
    fs::write(path("key"), identity.to_text().as_bytes()).unwrap();
    let open = |name: &str| fs::File::open(path(name)).unwrap();
    let create = |name: &str| fs::File::create(path(name)).unwrap();
    const MIB: usize = 1 << 20;
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, MIB + 7, 300 * MIB] {
        fs::write(path("plain"), sample(len)).unwrap();
        let expected = hash(&path("plain"));

        age::seal_through(identity.public_key(), open("plain"), create("ours"), 2).unwrap();
        // age makes no file where nothing was sealed.
        fs::write(path("out"), b"").unwrap();
        let (out, sealed, key) = (path("out"), path("ours"), path("key"));
        assert!(
            run("age", &["-d", "-i", text(&key), "-o", text(&out), text(&sealed)]).0,
            "{len}"
        );
        assert_eq!(hash(&out), expected, "{len}");

        let (theirs, plain, to) = (path("theirs"), path("plain"), identity.public_key().to_string());
        assert!(run("age", &["-r", &to, "-o", text(&theirs), text(&plain)]).0, "{len}");
        let size = age::open_through(std::slice::from_ref(&identity), open("theirs"), create("out"), 2).unwrap();
        assert_eq!((size, hash(&out)), (len as u64, expected), "{len}");
    }
}

fn hash(path: &Path) -> String {
    let mut hash = Sha256::new();
    std::io::copy(&mut fs::File::open(path).unwrap(), &mut Hashing(&mut hash)).unwrap();
    hex::encode(hash.finalize())
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
