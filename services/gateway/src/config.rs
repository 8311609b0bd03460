//! What an operator decides. One struct per concern; `sample.toml` shows and explains every key.
//!
//! Unknown keys are refused, secrets are read from files, and Debug prints no secret.

use std::{
    fmt,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use chartseal_record::Contracts;
use chartseal_store::{Database, Location};
use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Environment names under the prefix that belong to the command line, not to this file.
const COMMAND_LINE: [&str; 2] = ["config", "log"];

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where requests are taken.
    pub listen: SocketAddr,
    /// The origin clients write, without a path.
    pub public_url: reqwest::Url,
    /// Where Prometheus text is served; none: not at all.
    pub metrics_listen: Option<SocketAddr>,
    /// 64 hex digits that seal the vault.
    pub master_key_file: PathBuf,
    /// Allows plain-http and private addresses of other organisations.
    #[serde(default)]
    pub development: bool,
    pub database: Database,
    /// Where uploads wait for their record; none: `staging` beside the SQLite file. Gateways that share a database share
    /// this folder.
    pub staging: Option<PathBuf>,
    pub content: ContentPlace,
    pub chain: Chain,
    pub organisations: Vec<Organisation>,
    /// The web app; none: a status page stands at `/`.
    pub portal: Option<Portal>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub audit: Audit,
    /// The operator's own table of codes and scopes, asked before the built-in one.
    #[serde(default)]
    pub scopes: Vec<crate::fhir::scope::Rule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentPlace {
    /// A folder for CAR files, or `kubo+http://HOST:PORT`.
    pub location: String,
}

/// The web app that is served at `/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    /// What `npm run build` wrote.
    pub folder: PathBuf,
    /// A node that browsers may ask beside this gateway; the page's policy lets it in.
    pub node: Option<reqwest::Url>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    pub rpc: RpcUrl,
    /// What `chartseal deploy` wrote.
    pub deployment: PathBuf,
    /// Blocks until a grant counts, its own block included.
    pub confirmations: u64,
    /// Seconds after which a head is too old to open anything.
    #[serde(default = "max_head_age")]
    pub max_head_age: u64,
    /// Whether contract wallets (ERC-1271) sign in and sign here. Their signatures are checked by the node's word alone.
    #[serde(default)]
    pub contract_wallets: bool,
}

/// An organisation this gateway serves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    pub account: Address,
    pub name: String,
    /// A statement key made elsewhere; without it, one made here and kept in the vault is used.
    pub statement_key_file: Option<PathBuf>,
    pub registrar: Option<Address>,
    /// Days until the last backup of the vault is gone.
    #[serde(default = "backup_days")]
    pub backup_days: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Seconds between two times at which every journal that has grown is sealed as a record and anchored.
    pub seal_seconds: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self { seal_seconds: 3600 }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one document.
    pub document_bytes: u64,
    /// Bytes of one FHIR resource as JSON, inline documents included. Larger documents go up as Binary.
    pub fhir_json_bytes: u64,
    /// Bytes of any other request.
    pub request_bytes: usize,
    /// Seconds one request may take, besides those its body earns.
    pub request_seconds: u64,
    /// Bytes of its body that earn a request a second more.
    pub body_pace: NonZeroU32,
    /// Requests at work at one time.
    pub concurrent_requests: usize,
    /// Of requests that need no token (sign-in, tokens, releases), so many at work at one time; they take none of the
    /// places above.
    pub stranger_requests: usize,
    /// Requests one network address may have at work. Behind a proxy every request comes from the proxy's.
    pub requests_per_peer: usize,
    /// Requests a second that one network address may make without a valid token, and how many at once after a pause.
    /// Behind a proxy all of them come from the proxy's.
    pub stranger_rate: NonZeroU32,
    pub stranger_burst: NonZeroU32,
    /// The same of one wallet that is signed in.
    pub person_rate: NonZeroU32,
    pub person_burst: NonZeroU32,
    /// The same of one registered system.
    pub system_rate: NonZeroU32,
    pub system_burst: NonZeroU32,
    /// Claim numbers a second that one caller may look up, and how many at once after a pause: whoever guesses numbers
    /// guesses no faster.
    pub lookup_rate: NonZeroU32,
    pub lookup_burst: NonZeroU32,
    /// Open connections.
    pub connections: usize,
    /// Of one network address.
    pub connections_per_peer: usize,
    /// Seconds a connection may take to say what it wants, and may idle between two requests.
    pub header_seconds: u64,
    /// Seconds a request's body may stand still.
    pub body_idle_seconds: u64,
    /// Seconds the whole body of a request other than FHIR may take.
    pub body_seconds: u64,
    /// Bytes of FHIR bodies beyond `request_bytes` that may be in memory at one time.
    pub large_bodies_bytes: u64,
    /// Registrations that may wait for signatures at one time, of everybody together.
    pub open_registrations: u32,
    /// Registrations one address may have waiting.
    pub registrations_per_address: u32,
    /// Bytes of the sealed papers of one registration; kept while it waits, so the database holds at most
    /// `open_registrations` times as many.
    pub papers_bytes: u64,
}

