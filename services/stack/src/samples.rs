//! The documents the sample system and the story are filled with. They are compiled in, so that a binary away from
//! its source tree tells the same story. Sources and licences: `tests/data/README.md`.

use serde_json::{Value, json};

/// A C-CDA operative note of a knee arthroscopy.
pub const KNEE: &[u8] = include_bytes!("../../../tests/data/documents/knee.xml");
/// One scanned page.
pub const CONGRESS: &[u8] = include_bytes!("../../../tests/data/documents/congress.pdf");
/// A CT slice.
pub const CT: &[u8] = include_bytes!("../../../tests/data/documents/CT_small.dcm");

const MARTINA: &str = include_str!("../../../tests/data/synthea/martina-patient.json");
const MARTINA_CLAIM: &str = include_str!("../../../tests/data/synthea/martina-claim.json");
const DENIS: &str = include_str!("../../../tests/data/synthea/denis-patient.json");
const DENIS_NOTE: &str = include_str!("../../../tests/data/synthea/denis-note.json");
const DENTAL_CLAIM: &str = include_str!("../../../tests/data/hl7/claim-example.json");

const CANARIES: &str = include_str!("../../../tests/data/canaries.json");

/// Names, identifiers, telephone numbers and addresses out of the samples: none may ever be found at rest.
pub fn canaries() -> Vec<String> {
    let lists = parse(CANARIES);
    let lists = lists.as_object().into_iter().flat_map(|lists| lists.values());
    lists
        .flat_map(|list| list.as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The system under which a hospital of the samples numbers its claims.
pub const CLAIM_SYSTEM: &str = "https://hospital.example/claims";

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("a file of tests/data, parsed by a test of this module")
}

/// A Patient resource without the identity its publisher gave it, tied to `address`'s account.
fn patient(text: &str, chain_id: u64, address: &str) -> Value {
    let mut patient = parse(text);
    if let Some(identifiers) = patient["identifier"].as_array_mut() {
        identifiers.push(account_identifier(chain_id, address));
    }
    without_id(patient)
}

/// The identifier that says which account a Patient resource belongs to.
pub fn account_identifier(chain_id: u64, address: &str) -> Value {
    json!({ "system": "urn:chartseal:account", "value": format!("eip155:{chain_id}:{address}") })
}

pub fn martina(chain_id: u64, address: &str) -> Value {
    patient(MARTINA, chain_id, address)
}

pub fn denis(chain_id: u64, address: &str) -> Value {
    patient(DENIS, chain_id, address)
}

/// A visit note with its text inline.
pub fn denis_note(patient: &str) -> Value {
    let mut note = without_id(parse(DENIS_NOTE));
    note["subject"] = json!({ "reference": format!("Patient/{patient}") });
    // The encounter of the source's server does not exist on ours.
    if let Some(members) = note.as_object_mut() {
        members.remove("context");
    }
    note
}

/// The claim of a chest X-ray, numbered, with the documents that prove it.
pub fn xray_claim(patient: &str, number: &str, evidence: &[Value]) -> Value {
    numbered(MARTINA_CLAIM, patient, number, evidence)
}

/// HL7's own example of a dental claim, numbered anew.
pub fn dental_claim(patient: &str, number: &str) -> Value {
    numbered(DENTAL_CLAIM, patient, number, &[])
}

fn numbered(text: &str, patient: &str, number: &str, evidence: &[Value]) -> Value {
    let mut claim = without_id(parse(text));
    claim["identifier"] = json!([{ "system": CLAIM_SYSTEM, "value": number }]);
    claim["patient"] = json!({ "reference": format!("Patient/{patient}") });
    let info: Vec<Value> = evidence
        .iter()
        .enumerate()
        .map(|(i, value)| {
            let mut info = json!({
                "sequence": i + 1,
                "category": { "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/claiminformationcategory",
                    "code": "attachment",
                }] },
            });
            if let (Some(into), Some(from)) = (info.as_object_mut(), value.as_object()) {
                into.extend(from.clone());
            }
            info
        })
        .collect();
    if !info.is_empty() {
        claim["supportingInfo"] = json!(info);
    }
    claim
}

/// A DocumentReference for one document: bytes that are already staged as a Binary, or inline.
pub fn document(patient: &str, kind: Kind, content: Value) -> Value {
    let (loinc, display, media, title) = match kind {
        Kind::OperativeNote => ("11504-8", "Surgical operation note", "text/xml", "Operative note"),
        Kind::Scan => ("34133-9", "Summary of episode note", "application/pdf", "Scanned page"),
        Kind::Picture => ("18748-4", "Diagnostic imaging study", "application/dicom", "CT slice"),
    };
    let mut attachment = json!({ "contentType": media, "title": title });
    if let (Some(into), Some(from)) = (attachment.as_object_mut(), content.as_object()) {
        into.extend(from.clone());
    }
    let category = match kind {
        Kind::Picture => "imaging",
        Kind::OperativeNote | Kind::Scan => "clinical-note",
    };
    json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "description": title,
        "type": { "coding": [{ "system": "http://loinc.org", "code": loinc, "display": display }] },
        "category": [{ "coding": [{ "code": category }] }],
        "subject": { "reference": format!("Patient/{patient}") },
        "date": "2026-11-20T09:30:00Z",
        "content": [{ "attachment": attachment }],
    })
}

/// What kind of paper a document is; it decides its type and the scope it falls in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    OperativeNote,
    Scan,
    Picture,
}

/// Ids and metas of the source's server mean nothing on ours, which gives its own.
fn without_id(mut resource: Value) -> Value {
    if let Some(members) = resource.as_object_mut() {
        members.remove("id");
        members.remove("meta");
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_parses_and_names_its_patient() {
        assert_eq!(martina(31337, "0xabc")["resourceType"], "Patient");
        assert_eq!(
            denis(31337, "0xabc")["identifier"].as_array().map(Vec::is_empty),
            Some(false)
        );
        assert_eq!(denis_note("p1")["subject"]["reference"], "Patient/p1");
        let claim = xray_claim(
            "p1",
            "C-1",
            &[json!({ "valueReference": { "reference": "DocumentReference/d" } })],
        );
        assert_eq!(claim["identifier"][0]["value"], "C-1");
        assert_eq!(
            claim["supportingInfo"][0]["valueReference"]["reference"],
            "DocumentReference/d"
        );
        assert_eq!(dental_claim("p1", "C-2")["patient"]["reference"], "Patient/p1");
        assert!(canaries().len() > 20);
        assert!(CT[128..132] == *b"DICM" && CONGRESS.starts_with(b"%PDF") && KNEE.starts_with(b"<?xml"));
    }
}
