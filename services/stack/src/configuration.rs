//! What the processes of a development system are told: their TOML files and their keys.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use anyhow::{Context, Result};

use crate::{
    folder::Folder,
    ports::Ports,
    stack_json::write_private,
    wallet::{self, Wallet},
};

/// Blocks until a grant or an anchor counts, its own block included.
pub const CONFIRMATIONS: u64 = 2;

/// The two organisations a development gateway serves: name, account, publisher. Their statement keys are made by the
/// gateway and stay in its vault.
struct Organisation {
    slug: &'static str,
    name: &'static str,
    account: u32,
    publisher: u32,
}

const ORGANISATIONS: [Organisation; 2] = [
    Organisation {
        slug: "hospital",
        name: "Sample Hospital",
        account: wallet::HOSPITAL,
        publisher: wallet::HOSPITAL_PUBLISHER,
    },
    Organisation {
        slug: "insurer",
        name: "Sample Insurer",
        account: wallet::INSURER,
        publisher: wallet::INSURER_PUBLISHER,
    },
];

/// The database of both processes, instead of a SQLite file in the data folder.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// `postgres://USER@HOST:PORT/NAME`.
    pub url: Option<String>,
    /// Holds the role's password.
    pub password_file: Option<PathBuf>,
}

impl Database {
    fn lines(&self, folder: &Folder) -> String {
        let file = || format!("sqlite:{}", folder.join("chartseal.db").display());
        let mut lines = format!("url = {}\n", quoted(self.url.clone().unwrap_or_else(file)));
        if let Some(file) = &self.password_file {
            lines += &format!("password_file = {}\n", path(file));
        }
        lines
    }
}

/// What else a system is told than the usual: whom it serves, and where content is.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// The hospital alone; the insurer has a gateway of its own.
    pub hospital_only: bool,
    /// `kubo+http://HOST:PORT` instead of a folder of the data folder.
    pub content: Option<String>,
    /// The folder of a built portal, served at the gateway's `/`.
    pub portal: Option<PathBuf>,
    /// Limits of the gateway that are not its own: a name in `[limits]` and its number.
    pub limits: Vec<(&'static str, u64)>,
}

impl Served {
    fn organisations(&self) -> &'static [Organisation] {
        if self.hospital_only {
            &ORGANISATIONS[..1]
        } else {
            &ORGANISATIONS
        }
    }

    fn content(&self, folder: &Folder) -> String {
        match &self.content {
            Some(place) => quoted(place),
            None => path(&folder.join("content")),
        }
    }
}

/// The two files written.
#[derive(Debug, Clone)]
pub struct Files {
    pub gateway: PathBuf,
    pub submitter: PathBuf,
}

/// Writes keys (once) and configurations (each time: ports change).
pub fn write(folder: &Folder, ports: Ports, registrar: Address, database: &Database, served: &Served) -> Result<Files> {
    let keys = folder.join("keys");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys);
    made.with_context(|| format!("{} cannot be made", keys.display()))?;
    master_key(&keys.join("master.key"))?;
    write_key(&keys.join("relayer.key"), wallet::RELAYER)?;
    for organisation in &ORGANISATIONS {
        write_key(&publisher_key(&keys, organisation), organisation.publisher)?;
    }
    let files = Files {
        gateway: folder.join("gateway.toml"),
        submitter: folder.join("submitter.toml"),
    };
    write_private(
        &files.gateway,
        gateway(folder, &keys, ports, registrar, database, served)?.as_bytes(),
    )?;
    write_private(
        &files.submitter,
        submitter(folder, &keys, ports, database, served).as_bytes(),
    )?;
    Ok(files)
}

fn publisher_key(keys: &Path, organisation: &Organisation) -> PathBuf {
    keys.join(format!("{}-publisher.key", organisation.slug))
}

/// The one secret that is not published: it seals the vault.
fn master_key(file: &Path) -> Result<()> {
    if file.exists() {
        return Ok(());
    }
    let mut key = zeroize::Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut key[..]).context("the operating system gave no randomness")?;
    write_private(file, hex::encode(&key[..]).as_bytes())
}

