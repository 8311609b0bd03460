//! A Kubo daemon of a test's own: private, silent, on loopback ports of the system's choice.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use tempfile::TempDir;

/// All nodes of the tests are one private swarm, and of nobody else's.
const SWARM_KEY: &str =
    "/key/swarm/psk/1.0.0/\n/base16/\n63686172747365616c3a2061207072697661746520737761726d203030303030\n";

/// A node that ends with this value.
pub struct Kubo {
    binary: PathBuf,
    repository: TempDir,
    daemon: Mutex<Child>,
    pub api: String,
    pub gateway: String,
}

/// Kubo's program: by IPFS_BIN, from `make kubo`, or on the PATH. Without it a test says that it did not run, or fails if
/// REQUIRE_ALL is set, as in CI.
fn binary(test: &str) -> Option<PathBuf> {
    let named = env::var_os("IPFS_BIN").map(PathBuf::from);
    let found = named.or_else(|| {
        let made = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kubo"));
        let path = env::var_os("PATH")?;
        let mut folders = std::iter::once(made).chain(env::split_paths(&path));
        folders.find_map(|folder| Some(folder.join("ipfs")).filter(|path| path.is_file()))
    });
    if found.is_none() {
        let said = format!("NOT RUN: {test}: no Kubo; `make kubo`, or name its program in IPFS_BIN\n");
        assert!(env::var_os("REQUIRE_ALL").is_none(), "{said}");
        // Not eprintln!, which the test harness would keep to itself.
        let _ = io::stderr().write_all(said.as_bytes());
    }
    found
}

impl Kubo {
    pub fn start(test: &str) -> Option<Self> {
        let (binary, repository) = empty(test)?;
        fs::write(repository.path().join("swarm.key"), SWARM_KEY).unwrap();
        for (key, value) in [
            ("Bootstrap", "[]"),
            ("Routing.Type", r#""none""#),
            ("AutoTLS.Enabled", "false"),
            ("AutoConf.Enabled", "false"),
            ("DNS.Resolvers", "{}"),
            ("Routing.DelegatedRouters", "[]"),
            ("Ipns.DelegatedPublishers", "[]"),
            ("Provide.Enabled", "false"),
            ("Discovery.MDNS.Enabled", "false"),
            ("Swarm.Transports.Network.QUIC", "false"),
            ("Swarm.Transports.Network.Websocket", "false"),
            ("Gateway.NoFetch", "true"),
        ] {
            ipfs(&binary, &repository, &["config", "--json", key, value]);
        }
        Some(Self::run(binary, repository))
    }

    /// One that a shell script configures, as Kubo's image has its scripts do; then it listens on loopback only.
    pub fn configured_by(test: &str, script: &str) -> Option<Self> {
        let (binary, repository) = empty(test)?;
        let mut path = binary.parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", script])
            .env("IPFS_PATH", repository.path())
            .env("PATH", path);
        let done = shell.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Some(Self::run(binary, repository))
    }

    fn run(binary: PathBuf, repository: TempDir) -> Self {
        let run = |arguments: &[&str]| ipfs(&binary, &repository, arguments);
        for (key, value) in [
            ("Addresses.API", r#""/ip4/127.0.0.1/tcp/0""#),
            ("Addresses.Gateway", r#""/ip4/127.0.0.1/tcp/0""#),
            ("Addresses.Swarm", r#"["/ip4/127.0.0.1/tcp/0"]"#),
        ] {
            run(&["config", "--json", key, value]);
        }
        let (daemon, api, gateway) = daemon(&binary, &repository);
        // The same ports after every later start.
        for (key, url) in [("Addresses.API", &api), ("Addresses.Gateway", &gateway)] {
            let port = url.rsplit(':').next().unwrap();
            run(&["config", "--json", key, &format!(r#""/ip4/127.0.0.1/tcp/{port}""#)]);
        }
        Self {
            binary,
            repository,
            daemon: Mutex::new(daemon),
            api,
            gateway,
        }
    }

    /// What a configuration calls it.
    pub fn location(&self) -> String {
        format!("kubo+{}", self.api)
    }

    /// kill -9 of the daemon.
    pub fn crash(&self) {
        let mut daemon = self.daemon.lock().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Starts it again and waits until it is ready.
    pub fn start_again(&self) {
        let (started, api, gateway) = daemon(&self.binary, &self.repository);
        assert_eq!((&api, &gateway), (&self.api, &self.gateway));
        *self.daemon.lock().unwrap() = started;
    }

    /// Kubo's own command line, talking to this daemon.
    pub fn ipfs<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        ipfs(&self.binary, &self.repository, arguments)
    }

    /// Where the daemon keeps all it has.
    pub fn repository(&self) -> PathBuf {
        self.repository.path().to_owned()
    }

    /// Where the daemon keeps its blocks.
    pub fn blocks(&self) -> PathBuf {
        self.repository.path().join("blocks")
    }
}

impl Drop for Kubo {
    fn drop(&mut self) {
        let mut daemon = self.daemon.lock().unwrap();
        let _ = daemon.kill();
        let _ = daemon.wait();
    }
}

/// Kubo's program and an empty repository.
fn empty(test: &str) -> Option<(PathBuf, TempDir)> {
    let (binary, repository) = (binary(test)?, TempDir::new().unwrap());
    ipfs(&binary, &repository, &["init", "--empty-repo"]);
    Some((binary, repository))
}

/// Waits until it says that it is ready, and where.
fn daemon(binary: &PathBuf, repository: &TempDir) -> (Child, String, String) {
    let mut daemon = command(binary, repository)
        .args(["daemon", "--enable-gc=false", "--migrate=false"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut api, mut gateway) = (String::new(), String::new());
    let mut output = BufReader::new(daemon.stdout.take().unwrap()).lines();
    loop {
        let line = output.next().expect("the daemon ended before it was ready").unwrap();
        if let Some(address) = line.strip_prefix("RPC API server listening on ") {
            api = url(address);
        }
        if let Some(address) = line.strip_prefix("Gateway server listening on ") {
            gateway = url(address);
        }
        if line == "Daemon is ready" {
            break;
        }
    }
    // Kept open, so that the daemon does not end on a broken pipe.
    std::thread::spawn(move || output.for_each(drop));
    (daemon, api, gateway)
}

fn command(binary: &PathBuf, repository: &TempDir) -> Command {
    let mut command = Command::new(binary);
    command
        .env("IPFS_PATH", repository.path())
        .env("LIBP2P_FORCE_PNET", "1")
        .env("IPFS_TELEMETRY", "off");
    command
}

fn ipfs<A: AsRef<OsStr>>(binary: &PathBuf, repository: &TempDir, arguments: &[A]) -> String {
    let output = command(binary, repository).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// `/ip4/127.0.0.1/tcp/5001` as a URL.
fn url(address: &str) -> String {
    let parts: Vec<&str> = address.trim().split('/').collect();
    format!("http://{}:{}", parts[2], parts[4])
}
