//! What a client searches for: R4 search parameters read into criteria, and criteria held against resources.

use super::{
    date::{Sought, Span},
    json::Json,
    outcome::Outcome,
    parameter::{Kind, Parameter, pairs, parameters},
    reference::{self, PatientRef, RecordId},
    token::Token,
};
use crate::problem::Code;

/// Matches on a page when `_count` is absent.
const DEFAULT_COUNT: usize = 20;
/// Matches on a page at most.
pub const MAX_COUNT: usize = 100;
/// Alternatives one parameter may list.
const MAX_ALTERNATIVES: usize = 20;
/// Our own parameter, sealed in paging links.
const OFFSET: &str = "_offset";

/// One condition; every one must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criterion {
    /// Any of these ids.
    Id(Vec<RecordId>),
    /// Any of these patients; a reference that names nobody is not in the list.
    Patient(Vec<PatientRef>),
    /// Any of these tokens in a column of the blind index.
    Token { column: &'static str, any: Vec<Token> },
    /// Any of these codes in an element.
    Code { element: &'static str, any: Vec<String> },
    /// Any of these dates.
    Date { element: &'static str, any: Vec<Sought> },
}

impl Criterion {
    /// Whether the database alone cannot decide it.
    pub fn needs_opening(&self) -> bool {
        matches!(self, Self::Code { .. } | Self::Date { .. })
    }

    /// Whether the opened resource satisfies what is said about its content.
    pub fn admits(&self, resource: &Json) -> bool {
        match self {
            Self::Id(_) | Self::Patient(_) => true,
            Self::Token { column, any } => {
                let pairs = pairs(resource, column);
                any.iter()
                    .any(|token| pairs.iter().any(|(system, code)| token.admits(system, code)))
            }
            Self::Code { element, any } => resource
                .text(element)
                .is_some_and(|code| any.iter().any(|asked| asked == code)),
            Self::Date { element, any } => {
                let found = resource.text(element).and_then(Span::parse);
                found.is_some_and(|found| any.iter().any(|asked| asked.admits(found)))
            }
        }
    }
}

/// A search, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub criteria: Vec<Criterion>,
    /// Matches on a page at most; 0 asks for the total only.
    pub count: usize,
    /// Matches before this page.
    pub offset: usize,
    /// The parameters that were used, as the self link shows them.
    used: Vec<(String, String)>,
}

/// What it takes to read references in a search.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// The FHIR base without a trailing slash.
    pub base: &'a str,
    pub chain_id: u64,
}

impl Query {
    /// Reads a query string or form. Unknown parameters are ignored (and missing from the self link), or refused
    /// if the client prefers `handling=strict`; modifiers are refused always, since ignoring one widens a search.
    pub fn parse(kind: &str, pairs: &[(String, String)], strict: bool, here: Here<'_>) -> Result<Self, Outcome> {
        let mut query = Self {
            criteria: vec![],
            count: DEFAULT_COUNT,
            offset: 0,
            used: vec![],
        };
        for (name, value) in pairs {
            if value.is_empty() {
                continue;
            }
            if query.control(name, value)? {
                continue;
            }
            let (plain, modifier) = name.split_once(':').map_or((name.as_str(), ""), |(n, m)| (n, m));
            let Some(parameter) = parameters(kind).iter().find(|p| p.name == plain) else {
                if strict {
                    return Err(refuse(
                        format!("{kind} cannot be searched by this parameter here"),
                        name,
                    ));
                }
                continue;
            };
            // `patient:Patient` says nothing new.
            let redundant = parameter.kind == Kind::Patient && modifier == "Patient";
            if !modifier.is_empty() && !redundant {
                return Err(refuse("search modifiers are not supported here".to_owned(), name));
            }
            query.criteria.push(criterion(parameter, value, here)?);
            query.used.push((plain.to_owned(), value.clone()));
        }
        Ok(query)
    }

