//! The schema of a receipt, which `chartseal_record` defines. A test compares their members.

use utoipa::ToSchema;

use super::words::{AddressSchema, CidSchema, HashSchema, HexSchema};

/// Proves a record without this gateway; docs/format.md says how it is checked.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of chartseal_record::receipt::Receipt")]
pub struct Receipt {
    /// `chartseal-receipt/1`.
    format: String,
    /// EIP-155 chain id.
    chain_id: u64,
    contracts: Contracts,
    /// The sealed record's.
    cid: CidSchema,
    /// Patient × scope.
    compartment: HashSchema,
    /// Epoch it was sealed to.
    epoch: u32,
    /// Siblings from the leaf to the root.
    #[schema(max_items = 13)]
    proof: Vec<HashSchema>,
    root: HashSchema,
    /// Who anchored it.
    organisation: AddressSchema,
    /// Records in the batch.
    count: u32,
    /// CID of the batch's manifest.
    manifest: CidSchema,
    transaction: HashSchema,
    block: u64,
    /// For readers of the record only.
    statement: Option<Statement>,
    /// The author's, over the statement.
    signature: Option<HexSchema>,
}

/// The three contracts.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the schema of chartseal_record::receipt::Addresses")]
pub struct Contracts {
    directory: AddressSchema,
    consent: AddressSchema,
    anchors: AddressSchema,
}

/// What the author signed about one version.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of chartseal_record::statement::Statement")]
pub struct Statement {
    /// Patient × scope.
    compartment: HashSchema,
    /// The record's.
    id: HashSchema,
    #[schema(minimum = 1)]
    version: u32,
    /// Digest of the previous version's statement; zero for the first.
    previous: HashSchema,
    /// SHA-256 of the resource's bytes.
    resource: HashSchema,
    author: AddressSchema,
    /// Unix seconds.
    authored_at: u64,
}
