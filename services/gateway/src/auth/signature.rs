//! Whose signature is it? ECDSA first, then ERC-1271, as the contracts do.

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
pub async fn is_by(app: &App, signer: Address, digest: B256, signature: &[u8]) -> Result<bool, Failure> {
    if signature.is_empty() || signature.len() > LONGEST {
        return Ok(false);
    }
    if typed::recover(digest, signature) == Ok(signer) {
        return Ok(true);
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
