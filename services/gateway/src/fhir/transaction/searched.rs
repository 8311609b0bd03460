//! References by search (`Patient?identifier=…`), which FHIR allows in transactions: each becomes the one resource it finds.
//!
//! Searched is what is stored, as the caller would search it: under its own scopes and grants, with an audit entry. What
//! the transaction itself creates is referred to by `fullUrl`.

use std::collections::{BTreeSet, HashMap};

use super::entry::{Asked, Entry};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    fhir::{
        create, derived, find,
        json::Json,
        kind::Kind,
        outcome::Outcome,
        reference::{self, RecordId},
        search::{Here, Query, read_form},
    },
    problem::Code,
};

/// Searches of one transaction. Each may open as many records as any search.
const MOST: usize = 50;

/// Puts what was found in the place of each reference by search. One that finds nothing, or several, refuses the whole.
pub async fn resolve(app: &App, caller: &Caller, entries: &mut [Entry]) -> Result<(), Outcome> {
    let base = app.config.url("/fhir/R4");
    let mut found = HashMap::new();
    for entry in entries {
        if let Asked::Create(kind, _) | Asked::Update(kind, ..) = &entry.asked {
            // Who the patient is, the Directory says.
            entry.resource = create::resolved(*kind, std::mem::replace(&mut entry.resource, Json::Null));
        }
        for text in searches(&entry.resource, &base) {
            if found.contains_key(&text) {
                continue;
            }
            if found.len() == MOST {
                let text = format!("a transaction has at most {MOST} references by search; refer to ids");
                return Err(entry.refused(Outcome::new(Code::TooLarge, text)));
            }
            let one = one(app, caller, &text, &base).await.map_err(|why| entry.refused(why))?;
            found.insert(text, one);
        }
        put(&mut entry.resource, &found, &base);
    }
    Ok(())
}

/// The searches that stand where a reference does, below this server's base.
fn searches(json: &Json, base: &str) -> BTreeSet<String> {
    match json {
        Json::List(items) => items.iter().flat_map(|item| searches(item, base)).collect(),
        Json::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value {
                Json::Text(text) if name == "reference" => search(text, base).map(str::to_owned).into_iter().collect(),
                value => searches(value, base),
            })
            .collect(),
        _ => BTreeSet::new(),
    }
}

/// `Type?query`. What points elsewhere is not searched for.
fn search<'a>(text: &'a str, base: &str) -> Option<&'a str> {
    let relative = reference::relative(text, base)?;
    let (kind, _) = relative.split_once('?')?;
    (!kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphabetic())).then_some(relative)
}

fn put(json: &mut Json, found: &HashMap<String, String>, base: &str) {
    match json {
        Json::List(items) => items.iter_mut().for_each(|item| put(item, found, base)),
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::Text(text) if name == "reference" => {
                        if let Some(one) = search(text, base).and_then(|search| found.get(search)) {
                            one.clone_into(text);
                        }
                    }
                    value => put(value, found, base),
                }
            }
        }
        _ => {}
    }
}

/// The one resource a search finds, as `Type/<id>`.
async fn one(app: &App, caller: &Caller, search: &str, base: &str) -> Result<String, Outcome> {
    let (name, form) = search.split_once('?').unwrap_or((search, ""));
    caller.may(name, Interaction::Search)?;
    let here = Here {
        base,
        chain_id: app.contracts.chain_id,
    };
    // Strictly: a parameter that is passed over would find what was not meant.
    let query = Query::parse(name, &read_form(form), true, here)?;
    if query.criteria.is_empty() {
        let text = "a reference by search takes at least one parameter, like Patient?identifier=http://a|1";
        return Err(Outcome::new(Code::InvalidSearch, text));
    }
    let mut ids: Vec<String> = match Kind::of(name) {
        Some(kind) => {
            let found = find::matches(app, caller, kind, &query).await?;
            found
                .into_iter()
                .map(|(row, _)| RecordId(row.record_id).to_string())
                .collect()
        }
        None => derived::ids(app, caller, name, &query).await?,
    };
    let (Some(id), true) = (ids.pop(), ids.is_empty()) else {
        let text = "a reference by search finds nothing that this account may read, or several resources; name one";
        return Err(Outcome::new(Code::Stale, text));
    };
    Ok(format!("{name}/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://here.example/fhir/R4";

    #[test]
    fn references_by_search_are_found_wherever_they_stand_and_nothing_else_is() {
        let sent = br#"{"a":[{"reference":"Patient/1"},{"b":{"reference":"Practitioner?identifier=1"}}],
            "c":{"reference":"http://here.example/fhir/R4/Organization?identifier=2"},
            "d":{"reference":"http://elsewhere.example/Patient?identifier=3"},"url":"Patient?identifier=4",
            "e":{"reference":"urn:uuid:5?x=1"}}"#;
        let mut json = Json::parse(sent).unwrap();
        let found = searches(&json, BASE);
        let expected = ["Organization?identifier=2", "Practitioner?identifier=1"];
        assert!(found.iter().map(String::as_str).eq(expected), "{found:?}");
        let names = found
            .into_iter()
            .map(|search| (search.clone(), search.replace('?', "/")));
        put(&mut json, &names.collect(), BASE);
        let text = String::from_utf8(json.to_bytes()).unwrap();
        assert!(text.contains(r#"{"reference":"Practitioner/identifier=1"}"#), "{text}");
        assert!(text.contains(r#"{"reference":"Organization/identifier=2"}"#), "{text}");
        assert!(
            text.contains("elsewhere.example/Patient?") && text.contains("urn:uuid:5?x=1"),
            "{text}"
        );
    }
}
