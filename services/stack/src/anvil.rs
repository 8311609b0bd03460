//! The development chain: where Foundry's anvil is, how it is started, and what of its state survives a kill.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::wallet::MNEMONIC;

/// Chain id of every development system.
pub const CHAIN_ID: u64 = 31337;

/// The binary: `ANVIL_BIN`, else the npm package beside the contracts, else whatever `PATH` has.
pub fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ANVIL_BIN") {
        return Ok(named.into());
    }
    let here = std::env::current_dir().unwrap_or_default();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for root in [here.as_path(), source.as_path()] {
        let packages = root.join("contracts/node_modules/@foundry-rs");
        for platform in platforms() {
            let found = packages.join(format!("anvil-{platform}/bin/anvil"));
            if found.is_file() {
                return Ok(found);
            }
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path)
        .map(|folder| folder.join("anvil"))
        .find(|file| file.is_file())
    {
        Some(found) => Ok(found),
        None => bail!("anvil was not found; run `make build` once, install Foundry, or set ANVIL_BIN to it"),
    }
}

/// The names npm gives this machine.
fn platforms() -> [String; 1] {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    [format!("{system}-{machine}")]
}

/// Where one development chain keeps its state.
#[derive(Debug, Clone)]
pub struct ChainFolder(PathBuf);

impl ChainFolder {
    pub fn new(data: &Path) -> Result<Self> {
        let folder = data.join("chain");
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }

    fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    fn kept(&self) -> PathBuf {
        self.0.join("kept.json")
    }

    /// Arguments of anvil on `port`, loopback only.
    ///
    /// Never `--silent`: those who wait for its "Listening" line would wait for ever. The state is written every two
    /// seconds, so that a kill takes back at most three blocks: to everyone else a re-org.
    pub fn arguments(&self, port: u16) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        for (name, value) in [
            ("--host", "127.0.0.1".to_owned()),
            ("--port", port.to_string()),
            ("--chain-id", CHAIN_ID.to_string()),
            ("--mnemonic", MNEMONIC.to_owned()),
            ("--block-time", "1".to_owned()),
            ("--state-interval", "2".to_owned()),
        ] {
            arguments.extend([name.into(), value.into()]);
        }
        arguments.extend(["--state".into(), self.state().into_os_string()]);
        arguments
    }

    /// Keeps a copy of the state if it is whole; to be called now and then.
    pub fn keep(&self) -> Result<()> {
        if !whole(&self.state()) {
            return Ok(());
        }
        let fresh = self.0.join("kept.json.new");
        fs::copy(self.state(), &fresh).context("the chain's state cannot be copied")?;
        // anvil may have begun to write between the look and the copy.
        if whole(&fresh) {
            fs::rename(&fresh, self.kept()).context("the chain's state cannot be kept")?;
        }
        Ok(())
    }

    /// anvil writes its state in place, so a kill can leave half a file, on which it would refuse to start. Puts the
    /// kept copy in its place, or nothing if there is none: then the chain begins anew, and everyone notices.
    pub fn mend(&self) -> Result<()> {
        let state = self.state();
        if !state.exists() {
            return Ok(());
        }
        if !whole(&state) {
            if !self.kept().exists() {
                return fs::remove_file(&state).context("the broken state cannot be removed");
            }
            fs::copy(self.kept(), &state).context("the kept state cannot be put back")?;
        }
        one_genesis(&state)
    }
}

/// anvil begins each start with a block 0 of that moment, then loads the state beside it, and writes both back: the next
/// start takes either for its genesis. The chain's own is the oldest.
fn one_genesis(state: &Path) -> Result<()> {
    let read = fs::read(state).context("the chain's state cannot be read")?;
    let mut json: Value = serde_json::from_slice(&read).context("the chain's state is not JSON")?;
    let Some(blocks) = json["blocks"].as_array_mut() else {
        return Ok(());
    };
    let number = |block: &Value, name: &str| {
        let text = block["header"][name].as_str().unwrap_or_default();
        u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    let first = |block: &Value| number(block, "number") == Some(0);
    let oldest = blocks
        .iter()
        .filter(|block| first(block))
        .filter_map(|block| number(block, "timestamp"))
        .min();
    let before = blocks.len();
    blocks.retain(|block| !first(block) || number(block, "timestamp") == oldest);
    if blocks.len() < before {
        let fresh = state.with_extension("json.new");
        fs::write(&fresh, json.to_string()).context("the chain's state cannot be written")?;
        fs::rename(&fresh, state).context("the chain's state cannot be replaced")?;
    }
    Ok(())
}

fn whole(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| serde_json::from_slice::<IgnoredAny>(&bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_state_is_replaced_by_the_kept_one() {
        let data = tempfile::tempdir().unwrap();
        let chain = ChainFolder::new(data.path()).unwrap();
        fs::write(chain.state(), r#"{"block":1}"#).unwrap();
        chain.keep().unwrap();
        fs::write(chain.state(), r#"{"block":2,"acc"#).unwrap();
        chain.keep().unwrap();
        chain.mend().unwrap();
        assert_eq!(fs::read_to_string(chain.state()).unwrap(), r#"{"block":1}"#);
    }

    #[test]
    fn the_oldest_of_two_first_blocks_is_the_chains_own() {
        let data = tempfile::tempdir().unwrap();
        let chain = ChainFolder::new(data.path()).unwrap();
        let block = |number: &str, time: &str| serde_json::json!({ "header": { "number": number, "timestamp": time } });
        let blocks = [block("0x0", "0x20"), block("0x1", "0x11"), block("0x0", "0x10")];
        fs::write(
            chain.state(),
            serde_json::json!({ "best": 1, "blocks": blocks }).to_string(),
        )
        .unwrap();
        chain.mend().unwrap();
        let mended: Value = serde_json::from_slice(&fs::read(chain.state()).unwrap()).unwrap();
        assert_eq!(
            mended,
            serde_json::json!({ "best": 1, "blocks": [blocks[1], blocks[2]] })
        );
    }

    #[test]
    fn half_a_state_without_a_kept_one_goes() {
        let data = tempfile::tempdir().unwrap();
        let chain = ChainFolder::new(data.path()).unwrap();
        fs::write(chain.state(), "{").unwrap();
        chain.mend().unwrap();
        assert!(!chain.state().exists());
        chain.mend().unwrap();
    }
}
