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
        let (code, _, out) = self.say(sealed);
        (code, out)
    }

    /// The same with what was said.
    fn say(&self, sealed: &[u8]) -> (i32, String, Option<Vec<u8>>) {
        let (key, input, out) = (self.path("key"), self.write("sealed", sealed), self.path("out"));
        let _ = fs::remove_file(&out);
        let ran = run(&["decrypt", "-i", text(&key), text(&input), "-o", text(&out)]);
        assert_eq!(ran.code == 0, ran.stderr.is_empty(), "{}", ran.stderr);
        (ran.code, ran.stderr, fs::read(out).ok())
    }

    /// What `age -a` makes of `plain`.
    fn armored(&self, plain: &[u8]) -> String {
        let (plain, to) = (self.write("plain", plain), self.path("armored"));
        let recipient = self.identity.public_key().to_string();
        let age = Command::new("age")
            .args(["-a", "-r", &recipient, "-o", text(&to), text(&plain)])
            .status();
        assert!(age.expect("install the Debian package age").success());
        fs::read_to_string(to).unwrap()
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
        for file in [fs::read(&sealed).unwrap(), files.armored(&sample(len)).into_bytes()] {
            assert!(files.decrypt(&file) == (0, Some(sample(len))), "{len}");
        }

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
    let armored = files.armored(&sample(200_000));
    let end = "-----END AGE ENCRYPTED FILE-----\n";
    let cases = [
        (9, "armour", armored.replace(end, "").into_bytes()),
        (9, "armour", armored.replace(end, "sincerely\n").into_bytes()),
        (9, "armour", (armored.clone() + "best regards").into_bytes()),
        (9, "armour", b"-----BEGIN PGP MESSAGE-----\n".to_vec()),
        (
            10,
            "well-formed",
            format!("-----BEGIN AGE ENCRYPTED FILE-----\naGVsbG8=\n{end}").into_bytes(),
        ),
        (10, "well-formed", b"hello".to_vec()),
        (10, "well-formed", Vec::new()),
        (10, "well-formed", good[..100].to_vec()),
        (11, "MAC", header_changed),
        (12, "none of the given keys", stranger),
        (13, "damaged", late_damage.clone()),
        (13, "damaged", good[..good.len() - 1].to_vec()),
        (13, "damaged", good[..200].to_vec()),
        (13, "damaged", [good, vec![0]].concat()),
    ];
    for (code, says, sealed) in cases {
        let (found, said, out) = files.say(&sealed);
        assert_eq!((found, out), (code, None), "{said}");
        assert!(said.contains(says), "{said}");
    }
    // key, sealed, and what was put into armour; no temporary file stays behind.
    assert_eq!(files.names(), 4);
}

#[test]
fn on_standard_output_only_authentic_bytes_appear() {
    let files = Files::new();
    let plain = sample(3 << 20);
    let good = age::seal(files.identity.public_key(), &plain).unwrap().bytes;
    let chunk = |at: usize| 184 + at * 65_552;
    let mut damaged = good.clone();
    damaged[chunk(40) + 5] ^= 1;
    for (sealed, left) in [
        (&damaged[..], 40),
        (&good[..chunk(20)], 20),
        (&good[..chunk(47) + 7], 47),
    ] {
        let (key, input) = (files.path("key"), files.write("sealed", sealed));
        let ran = program()
            .args(["decrypt", "-i", text(&key), text(&input)])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(13));
        assert!(
            ran.stdout == plain[..left * 65_536],
            "{} bytes of {left} chunks",
            ran.stdout.len()
        );
    }
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
