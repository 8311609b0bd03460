//! What each resource type can be searched by, and what of a resource goes into the blind index for it.

use super::{json::Json, path, reference, token};

/// How a parameter finds its resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `_id`
    Id,
    /// A reference to the patient.
    Patient,
    /// The patient by the account's identifier.
    PatientIdentifier,
    /// `identifier`: indexed blindly.
    Identifier,
    /// A concept's codes: indexed blindly. The parameter is named like its element.
    Concept,
    /// A reference. To a record of this server it is indexed blindly; any other is held against the resource.
    Reference,
    /// A plain code with few values. Not indexed, since its frequencies would tell; held against the resource.
    Code,
    /// Codes, codings or identifiers further inside. Not indexed, for the same reason.
    Token,
    /// A date or a period. Not indexed; held against the resource.
    Date,
    /// The beginning of a text, whatever its case. Not indexed; held against the resource.
    Text,
}

/// One search parameter of a resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    /// Where the values stand; several places are separated by a blank.
    pub path: &'static str,
}

impl Parameter {
    /// The type the CapabilityStatement names.
    pub fn fhir_type(&self) -> &'static str {
        match self.kind {
            Kind::Patient | Kind::Reference => "reference",
            Kind::Date => "date",
            Kind::Text => "string",
            Kind::Id | Kind::PatientIdentifier | Kind::Identifier | Kind::Concept | Kind::Code | Kind::Token => "token",
        }
    }
}

const fn by(name: &'static str, kind: Kind) -> Parameter {
    at(name, kind, name)
}

const fn at(name: &'static str, kind: Kind, path: &'static str) -> Parameter {
    Parameter { name, kind, path }
}

const LAST_UPDATED: Parameter = at("_lastUpdated", Kind::Date, "meta.lastUpdated");

