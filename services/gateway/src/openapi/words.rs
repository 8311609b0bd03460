//! Schemas of the words that other rooms and crates define. `build.rs` says which stands for which type.

use std::{borrow::Cow, collections::BTreeMap};

use chartseal_record::{account, state};
use chartseal_store::RequestState as Asked;
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, SchemaFormat,
        schema::{KnownFormat, ObjectBuilder, Schema, Type},
    },
};

macro_rules! texts {
    ($($name:ident $word:literal = $pattern:literal, $example:literal, $meaning:literal;)*) => { $(
        #[doc = $meaning]
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($meaning).pattern(Some($pattern)).examples([$example]).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $word.into()
            }
        }
    )* };
}

texts! {
    AddressSchema "Address" = "^0x[0-9a-fA-F]{40}$", "0x5b38da6a701c568545dcfcb03fcb875f56beddc4", "20 bytes: an account's id, a wallet, a contract.";
    HashSchema "Hash" = "^0x[0-9a-fA-F]{64}$", "0x9c22ff5f21f0b81b113e63f7db6da94fedef11b2119b4088b89664fb9a3cb658", "32 bytes.";
    HexSchema "Hex" = "^0x([0-9a-fA-F]{2})*$", "0x00ff", "Bytes in hexadecimal digits.";
    ScopeSchema "Scope" = "^[a-z][a-z0-9-]{0,31}$", "clinical", "A class of records that is shared as a unit: demographics, clinical, laboratory, imaging, medication, claims, sensitive, emergency, audit, or one of the operator's.";
    CidSchema "Cid" = "^b[a-z2-7]{58}$", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", "A content id: CIDv1, base32, sha2-256.";
}

macro_rules! words {
    ($($name:ident $word:literal = $all:expr, $meaning:literal;)*) => { $(
        #[doc = $meaning]
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($meaning).enum_values(Some($all.iter().map(|word| word.as_str()))).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $word.into()
            }
        }
    )* };
}

words! {
    RoleSchema "Role" = account::Role::ALL, "What a party is.";
    StatusSchema "Status" = account::Status::ALL, "Whether an account counts.";
    CustodySchema "Custody" = account::Custody::ALL, "Who keeps a patient's keys: the custodian the release keys only (self), or the root too (gateway). none: not a patient.";
    RecordStateSchema "RecordState" = state::RecordState::ALL, "How far a record has come: stored, batched, submitted, anchored.";
    IntentStateSchema "IntentState" = state::IntentState::ALL, "How far a decision has come: prepared, signed, submitted, then confirmed, failed or expired.";
    RequestStateSchema "RequestState" = Asked::ALL, "How far a request has come: prepared, open, then approved, declined or withdrawn.";
}

/// Bytes as they are.
#[derive(Debug)]
pub struct Octets;

impl PartialSchema for Octets {
    fn schema() -> RefOr<Schema> {
        text("Bytes as they are.")
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Octets {}

/// A FHIR R4 resource.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it describes what fhir::json reads")]
pub struct FhirResource {
    resource_type: String,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// A statement key and the blocks in which it counts.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the schema of chartseal_record::account::StatementKey")]
pub struct StatementKey {
    key: AddressSchema,
    /// First block.
    from: u64,
    /// First block in which it no longer counts.
    until: u64,
}

/// What a grant of one record is of, and what opens it with the release.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the schema of chartseal_record::release::ReleasedRecord")]
pub struct ReleasedRecord {
    cid: CidSchema,
    /// Of the grant's commitment.
    salt: HashSchema,
    /// The record's file key, HPKE-sealed under the release key: 64 bytes.
    wrap: HexSchema,
}

/// What a wallet's `eth_signTypedData_v4` takes.
#[derive(Debug, ToSchema)]
#[schema(as = TypedData, rename_all = "camelCase")]
#[expect(dead_code, reason = "it describes what chartseal_record::typed lays out")]
pub struct TypedData {
    /// Members of each struct, by its name.
    types: BTreeMap<String, Value>,
    primary_type: String,
    domain: BTreeMap<String, Value>,
    message: BTreeMap<String, Value>,
}

fn text(meaning: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(meaning))
}
