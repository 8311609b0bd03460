//! A claim and the records it cites, granted each alone: what is necessary to decide about it, and no more.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, Bytes};
use chartseal_envelope::key::{FileKey, PublicKey};
use chartseal_record::{Slot, Target, typed};
use chartseal_store::Record;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    access,
    grant::{asked, check, missing, patient_of},
    prepare::Laid,
};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::{Patient, single, wraps},
    fhir::{json::Json, kind::Kind, reference},
    intent::{Decision, PreparedGrant},
    openapi::words::{AddressSchema, HashSchema},
    problem::{Code, Failure, Problem},
    read,
};

/// Records of one decision: each is a signature in the patient's wallet.
const MOST: usize = 32;

/// READ of a claim and of the records of the patient that it cites, in their versions of now, each in a slot of its own.
/// By terms, or as the answer to a request that is about a claim.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantClaim {
    /// The request it answers.
    request: Option<B256>,
    /// The claim's record id; absent: the one the request is about.
    claim: Option<B256>,
    grantee: Option<Address>,
    /// Unix seconds, exclusive.
    until: Option<u64>,
    #[schema(min_length = 1, max_length = 64)]
    purpose: Option<String>,
}

pub async fn grant_claim(app: &App, caller: &Caller, input: GrantClaim) -> Result<Laid, Problem> {
    let patient = patient_of(app, caller)?;
    let asked = asked(app, &patient, input.request, input.grantee).await?;
    let asked = asked.as_ref();
    let terms = typed::Grant {
        patient: patient.id(),
        grantee: input
            .grantee
            .or(asked.map(|r| r.grantee))
            .ok_or_else(|| missing("grantee"))?,
        until: input.until.or(asked.map(|r| r.until)).ok_or_else(|| missing("until"))?,
        purpose: input
            .purpose
            .or(asked.map(|r| r.purpose.clone()))
            .ok_or_else(|| missing("purpose"))?,
        permission: typed::READ,
        scope: String::new(),
        record: B256::ZERO,
        serial: 1,
        epoch: 0,
        suite: typed::SUITE_NONE,
        recipientKeyHash: B256::ZERO,
        wrapHash: B256::ZERO,
    };
    check(app, &patient, terms.grantee, terms.until, &terms.purpose)?;
    if asked.is_some_and(|r| r.permission & typed::READ == 0) {
        let why = "the request is to write, and a grant of one record lets nobody write";
        return Err(Problem::new(Code::Invalid, why));
    }
    if !patient.in_gateway_custody() {
        let why = "the patient's keys are on the patient's own device, so nothing here can seal the key of one record; grant a scope";
        return Err(Problem::new(Code::OwnKey, why));
    }
    let claim = match (input.claim, input.request) {
        (Some(claim), _) => claim,
        (None, Some(request)) => access::claim(app, request).await?.ok_or_else(|| missing("claim"))?,
        (None, None) => return Err(missing("claim")),
    };
    let grantee = app.index.account(terms.grantee).ok_or_else(Problem::not_found)?;
    let recipient = wraps::recipient(&grantee)?;
    let mut grants = Vec::new();
    for (row, key) in claim_and_cited(app, caller, claim).await? {
        grants.push(prepare(app, &patient, &terms, &recipient, (&row, &key), input.request).await?);
    }
    let decision = Decision::GrantClaim {
        grants,
        request: input.request,
    };
    Laid::of(app, patient.custodian, decision, None).await
}

/// The struct the patient signs for one record; what opens it is in the vault when this returns.
async fn prepare(
    app: &App,
    patient: &Patient,
    terms: &typed::Grant,
    recipient: &PublicKey,
    (row, key): (&Record, &FileKey),
    request: Option<B256>,
) -> Result<PreparedGrant, Problem> {
    let mut salt = B256::ZERO;
    getrandom::fill(salt.as_mut_slice()).map_err(|_| Failure::Random)?;
    let target = Target::record(row.digest, salt);
    let (scope, record) = target.fields();
    let grant = typed::Grant {
        scope,
        record,
        ..terms.clone()
    };
    let to = wraps::For {
        custodian: patient.custodian,
        slot: Slot::of(patient.id(), terms.grantee, &target),
        serial: terms.serial,
        epoch: row.epoch,
        recipient: *recipient,
    };
    match single::keep(app, to, salt, row, key).await? {
        true => Ok(PreparedGrant {
            grant,
            wrap: Bytes::new(),
            after: None,
            request,
        }),
        false => Err(wraps::refused_meanwhile()),
    }
}

/// The claim's newest version and what it cites, each opened as the patient opens it.
async fn claim_and_cited(app: &App, caller: &Caller, claim: B256) -> Result<Vec<(Record, FileKey)>, Problem> {
    let own = |row: &Record| row.patient == caller.account;
    let row = app.store.newest_version(claim).await?;
    let row = row.filter(|row| own(row) && row.resource_type == Kind::Claim.as_str());
    let row = row.ok_or_else(Problem::not_found)?;
    let (key, json) = opened(app, caller, &row).await?;
    let json = json.ok_or_else(|| read::corrupt(&row.content_hash.cid()))?;
    let mut found = vec![(row, key)];
    let mut cited: Vec<Record> = Vec::new();
    for text in references(&json) {
        // Somebody else's record and one that is not here are no part of the decision: the patient has no say about them.
        let Some(row) = named(app, text).await?.filter(own) else {
            continue;
        };
        if row.record_id != claim && cited.iter().all(|other| other.digest != row.digest) {
            cited.push(row);
        }
    }
    if cited.len() >= MOST {
        let count = cited.len();
        let why = format!(
            "the claim cites {count} records, and one decision is about {MOST} at most, the claim among them; grant a scope"
        );
        return Err(Problem::new(Code::Invalid, why));
    }
    for row in cited {
        let (key, _) = opened(app, caller, &row).await?;
        found.push((row, key));
    }
    Ok(found)
}

/// The record a reference names: its newest version, or the one it says.
async fn named(app: &App, text: &str) -> Result<Option<Record>, Problem> {
    let Some(id) = reference::record(text, &app.config.url("/fhir/R4")) else {
        return Ok(None);
    };
    Ok(match reference::version(text) {
        Some(Ok(version)) => app.store.record_version(id.0, version).await?,
        Some(Err(_)) => None,
        None => app.store.newest_version(id.0).await?,
    })
}

async fn opened(app: &App, caller: &Caller, row: &Record) -> Result<(FileKey, Option<Json>), Problem> {
    let key = read::key(app, caller, row, read::purpose(caller)).await?;
    let whole = read::whole(app, &key, row).await?;
    Ok((whole.file_key, Json::parse(&whole.opened.resource).ok()))
}

/// Every reference of a claim but the one to its patient: whom it is about needs no evidence.
fn references(claim: &Json) -> BTreeSet<&str> {
    fn walk<'a>(json: &'a Json, found: &mut BTreeSet<&'a str>) {
        match json {
            Json::List(items) => items.iter().for_each(|item| walk(item, found)),
            Json::Object(members) => {
                found.extend(json.text("reference"));
                members.iter().for_each(|(_, member)| walk(member, found));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    if let Json::Object(members) = claim {
        let others = members
            .iter()
            .filter(|(name, _)| Some(name.as_str()) != Kind::Claim.subject());
        others.for_each(|(_, member)| walk(member, &mut found));
    }
    found
}
