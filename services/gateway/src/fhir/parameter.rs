//! What each resource type can be searched by, and what of a resource goes into the blind index for it.

use super::{json::Json, token};

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
    /// A plain code with few values. Not indexed, since its frequencies would tell; held against the resource.
    Code,
    /// A date. Not indexed; held against the resource.
    Date,
}

/// One search parameter of a resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
}

impl Parameter {
    /// The type the CapabilityStatement names.
    pub fn fhir_type(&self) -> &'static str {
        match self.kind {
            Kind::Patient => "reference",
            Kind::Date => "date",
            Kind::Id | Kind::PatientIdentifier | Kind::Identifier | Kind::Concept | Kind::Code => "token",
        }
    }
}

const fn by(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind }
}

/// DocumentReference.
pub const DOCUMENT: &[Parameter] = &[
    by("_id", Kind::Id),
    by("patient", Kind::Patient),
    by("subject", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("type", Kind::Concept),
    by("category", Kind::Concept),
    by("status", Kind::Code),
    by("date", Kind::Date),
];
/// Claim.
pub const CLAIM: &[Parameter] = &[
    by("_id", Kind::Id),
    by("patient", Kind::Patient),
    by("patient.identifier", Kind::PatientIdentifier),
    by("identifier", Kind::Identifier),
    by("status", Kind::Code),
    by("use", Kind::Code),
    by("created", Kind::Date),
];
/// Patient.
pub const PATIENT: &[Parameter] = &[by("_id", Kind::Id), by("identifier", Kind::Identifier)];

/// The search parameters of a resource type.
pub fn parameters(kind: &str) -> &'static [Parameter] {
    match kind {
        "DocumentReference" => DOCUMENT,
        "Claim" => CLAIM,
        "Patient" => PATIENT,
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

/// The words a resource is indexed under: (column, word). Only identifiers and codes of concepts.
pub fn index(resource: &Json) -> Vec<(&'static str, String)> {
    let kind = resource.text("resourceType").unwrap_or_default();
    let columns = parameters(kind)
        .iter()
        .filter(|p| matches!(p.kind, Kind::Identifier | Kind::Concept));
    let words = |column: &'static str| {
        let pairs = pairs(resource, column).into_iter();
        pairs.flat_map(move |(system, code)| token::words(&system, &code).map(|word| (column, word)))
    };
    columns.flat_map(|parameter| words(parameter.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_identifiers_and_concepts_are_indexed() {
        let document = Json::parse(
            br#"{"resourceType":"DocumentReference","status":"current","date":"2026-11-22",
                "identifier":[{"value":"1"}],"type":{"coding":[{"system":"http://loinc.org","code":"11502-2"}]}}"#,
        )
        .unwrap();
        let columns: Vec<_> = index(&document).into_iter().map(|(column, _)| column).collect();
        assert_eq!(columns, ["identifier", "identifier", "type", "type"]);
    }
}
