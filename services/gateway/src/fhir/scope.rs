//! Which scope a resource belongs to: the one table behind "the laboratory report is not the imaging study".

use chartseal_record::Scope;
use serde::Deserialize;

use super::json::Json;
use crate::problem::{Code, Problem};

/// A tag of this system in `meta.tag` says the scope outright.
pub const TAG: &str = "urn:chartseal:scope";

const LOINC: &str = "http://loinc.org";
const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const SERVICE: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// Codes of `category`, `type` and `code`, and where they lead. The operator's rules come before it.
const TABLE: [(&str, &[&str], &str); 9] = [
    (OBSERVATION, &["laboratory"], "laboratory"),
    (OBSERVATION, &["imaging"], "imaging"),
    (
        SERVICE,
        &["LAB", "CH", "HM", "MB", "SR", "BLB", "SP", "TX", "VR"],
        "laboratory",
    ),
    (
        SERVICE,
        &["RAD", "RX", "CT", "CUS", "NMR", "NMS", "OUS", "RUS", "VUS", "XRC"],
        "imaging",
    ),
    // Laboratory report, laboratory studies, chemistry, haematology, microbiology, serology, urinalysis, pathology.
    (
        LOINC,
        &[
            "11502-2", "26436-6", "18719-5", "18723-7", "18725-2", "18727-8", "18729-4", "11526-1", "60568-3",
        ],
        "laboratory",
    ),
    (LOINC, &["LP7839-6", "LP29693-6", "30954-2"], "laboratory"),
    // Diagnostic imaging study, radiology studies, radiology note, CT chest, chest X-rays, cardiac and fetal ultrasound.
    (
        LOINC,
        &[
            "18748-4",
            "18726-0",
            "68604-8",
            "24627-2",
            "30746-2",
            "36643-5",
            "42148-7",
            "11525-3",
            "LP29684-5",
        ],
        "imaging",
    ),
    // History of medication use, medications administered, prescription, prescription list, medication summary.
    (
        LOINC,
        &["10160-0", "29549-3", "57833-6", "57828-6", "56445-0"],
        "medication",
    ),
    (LOINC, &["10183-2", "42346-7", "75311-1"], "medication"),
];

/// One line of the operator's own table, asked before the built-in one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The code system; absent: any.
    pub system: Option<String>,
    /// A code of `category`, `type` or `code`.
    pub code: String,
    /// Where resources with it belong.
    pub scope: Scope,
}

/// The scope of a resource that is about to be written.
///
/// A Patient is always `demographics`. For the rest, in this order: a confidentiality label of R or V (`sensitive`), an
/// explicit tag, the operator's rules, the resource type, the table over codes, DICOM content, and `clinical` for
/// whatever is left. The label comes first: nothing a writer adds may put a restricted record before more readers.
pub fn of(resource: &Json, rules: &[Rule]) -> Result<Scope, Problem> {
    let kind = resource.text("resourceType").unwrap_or_default();
    if kind == "Patient" {
        return Ok(Scope::demographics());
    }
    let tag = tagged(resource)?;
    if restricted(resource) {
        return Ok(Scope::sensitive());
    }
    if let Some(tag) = tag {
        return Ok(tag);
    }
    let codings = codings(resource);
    for rule in rules {
        let applies =
            |(system, code): &(&str, &str)| *code == rule.code && rule.system.as_deref().is_none_or(|s| s == *system);
        if codings.iter().any(applies) {
            return Ok(rule.scope.clone());
        }
    }
    if matches!(kind, "Claim" | "ClaimResponse" | "Coverage" | "ExplanationOfBenefit") {
        return Ok(Scope::claims());
    }
    let listed = TABLE
        .iter()
        .find(|(system, codes, _)| codings.iter().any(|(s, code)| s == system && codes.contains(code)));
    if let Some((_, _, name)) = listed {
        return Ok(Scope::new(*name).expect("the table holds known scopes, which a test checks"));
    }
    if content_types(resource).any(|media| media == "application/dicom") {
        return Ok(Scope::imaging());
    }
    Ok(Scope::clinical())
}

/// The scope a writer names beside the resource, as far as the resource itself does not forbid it.
pub fn chosen(resource: &Json, chosen: Scope) -> Result<Scope, Problem> {
    let patient = resource.text("resourceType") == Some("Patient");
    let text = if patient != (chosen == Scope::demographics()) {
        "a Patient belongs to 'demographics', and nothing else does"
    } else if chosen.as_str() == "audit" {
        "records are not put into 'audit'"
    } else if !patient && restricted(resource) && chosen != Scope::sensitive() {
        "the resource is marked restricted (confidentiality R or V), so it belongs to 'sensitive' and to no other scope"
    } else {
        return Ok(chosen);
    };
    Err(Problem::new(Code::Invalid, text))
}

fn tagged(resource: &Json) -> Result<Option<Scope>, Problem> {
    let Some(meta) = resource.get("meta") else {
        return Ok(None);
    };
    let Some(tag) = meta.list("tag").iter().find(|t| t.text("system") == Some(TAG)) else {
        return Ok(None);
    };
    let scope = Scope::new(tag.text("code").unwrap_or_default())
        .map_err(|e| Problem::new(Code::InvalidElement, format!("meta.tag: {e}")))?;
    // Sealing into these goes through their own doors: the Patient resource, the gateway's audit flush.
    if matches!(scope.as_str(), "demographics" | "audit") {
        let text = "meta.tag: records are not put into 'demographics' or 'audit' by a tag";
        return Err(Problem::new(Code::InvalidElement, text));
    }
    Ok(Some(scope))
}

