//! What can go wrong between us and a node, told apart by type: what to try again, what to give up, what to show.

use std::{error::Error as StdError, time::Duration};

use alloy::{
    primitives::{Address, B256},
    transports::{RpcError, TransportErrorKind},
};

use crate::revert::Revert;

/// Everything this crate refuses or fails with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node could not be reached, or its answer was not JSON-RPC. Asking again may help.
    #[error("the chain's node did not answer: {reason}; check that it runs and that the RPC URL is right")]
    Transport {
        /// The innermost cause. Never the URL: it may carry a key.
        reason: String,
    },
    /// The node took longer than it may. Asking again may help.
    #[error("the chain's node gave no answer within {} s; it is overloaded or cut off", .after.as_secs())]
    Timeout {
        /// How long we waited.
        after: Duration,
    },
    /// The node answered with a JSON-RPC error that is no revert. The text is for people; nothing decides by it.
    #[error("the chain's node refused the call (code {code}): {message}")]
    Refused {
        /// JSON-RPC error code.
        code: i64,
        /// The node's own words.
        message: String,
    },
    /// A contract said no.
    #[error("the contract refused: {0}")]
    Reverted(Revert),
    /// Something was read that the contracts we know cannot have written.
    #[error("{what} could not be read: {reason}; the node is not telling what the contracts wrote, use another one")]
    Unreadable {
        /// What was being read.
        what: &'static str,
        /// Why it cannot be.
        reason: String,
    },
    /// The URL is neither http(s) nor ws(s).
    #[error("the RPC URL is not usable: expected http://, https://, ws:// or wss://")]
    BadUrl,
    /// Another chain than the one configured.
    #[error("the node serves chain {found}, but chain {expected} is configured; correct the RPC URL or the chain id")]
    OtherChain {
        /// Configured chain id.
        expected: u64,
        /// The node's chain id.
        found: u64,
    },
    /// There is no contract at the configured address.
    #[error("there is no code at {address}, where {contract} should be; deploy it or correct its address")]
    NoCode {
        /// Which contract.
        contract: &'static str,
        /// Where it should be.
        address: Address,
    },
    /// The code at the address is not the code this program was built with.
    #[error(
        "the code at {address} is not this version's {contract} (code hash {found}); \
         use the program that belongs to this deployment, or deploy again"
    )]
    OtherCode {
        /// Which contract.
        contract: &'static str,
        /// Where it was looked for.
        address: Address,
        /// keccak256 of the code found.
        found: B256,
    },
    /// The contract is ours but belongs to another deployment.
    #[error(
        "{contract} at {address} works with the Directory at {found}, but {expected} is configured; correct the addresses"
    )]
    OtherDirectory {
        /// Which contract.
        contract: &'static str,
        /// Its address.
        address: Address,
        /// The Directory configured.
        expected: Address,
        /// The Directory it names.
        found: Address,
    },
    /// The chain changed further back than is remembered. Nothing is guessed: the follower has ended.
    #[error(
        "the chain was rewritten below block {oldest}, the oldest of the {depth} remembered blocks; \
         if this is a new chain start from an empty database, otherwise rebuild the index from the first block"
    )]
    ReorgTooDeep {
        /// The oldest block remembered, which is no longer on the chain.
        oldest: u64,
        /// How many blocks are remembered at most.
        depth: usize,
    },
}

impl Error {
    /// Whether the same question may be answered later: nothing was decided, only not heard.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::Timeout { .. })
    }

    /// The contract's refusal, if that is what it is.
    pub fn revert(&self) -> Option<&Revert> {
        match self {
            Self::Reverted(revert) => Some(revert),
            _ => None,
        }
    }

    /// Reads alloy's error for a call to `to`.
    pub(crate) fn of(error: RpcError<TransportErrorKind>, decode: impl FnOnce(&[u8]) -> Revert) -> Self {
        match error {
            RpcError::ErrorResp(payload) => {
                // Code 3 is "execution reverted" (EIP-1474 as every client has it), with the revert data beside it.
                let data = payload.try_data_as::<alloy::primitives::Bytes>().and_then(Result::ok);
                if payload.code == 3 {
                    return Self::Reverted(decode(&data.unwrap_or_default()));
                }
                match data.filter(|d| d.len() >= 4).map(|d| decode(&d)) {
                    Some(Revert::Unknown(_)) | None => Self::Refused {
                        code: payload.code,
                        message: payload.message.into_owned(),
                    },
                    Some(known) => Self::Reverted(known),
                }
            }
            RpcError::Transport(kind) => Self::Transport {
                reason: transport_reason(&kind),
            },
            RpcError::DeserError { err, .. } => Self::Unreadable {
                what: "the node's answer",
                reason: err.to_string(),
            },
            RpcError::NullResp => Self::Unreadable {
                what: "the node's answer",
                reason: "it was null where a value is due".into(),
            },
            other => Self::Transport {
                reason: innermost(&other),
            },
        }
    }
}

/// An HTTP status, or the innermost cause. Outer layers of the HTTP client print the URL.
fn transport_reason(kind: &TransportErrorKind) -> String {
    match kind.as_http_error() {
        Some(http) => format!("HTTP status {}", http.status),
        None => innermost(kind),
    }
}

fn innermost(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
