//! POST /v1/claims/lookup: up to 1,000 claim numbers at once. A number that nobody has and one of a claim the caller may not read
//! are answered alike and by the same work, which [`named`] argues. Only what may be read leaves its mark: audit entries, durable
//! before anything is opened, and the opening.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::{Address, B256};
use axum::{Json, extract::State};
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
    fhir::{json::Json as Resource, parameter, reference::RecordId, token::Token},
    openapi::words::{AddressSchema, HashSchema},
    problem::{Code, Problem},
    read::{self, many, named},
};

/// Claim numbers of one lookup.
const MOST: usize = 1_000;
/// Bytes of a number's system and of its value.
const LONGEST: usize = 256;
/// Claims that may be found: several can have one number.
const MOST_FOUND: u32 = 2_000;
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
    let named = newest(app, caller, &asked).await?;
    let mut rows: Vec<Record> = named.iter().flatten().cloned().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.dedup_by_key(|row| row.seq);
    let searched = audit::searched(app, caller, read::purpose(caller), &rows)?;
    let opened = many::open(app, caller, rows, searched, |_| true).await?;
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
async fn newest(app: &App, caller: &Caller, asked: &[(&Number, Token)]) -> Result<Vec<Vec<Record>>, Problem> {
    let name = blind::name(KIND, COLUMN);
    // Each organisation served here indexes its records under a key of its own.
    let organisations = app.config.organisations.iter();
    let places: HashMap<B256, usize> = organisations
        .flat_map(|org| {
            let words = asked.iter().map(|(_, token)| token.word()).enumerate();
            words.map(|(place, word)| (blind::value(&app.vault, org.account, &name, &word), place))
        })
        .collect();
    let values: Vec<B256> = places.keys().copied().collect();
    let found = named::readable(app, caller.account, &name, &values, MOST_FOUND).await?;
    let found = found.ok_or_else(|| {
        let text = format!("more than {MOST_FOUND} claims have these numbers; ask for fewer");
        Problem::new(Code::Invalid, text)
    })?;
    let mut newest: Vec<BTreeMap<B256, Record>> = vec![BTreeMap::new(); asked.len()];
    for one in found {
        let Some(place) = places.get(&one.value) else { continue };
        let known = newest[*place]
            .entry(one.record.record_id)
            .or_insert_with(|| one.record.clone());
        if known.version < one.record.version {
            *known = one.record;
        }
    }
    Ok(newest.into_iter().map(|rows| rows.into_values().collect()).collect())
}