fn restricted(resource: &Json) -> bool {
    let meta = resource.get("meta").map_or(&[][..], |meta| meta.list("security"));
    let labels = resource
        .list("securityLabel")
        .iter()
        .flat_map(|concept| concept.list("coding"));
    meta.iter()
        .chain(labels)
        .any(|coding| coding.text("system") == Some(CONFIDENTIALITY) && matches!(coding.text("code"), Some("R" | "V")))
}

/// (system, code) of everything that says what kind of resource this is.
fn codings(resource: &Json) -> Vec<(&str, &str)> {
    let categories = match resource.get("category") {
        Some(Json::List(concepts)) => concepts.iter().collect(),
        Some(concept) => vec![concept],
        None => vec![],
    };
    let concepts = categories
        .into_iter()
        .chain(resource.get("type"))
        .chain(resource.get("code"));
    concepts
        .flat_map(|concept| concept.list("coding"))
        .filter_map(|coding| Some((coding.text("system").unwrap_or_default(), coding.text("code")?)))
        .collect()
}

fn content_types(resource: &Json) -> impl Iterator<Item = String> + '_ {
    let attachments = resource
        .list("content")
        .iter()
        .filter_map(|content| content.get("attachment"));
    attachments
        .filter_map(|attachment| attachment.text("contentType"))
        .map(super::media::essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(json: &str) -> String {
        of(&Json::parse(json.as_bytes()).unwrap(), &[]).unwrap().to_string()
    }

    fn typed(system: &str, code: &str) -> String {
        scope(&format!(
            r#"{{"resourceType":"DocumentReference","type":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}}}"#
        ))
    }

    #[test]
    fn every_row_of_the_table_names_a_known_scope_and_no_code_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for (system, codes, name) in TABLE {
            assert!(chartseal_record::scope::KNOWN.contains(&name));
            for code in codes {
                assert!(seen.insert((system, code)), "{code}");
                assert_eq!(typed(system, code), name);
            }
        }
    }

    #[test]
    fn resource_types_lead_to_their_scope() {
        for (kind, expected) in [
            ("Patient", "demographics"),
            ("Claim", "claims"),
            ("Coverage", "claims"),
            ("DocumentReference", "clinical"),
        ] {
            assert_eq!(scope(&format!(r#"{{"resourceType":"{kind}"}}"#)), expected);
        }
        assert_eq!(typed(LOINC, "34117-2"), "clinical");
    }

    #[test]
    fn dicom_is_imaging_and_a_category_counts_like_a_type() {
        let dicom = r#"{"resourceType":"DocumentReference","content":[{"attachment":{"contentType":"application/DICOM; x=1"}}]}"#;
        assert_eq!(scope(dicom), "imaging");
        let category = format!(
            r#"{{"resourceType":"DocumentReference","category":[{{"coding":[{{"system":"{OBSERVATION}","code":"laboratory"}}]}}]}}"#
        );
        assert_eq!(scope(&category), "laboratory");
    }

    #[test]
    fn a_restricted_document_is_sensitive_whatever_it_is_about() {
        let label = format!(
            r#"{{"resourceType":"DocumentReference","type":{{"coding":[{{"system":"{LOINC}","code":"11502-2"}}]}},
                "securityLabel":[{{"coding":[{{"system":"{CONFIDENTIALITY}","code":"R"}}]}}]}}"#
        );
        assert_eq!(scope(&label), "sensitive");
        assert_eq!(scope(&label.replace("\"R\"", "\"N\"")), "laboratory");
    }

    #[test]
    fn neither_a_tag_nor_a_chosen_scope_takes_a_restricted_record_out_of_sensitive() {
        let text = format!(
            r#"{{"resourceType":"DocumentReference","meta":{{"tag":[{{"system":"{TAG}","code":"clinical"}}],
                "security":[{{"system":"{CONFIDENTIALITY}","code":"V"}}]}}}}"#
        );
        assert_eq!(scope(&text), "sensitive");
        let restricted = Json::parse(text.as_bytes()).unwrap();
        assert!(chosen(&restricted, Scope::clinical()).is_err());
        assert_eq!(chosen(&restricted, Scope::sensitive()).unwrap(), Scope::sensitive());
        let open = Json::parse(text.replace("\"V\"", "\"N\"").as_bytes()).unwrap();
        assert_eq!(chosen(&open, Scope::sensitive()).unwrap(), Scope::sensitive());
        assert_eq!(chosen(&open, Scope::clinical()).unwrap(), Scope::clinical());
        for side_door in ["audit", "demographics"] {
            assert!(chosen(&open, Scope::new(side_door).unwrap()).is_err(), "{side_door}");
        }
    }

    #[test]
    fn a_tag_decides_but_opens_no_side_door() {
        let tag = |code: &str| {
            let text = format!(
                r#"{{"resourceType":"DocumentReference","meta":{{"tag":[{{"system":"{TAG}","code":"{code}"}}]}}}}"#
            );
            of(&Json::parse(text.as_bytes()).unwrap(), &[])
        };
        assert_eq!(tag("emergency").unwrap(), Scope::emergency());
        for refused in ["audit", "demographics", "Clinical", ""] {
            assert!(tag(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_operators_rules_come_first() {
        let rules = [Rule {
            system: None,
            code: "34117-2".into(),
            scope: Scope::new("oncology").unwrap(),
        }];
        let text = format!(
            r#"{{"resourceType":"DocumentReference","type":{{"coding":[{{"system":"{LOINC}","code":"34117-2"}}]}}}}"#
        );
        assert_eq!(
            of(&Json::parse(text.as_bytes()).unwrap(), &rules).unwrap().as_str(),
            "oncology"
        );
    }
}
