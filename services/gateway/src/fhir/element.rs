//! What a resource must have before anything is done with it: R4's required elements, the value sets that
//! decide behaviour, and a subject. The rest of R4 is the client's business and is kept as sent.

use super::{date, json::Json, outcome::Outcome};
use crate::problem::Code;

const DOCUMENT_STATUS: &[&str] = &["current", "superseded", "entered-in-error"];
const DOC_STATUS: &[&str] = &["preliminary", "final", "amended", "entered-in-error"];
const CLAIM_STATUS: &[&str] = &["active", "cancelled", "draft", "entered-in-error"];
const OUTCOME: &[&str] = &["queued", "complete", "error", "partial"];
const LIST_STATUS: &[&str] = &["current", "retired", "entered-in-error"];
const LIST_MODE: &[&str] = &["working", "snapshot", "changes"];
const CLAIM_USE: &[&str] = &["claim", "preauthorization", "predetermination"];

/// Checks that `resource` is a `kind` and has what R4 (and this server) needs of one.
pub fn check(resource: &Json, kind: &'static str) -> Result<(), Outcome> {
    match resource.text("resourceType") {
        Some(found) if found == kind => {}
        _ => {
            let text = format!("this path takes a {kind}; send a resource with \"resourceType\": \"{kind}\"");
            return Err(Outcome::new(Code::MalformedResource, text).at("resourceType"));
        }
    }
    let at = Element {
        path: kind.to_owned(),
        json: resource,
    };
    match kind {
        "DocumentReference" => document(&at),
        "Claim" => claim(&at),
        "Patient" => patient(&at),
        "ClaimResponse" => claim_response(&at),
        "Coverage" => coverage(&at),
        "List" => list(&at),
        _ => Ok(()),
    }
}

fn document(at: &Element) -> Result<(), Outcome> {
    at.code("status", DOCUMENT_STATUS)?;
    at.optional_code("docStatus", DOC_STATUS)?;
    at.object("subject")?;
    at.optional_time("date")?;
    for content in at.some("content")? {
        content.object("attachment")?;
    }
    Ok(())
}

fn claim(at: &Element) -> Result<(), Outcome> {
    at.code("status", CLAIM_STATUS)?;
    at.code("use", CLAIM_USE)?;
    for name in ["type", "patient", "provider", "priority"] {
        at.object(name)?;
    }
    at.time("created")?;
    for insurance in at.some("insurance")? {
        insurance.present("sequence")?;
        insurance.present("focal")?;
        insurance.object("coverage")?;
    }
    for item in at.any("item")? {
        item.present("sequence")?;
        item.object("productOrService")?;
    }
    for info in at.any("supportingInfo")? {
        info.present("sequence")?;
        info.object("category")?;
    }
    at.any("identifier").map(drop)
}

fn claim_response(at: &Element) -> Result<(), Outcome> {
    at.code("status", CLAIM_STATUS)?;
    at.code("use", CLAIM_USE)?;
    at.code("outcome", OUTCOME)?;
    for name in ["type", "patient", "insurer"] {
        at.object(name)?;
    }
    at.time("created")?;
    at.any("identifier").map(drop)
}

fn coverage(at: &Element) -> Result<(), Outcome> {
    at.code("status", CLAIM_STATUS)?;
    at.object("beneficiary")?;
    at.some("payor")?;
    at.any("identifier").map(drop)
}

fn list(at: &Element) -> Result<(), Outcome> {
    at.code("status", LIST_STATUS)?;
    at.code("mode", LIST_MODE)?;
    at.object("subject")?;
    at.optional_time("date")?;
    for entry in at.any("entry")? {
        entry.object("item")?;
    }
    at.any("identifier").map(drop)
}

fn patient(at: &Element) -> Result<(), Outcome> {
    at.some("identifier").map(drop)
}

/// An element and its FHIRPath, for refusals that point at it.
struct Element<'a> {
    path: String,
    json: &'a Json,
}

impl<'a> Element<'a> {
    fn refuse(&self, name: &str, wanted: &str) -> Outcome {
        let path = format!("{}.{name}", self.path);
        Outcome::new(Code::InvalidElement, format!("{path} must be {wanted}")).at(path)
    }

