//! The private keys of this process, from their files. No other process of the system has one that may pay or publish.

use std::{collections::HashSet, path::Path};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use zeroize::Zeroizing;

use crate::{Config, ConfigError, config::read};

impl Config {
    /// Reads the keys: the relayer's, and each organisation's publisher's. All must differ, since each owns its nonces
    /// alone and an address may only publish for one organisation.
    pub fn keys(&self) -> Result<(PrivateKeySigner, Vec<(Address, PrivateKeySigner)>), ConfigError> {
        let relayer = key(&self.relayer.key_file)?;
        let mut seen = HashSet::from([relayer.address()]);
        let mut publishers = Vec::new();
        for publisher in &self.publishers {
            let key = key(&publisher.key_file)?;
            if !seen.insert(key.address()) {
                return Err(ConfigError::Contradiction(format!(
                    "the key of {} is used twice; relayer and publishers need a key each",
                    key.address()
                )));
            }
            publishers.push((publisher.account, key));
        }
        Ok((relayer, publishers))
    }
}

fn key(path: &Path) -> Result<PrivateKeySigner, ConfigError> {
    let wrong = || ConfigError::Content {
        path: path.to_owned(),
        expected: "a secp256k1 key: 32 bytes as 64 hex digits",
    };
    let text = Zeroizing::new(read(path)?);
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim().trim_start_matches("0x"), &mut bytes[..]).map_err(|_| wrong())?;
    PrivateKeySigner::from_slice(&bytes[..]).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SAMPLE;

    #[test]
    fn one_key_in_two_uses_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.key");
        std::fs::write(&file, "11".repeat(32)).unwrap();
        let mut config = Config::from_toml(SAMPLE).unwrap();
        config.relayer.key_file = file.clone();
        config.publishers[0].key_file = file;
        assert!(config.keys().unwrap_err().to_string().contains("used twice"));
    }

    #[test]
    fn a_file_that_is_no_key_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.key");
        for text in ["", "secret words", &"00".repeat(32), &"ff".repeat(32), &"11".repeat(33)] {
            std::fs::write(&file, text).unwrap();
            let error = key(&file).unwrap_err().to_string();
            assert!(error.contains("bad.key"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