    /// Takes a parameter that steers the search itself.
    fn control(&mut self, name: &str, value: &str) -> Result<bool, Outcome> {
        let number = || {
            value
                .parse::<usize>()
                .map_err(|_| refuse("a whole number is needed".to_owned(), name))
        };
        match name {
            "_count" => self.count = number()?.min(MAX_COUNT),
            OFFSET => self.offset = number()?,
            "_summary" if value == "count" => self.count = 0,
            "_format" | "_pretty" | "_summary" | "_total" | "_totalMethod" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether deciding the matches takes opening every candidate: ids are looked up without the index.
    pub fn needs_opening(&self) -> bool {
        let by_id = self.criteria.iter().any(|c| matches!(c, Criterion::Id(_)));
        by_id || self.criteria.iter().any(Criterion::needs_opening)
    }

    /// Whether it names an identifier, which few records share.
    pub fn names_an_identifier(&self) -> bool {
        self.criteria.iter().any(|c| {
            matches!(
                c,
                Criterion::Token {
                    column: "identifier",
                    ..
                }
            )
        })
    }

    /// Whether the opened resource satisfies everything said about its content.
    pub fn admits(&self, resource: &Json) -> bool {
        self.criteria.iter().all(|criterion| criterion.admits(resource))
    }

    /// The URL of this page, with the parameters that were used.
    pub fn link(&self, url: &str) -> String {
        format!("{url}?{}", self.form(self.offset))
    }

    /// The same search from `offset` on, as a form.
    pub fn form(&self, offset: usize) -> String {
        let mut pairs = self.used.clone();
        pairs.push(("_count".to_owned(), self.count.to_string()));
        if offset > 0 {
            pairs.push((OFFSET.to_owned(), offset.to_string()));
        }
        let mut url = reqwest::Url::parse("x:").expect("x: is a URL");
        url.query_pairs_mut().extend_pairs(pairs);
        url.query().unwrap_or_default().to_owned()
    }
}

fn criterion(parameter: &Parameter, value: &str, here: Here<'_>) -> Result<Criterion, Outcome> {
    let name = parameter.name;
    let alternatives = split(value);
    if alternatives.len() > MAX_ALTERNATIVES {
        return Err(refuse(
            format!("at most {MAX_ALTERNATIVES} alternatives are searched at once"),
            name,
        ));
    }
    let any = alternatives.iter().map(String::as_str);
    Ok(match parameter.kind {
        Kind::Id => Criterion::Id(any.filter_map(|id| id.parse().ok()).collect()),
        Kind::Patient => Criterion::Patient(any.filter_map(|text| patient(text, here)).collect()),
        Kind::PatientIdentifier => {
            let accounts = any.filter_map(|text| text.strip_prefix(reference::ACCOUNT)?.strip_prefix('|'));
            Criterion::Patient(
                accounts
                    .filter_map(|id| reference::account(id, here.chain_id))
                    .collect(),
            )
        }
        Kind::Identifier | Kind::Concept => {
            let tokens: Option<Vec<_>> = any.map(Token::parse).collect();
            let any = tokens.ok_or_else(|| refuse("expected code, |code or system|code".to_owned(), name))?;
            Criterion::Token { column: name, any }
        }
        Kind::Code => {
            let codes = any.map(|code| code.rsplit_once('|').map_or(code, |(_, code)| code).to_owned());
            Criterion::Code {
                element: name,
                any: codes.collect(),
            }
        }
        Kind::Date => {
            let dates: Result<Vec<Sought>, ()> = any.map(str::parse).collect();
            let any = dates.map_err(|()| refuse("expected a date like ge2026-11-22".to_owned(), name))?;
            Criterion::Date { element: name, any }
        }
    })
}

fn patient(text: &str, here: Here<'_>) -> Option<PatientRef> {
    let bare = text.parse().ok().map(PatientRef::Resource);
    bare.or_else(|| reference::patient_at(text, here.base, here.chain_id))
}

/// Splits at commas; `\,`, `\|`, `\$` and `\\` stand for themselves.
fn split(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in value.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            ',' if !escaped => parts.push(String::new()),
            _ => parts
                .last_mut()
                .expect("split starts with one part and only adds")
                .push(c),
        }
        escaped = false;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Reads a query string or an `application/x-www-form-urlencoded` body.
pub fn read_form(text: &str) -> Vec<(String, String)> {
    let mut url = reqwest::Url::parse("x:").expect("x: is a URL");
    url.set_query(Some(text));
    url.query_pairs().into_owned().collect()
}

fn refuse(text: String, name: &str) -> Outcome {
    // The name is the client's own and could be anything, so only a plain one is repeated.
    let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
    let text = if plain { format!("{name}: {text}") } else { text };
    Outcome::new(Code::InvalidSearch, text)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256};

    use super::*;

    const HERE: Here<'_> = Here {
        base: "http://127.0.0.1:8080/fhir/R4",
        chain_id: 31337,
    };

