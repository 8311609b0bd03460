//! What can go wrong between a row and the chain.

use chartseal_record::manifest::BadManifest;

/// Why a step did not happen. Every step may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] chartseal_store::Error),
    /// The chain, or its node.
    #[error(transparent)]
    Chain(#[from] chartseal_chain::Error),
    /// The content store.
    #[error(transparent)]
    Content(#[from] chartseal_ipfs::Error),
    /// The waiting records cannot be listed in a manifest.
    #[error("the waiting records make no batch: {0}")]
    Manifest(#[from] BadManifest),
    /// A waiting record has no bytes.
    #[error("record {0} waits, but its bytes are not in the outbox; restore the database from a backup")]
    NoBytes(chartseal_record::ContentHash),
    /// A CID in the outbox does not read.
    #[error("the outbox names '{0}', which is no CID; the database was changed by something else")]
    BadCid(String),
    /// A transaction could not be signed.
    #[error("the transaction could not be signed: {0}")]
    Signing(#[from] alloy::signers::Error),
    /// The database belongs to another chain or deployment.
    #[error(
        "{what} is {found}, but the database was filled with {kept}: chain was reset; run chartseal up --fresh, or configure the deployment the database belongs to"
    )]
    OtherChain {
        /// What differs.
        what: &'static str,
        /// In the database.
        kept: String,
        /// On the chain.
        found: String,
    },
}

impl Error {
    /// One word for a metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(chartseal_store::Error::Moved { .. }) => "moved",
            Self::Store(_) => "store",
            Self::Chain(e) if e.is_transient() => "chain-away",
            Self::Chain(e) if e.revert().is_some() => "chain-reverted",
            Self::Chain(_) => "chain",
            Self::Content(e) if e.is_temporary() => "content-away",
            Self::Content(_) => "content",
            Self::Manifest(_) | Self::NoBytes(_) | Self::BadCid(_) => "rows",
            Self::Signing(_) => "signing",
            Self::OtherChain { .. } => "other-chain",
        }
    }
}