fn write_key(file: &Path, place: u32) -> Result<()> {
    write_private(file, hex::encode(Wallet::sample("", place).private_key()).as_bytes())
}

/// Everybody here comes from one address, and `chartseal enrol` signs hundreds of wallets in.
fn gateway(
    folder: &Folder,
    keys: &Path,
    ports: Ports,
    registrar: Address,
    database: &Database,
    served: &Served,
) -> Result<String> {
    let mut text = format!(
        "# Written by `chartseal up`; it is written anew at each start.\n\
         listen = {listen}\n\
         public_url = {url}\n\
         metrics_listen = {metrics}\n\
         master_key_file = {master}\n\
         development = true\n\
         staging = {staging}\n\
         \n[database]\n{database}\
         \n[content]\nlocation = {content}\n\
         \n[chain]\nrpc = {rpc}\ndeployment = {deployment}\nconfirmations = {CONFIRMATIONS}\n\
         \n[limits]\nstranger_rate = 10000\nstranger_burst = 20000\nperson_rate = 10000\nperson_burst = 20000\n\
         lookup_rate = 100000\nlookup_burst = 200000\n",
        listen = quoted(loopback(ports.gateway)),
        url = quoted(url(ports.gateway)),
        metrics = quoted(loopback(ports.gateway_metrics)),
        staging = path(&folder.join("staging")),
        master = path(&keys.join("master.key")),
        database = database.lines(folder),
        content = served.content(folder),
        rpc = quoted(url(ports.rpc)),
        deployment = path(&folder.join("deployment.json")),
    );
    for (name, limit) in &served.limits {
        text += &format!("{name} = {limit}\n");
    }
    if let Some(portal) = &served.portal {
        let built = portal.canonicalize();
        let built = built.with_context(|| {
            format!(
                "there is no portal at {}; build it with `make portal`",
                portal.display()
            )
        })?;
        text += &format!(
            "\n[portal]\nfolder = {}\nnode = {}\n",
            path(&built),
            quoted(url(ports.rpc))
        );
    }
    for organisation in served.organisations() {
        text += &format!(
            "\n[[organisations]]\naccount = {account}\nname = {name}\nregistrar = {registrar}\n",
            account = quoted(Wallet::sample("", organisation.account).address()),
            name = quoted(organisation.name),
            registrar = quoted(registrar),
        );
    }
    Ok(text)
}

fn submitter(folder: &Folder, keys: &Path, ports: Ports, database: &Database, served: &Served) -> String {
    let mut text = format!(
        "# Written by `chartseal up`; it is written anew at each start.\n\
         metrics_listen = {metrics}\n\
         \n[database]\n{database}\
         \n[content]\nlocation = {content}\n\
         \n[chain]\nrpc = {rpc}\ndeployment = {deployment}\nconfirmations = {CONFIRMATIONS}\n\
         poll_milliseconds = 250\n\
         \n[relayer]\nkey_file = {relayer}\n",
        metrics = quoted(loopback(ports.submitter_metrics)),
        database = database.lines(folder),
        content = served.content(folder),
        rpc = quoted(url(ports.rpc)),
        deployment = path(&folder.join("deployment.json")),
        relayer = path(&keys.join("relayer.key")),
    );
    for organisation in served.organisations() {
        text += &format!(
            "\n[[publishers]]\naccount = {account}\nkey_file = {key}\n",
            account = quoted(Wallet::sample("", organisation.account).address()),
            key = path(&publisher_key(keys, organisation)),
        );
    }
    text
}

/// `http://127.0.0.1:<port>`.
pub fn url(port: u16) -> String {
    format!("http://{}", loopback(port))
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A TOML basic string; JSON's escapes are a subset of TOML's.
fn quoted(value: impl ToString) -> String {
    serde_json::Value::String(value.to_string()).to_string()
}

/// [`Folder::open`] refused paths that are not UTF-8, so nothing is lost here.
fn path(path: &Path) -> String {
    quoted(path.display())
}