impl Limits {
    /// `large_bodies_bytes` in KiB, as the room for them is counted.
    pub fn large_bodies_kib(&self) -> u32 {
        u32::try_from(self.large_bodies_bytes / 1024)
            .unwrap_or(u32::MAX >> 4)
            .max(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 64 * 1024 * 1024,
            fhir_json_bytes: 32 * 1024 * 1024,
            request_bytes: 256 * 1024,
            request_seconds: 120,
            body_pace: many(64 * 1024),
            concurrent_requests: 1024,
            stranger_requests: 128,
            requests_per_peer: 512,
            stranger_rate: many(100),
            stranger_burst: many(1000),
            person_rate: many(200),
            person_burst: many(2000),
            system_rate: many(20_000),
            system_burst: many(40_000),
            lookup_rate: many(1000),
            lookup_burst: many(10_000),
            connections: 8192,
            connections_per_peer: 2048,
            header_seconds: 15,
            body_idle_seconds: 10,
            body_seconds: 20,
            large_bodies_bytes: 256 * 1024 * 1024,
            open_registrations: 500,
            registrations_per_address: 2,
            papers_bytes: 2 * 1024 * 1024,
        }
    }
}

/// As a limit. None is 0.
const fn many(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("limits are written here and none is 0")
}

fn max_head_age() -> u64 {
    120
}

fn backup_days() -> u64 {
    30
}

/// A node's URL. Providers put their keys into path and user info, so Debug shows the host only.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct RpcUrl(pub reqwest::Url);

impl fmt::Debug for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.0.host_str().unwrap_or("?"))
    }
}

