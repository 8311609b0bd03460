//! What a client searches for: R4 search parameters read into criteria, and criteria held against resources.

use super::{
    date::{self, Sought},
    json::Json,
    outcome::Outcome,
    parameter::{Kind, Parameter, pairs, parameters},
    path,
    reference::{self, PatientRef, RecordId},
    token::{self, Token},
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
    /// Any of these records in a column of the blind index.
    Record {
        column: &'static str,
        path: &'static str,
        any: Vec<RecordId>,
    },
    /// Something only the opened resource tells.
    Held { path: &'static str, any: Any },
}

/// What the values at a place of the resource are held against: one of them must be one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Any {
    Codes(Vec<String>),
    Tokens(Vec<Token>),
    Dates(Vec<Sought>),
    /// `Type/<id>`, `<id>`, or the URL of something elsewhere.
    References(Vec<String>),
    /// Beginnings, in lower case.
    Texts(Vec<String>),
}

impl Criterion {
    /// Whether the database alone cannot decide it.
    pub fn needs_opening(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Whether it names an identifier or a record, which few others share.
    pub fn names_few(&self) -> bool {
        matches!(
            self,
            Self::Record { .. }
                | Self::Token {
                    column: "identifier",
                    ..
                }
        )
    }

    /// Whether the opened resource satisfies what is said about its content.
    pub fn admits(&self, resource: &Json, base: &str) -> bool {
        match self {
            Self::Id(_) | Self::Patient(_) => true,
            Self::Token { column, any } => {
                let pairs = pairs(resource, column);
                any.iter()
                    .any(|token| pairs.iter().any(|(system, code)| token.admits(system, code)))
            }
            Self::Record { path, any, .. } => {
                let found = path::find(resource, path).into_iter();
                let mut found = found.filter_map(|value| reference::record(value.text("reference")?, base));
                found.any(|record| any.contains(&record))
            }
            Self::Held { path, any } => path::find(resource, path)
                .into_iter()
                .any(|value| any.admits(value, base)),
        }
    }
}

impl Any {
    fn admits(&self, value: &Json, base: &str) -> bool {
        match self {
            Self::Codes(any) => value.as_str().is_some_and(|code| any.iter().any(|asked| asked == code)),
            Self::Tokens(any) => {
                let pairs = token::pairs_of(value);
                any.iter()
                    .any(|token| pairs.iter().any(|(system, code)| token.admits(system, code)))
            }
            Self::Dates(any) => date::span_of(value).is_some_and(|found| any.iter().any(|asked| asked.admits(found))),
            Self::References(any) => {
                let found = value.text("reference").and_then(|text| reference::relative(text, base));
                found.is_some_and(|found| {
                    let id = found.rsplit('/').next().unwrap_or(found);
                    any.iter().any(|asked| asked == found || asked == id)
                })
            }
            Self::Texts(any) => value.as_str().is_some_and(|text| {
                let text = text.to_lowercase();
                any.iter().any(|asked| text.starts_with(asked.as_str()))
            }),
        }
    }
}

/// A search, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub criteria: Vec<Criterion>,
    pub window: Window,
    /// The parameters that were used, as the self link shows them.
    used: Vec<(String, String)>,
}

/// Which of the matches a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Matches at most; 0 asks for their number only.
    pub count: usize,
    /// Matches before it.
    pub offset: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            count: DEFAULT_COUNT,
            offset: 0,
        }
    }
}

