//! This crate holds the end-to-end stories, and one system for them to run on: the real programs as separate
//! processes, a real chain, a real database, real files. Nothing is mocked.
//!
//! One system serves one test binary. It is started by the first test that asks and ends with the binary, however
//! that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chartseal_stack::client::Gateway;
use chartseal_stack::session::Session;
use chartseal_stack::stack_json::StackJson;
use chartseal_stack::wallet::Wallet;

/// A running `chartseal up` with its sample people.
pub struct System {
    pub json: StackJson,
    _guard: Child,
    _folder: tempfile::TempDir,
}

static SYSTEM: OnceLock<System> = OnceLock::new();

/// The system of this test binary.
pub fn system() -> &'static System {
    SYSTEM.get_or_init(|| System::start(&[]).expect("the system comes up; its output is above"))
}

/// A sample person, signed in. Panics if there is none of that name, or the gateway refuses.
pub async fn sign_in(json: &StackJson, name: &str) -> Session {
    let account = (json.samples.accounts.iter())
        .find(|account| account.name == name)
        .unwrap_or_else(|| panic!("no sample account is called {name}"));
    let wallet = Wallet::from_private_key(name, &account.private_key.to_string()).expect("a sample key is one");
    let gateway = Gateway::new(&json.gateway).expect("the gateway's URL is one");
    Session::sign_in(&gateway, &wallet)
        .await
        .expect("a sample person signs in")
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program of the workspace, built from today's sources.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build().expect("cargo builds the workspace's programs"));
    let own = std::env::current_exe().expect("a test knows where it runs");
    let folder = own.ancestors().nth(2).expect("tests lie in target/<profile>/deps");
    folder.join(name)
}

/// `cargo test` builds a package's own programs only, so the others could be yesterday's.
fn build() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--offline", "--workspace", "--bins"])
        .current_dir(root());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "cargo build failed");
    Ok(())
}

impl System {
    /// One of the test's own, with further arguments of `chartseal up`.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        // Statics are never dropped and a test may be killed, so the system's end hangs on a pipe: when this process
        // is gone, `cat` reads the end of it and the shell asks the system to stop.
        let guard = Command::new("sh")
            .args([
                "-c",
                r#""$0" "$@" & pid=$!; cat >/dev/null; kill -TERM $pid; wait $pid"#,
            ])
            .arg(program("chartseal"))
            .args(["up", "--port", "0", "--data"])
            .arg(&data)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("sh does not start")?;
        let begun = Instant::now();
        loop {
            if let Ok(json) = StackJson::read(&data)
                && !json.samples.patients.is_empty()
            {
                return Ok(Self {
                    json,
                    _guard: guard,
                    _folder: folder,
                });
            }
            if begun.elapsed() > Duration::from_secs(180) {
                bail!("`chartseal up` was not ready in three minutes")
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn gateway(&self) -> Gateway {
        Gateway::new(&self.json.gateway).expect("a gateway's URL")
    }

    /// A sample account, signed in.
    pub async fn person(&self, name: &str) -> Session {
        sign_in(&self.json, name).await
    }

    /// A sample client with a token.
    pub async fn machine(&self, name: &str) -> Gateway {
        let client = self.json.client(name).expect("a sample client");
        client
            .machine()
            .token(&self.gateway())
            .await
            .expect("a sample client gets a token")
    }

    /// The FHIR id of a sample patient.
    pub fn patient(&self, index: usize) -> &str {
        &self.json.samples.patients[index].fhir_id
    }
}
