//! The schema of a decision to lay out: one object for each kind, in which `kind` stands beside the kind's own members.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type},
    },
};

use super::{account, advance, enrol, grant, grant_claim, revoke, take_over};
use crate::openapi::words::{AddressSchema, HashSchema};

/// By a registrar.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of three kinds")]
struct Account {
    /// The account it is about.
    who: AddressSchema,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of two kinds")]
struct Request {
    /// The request's id.
    request: HashSchema,
}

macro_rules! kinds {
    ($($word:literal $members:ty,)*) => {
        pub fn schema() -> RefOr<Schema> {
            OneOfBuilder::new()
                .description(Some("What can be decided. Unknown kinds and unknown members are refused."))
                $(.item(kind($word, <$members>::schema())))*
                .into()
        }

        pub fn referenced(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            $(<$members>::schemas(schemas);)*
        }
    };
}

kinds! {
    "register" account::Register,
    "statementKey" account::StatementKey,
    "publisher" account::Publisher,
    "custodian" account::Custodian,
    "takeOver" take_over::TakeOver,
    "encryptionKey" account::EncryptionKey,
    "handOver" account::HandOver,
    "suspend" Account,
    "reinstate" Account,
    "retire" Account,
    "enrol" enrol::Enrol,
    "grant" grant::Grant,
    "grantClaim" grant_claim::GrantClaim,
    "revoke" revoke::Revoke,
    "advance" advance::Advance,
    "decline" Request,
    "withdraw" Request,
}

fn kind(word: &str, members: RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = members else {
        unreachable!("the schema of a struct is an object");
    };
    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([word]));
    object.properties.insert("kind".into(), words.into());
    object.required.insert(0, "kind".into());
    object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    object.title = Some(word.into());
    RefOr::T(Schema::Object(object))
}