    fn query(kind: &str, text: &str) -> Result<Query, Outcome> {
        Query::parse(kind, &read_form(text), false, HERE)
    }

    #[test]
    fn a_search_is_read_into_criteria() {
        let id = "01".repeat(32);
        let q = query(
            "DocumentReference",
            &format!("patient=Patient/{id}&type=http://loinc.org%7C11502-2,18748-4&_count=7"),
        )
        .unwrap();
        assert_eq!(q.count, 7);
        assert_eq!(
            q.criteria[0],
            Criterion::Patient(vec![PatientRef::Resource(RecordId(B256::repeat_byte(1)))])
        );
        assert!(matches!(&q.criteria[1], Criterion::Token { column: "type", any } if any.len() == 2));
        assert!(!q.needs_opening());
        let account = reference::account_id(Address::ZERO, 31337);
        let q = query(
            "Claim",
            &format!("patient.identifier=urn:chartseal:account|{account}&status=active"),
        )
        .unwrap();
        assert_eq!(
            q.criteria[0],
            Criterion::Patient(vec![PatientRef::Account(Address::ZERO)])
        );
        assert!(q.needs_opening());
    }

    #[test]
    fn the_self_link_shows_what_was_used_and_nothing_else() {
        let q = query("Claim", "identifier=http://a|1%202&colour=red&_count=1000").unwrap();
        let link = q.link("http://x/Claim");
        assert_eq!(link, "http://x/Claim?identifier=http%3A%2F%2Fa%7C1+2&_count=100");
        assert!(q.form(100).ends_with("&_offset=100"));
    }

    #[test]
    fn what_would_silently_widen_a_search_is_refused() {
        for text in [
            "type:not=a",
            "identifier=http://a|",
            "date=yesterday",
            "_count=-1",
            "status:missing=true",
        ] {
            let refused = query("DocumentReference", text).unwrap_err();
            assert_eq!(refused.problem.code, Code::InvalidSearch, "{text}");
        }
        let strict = Query::parse("Claim", &read_form("colour=red"), true, HERE);
        assert_eq!(strict.unwrap_err().problem.code, Code::InvalidSearch);
    }

    #[test]
    fn a_patient_nobody_knows_matches_nothing() {
        let q = query("DocumentReference", "patient=Patient/77").unwrap();
        assert_eq!(q.criteria, [Criterion::Patient(vec![])]);
    }

    #[test]
    fn criteria_are_held_against_the_resource() {
        let claim = Json::parse(
            br#"{"resourceType":"Claim","identifier":[{"system":"http://a","value":"12,3"}],"status":"active",
                "use":"claim","created":"2014-08-16"}"#,
        )
        .unwrap();
        for (text, expected) in [
            (r"identifier=http://a|12\,3", true),
            ("identifier=12", false),
            ("status=active,draft", true),
            ("status=draft", false),
            ("created=ge2014&created=lt2015", true),
            ("created=gt2014-08-16", false),
        ] {
            assert_eq!(query("Claim", text).unwrap().admits(&claim), expected, "{text}");
        }
    }
}
