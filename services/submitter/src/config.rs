//! What an operator decides. One struct per concern; `sample.toml` shows and explains every key.
//!
//! Unknown keys are refused, private keys are read from files, and Debug prints no secret.

use std::{
    collections::HashSet,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::Address;
use chartseal_record::{Contracts, manifest::MAX_RECORDS};
use chartseal_store::Database;
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::Deserialize;

/// Environment names under the prefix that belong to the command line, not to this file.
const COMMAND_LINE: [&str; 2] = ["config", "log"];

/// The sample, which is also shown by `--help`.
pub const SAMPLE: &str = include_str!("../sample.toml");

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where `/livez` and `/metrics` are served; none: not at all.
    pub metrics_listen: Option<SocketAddr>,
    /// The database shared with the gateway.
    pub database: Database,
    /// Where sealed bytes are pinned.
    pub content: ContentPlace,
    /// The chain.
    pub chain: Chain,
    /// When records become a batch.
    #[serde(default)]
    pub batch: Batch,
    /// Who pays for decisions.
    pub relayer: Key,
    /// Who anchors, for each organisation served.
    pub publishers: Vec<Publisher>,
}

/// The content store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentPlace {
    /// A folder for CAR files, or `kubo+http://HOST:PORT`.
    pub location: String,
}

/// The chain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The node.
    pub rpc: RpcUrl,
    /// What `chartseal deploy` wrote.
    pub deployment: PathBuf,
    /// Blocks, its own included, until a transaction counts as done.
    pub confirmations: u64,
    /// Milliseconds between two looks.
    #[serde(default = "poll")]
    pub poll_milliseconds: u64,
}

/// When records become a batch.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Milliseconds records wait for others.
    pub interval_milliseconds: u64,
    /// Records that wait no longer.
    pub records: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            interval_milliseconds: 2000,
            records: MAX_RECORDS as u32,
        }
    }
}

fn poll() -> u64 {
    1000
}

/// A private key in a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// 32 bytes as 64 hex digits.
    pub key_file: PathBuf,
}

/// An organisation's publisher.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// The organisation's account id.
    pub account: Address,
    /// 32 bytes as 64 hex digits: the key of an address that `Directory` lists as the organisation's publisher.
    pub key_file: PathBuf,
}

/// A node's URL. Providers put their keys into path and user info, so Debug shows the host only.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct RpcUrl(pub String);

impl fmt::Debug for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("?", ""));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        write!(f, "{scheme}://{host}/…")
    }
}

/// What `chartseal deploy` wrote.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Chain id and addresses.
    #[serde(flatten)]
    pub contracts: Contracts,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, a key missing or unknown, a value of the wrong kind.
    #[error("the configuration cannot be read: {0}. Compare it with sample.toml")]
    Unreadable(Box<figment::Error>),
    /// A file it names cannot be read.
    #[error("{path} cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file it names holds something else.
    #[error("{path} does not hold {expected}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// Two values do not go together.
    #[error("{0}")]
    Contradiction(String),
}

