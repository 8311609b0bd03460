//! References: which patient a resource speaks of, in the ways clients write it.

use std::str::FromStr;

use alloy::primitives::{Address, B256};

use super::json::Json;

/// The system of an account's identifier; its values are CAIP-10 ids like `eip155:31337:0x…`.
pub const ACCOUNT: &str = "urn:chartseal:account";

/// Whom a reference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatientRef {
    /// `Patient/<id>`: a Patient resource held here.
    Resource(RecordId),
    /// An account on this chain.
    Account(Address),
}

/// A FHIR id of this server: a record's id as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordId(pub B256);

/// The text is not a FHIR id this server gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId;

impl FromStr for RecordId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut id = B256::ZERO;
        let canonical = !text.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(text, id.as_mut_slice()) {
            Ok(()) if canonical => Ok(Self(id)),
            _ => Err(NotAnId),
        }
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Reads `{"reference": …}` or `{"identifier": …}`. `None` where it names nobody this server could know.
///
/// `base` is this server's FHIR base without a trailing slash, `chain_id` the chain accounts live on.
pub fn patient(reference: &Json, base: &str, chain_id: u64) -> Option<PatientRef> {
    if let Some(text) = reference.text("reference") {
        return patient_at(text, base, chain_id);
    }
    let identifier = reference.get("identifier")?;
    (identifier.text("system") == Some(ACCOUNT)).then(|| account(identifier.text("value")?, chain_id))?
}

/// Reads the text of a reference: relative, absolute, versioned, or conditional by account.
pub fn patient_at(text: &str, base: &str, chain_id: u64) -> Option<PatientRef> {
    if let Some(query) = text.strip_prefix("Patient?identifier=") {
        let (system, value) = query.split_once('|')?;
        return if system == ACCOUNT {
            account(value, chain_id)
        } else {
            None
        };
    }
    resource(text, "Patient", base).map(PatientRef::Resource)
}

/// The id in `kind/<id>`, relative or under `base`, with or without `/_history/<v>`.
pub fn resource(text: &str, kind: &str, base: &str) -> Option<RecordId> {
    path_of(text, kind, base)?.parse().ok()
}

/// The record a reference names, relative or under `base`, whatever its type.
pub fn record(text: &str, base: &str) -> Option<RecordId> {
    let (_, id) = relative(text, base)?.split_once('/')?;
    id.parse().ok()
}

/// A reference as `Type/<id>` without a version: below this server's base, and as it is if it points elsewhere.
pub fn relative<'a>(text: &'a str, base: &str) -> Option<&'a str> {
    let relative = match text.strip_prefix(base) {
        Some(rest) => rest.strip_prefix('/')?,
        None => text,
    };
    Some(relative.split_once("/_history/").map_or(relative, |(id, _)| id))
}

/// The version a reference says; none if it means the newest one.
pub fn version(text: &str) -> Option<Result<u32, NotAnId>> {
    let (_, version) = text.split_once("/_history/")?;
    Some(version.parse().map_err(|_| NotAnId))
}

/// What follows `kind/` in a relative or absolute reference to this server, without a version.
pub fn path_of<'a>(text: &'a str, kind: &str, base: &str) -> Option<&'a str> {
    relative(text, base)?.strip_prefix(kind)?.strip_prefix('/')
}

/// Reads `eip155:<chain>:<address>` of this chain.
pub fn account(value: &str, chain_id: u64) -> Option<PatientRef> {
    let rest = value.strip_prefix("eip155:")?;
    let (chain, address) = rest.split_once(':')?;
    if chain.parse() != Ok(chain_id) || !address.starts_with("0x") {
        return None;
    }
    address.parse().ok().map(PatientRef::Account)
}

/// Writes an account's identifier.
pub fn account_id(account: Address, chain_id: u64) -> String {
    format!("eip155:{chain_id}:{account}")
}

/// The account a Patient resource is about, from its `identifier` list.
pub fn account_of_patient(resource: &Json, chain_id: u64) -> Option<Address> {
    let ours = resource
        .list("identifier")
        .iter()
        .find(|i| i.text("system") == Some(ACCOUNT))?;
    match account(ours.text("value")?, chain_id)? {
        PatientRef::Account(address) => Some(address),
        PatientRef::Resource(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://127.0.0.1:8080/fhir/R4";
    const ID: &str = "0101010101010101010101010101010101010101010101010101010101010101";

    fn read(json: &str) -> Option<PatientRef> {
        patient(&Json::parse(json.as_bytes()).unwrap(), BASE, 31337)
    }

    #[test]
    fn a_patient_is_found_in_every_form_of_reference() {
        let resource = Some(PatientRef::Resource(RecordId(B256::repeat_byte(1))));
        for text in [
            format!("Patient/{ID}"),
            format!("{BASE}/Patient/{ID}"),
            format!("Patient/{ID}/_history/2"),
        ] {
            assert_eq!(read(&format!(r#"{{"reference":"{text}"}}"#)), resource, "{text}");
        }
        let address = Address::repeat_byte(0xab);
        let account = Some(PatientRef::Account(address));
        let value = account_id(address, 31337);
        assert_eq!(
            read(&format!(
                r#"{{"identifier":{{"system":"{ACCOUNT}","value":"{value}"}}}}"#
            )),
            account
        );
        assert_eq!(
            read(&format!(r#"{{"reference":"Patient?identifier={ACCOUNT}|{value}"}}"#)),
            account
        );
    }

    #[test]
    fn references_to_elsewhere_name_nobody() {
        for text in [
            r#"{"reference":"urn:uuid:cdf500b9-7cc4-424d-a86c-a18e6620d6e7"}"#,
            r#"{"reference":"Patient/1"}"#,
            r#"{"reference":"http://other.example/fhir/Patient/1"}"#,
            r#"{"reference":"Practitioner/1"}"#,
            r#"{"display":"Bob"}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let other_chain = account_id(Address::ZERO, 1);
        assert_eq!(account(&other_chain, 31337), None);
        assert_eq!(account("eip155:31337:0x12", 31337), None);
    }

    #[test]
    fn ids_have_one_spelling() {
        assert!(ID.parse::<RecordId>().is_ok());
        assert!("AB".repeat(32).parse::<RecordId>().is_err());
        assert!("ab".repeat(31).parse::<RecordId>().is_err());
        assert_eq!(ID.parse::<RecordId>().unwrap().to_string(), ID);
    }
}
