//! One entry of a transaction, read.

use crate::{
    auth::{caller::Caller, scopes::Interaction},
    fhir::{json::Json, kind::Kind, outcome::Outcome, version},
    problem::{Code, Problem},
};

/// What an entry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `POST Binary`
    Binary,
    /// `POST <type>`, with `ifNoneExist` if there is one.
    Create(Kind, Option<String>),
    /// `PUT <type>/<id>`, with the version `ifMatch` demands.
    Update(Kind, String, Option<u32>),
}

/// An entry in its place.
#[derive(Debug)]
pub struct Entry {
    /// Its place in the Bundle.
    pub at: usize,
    /// What other entries call it.
    pub full_url: Option<String>,
    pub asked: Asked,
    pub resource: Json,
}

impl Entry {
    pub fn read(at: usize, mut entry: Json) -> Result<Self, Outcome> {
        let refuse = |name: &str, wanted: &str| {
            let path = format!("Bundle.entry[{at}].{name}");
            Outcome::new(Code::InvalidElement, format!("{path} must be {wanted}")).at(path)
        };
        let resource = entry.remove("resource");
        let full_url = entry.text("fullUrl").map(str::to_owned);
        let request = entry.get("request").ok_or_else(|| refuse("request", "present"))?;
        let method = request
            .text("method")
            .ok_or_else(|| refuse("request.method", "POST or PUT"))?;
        let url = request
            .text("url")
            .ok_or_else(|| refuse("request.url", "the type, like DocumentReference"))?;
        let asked = match method {
            "POST" if url == "Binary" => Asked::Binary,
            "POST" => {
                let kind = Kind::of(url).ok_or_else(|| unknown(at))?;
                Asked::Create(kind, request.text("ifNoneExist").map(str::to_owned))
            }
            "PUT" => {
                let (kind, id) = url
                    .split_once('/')
                    .ok_or_else(|| refuse("request.url", "a type and an id"))?;
                let kind = Kind::of(kind)
                    .filter(|kind| kind.is_updated())
                    .ok_or_else(|| unknown(at))?;
                let version = match request.text("ifMatch") {
                    None => None,
                    Some(tag) => {
                        Some(version::of(tag).ok_or_else(|| refuse("request.ifMatch", "one version, like W/\"3\""))?)
                    }
                };
                Asked::Update(kind, id.to_owned(), version)
            }
            _ => {
                let text = "transactions create and update here; read, search and delete by themselves, see metadata";
                return Err(Outcome::new(Code::NotImplemented, text).at(format!("Bundle.entry[{at}].request.method")));
            }
        };
        let resource = resource
            .filter(Json::is_object)
            .ok_or_else(|| refuse("resource", "a resource"))?;
        Ok(Self {
            at,
            full_url,
            asked,
            resource,
        })
    }

    /// The token's scopes are asked entry by entry.
    pub fn allowed(&self, caller: &Caller) -> Result<(), Problem> {
        match &self.asked {
            Asked::Binary => caller.may("Binary", Interaction::Create),
            Asked::Create(kind, _) => caller.may(kind.as_str(), Interaction::Create),
            Asked::Update(kind, ..) => caller.may(kind.as_str(), Interaction::Update),
        }
    }

    /// Why the whole transaction fails: because of this entry.
    pub fn refused(&self, why: impl Into<Outcome>) -> Outcome {
        refused(self.at, why.into())
    }
}

/// Points a refusal at its entry. The element inside stays named in the sentence.
pub fn refused(at: usize, why: Outcome) -> Outcome {
    let Outcome {
        mut problem,
        expression,
    } = why;
    let place = format!("Bundle.entry[{at}]");
    match expression {
        Some(inner) if inner.starts_with("Bundle.") => {
            return Outcome {
                problem,
                expression: Some(inner),
            };
        }
        Some(inner) if !problem.detail.contains(&inner) => problem.detail = format!("{inner}: {}", problem.detail),
        _ => {}
    }
    problem.detail = format!("{place}: {}; nothing of the transaction was stored", problem.detail);
    Outcome {
        problem,
        expression: Some(format!("{place}.resource")),
    }
}

fn unknown(at: usize) -> Outcome {
    let text = "this server does not create or update resources of this type; see metadata";
    Outcome::new(Code::NotSupported, text).at(format!("Bundle.entry[{at}].request.url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Asked, Outcome> {
        Entry::read(3, Json::parse(text.as_bytes()).unwrap()).map(|entry| entry.asked)
    }

    #[test]
    fn an_entry_says_what_it_asks_for() {
        let of = |request: &str| asked(&format!(r#"{{"resource":{{}},"request":{request}}}"#));
        assert_eq!(of(r#"{"method":"POST","url":"Binary"}"#).unwrap(), Asked::Binary);
        let create = Asked::Create(Kind::List, Some("identifier=1".into()));
        assert_eq!(
            of(r#"{"method":"POST","url":"List","ifNoneExist":"identifier=1"}"#).unwrap(),
            create
        );
        let update = Asked::Update(Kind::DocumentReference, "a".into(), Some(2));
        assert_eq!(
            of(r#"{"method":"PUT","url":"DocumentReference/a","ifMatch":"W/\"2\""}"#).unwrap(),
            update
        );
        for (request, code) in [
            (r#"{"method":"DELETE","url":"Claim/a"}"#, Code::NotImplemented),
            (r#"{"method":"GET","url":"Patient"}"#, Code::NotImplemented),
            (r#"{"method":"POST","url":"Observation"}"#, Code::NotSupported),
            (r#"{"method":"PUT","url":"Claim/a"}"#, Code::NotSupported),
            (r#"{"method":"PUT","url":"Patient"}"#, Code::InvalidElement),
            (r#"{"method":"POST"}"#, Code::InvalidElement),
            ("7", Code::InvalidElement),
        ] {
            let refused = of(request).unwrap_err();
            assert_eq!(refused.problem.code, code, "{request}");
            assert!(
                refused.expression.unwrap().starts_with("Bundle.entry[3].request"),
                "{request}"
            );
        }
    }
}
