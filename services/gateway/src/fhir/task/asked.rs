//! What a CDex data request asks for: its inputs, as a search under the patient's grant, and in words for the patient.

use chartseal_record::Scope;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    app::App,
    fhir::{
        json::Json,
        kind::Kind,
        outcome::Outcome,
        reference,
        scope::{self, TAG},
        search::{Here, Query, read_form},
    },
    problem::{Code, Problem},
};

pub const CDEX: &str = "http://hl7.org/fhir/us/davinci-cdex/CodeSystem/cdex-temp";
pub const HREX: &str = "http://hl7.org/fhir/us/davinci-hrex/CodeSystem/hrex-temp";
const LOINC: &str = "http://loinc.org";
/// Data inputs of one Task.
const MOST: usize = 20;
/// Bytes of a query.
const QUERY: usize = 2_000;
/// Seconds a grant is asked for if the Task names no end.
const MONTH: u64 = 30 * 86_400;

/// The data a Task asks for.
#[derive(Debug, Clone)]
pub struct Data {
    pub kind: Kind,
    /// Search parameters, without the patient.
    pairs: Vec<(String, String)>,
    /// As the patient is told.
    words: String,
}

impl Data {
    /// Reads the inputs: codes of documents (data-request-code), or one search (data-request-query).
    pub fn of(task: &Value) -> Result<Self, Outcome> {
        let codings = |concept: &Value| concept["coding"].as_array().cloned().unwrap_or_default();
        let is = |concept: &Value, system: &str, code: &str| {
            codings(concept)
                .iter()
                .any(|c| c["system"] == system && c["code"] == code)
        };
        let inputs = task["input"].as_array().cloned().unwrap_or_default();
        let given = |code: &str| {
            inputs
                .iter()
                .filter(|input| is(&input["type"], HREX, code))
                .cloned()
                .collect::<Vec<_>>()
        };
        let (codes, queries) = (given("data-code"), given("data-query"));
        let by_code = is(&task["code"], CDEX, "data-request-code");
        if by_code == is(&task["code"], CDEX, "data-request-query") {
            let text = format!("code must be data-request-code or data-request-query of {CDEX}");
            return Err(invalid(text, "Task.code"));
        }
        match (by_code, codes.len(), queries.len()) {
            (true, 1..=MOST, 0) => Self::of_codes(&codes),
            (false, 0, 1) => Self::of_query(queries[0]["valueString"].as_str().unwrap_or_default()),
            _ => {
                let text = format!(
                    "a data-request-code has 1 to {MOST} inputs data-code, a data-request-query one data-query, and neither has the other's"
                );
                Err(invalid(text, "Task.input"))
            }
        }
    }

    fn of_codes(inputs: &[Value]) -> Result<Self, Outcome> {
        let (mut tokens, mut words) = (Vec::new(), Vec::new());
        for input in inputs {
            let concept = &input["valueCodeableConcept"];
            let coding = &concept["coding"][0];
            let Some(code) = coding["code"].as_str().filter(|code| !code.is_empty()) else {
                return Err(invalid(
                    "a data-code is a valueCodeableConcept with a coding",
                    "Task.input.value",
                ));
            };
            let system = coding["system"].as_str().unwrap_or(LOINC);
            tokens.push(format!("{}|{}", escaped(system), escaped(code)));
            let display = [&concept["text"], &coding["display"]]
                .into_iter()
                .find_map(Value::as_str);
            words.push(format!("{} ({code})", display.unwrap_or("documents of the type")));
        }
        Ok(Self {
            kind: Kind::DocumentReference,
            pairs: vec![("type".into(), tokens.join(","))],
            words: words.join(", "),
        })
    }

    fn of_query(text: &str) -> Result<Self, Outcome> {
        let (kind, form) = text.split_once('?').unwrap_or((text, ""));
        match Kind::of(kind) {
            Some(kind) if text.len() <= QUERY => Ok(Self {
                kind,
                // Whose data it is says the Task, and so does who may page through it.
                pairs: read_form(form)
                    .into_iter()
                    .filter(|(name, _)| !is_patient(name))
                    .collect(),
                words: format!("what the search {kind} finds", kind = text.replace('\n', " ")),
            }),
            _ => Err(invalid(
                format!(
                    "a data-query is a search like DocumentReference?type=…, of a type kept here, in at most {QUERY} bytes"
                ),
                "Task.input.value",
            )),
        }
    }

