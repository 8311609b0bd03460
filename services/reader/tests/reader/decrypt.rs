use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use chartseal_envelope::{age, key::Identity};
use tempfile::TempDir;

use crate::{program, run, text};

struct Files {
    dir: TempDir,
    identity: Identity,
}

impl Files {
    /// A folder with the identity in `key`.
    fn new() -> Self {
        let (dir, identity) = (tempfile::tempdir().unwrap(), Identity::generate().unwrap());
        fs::write(dir.path().join("key"), format!("# mine\n{}\n", *identity.to_text())).unwrap();
        Self { dir, identity }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Decrypts `sealed` to a file; the code, and what the file holds if it is there.
    fn decrypt(&self, sealed: &[u8]) -> (i32, Option<Vec<u8>>) {
        let (key, input, out) = (self.path("key"), self.write("sealed", sealed), self.path("out"));
        let _ = fs::remove_file(&out);
        let ran = run(&["decrypt", "-i", text(&key), text(&input), "-o", text(&out)]);
        assert_eq!(ran.code == 0, ran.stderr.is_empty(), "{}", ran.stderr);
        (ran.code, fs::read(out).ok())
    }

    fn names(&self) -> usize {
        fs::read_dir(self.dir.path()).unwrap().count()
    }
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn files_of_the_age_program_are_decrypted() {
    let files = Files::new();
    for len in [0, 1, 65_535, 65_536, 65_537, 3_000_001] {
        let (plain, sealed) = (files.write("plain", &sample(len)), files.path("age"));
        let recipient = files.identity.public_key().to_string();
        let age = Command::new("age")
            .args(["-r", &recipient, "-o", text(&sealed), text(&plain)])
            .status();
        assert!(age.expect("install the Debian package age").success());
        assert!(
            files.decrypt(&fs::read(&sealed).unwrap()) == (0, Some(sample(len))),
            "{len}"
        );

        let key = files.path("key");
        let piped = program()
            .args(["decrypt", "--identity", text(&key)])
            .stdin(File::open(&sealed).unwrap())
            .output()
            .unwrap();
        assert!(piped.status.success() && piped.stdout == sample(len), "{len} piped");
    }
}

#[test]
fn each_refusal_has_its_exit_code_and_leaves_no_file() {
    let files = Files::new();
    let good = age::seal(files.identity.public_key(), &sample(200_000)).unwrap().bytes;
    let stranger = age::seal(Identity::generate().unwrap().public_key(), b"x")
        .unwrap()
        .bytes;
    let mut header_changed = good[..22].to_vec();
    header_changed.extend_from_slice(b"-> more\n\n");
    header_changed.extend_from_slice(&good[22..]);
    let mut late_damage = good.clone();
    late_damage[150_000] ^= 1;
    assert_eq!(files.decrypt(&good).0, 0);
    let _ = fs::remove_file(files.path("out"));
    let cases = [
        (10, b"hello".to_vec()),
        (10, Vec::new()),
        (10, good[..100].to_vec()),
        (11, header_changed),
        (12, stranger),
        (13, late_damage),
        (13, good[..good.len() - 1].to_vec()),
        (13, good[..200].to_vec()),
        (13, [good, vec![0]].concat()),
    ];
    for (code, sealed) in cases {
        assert_eq!(files.decrypt(&sealed), (code, None));
    }
    // key and sealed; no temporary file stays behind.
    assert_eq!(files.names(), 2);
}

#[test]
fn what_cannot_be_used_is_said_before_anything_is_written() {
    let files = Files::new();
    let (sealed, empty, out) = (
        files.write("sealed", b"x"),
        files.write("empty", b"# none\n"),
        files.path("out"),
    );
    let absent = files.path("absent");
    for key in [&empty, &absent, &sealed] {
        let ran = run(&["decrypt", "-i", text(key), text(&sealed), "-o", text(&out)]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
    }
    let key = files.path("key");
    assert_eq!(run(&["decrypt", "-i", text(&key), text(&absent)]).code, 1);
    assert!(!out.exists());
}
