//! A PostgreSQL server for the tests of one process, a database for each of them.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

/// The superuser's.
const PASSWORD: &str = "of the tests alone";

/// A server that ends with the process or with this value: fsync on, as the store asks for.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    /// The script that keeps it: its standard input is what the server lives as long as.
    keeper: Mutex<(ChildStdin, BufReader<ChildStdout>, Child)>,
    databases: AtomicU32,
}

/// One database of it.
pub struct Database {
    /// Without the password, as the configuration wants it.
    pub url: String,
    pub password: String,
}

/// Started by the first test that asks.
static SERVER: LazyLock<Option<Postgres>> = LazyLock::new(|| Some(Postgres::start(programs()?, "")));

impl Postgres {
    /// The server of this process. Where PostgreSQL is not installed the test says that it did not run, unless
    /// `REQUIRE_ALL` is set, as in CI: there it fails.
    pub fn of_this_process(test: &str) -> Option<&'static Self> {
        if SERVER.is_none() {
            say_not_run(test);
        }
        SERVER.as_ref()
    }

    /// One of the test's own, to crash or to start with settings of the server such as `-c fsync=off`.
    pub fn alone(test: &str, settings: &str) -> Option<Self> {
        let programs = programs();
        if programs.is_none() {
            say_not_run(test);
        }
        Some(Self::start(programs?, settings))
    }

    fn start(programs: PathBuf, settings: &str) -> Self {
        let script = include_str!("postgres.sh");
        let mut keeper = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&programs)
            .args([PASSWORD, settings, script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = keeper.stdin.take().unwrap();
        let mut said = BufReader::new(keeper.stdout.take().unwrap());
        let folder = line(&mut said);
        Self {
            programs,
            folder: folder.into(),
            keeper: Mutex::new((orders, said, keeper)),
            databases: AtomicU32::new(0),
        }
    }

    /// kill -9 of the server. Its other processes end as soon as they notice.
    pub fn crash(&self) {
        self.order("crash");
    }

    /// Starts it again and waits until it answers.
    pub fn start_again(&self) {
        self.order("start");
    }

    fn order(&self, order: &str) {
        let (orders, said, _) = &mut *self.keeper.lock().unwrap();
        writeln!(orders, "{order}").unwrap();
        assert_eq!(line(said), order);
    }

    /// A new, empty database, owned by the superuser.
    pub fn database(&self) -> Database {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        Database {
            url: self.url(&name, "postgres"),
            password: PASSWORD.into(),
        }
    }

    /// Where a role finds a database.
    pub fn url(&self, database: &str, role: &str) -> String {
        format!("postgres://{role}@localhost/{database}?host={}", self.folder.display())
    }

    /// The folder of its socket, which is what `psql -h` takes.
    pub fn host(&self) -> &Path {
        &self.folder
    }

    /// The folder of `psql`.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Where the server keeps its files.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A database as `pg_dump` writes it.
    pub fn dump(&self, database: &str) -> Vec<u8> {
        let done = Command::new(self.programs.join("pg_dump"))
            .args(["-U", "postgres", "-h", self.folder.to_str().unwrap(), database])
            .env("PGPASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    /// Runs SQL as the superuser and returns what it printed.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let done = Command::new(self.programs.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-d",
                database,
            ])
            .args(["-h", self.folder.to_str().unwrap(), "-c", sql])
            .env("PGPASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Database {
    /// The last part of the URL's path.
    pub fn name(&self) -> &str {
        let path = self.url.split('?').next().unwrap();
        path.rsplit('/').next().unwrap()
    }
}

/// What the keeper says next.
fn line(said: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(
        line.ends_with('\n'),
        "PostgreSQL did not start; what it said stands above"
    );
    line.trim_end().to_owned()
}

fn say_not_run(test: &str) {
    let said = format!(
        "NOT RUN: {test}: no PostgreSQL; `apt-get install postgresql`, or name the folder of its programs in POSTGRES_BIN\n"
    );
    assert!(env::var_os("REQUIRE_ALL").is_none(), "{said}");
    // Not eprintln!, which the test harness would keep to itself.
    let _ = io::stderr().write_all(said.as_bytes());
}

/// The folder of the server's and psql's programs: by POSTGRES_BIN, on the PATH, or where Debian puts it.
fn programs() -> Option<PathBuf> {
    if let Some(named) = env::var_os("POSTGRES_BIN") {
        return Some(named.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    debian.sort();
    let mut folders = env::split_paths(&path).chain(debian.into_iter().rev());
    folders.find(|folder| {
        ["initdb", "pg_ctl", "psql"]
            .iter()
            .all(|program| folder.join(program).is_file())
    })
}
