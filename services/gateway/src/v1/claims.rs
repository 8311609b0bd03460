//! POST /v1/claims/lookup: up to 1,000 claim numbers at once.
//!
//! A number nobody has and a number of a claim the caller may not read are answered alike, and **by the same work**, since
//! the time an answer takes would tell them apart as well as the answer does:
//!
//! 1. The numbers' blind values are looked up in the index alone, in one query for all of them, which answers a row for each.
//! 2. Rows are read for all of them in one query. A number that has none stands for a row that its own blind value
//!    chooses, so that every number costs a row, and the same number the same row each time (another row each time
//!    would be a colder one than a forbidden claim's).
//! 3. Every row is judged on its own and none is remembered, since a patient's second claim would be judged faster than
//!    its first. What a chosen row stands for is judged as nobody's, which fails where a missing grant does.
//! 4. Which rows were granted alone is one query for all of them, and which such slots the caller has is read before it is
//!    known what is asked for. Only a row that was granted to this caller costs a judgement more, and that one it knew of.
//! 5. Only what may be read leaves its mark: audit entries, durable before anything is opened, and the opening. A
//!    forbidden claim leaves none, as in every other search here: nothing of it was disclosed, and a durable entry is
//!    the slowest thing a lookup does. Written after the answer it would slow the caller's next question instead.
//!
//! What remains is one entry of the index read or not, and the terms of a grant that ended copied or not. `make bench` measures
//! whether that can be told from outside (part `lookup`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::{Address, B256};
use axum::{Json, extract::State};
use chartseal_record::Slot;
use chartseal_store::Record;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Body;
use crate::{
    app::App,
    audit,
    auth::{caller::Caller, scopes::Interaction},
    blind,
    custody::single,
    fhir::{json::Json as Resource, parameter, reference::RecordId, token::Token},
    openapi::words::{AddressSchema, HashSchema},
    problem::{Code, Problem},
    read::{
        self, many,
        stand_in::{self, NOBODY},
    },
};

/// Claim numbers of one lookup.
const MOST: usize = 1_000;
/// Bytes of a number's system and of its value.
const LONGEST: usize = 256;
/// Claims that may be found: several can have one number.
const MOST_FOUND: usize = 2_000;
const KIND: &str = "Claim";
const COLUMN: &str = "identifier";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(lookup))
}

/// Claim numbers to look up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClaimLookup)]
struct Input {
    #[schema(min_items = 1, max_items = 1000)]
    numbers: Vec<Number>,
}

/// A business identifier of a claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClaimNumber)]
struct Number {
    /// Absent: any system; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    system: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    value: String,
}

/// Every number that was asked for, in the order it was asked in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClaimLookupAnswer)]
struct Output {
    answers: Vec<Answer>,
}

/// One number, and the claims that have it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClaimLookupFound)]
struct Answer {
    number: Number,
    /// Empty if there is none, or none the caller may read: the two look alike.
    claims: Vec<Found>,
}

/// A claim the caller may read.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FoundClaim)]
struct Found {
    /// Without 0x it is the FHIR id.
    record_id: B256,
    patient: Address,
    /// Claim.status: active, cancelled, draft or entered-in-error.
    status: String,
    /// Where the newest version is read over FHIR.
    url: String,
}

/// Claims by their numbers, at most 1,000 at once, for who may read them. A number that nobody has and one of a claim the
/// caller may not read are answered alike, after the same work. Each number counts towards a rate of its own
/// (`limits.lookup_rate`, numbers a second).
#[utoipa::path(
    post,
    path = "/v1/claims/lookup",
    operation_id = "lookUpClaims",
    tag = "claims",
    request_body = Input,
    responses((status = 200, body = Output)),
    security(("session" = []), ("smart" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden", "invalid", "own-key", "content-corrupt"]))),
)]
async fn lookup(State(app): State<App>, caller: Caller, Body(input): Body<Input>) -> Result<Json<Output>, Problem> {
    let (app, caller) = (&app, &caller);
    caller.may(KIND, Interaction::Search)?;
    check(&input)?;
    app.rates
        .lookup(caller, u32::try_from(input.numbers.len()).unwrap_or(u32::MAX))?;
    let distinct: BTreeSet<&Number> = input.numbers.iter().collect();
    let asked: Vec<(&Number, Token)> = distinct.into_iter().map(|number| (number, number.token())).collect();
    let named = named(app, caller, &asked).await?;
    let mut rows: Vec<Record> = named.iter().flatten().cloned().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.dedup_by_key(|row| row.seq);
    audit::searched(app, caller, read::purpose(caller), &rows).await?;
    let opened = many::open(app, caller, rows, |_| true).await?;
    let opened: HashMap<i64, _> = opened.into_iter().map(|(row, opened)| (row.seq, opened.json)).collect();
    let claims = asked.iter().zip(named).map(|((number, token), rows)| {
        let has = |json: &Resource| {
            parameter::pairs(json, COLUMN)
                .iter()
                .any(|(system, value)| token.admits(system, value))
        };
        let claims = rows.iter().filter_map(|row| {
            let json = opened.get(&row.seq).filter(|json| has(json))?;
            Some(shown(app, row, json))
        });
        (*number, claims.collect())
    });
    let claims: BTreeMap<&Number, Vec<Found>> = claims.collect();
    let answers = input.numbers.iter().map(|number| Answer {
        number: number.clone(),
        claims: claims.get(number).cloned().unwrap_or_default(),
    });
    Ok(Json(Output {
        answers: answers.collect(),
    }))
}