/// What `chartseal deploy` wrote.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    #[serde(flatten)]
    pub contracts: Contracts,
    /// The block to follow the contracts from.
    pub block: u64,
    /// Who countersigns where an organisation names nobody.
    pub registrar: Option<Address>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration cannot be read: {0}. Compare it with sample.toml")]
    Unreadable(#[from] Box<figment::Error>),
    #[error("{path} cannot be read: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} does not hold {expected}")]
    Content { path: PathBuf, expected: &'static str },
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Config {
    /// Reads a TOML file (if any), then `CHARTSEAL_*` from the environment over it, and checks the whole. A name that is
    /// no setting is refused, in the file and in the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        if let Some(path) = file {
            figment = figment.merge(Toml::file_exact(path));
        }
        let from_environment = Env::prefixed("CHARTSEAL_").ignore(&COMMAND_LINE).split("__");
        Self::from_figment(figment.merge(from_environment))
    }

    /// Reads a TOML text alone.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::from_figment(Figment::new().merge(Toml::string(text)))
    }

    fn from_figment(figment: Figment) -> Result<Self, ConfigError> {
        let config: Self = figment.extract().map_err(Box::new)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |why| Err(ConfigError::Contradiction(why));
        if self.organisations.is_empty() {
            return refuse("no [[organisations]]: name at least the one this gateway serves");
        }
        if self.public_url.host_str().is_none() || self.public_url.path() != "/" {
            return refuse("public_url is an origin: scheme and host, no path");
        }
        if self.public_url.scheme() != "https" && !self.development && !is_loopback(&self.public_url) {
            return refuse("public_url must be https outside development");
        }
        if self.staging().is_none() {
            return refuse("with PostgreSQL, staging must name the folder where uploads wait for their record");
        }
        if self.chain.confirmations == 0 {
            return refuse("chain.confirmations must be at least 1");
        }
        Ok(())
    }

    /// The folder where uploads wait for their record.
    pub fn staging(&self) -> Option<PathBuf> {
        match (&self.staging, &self.database.url) {
            (Some(folder), _) => Some(folder.clone()),
            (None, Location::Sqlite(file)) => Some(file.with_file_name("staging")),
            (None, Location::Postgres(_)) => None,
        }
    }

    /// The host (and port) people see: the domain of a Sign-In with Ethereum message.
    pub fn domain(&self) -> String {
        let host = self.public_url.host_str().unwrap_or_default();
        match self.public_url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// An absolute URL of this gateway. `path` starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// The token endpoint, which is also the audience of client assertions.
    pub fn token_url(&self) -> String {
        self.url("/oauth2/token")
    }

    /// The organisation of this account, if it is served here.
    pub fn organisation(&self, account: Address) -> Option<&Organisation> {
        self.organisations.iter().find(|o| o.account == account)
    }

    /// Reads the deployment file.
    pub fn deployment(&self) -> Result<Deployment, ConfigError> {
        let text = read(&self.chain.deployment)?;
        serde_json::from_str(&text).map_err(|_| ConfigError::Content {
            path: self.chain.deployment.clone(),
            expected: "a deployment: {chainId, directory, consent, anchors, block}",
        })
    }

    /// Reads the master key.
    pub fn master_key(&self) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
        key_of(&self.master_key_file)
    }
}

impl Organisation {
    /// Reads the statement key, if there is a file.
    pub fn statement_key(&self) -> Result<Option<PrivateKeySigner>, ConfigError> {
        let Some(path) = &self.statement_key_file else {
            return Ok(None);
        };
        let signer = PrivateKeySigner::from_slice(&key_of(path)?[..]);
        signer.map(Some).map_err(|_| ConfigError::Content {
            path: path.clone(),
            expected: "a secp256k1 key",
        })
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::File {
        path: path.to_owned(),
        source,
    })
}

fn key_of(path: &Path) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let text = Zeroizing::new(read(path)?);
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim().trim_start_matches("0x"), &mut key[..]).map_err(|_| ConfigError::Content {
        path: path.to_owned(),
        expected: "32 bytes as 64 hex digits",
    })?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../sample.toml");

    #[test]
    fn the_sample_is_a_configuration() {
        let config = Config::from_toml(SAMPLE).unwrap();
        assert_eq!(config.domain(), "127.0.0.1:8080");
        assert_eq!(config.token_url(), "http://127.0.0.1:8080/oauth2/token");
        assert_eq!(config.limits.document_bytes, 64 << 20);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = Config::from_toml(&format!("colour = \"red\"\n{SAMPLE}")).unwrap_err();
        assert!(error.to_string().contains("colour"), "{error}");
    }

    #[test]
    fn a_nested_unknown_key_is_refused_too() {
        let text = SAMPLE.replace("max_head_age = 120", "max_head_age = 120\nmax_tail_age = 1");
        assert!(
            Config::from_toml(&text)
                .unwrap_err()
                .to_string()
                .contains("max_tail_age")
        );
    }

    #[test]
    fn plain_http_is_refused_outside_development_and_loopback() {
        let text = SAMPLE.replace("http://127.0.0.1:8080", "http://records.example");
        assert!(Config::from_toml(&text).is_err());
        assert!(Config::from_toml(&text.replace("development = false", "development = true")).is_ok());
    }

    #[test]
    fn debug_hides_what_providers_put_into_urls() {
        let text = SAMPLE.replace("http://127.0.0.1:8545", "https://user:pw@node.example/v3/secretkey");
        let shown = format!("{:?}", Config::from_toml(&text).unwrap());
        assert!(shown.contains("node.example"));
        assert!(!shown.contains("secretkey") && !shown.contains("pw"), "{shown}");
    }
}