impl Window {
    /// Reads `_count` and what a paging link holds; everything else is somebody else's.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, Outcome> {
        let mut window = Self::default();
        for (name, value) in pairs {
            window.take(name, value)?;
        }
        Ok(window)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<bool, Outcome> {
        let number = || {
            value
                .parse::<usize>()
                .map_err(|_| refuse("a whole number is needed".to_owned(), name))
        };
        match name {
            "_count" => self.count = number()?.min(MAX_COUNT),
            OFFSET => self.offset = number()?,
            "_summary" if value == "count" => self.count = 0,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The page after this one.
    pub fn next(self, total: usize) -> Option<Self> {
        let offset = self.offset.saturating_add(self.count);
        (offset < total && self.count > 0).then_some(Self { offset, ..self })
    }

    /// As a form, behind the parameters that were used.
    pub fn form(self, used: &[(String, String)]) -> String {
        let mut pairs = used.to_vec();
        pairs.push(("_count".to_owned(), self.count.to_string()));
        if self.offset > 0 {
            pairs.push((OFFSET.to_owned(), self.offset.to_string()));
        }
        let mut url = reqwest::Url::parse("x:").expect("x: is a URL");
        url.query_pairs_mut().extend_pairs(pairs);
        url.query().unwrap_or_default().to_owned()
    }
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
            window: Window::default(),
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
        if self.window.take(name, value)? {
            return Ok(true);
        }
        Ok(matches!(
            name,
            "_format" | "_pretty" | "_summary" | "_total" | "_totalMethod"
        ))
    }

    /// Whether deciding the matches takes opening every candidate: ids are looked up without the index.
    pub fn needs_opening(&self) -> bool {
        let by_id = self.criteria.iter().any(|c| matches!(c, Criterion::Id(_)));
        by_id || self.criteria.iter().any(Criterion::needs_opening)
    }

    /// Whether a criterion names an identifier or a record.
    pub fn names_few(&self) -> bool {
        self.criteria.iter().any(Criterion::names_few)
    }

    /// Whether the opened resource satisfies everything said about its content.
    pub fn admits(&self, resource: &Json, base: &str) -> bool {
        self.criteria.iter().all(|criterion| criterion.admits(resource, base))
    }

    /// The URL of this page, with the parameters that were used.
    pub fn link(&self, url: &str) -> String {
        format!("{url}?{}", self.form(self.window))
    }

    /// The same search for another page, as a form.
    pub fn form(&self, window: Window) -> String {
        window.form(&self.used)
    }

    /// What is searched for, in one form whatever the order of its parameters.
    pub fn condition(&self) -> String {
        let mut used = self.used.clone();
        used.sort_unstable();
        Window::default().form(&used)
    }
}

fn criterion(parameter: &Parameter, value: &str, here: Here<'_>) -> Result<Criterion, Outcome> {
    let Parameter { name, path, .. } = *parameter;
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
        Kind::Identifier | Kind::Concept => Criterion::Token {
            column: name,
            any: tokens(any, name)?,
        },
        Kind::Reference => {
            let texts: Vec<String> = any
                .map(|text| reference::relative(text, here.base).unwrap_or(text).to_owned())
                .collect();
            let record = |text: &String| text.rsplit('/').next().and_then(|id| id.parse().ok());
            match texts.iter().map(record).collect() {
                Some(records) => Criterion::Record {
                    column: name,
                    path,
                    any: records,
                },
                None => Criterion::Held {
                    path,
                    any: Any::References(texts),
                },
            }
        }
        Kind::Code => {
            let codes = any.map(|code| code.rsplit_once('|').map_or(code, |(_, code)| code).to_owned());
            Criterion::Held {
                path,
                any: Any::Codes(codes.collect()),
            }
        }
        Kind::Token => Criterion::Held {
            path,
            any: Any::Tokens(tokens(any, name)?),
        },
        Kind::Date => {
            let dates: Result<Vec<Sought>, ()> = any.map(str::parse).collect();
            let dates = dates.map_err(|()| refuse("expected a date like ge2026-11-22".to_owned(), name))?;
            Criterion::Held {
                path,
                any: Any::Dates(dates),
            }
        }
        Kind::Text => Criterion::Held {
            path,
            any: Any::Texts(any.map(str::to_lowercase).collect()),
        },
    })
}

fn tokens<'a>(any: impl Iterator<Item = &'a str>, name: &str) -> Result<Vec<Token>, Outcome> {
    let tokens: Option<Vec<_>> = any.map(Token::parse).collect();
    tokens.ok_or_else(|| refuse("expected code, |code or system|code".to_owned(), name))
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
    fn a_condition_is_the_same_whatever_the_order_of_its_parameters() {
        let condition = |text| query("Claim", text).unwrap().condition();
        let one = condition("identifier=http://a%7C1&status=active");
        assert_eq!(one, condition("status=active&identifier=http://a%7C1&_count=7"));
        assert_ne!(one, condition("identifier=http://a%7C1"));
        assert_ne!(one, condition("identifier=http://a%7C1&status=cancelled"));
    }

    #[test]
    fn a_search_is_read_into_criteria() {
        let id = "01".repeat(32);
        let q = query(
            "DocumentReference",
            &format!("patient=Patient/{id}&type=http://loinc.org%7C11502-2,18748-4&_count=7"),
        )
        .unwrap();
        assert_eq!(q.window.count, 7);
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
        assert!(q.form(q.window.next(101).unwrap()).ends_with("&_offset=100"));
        assert_eq!(q.window.next(100), None);
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
            assert_eq!(
                query("Claim", text).unwrap().admits(&claim, HERE.base),
                expected,
                "{text}"
            );
        }
    }
    #[test]
    fn what_is_not_indexed_is_held_against_its_place() {
        let id = "01".repeat(32);
        let text = format!(
            r#"{{"resourceType":"DocumentReference","description":"Knee, left","author":[{{"reference":"Practitioner/7"}}],
                "context":{{"period":{{"start":"2020-01-01","end":"2020-02-01"}},"related":[{{"reference":"Claim/{id}"}}],
                "event":[{{"coding":[{{"system":"http://a","code":"x"}}]}}]}},
                "content":[{{"attachment":{{"contentType":"text/xml"}},"format":{{"system":"urn:f","code":"ccda"}}}}]}}"#
        );
        let document = Json::parse(text.as_bytes()).unwrap();
        for (text, expected) in [
            ("description=knee".to_owned(), true),
            ("description=left".to_owned(), false),
            ("author=Practitioner/7".to_owned(), true),
            ("author=7".to_owned(), true),
            ("author=Organization/7".to_owned(), false),
            ("period=2020-01".to_owned(), false),
            ("period=2020".to_owned(), true),
            ("event=http://a|x".to_owned(), true),
            ("event=http://b|x".to_owned(), false),
            ("contenttype=text/xml".to_owned(), true),
            ("format=urn:f|ccda".to_owned(), true),
            (format!("related=Claim/{id}"), true),
            (format!("related=http://127.0.0.1:8080/fhir/R4/Claim/{id}"), true),
            (format!("related=Claim/{}", "02".repeat(32)), false),
        ] {
            assert_eq!(
                query("DocumentReference", &text).unwrap().admits(&document, HERE.base),
                expected,
                "{text}"
            );
        }
    }
}