    /// The scope a grant must open for it.
    pub fn scope(&self, app: &App, task: &Value) -> Result<Scope, Outcome> {
        let codes = self
            .pairs
            .iter()
            .filter(|(name, _)| name == "type" || name == "category");
        let tokens = codes.flat_map(|(_, value)| value.split(','));
        let codings: Vec<Value> = tokens
            .map(|token| match token.split_once('|') {
                Some((system, code)) => json!({ "system": system, "code": code }),
                None => json!({ "system": LOINC, "code": token }),
            })
            .collect();
        let tags = task["meta"]["tag"].as_array().into_iter().flatten();
        let tags: Vec<&Value> = tags.filter(|tag| tag["system"] == TAG).collect();
        let probe = |codings: &[Value]| {
            let probe = json!({
                "resourceType": self.kind.as_str(), "meta": { "tag": tags }, "type": { "coding": codings },
            });
            scope::of(&Json::parse(probe.to_string().as_bytes())?, &app.config.scopes).map_err(Outcome::from)
        };
        let whole = probe(&codings)?;
        for coding in &codings {
            if probe(std::slice::from_ref(coding))? != whole {
                let text = "these codes belong to several scopes, and a patient grants one at a time; ask for each in a Task of its own";
                return Err(invalid(text, "Task.input"));
            }
        }
        Ok(whole)
    }

    /// The search for it, of one patient's records.
    pub fn query(&self, app: &App, patient: alloy::primitives::Address) -> Result<Query, Outcome> {
        let chain_id = app.contracts.chain_id;
        let account = format!("{}|{}", reference::ACCOUNT, reference::account_id(patient, chain_id));
        let name = if self.kind == Kind::Patient {
            "identifier"
        } else {
            "patient.identifier"
        };
        let mut pairs = self.pairs.clone();
        pairs.push((name.to_owned(), account));
        let base = app.config.url("/fhir/R4");
        Query::parse(self.kind.as_str(), &pairs, true, Here { base: &base, chain_id })
    }
}

/// The purpose of use, HPAYMT if the Task names none.
pub fn purpose(task: &Value) -> String {
    let inputs = task["input"].as_array().into_iter().flatten();
    let mut purposes = inputs.filter(|input| {
        let codings = input["type"]["coding"].as_array().into_iter().flatten();
        codings
            .into_iter()
            .any(|c| c["system"] == CDEX && c["code"] == "purpose-of-use")
    });
    let code = purposes
        .next()
        .and_then(|input| input["valueCodeableConcept"]["coding"][0]["code"].as_str());
    code.unwrap_or("HPAYMT").to_owned()
}

/// Until when a grant is asked for, which is also how long the patient may take to decide.
pub fn until(app: &App, task: &Value) -> Result<u64, Outcome> {
    let end = &task["restriction"]["period"]["end"];
    if end.is_null() {
        return Ok(app.clock.seconds() + MONTH);
    }
    let time = end.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let seconds = time.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
    seconds.ok_or_else(|| {
        invalid(
            "the end is a time like 2026-12-24T10:00:00Z",
            "Task.restriction.period.end",
        )
    })
}

/// Why, about which claim, and what: for the patient to read.
pub fn reason(task: &Value, data: &Data) -> String {
    let why = task["reasonCode"]["text"].as_str().unwrap_or("A request for data");
    let about = &task["reasonReference"];
    let claim = [&about["identifier"]["value"], &about["reference"], &about["display"]];
    let claim = claim.into_iter().find_map(Value::as_str);
    let claim = claim.map(|claim| format!(" About claim {claim}.")).unwrap_or_default();
    format!("{}.{claim} Asked for: {}.", why.trim_end_matches('.'), data.words)
}

fn is_patient(name: &str) -> bool {
    ["patient", "subject", "beneficiary"].iter().any(|word| {
        let rest = name.strip_prefix(word);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
    })
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(',', "\\,")
}

pub fn invalid(text: impl Into<String>, place: &str) -> Outcome {
    Outcome::from(Problem::new(Code::InvalidElement, text.into())).at(place)
}