    fn present(&self, name: &str) -> Result<&'a Json, Outcome> {
        match self.json.get(name) {
            Some(value) if !matches!(value, Json::Null) => Ok(value),
            _ => Err(self.refuse(name, "present")),
        }
    }

    fn object(&self, name: &str) -> Result<(), Outcome> {
        let fits = self.json.get(name).is_some_and(Json::is_object);
        if fits {
            Ok(())
        } else {
            Err(self.refuse(name, "present, as an object"))
        }
    }

    fn code(&self, name: &str, codes: &[&str]) -> Result<(), Outcome> {
        let fits = self.json.text(name).is_some_and(|code| codes.contains(&code));
        if fits {
            Ok(())
        } else {
            Err(self.refuse(name, &format!("one of {}", codes.join(", "))))
        }
    }

    fn optional_code(&self, name: &str, codes: &[&str]) -> Result<(), Outcome> {
        if self.json.get(name).is_none() {
            Ok(())
        } else {
            self.code(name, codes)
        }
    }

    fn time(&self, name: &str) -> Result<(), Outcome> {
        let fits = self
            .json
            .text(name)
            .is_some_and(|text| date::Span::parse(text).is_some());
        if fits {
            Ok(())
        } else {
            Err(self.refuse(name, "a date or time like 2026-11-22T10:00:00Z"))
        }
    }

    fn optional_time(&self, name: &str) -> Result<(), Outcome> {
        if self.json.get(name).is_none() {
            Ok(())
        } else {
            self.time(name)
        }
    }

    /// A list of objects that may be absent.
    fn any(&self, name: &str) -> Result<Vec<Element<'a>>, Outcome> {
        match self.json.get(name) {
            None => Ok(vec![]),
            Some(Json::List(items)) if items.iter().all(Json::is_object) => {
                let element = |(i, json)| Element {
                    path: format!("{}.{name}[{i}]", self.path),
                    json,
                };
                Ok(items.iter().enumerate().map(element).collect())
            }
            Some(_) => Err(self.refuse(name, "a list of objects")),
        }
    }

    /// A list of objects with at least one.
    fn some(&self, name: &str) -> Result<Vec<Element<'a>>, Outcome> {
        let items = self.any(name)?;
        if items.is_empty() {
            Err(self.refuse(name, "a list with at least one object"))
        } else {
            Ok(items)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"resourceType":"DocumentReference","status":"current",
        "subject":{"reference":"Patient/1"},"date":"2021-05-18T01:16:46.044-04:00",
        "content":[{"attachment":{"contentType":"text/plain","data":"aGk="}}]}"#;
    const CLAIM: &str = r#"{"resourceType":"Claim","status":"active","type":{},"use":"claim",
        "patient":{"reference":"Patient/1"},"created":"2014-08-16","provider":{},"priority":{},
        "insurance":[{"sequence":1,"focal":true,"coverage":{"display":"private"}}],
        "item":[{"sequence":1,"productOrService":{"text":"x"}}]}"#;

    fn checked(text: &str, kind: &'static str) -> Result<(), Outcome> {
        check(&Json::parse(text.as_bytes()).unwrap(), kind)
    }

    #[test]
    fn whole_resources_pass() {
        checked(DOCUMENT, "DocumentReference").unwrap();
        checked(CLAIM, "Claim").unwrap();
        checked(
            r#"{"resourceType":"Patient","identifier":[{"system":"a","value":"b"}]}"#,
            "Patient",
        )
        .unwrap();
    }

    #[test]
    fn a_missing_or_impossible_element_is_pointed_at() {
        for (from, to, path) in [
            (r#""status":"current","#, "", "DocumentReference.status"),
            (r#""current""#, r#""Current""#, "DocumentReference.status"),
            (
                r#""subject":{"reference":"Patient/1"},"#,
                "",
                "DocumentReference.subject",
            ),
            ("2021-05-18T01:16:46.044-04:00", "yesterday", "DocumentReference.date"),
            (
                r#"[{"attachment""#,
                r#"[{"attach""#,
                "DocumentReference.content[0].attachment",
            ),
            (r#""content":[{"#, r#""content":[],"x":[{"#, "DocumentReference.content"),
        ] {
            let text = DOCUMENT.replace(from, to);
            assert_ne!(text, DOCUMENT);
            let refused = checked(&text, "DocumentReference").unwrap_err();
            assert_eq!(refused.expression.as_deref(), Some(path));
            assert_eq!(refused.problem.code, Code::InvalidElement);
        }
        for (from, to, path) in [
            (r#""use":"claim""#, r#""use":"wish""#, "Claim.use"),
            (r#""focal":true,"#, "", "Claim.insurance[0].focal"),
            (r#""provider":{},"#, "", "Claim.provider"),
            (r#"{"sequence":1,"productOrService":{"text":"x"}}"#, "7", "Claim.item"),
        ] {
            let refused = checked(&CLAIM.replace(from, to), "Claim").unwrap_err();
            assert_eq!(refused.expression.as_deref(), Some(path));
        }
    }

    #[test]
    fn another_resource_type_is_refused() {
        let refused = checked(CLAIM, "DocumentReference").unwrap_err();
        assert_eq!(refused.problem.code, Code::MalformedResource);
        assert!(checked("{}", "Claim").is_err());
    }
}
