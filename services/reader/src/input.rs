//! Files given on the command line, read whole and bounded.

use std::{fs::File, io::Read, path::Path};

use chartseal_envelope::key::Identity;
use chartseal_record::{
    Contracts,
    receipt::{Addresses, Receipt},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// No key, receipt or release is near this: 1 MiB.
const LIMIT: u64 = 1 << 20;

/// Reads a small file. Wiped when dropped: it may hold a key.
pub fn small_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    bounded(path, LIMIT)
}

/// Reads a file of at most `limit` bytes, a multiple of 1 MiB. Wiped when dropped.
pub fn bounded(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |source| Failure::File {
        doing: "read",
        path: path.into(),
        source,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    File::open(path)
        .map_err(failed)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::Input(format!(
            "{} is larger than {} MiB: it is not what is expected here",
            path.display(),
            limit >> 20
        )));
    }
    Ok(bytes)
}

/// The identities of an age identity file, as `age-keygen` writes them.
pub fn identities(path: &Path) -> Result<Vec<Identity>, Failure> {
    let bytes = small_file(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::Input(format!(
            "{} is not an identity file: expected lines of AGE-SECRET-KEY-1…",
            path.display()
        ))
    })?;
    Ok(Identity::from_file(text)?)
}

/// A receipt whose path holds.
pub fn receipt(path: &Path) -> Result<Receipt, Failure> {
    Ok(Receipt::parse(&small_file(path)?)?)
}

/// The contracts named by JSON {"chainId", "contracts": {"directory", "consent", "anchors"}}.
pub fn deployment(path: &Path) -> Result<Contracts, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Deployment {
        chain_id: u64,
        contracts: Addresses,
    }
    let Deployment { chain_id, contracts } = serde_json::from_slice(&small_file(path)?)
        .map_err(|e| Failure::Input(format!("{} is not a deployment: {e}", path.display())))?;
    let Addresses {
        directory,
        consent,
        anchors,
    } = contracts;
    Ok(Contracts {
        chain_id,
        directory,
        consent,
        anchors,
    })
}
