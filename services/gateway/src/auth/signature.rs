//! Whose signature is it? ECDSA first, which is checked here; then, where the operator allows contract wallets, ERC-1271,
//! for which there is only the node's word.

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes},
    sol,
};
use chartseal_chain::Error as ChainError;
use chartseal_record::typed;

use crate::{app::App, problem::Failure};

/// Bytes of the longest signature that is looked at: contract wallets of several owners fit.
pub const LONGEST: usize = 4096;

sol! {
    interface IERC1271 {
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4 magic);
    }
}

const MAGIC: FixedBytes<4> = FixedBytes([0x16, 0x26, 0xba, 0x7e]);

/// Whether `signer` signed `digest`.
///
/// An address with delegated code (EIP-7702) still signs with its key, so ECDSA comes first; it is safe, since the
/// recovered address must equal the signer. A contract's answer holds for the newest block only: ask again at use.
///
/// A node that lies could answer for any address. So contract wallets are off unless configured, and an address without
/// code, or one that ever signed with a key here, is never asked about.
pub async fn is_by(app: &App, signer: Address, digest: B256, signature: &[u8]) -> Result<bool, Failure> {
    if signature.is_empty() || signature.len() > LONGEST {
        return Ok(false);
    }
    let allowed = app.config.chain.contract_wallets;
    if typed::recover(digest, signature) == Ok(signer) {
        if allowed {
            remember_key(app, signer).await?;
        }
        return Ok(true);
    }
    if !allowed || app.store.meta(&key_name(signer)).await?.is_some() || !has_code(app, signer).await? {
        return Ok(false);
    }
    let call = IERC1271::isValidSignatureCall {
        hash: digest,
        signature: Bytes::copy_from_slice(signature),
    };
    match app.chain.view(signer, call).await {
        Ok(magic) => Ok(magic == MAGIC),
        // A contract that refuses, answers otherwise, or is no contract.
        Err(ChainError::Reverted(_) | ChainError::Unreadable { .. } | ChainError::Refused { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the node says that there is a contract.
async fn has_code(app: &App, signer: Address) -> Result<bool, Failure> {
    match app.chain.has_code(signer).await {
        Ok(has) => Ok(has),
        Err(ChainError::Refused { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Keeps for good that this address has a key.
async fn remember_key(app: &App, signer: Address) -> Result<(), Failure> {
    let name = key_name(signer);
    if app.store.meta(&name).await?.is_none() {
        app.store.meta_pin(&name, "ecdsa").await?;
    }
    Ok(())
}

fn key_name(signer: Address) -> String {
    format!("signer.{signer}")
}