impl Config {
    /// Reads a TOML file (if any), then `CHARTSEAL_*` from the environment over it, then `CHARTSEAL_*_FILE`.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        if let Some(path) = file {
            figment = figment.merge(Toml::file_exact(path));
        }
        let from_environment = Env::prefixed("CHARTSEAL_")
            .ignore(&COMMAND_LINE)
            .filter(|key| !is_indirect(key.as_str()))
            .split("__");
        figment = figment.merge(from_environment);
        for (name, path) in std::env::vars_os() {
            let Some(key) = name.to_str().and_then(indirect) else {
                continue;
            };
            let value = read(Path::new(&path))?.trim().to_owned();
            figment = figment.merge(Serialized::default(&key, value));
        }
        Self::from_figment(figment)
    }

    /// Reads a TOML text alone.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::from_figment(Figment::new().merge(Toml::string(text)))
    }

    fn from_figment(figment: Figment) -> Result<Self, ConfigError> {
        let config: Self = figment.extract().map_err(|e| ConfigError::Unreadable(Box::new(e)))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |why: &str| Err(ConfigError::Contradiction(why.to_owned()));
        if self.publishers.is_empty() {
            return refuse("no [[publishers]]: name at least the organisation this submitter works for");
        }
        let accounts: HashSet<_> = self.publishers.iter().map(|p| p.account).collect();
        if accounts.len() != self.publishers.len() {
            return refuse("an organisation stands twice under [[publishers]]; give it one publisher");
        }
        if self.chain.confirmations == 0 {
            return refuse("chain.confirmations must be at least 1");
        }
        if self.chain.poll_milliseconds == 0 {
            return refuse("chain.poll_milliseconds must be at least 1");
        }
        if !(1..=MAX_RECORDS as u32).contains(&self.batch.records) {
            return refuse("batch.records must be between 1 and 8192");
        }
        Ok(())
    }

    /// Reads the deployment file.
    pub fn deployment(&self) -> Result<Deployment, ConfigError> {
        let path = &self.chain.deployment;
        serde_json::from_str(&read(path)?).map_err(|_| ConfigError::Content {
            path: path.clone(),
            expected: "a deployment: {chainId, directory, consent, anchors, …}",
        })
    }

    /// Time between two looks.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.chain.poll_milliseconds)
    }

    /// Time records wait for others.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.batch.interval_milliseconds)
    }
}

/// `relayer.key_file` and `database.password_file` end in `_file` and are paths themselves: names under the prefix that are keys of their own are not
/// taken for indirections.
fn is_indirect(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("_file") && !name.ends_with("key_file") && !name.ends_with("password_file")
}

/// `CHARTSEAL_CHAIN__RPC_FILE` → `chain.rpc`.
fn indirect(name: &str) -> Option<String> {
    let name = name.strip_prefix("CHARTSEAL_")?.to_ascii_lowercase();
    is_indirect(&name).then(|| name.trim_end_matches("_file").replace("__", "."))
}

pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration_and_its_optional_parts_are_the_defaults() {
        let sample = Config::from_toml(SAMPLE).unwrap();
        assert_eq!((sample.batch.interval_milliseconds, sample.batch.records), (2000, 8192));
        let without = SAMPLE
            .replace("[batch]\n", "")
            .replace("interval_milliseconds = 2000\n", "")
            .replace("records = 8192\n", "");
        let without = Config::from_toml(&without).unwrap();
        assert_eq!(
            (without.batch.interval_milliseconds, without.batch.records),
            (2000, 8192)
        );
        assert_eq!(without.poll(), sample.poll());
    }

    #[test]
    fn unknown_keys_and_contradictions_are_refused() {
        for (before, after, named) in [
            ("[batch]", "[batch]\ncolour = 1", "colour"),
            ("confirmations = 12", "confirmations = 0", "confirmations"),
            ("records = 8192", "records = 8193", "records"),
            (
                "[[publishers]]",
                "[[publishers]]\naccount = \"0x00000000000000000000000000000000000000a1\"\nkey_file = \"x\"\n[[publishers]]",
                "twice",
            ),
        ] {
            let error = Config::from_toml(&SAMPLE.replace(before, after))
                .unwrap_err()
                .to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn debug_hides_what_providers_put_into_urls() {
        let text = SAMPLE.replace("http://127.0.0.1:8545", "https://user:pw@node.example/v3/secretkey");
        let shown = format!("{:?}", Config::from_toml(&text).unwrap());
        assert!(shown.contains("https://node.example/…"));
        assert!(!shown.contains("secretkey") && !shown.contains("pw"), "{shown}");
    }

    #[test]
    fn a_name_with_file_at_its_end_names_the_key_it_replaces() {
        assert_eq!(indirect("CHARTSEAL_CHAIN__RPC_FILE").as_deref(), Some("chain.rpc"));
        assert_eq!(indirect("CHARTSEAL_RELAYER__KEY_FILE"), None);
        assert_eq!(indirect("CHARTSEAL_DATABASE__PASSWORD_FILE"), None);
        assert_eq!(indirect("PATH"), None);
    }
}