/// DocumentReference: what ITI-67 asks for, except by names of authors, who are references here.
pub const DOCUMENT: &[Parameter] = &[
    by("_id", Kind::Id),
    LAST_UPDATED,
    by("patient", Kind::Patient),
    by("subject", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("type", Kind::Concept),
    by("category", Kind::Concept),
    by("status", Kind::Code),
    by("date", Kind::Date),
    at("creation", Kind::Date, "content.attachment.creation"),
    at("period", Kind::Date, "context.period"),
    at("event", Kind::Token, "context.event"),
    at("facility", Kind::Token, "context.facilityType"),
    at("setting", Kind::Token, "context.practiceSetting"),
    at("format", Kind::Token, "content.format"),
    at("contenttype", Kind::Token, "content.attachment.contentType"),
    at("language", Kind::Token, "content.attachment.language"),
    at("security-label", Kind::Token, "securityLabel"),
    at("relation", Kind::Token, "relatesTo.code"),
    at("relatesto", Kind::Reference, "relatesTo.target"),
    at("related", Kind::Reference, "context.related"),
    at("encounter", Kind::Reference, "context.encounter"),
    by("author", Kind::Reference),
    by("authenticator", Kind::Reference),
    by("custodian", Kind::Reference),
    by("description", Kind::Text),
];
/// Claim.
pub const CLAIM: &[Parameter] = &[
    by("_id", Kind::Id),
    LAST_UPDATED,
    by("patient", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("status", Kind::Code),
    by("use", Kind::Code),
    by("created", Kind::Date),
    by("priority", Kind::Token),
    by("provider", Kind::Reference),
    by("insurer", Kind::Reference),
    by("enterer", Kind::Reference),
    by("facility", Kind::Reference),
    at("care-team", Kind::Reference, "careTeam.provider"),
    at("encounter", Kind::Reference, "item.encounter"),
    at("payee", Kind::Reference, "payee.party"),
];
/// ClaimResponse.
pub const CLAIM_RESPONSE: &[Parameter] = &[
    by("_id", Kind::Id),
    LAST_UPDATED,
    by("patient", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("request", Kind::Reference),
    by("insurer", Kind::Reference),
    by("requestor", Kind::Reference),
    by("status", Kind::Code),
    by("use", Kind::Code),
    by("outcome", Kind::Code),
    by("disposition", Kind::Text),
    by("created", Kind::Date),
    at("payment-date", Kind::Date, "payment.date"),
];
/// Coverage.
pub const COVERAGE: &[Parameter] = &[
    by("_id", Kind::Id),
    LAST_UPDATED,
    by("patient", Kind::Patient),
    by("beneficiary", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("type", Kind::Concept),
    by("status", Kind::Code),
    by("dependent", Kind::Text),
    at("class-type", Kind::Token, "class.type"),
    at("class-value", Kind::Text, "class.value"),
    by("payor", Kind::Reference),
    by("subscriber", Kind::Reference),
    at("policy-holder", Kind::Reference, "policyHolder"),
];
/// List: what ITI-66 asks for.
pub const LIST: &[Parameter] = &[
    by("_id", Kind::Id),
    LAST_UPDATED,
    by("patient", Kind::Patient),
    by("subject", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("code", Kind::Concept),
    by("status", Kind::Code),
    by("title", Kind::Text),
    by("date", Kind::Date),
    by("source", Kind::Reference),
    at("item", Kind::Reference, "entry.item"),
];
/// Patient.
pub const PATIENT: &[Parameter] = &[
    by("_id", Kind::Id),
    LAST_UPDATED,
    by("identifier", Kind::Identifier),
    at("birthdate", Kind::Date, "birthDate"),
    by("gender", Kind::Code),
    at("family", Kind::Text, "name.family"),
    at("given", Kind::Text, "name.given"),
    at(
        "name",
        Kind::Text,
        "name.family name.given name.text name.prefix name.suffix",
    ),
];

/// Practitioner, from the Directory.
pub const PRACTITIONER: &[Parameter] = &[
    at("_id", Kind::Code, "id"),
    by("identifier", Kind::Identifier),
    by("active", Kind::Token),
];
/// Organization, from the Directory.
pub const ORGANIZATION: &[Parameter] = &[
    at("_id", Kind::Code, "id"),
    by("identifier", Kind::Identifier),
    by("active", Kind::Token),
    by("type", Kind::Token),
    by("name", Kind::Text),
];
/// Consent: the grants.
pub const CONSENT: &[Parameter] = &[
    at("_id", Kind::Code, "id"),
    by("patient", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("status", Kind::Code),
    by("scope", Kind::Token),
    by("category", Kind::Token),
    by("organization", Kind::Reference),
    at("actor", Kind::Reference, "provision.actor.reference"),
    at("action", Kind::Token, "provision.action"),
    at("purpose", Kind::Token, "provision.purpose"),
    at("period", Kind::Date, "provision.period"),
];
/// AuditEvent: the journal.
pub const AUDIT_EVENT: &[Parameter] = &[
    at("_id", Kind::Code, "id"),
    by("patient", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    at("date", Kind::Date, "recorded"),
    by("action", Kind::Code),
    by("outcome", Kind::Code),
    by("type", Kind::Token),
    by("subtype", Kind::Token),
    at("agent", Kind::Reference, "agent.who"),
    at("agent-role", Kind::Token, "agent.type"),
    at("entity-type", Kind::Token, "entity.type"),
    at("entity-role", Kind::Token, "entity.role"),
    at("source", Kind::Reference, "source.observer"),
];
/// Provenance: the statements.
pub const PROVENANCE: &[Parameter] = &[
    by("target", Kind::Reference),
    by("recorded", Kind::Date),
    at("agent", Kind::Reference, "agent.who"),
    at("agent-type", Kind::Token, "agent.type"),
    at("signature-type", Kind::Token, "signature.type"),
];
/// Task: data requests.
pub const TASK: &[Parameter] = &[
    at("_id", Kind::Code, "id"),
    LAST_UPDATED,
    by("patient", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("status", Kind::Code),
    by("code", Kind::Token),
    by("owner", Kind::Reference),
    by("requester", Kind::Reference),
    at("authored-on", Kind::Date, "authoredOn"),
];

/// The search parameters of a resource type.
pub fn parameters(kind: &str) -> &'static [Parameter] {
    match kind {
        "DocumentReference" => DOCUMENT,
        "Claim" => CLAIM,
        "ClaimResponse" => CLAIM_RESPONSE,
        "Coverage" => COVERAGE,
        "List" => LIST,
        "Patient" => PATIENT,
        "Practitioner" => PRACTITIONER,
        "Organization" => ORGANIZATION,
        "Consent" => CONSENT,
        "AuditEvent" => AUDIT_EVENT,
        "Provenance" => PROVENANCE,
        "Task" => TASK,
        _ => &[],
    }
}

/// What a resource holds under a column of the blind index.
pub fn pairs(resource: &Json, column: &str) -> Vec<(String, String)> {
    if column == "identifier" {
        token::identifiers(resource)
    } else {
        token::codings(resource, column)
    }
}

/// The words a resource is indexed under: (column, word). Only identifiers, codes of concepts, and references to records
/// of this server, whose ids are random.
pub fn index(resource: &Json, base: &str) -> Vec<(&'static str, String)> {
    let kind = resource.text("resourceType").unwrap_or_default();
    let mut words = Vec::new();
    for parameter in parameters(kind) {
        match parameter.kind {
            Kind::Identifier | Kind::Concept => {
                let pairs = pairs(resource, parameter.name).into_iter();
                words.extend(
                    pairs
                        .flat_map(|(system, code)| token::words(&system, &code))
                        .map(|word| (parameter.name, word)),
                );
            }
            Kind::Reference => {
                let found = path::find(resource, parameter.path).into_iter();
                let texts = found.filter_map(|reference| reference.text("reference"));
                words.extend(
                    texts
                        .filter_map(|text| reference::record(text, base))
                        .map(|id| (parameter.name, id.to_string())),
                );
            }
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_identifiers_concepts_and_references_to_records_are_indexed() {
        let id = "01".repeat(32);
        let text = format!(
            r#"{{"resourceType":"DocumentReference","status":"current","date":"2026-11-22","description":"x",
                "identifier":[{{"value":"1"}}],"type":{{"coding":[{{"system":"http://loinc.org","code":"11502-2"}}]}},
                "author":[{{"reference":"Practitioner/1"}}],"securityLabel":[{{"coding":[{{"code":"N"}}]}}],
                "relatesTo":[{{"code":"appends","target":{{"reference":"http://x/DocumentReference/{id}/_history/2"}}}}]}}"#
        );
        let document = Json::parse(text.as_bytes()).unwrap();
        let indexed = index(&document, "http://x");
        let columns: Vec<_> = indexed.iter().map(|(column, _)| *column).collect();
        assert_eq!(columns, ["identifier", "identifier", "type", "type", "relatesto"]);
        assert_eq!(indexed[4].1, id);
    }
}
