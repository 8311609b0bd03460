//! The same claims in memory, searched the plain way: one resource after the other, by what was sent.

use std::collections::BTreeSet;

use serde_json::Value;
use time::{Date, Month, OffsetDateTime, format_description::well_known::Rfc3339};

use super::stage::{Stage, account};

/// A resource as it was sent.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The id it was given.
    pub id: String,
    /// Whose it is.
    pub patient: usize,
    pub sent: Value,
}

/// The ids a search gives to who may read `entitled` patients, and beyond them those that are `alone`.
pub fn found(
    stage: &Stage<'_>,
    among: &[Stored],
    entitled: &[usize],
    alone: &BTreeSet<String>,
    question: &[(String, String)],
) -> BTreeSet<String> {
    let mine = among
        .iter()
        .filter(|stored| entitled.contains(&stored.patient) || alone.contains(&stored.id));
    let fitting = mine.filter(|stored| question.iter().all(|(name, value)| admits(stage, stored, name, value)));
    fitting.map(|stored| stored.id.clone()).collect()
}

/// Commas mean "or".
fn admits(stage: &Stage<'_>, stored: &Stored, name: &str, value: &str) -> bool {
    value.split(',').any(|one| is(stage, stored, name, one))
}

fn is(stage: &Stage<'_>, stored: &Stored, name: &str, asked: &str) -> bool {
    let sent = &stored.sent;
    match name {
        "_id" => stored.id == asked,
        "patient" => stage.charts[stored.patient] == asked,
        "patient.identifier" => asked == format!("urn:chartseal:account|{}", account(stored.patient)),
        "identifier" => {
            let own = &sent["identifier"][0];
            token(own["system"].as_str().unwrap(), own["value"].as_str().unwrap(), asked)
        }
        "priority" => {
            let own = &sent["priority"]["coding"][0];
            token(
                own["system"].as_str().unwrap_or_default(),
                own["code"].as_str().unwrap_or_default(),
                asked,
            )
        }
        "status" | "use" | "outcome" => sent[name] == asked,
        "provider" | "insurer" | "request" => {
            let own = sent[name]["reference"].as_str().unwrap();
            own == asked || own.rsplit('/').next() == Some(asked)
        }
        "created" => was(sent["created"].as_str().unwrap(), asked),
        other => panic!("the model knows no {other}"),
    }
}

fn token(system: &str, code: &str, asked: &str) -> bool {
    match asked.split_once('|') {
        Some((asked_system, asked_code)) => (asked_system, asked_code) == (system, code),
        None => asked == code,
    }
}

/// R4's table of prefixes, over seconds: a created time is one second long, a searched date a year, a month or a day.
fn was(created: &str, asked: &str) -> bool {
    let start = OffsetDateTime::parse(created, &Rfc3339).unwrap().unix_timestamp();
    let end = start + 1;
    let (prefix, date) = if asked.as_bytes()[0].is_ascii_digit() {
        ("eq", asked)
    } else {
        asked.split_at(2)
    };
    let (from, until) = span(date);
    let inside = from <= start && end <= until;
    match prefix {
        "eq" => inside,
        "ne" => !inside,
        "gt" | "sa" => start >= until,
        "lt" | "eb" => end <= from,
        "ge" => start >= from,
        "le" => end <= until,
        other => panic!("no prefix {other}"),
    }
}

fn span(date: &str) -> (i64, i64) {
    let parts: Vec<i32> = date.split('-').map(|part| part.parse().unwrap()).collect();
    let at = |year: i32, month: i32, day: i32| {
        let month = Month::try_from(month as u8).unwrap();
        Date::from_calendar_date(year, month, day as u8)
            .unwrap()
            .midnight()
            .assume_utc()
            .unix_timestamp()
    };
    match parts[..] {
        [year] => (at(year, 1, 1), at(year + 1, 1, 1)),
        [year, 12] => (at(year, 12, 1), at(year + 1, 1, 1)),
        [year, month] => (at(year, month, 1), at(year, month + 1, 1)),
        [year, month, day] => (at(year, month, day), at(year, month, day) + 86_400),
        _ => panic!("{date} is no date"),
    }
}