fn shown(app: &App, row: &Record, claim: &Resource) -> Found {
    Found {
        record_id: row.record_id,
        patient: row.patient,
        status: claim.text("status").unwrap_or_default().to_owned(),
        url: app.config.url(&format!("/fhir/R4/{KIND}/{}", RecordId(row.record_id))),
    }
}

fn check(input: &Input) -> Result<(), Problem> {
    if !(1..=MOST).contains(&input.numbers.len()) {
        return Err(Problem::new(
            Code::Invalid,
            format!("numbers holds 1 to {MOST} claim numbers"),
        ));
    }
    let fits = |number: &Number| {
        let system = number.system.as_deref().unwrap_or_default();
        (1..=LONGEST).contains(&number.value.len()) && system.len() <= LONGEST
    };
    if input.numbers.iter().all(fits) {
        return Ok(());
    }
    Err(Problem::new(
        Code::Invalid,
        format!("a value is 1 to {LONGEST} bytes, a system at most {LONGEST}"),
    ))
}

impl Number {
    fn token(&self) -> Token {
        Token::new(self.system.clone(), self.value.clone())
    }
}

/// Of each number the newest versions that the caller may read.
async fn named(app: &App, caller: &Caller, asked: &[(&Number, Token)]) -> Result<Vec<Vec<Record>>, Problem> {
    let own = single::Slots::of(app, caller.account);
    let newest = app.store.newest_record().await?;
    if newest == 0 {
        return Ok(vec![vec![]; asked.len()]);
    }
    let (hits, stand_ins) = seqs(app, asked, newest).await?;
    // One row a number: what it names, or what stands for it.
    let stand_in = |(hits, seq): (&Vec<i64>, &i64)| hits.is_empty().then_some(*seq);
    let all = hits.iter().zip(&stand_ins).filter_map(stand_in);
    let all: BTreeSet<i64> = hits.iter().flatten().copied().chain(all).collect();
    let rows = app.store.records_at(&Vec::from_iter(all.iter().copied())).await?;
    let rows: HashMap<i64, Record> = rows.into_iter().map(|row| (row.seq, row)).collect();
    let alone = single::values(app, &Vec::from_iter(all)).await?;
    let alone = |row: &Record| own.among(alone.get(&row.seq).map_or(&[], Vec::as_slice));
    let mut named = Vec::with_capacity(asked.len());
    for (hits, stand_in) in hits.iter().zip(&stand_ins) {
        if hits.is_empty()
            && let Some(row) = rows.get(stand_in)
        {
            may(app, NOBODY, row, &[]).await?;
        }
        let mut newest: BTreeMap<B256, Record> = BTreeMap::new();
        for row in hits.iter().filter_map(|seq| rows.get(seq)) {
            let is_newer = newest
                .get(&row.record_id)
                .is_none_or(|other| other.version < row.version);
            if may(app, caller.account, row, &alone(row)).await? && is_newer {
                newest.insert(row.record_id, row.clone());
            }
        }
        named.push(newest.into_values().collect());
    }
    Ok(named)
}

/// For each number the places of the rows it names, and the place of the row it stands for if it names none.
async fn seqs(app: &App, asked: &[(&Number, Token)], newest: i64) -> Result<(Vec<Vec<i64>>, Vec<i64>), Problem> {
    let name = blind::name(KIND, COLUMN);
    let mut hits = vec![Vec::new(); asked.len()];
    let mut stand_ins = vec![1; asked.len()];
    // Each organisation served here indexes its records under a key of its own.
    for org in &app.config.organisations {
        let words = asked.iter().map(|(_, token)| token.word());
        let values: Vec<B256> = words
            .map(|word| blind::value(&app.vault, org.account, &name, &word))
            .collect();
        let indexed = app.store.indexed(&name, &values).await?;
        if indexed.len() > MOST_FOUND {
            let text = format!("more than {MOST_FOUND} claims have these numbers; ask for fewer");
            return Err(Problem::new(Code::Invalid, text));
        }
        let places: HashMap<B256, usize> = values
            .iter()
            .enumerate()
            .map(|(place, value)| (*value, place))
            .collect();
        for (value, seq) in indexed {
            if let Some(place) = places.get(&value) {
                hits[*place].push(seq);
            }
        }
        for (place, value) in values.iter().enumerate() {
            stand_ins[place] = stand_in::place(*value, newest);
        }
    }
    Ok((hits, stand_ins))
}

/// Whether an account holds a live READ grant on the row's compartment, or in one of its slots of this row alone, or is its
/// patient.
async fn may(app: &App, account: Address, row: &Record, alone: &[Slot]) -> Result<bool, Problem> {
    if read::may_scope(app, account, row).await? {
        return Ok(true);
    }
    for slot in alone {
        if single::live_in(app, *slot, row.patient, account).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(account == row.patient)
}
