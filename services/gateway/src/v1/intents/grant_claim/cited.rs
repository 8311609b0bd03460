//! What a claim cites: the records of its patient that it refers to.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256};
use chartseal_envelope::key::FileKey;
use chartseal_store::Record;

use super::MOST;
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{json::Json, kind::Kind, reference},
    problem::{Code, Problem},
    read,
};

/// The newest version of a patient's claim.
pub async fn newest(app: &App, patient: Address, claim: B256) -> Result<Record, Problem> {
    let row = app.store.newest_version(claim).await?;
    let row = row.filter(|row| row.patient == patient && row.resource_type == Kind::Claim.as_str());
    row.ok_or_else(Problem::not_found)
}

/// The claim's newest version and what it cites, each opened as the patient opens it.
pub async fn claim_and_cited(app: &App, caller: &Caller, claim: B256) -> Result<Vec<(Record, FileKey)>, Problem> {
    let own = |row: &Record| row.patient == caller.account;
    let row = newest(app, caller.account, claim).await?;
    let (key, json) = opened(app, caller, &row).await?;
    let json = json.ok_or_else(|| read::corrupt(&row.content_hash.cid()))?;
    let mut found = vec![(row, key)];
    let mut cited: Vec<Record> = Vec::new();
    for (record, version) in cited_in(&json, &app.config.url("/fhir/R4")) {
        let row = match version {
            Some(version) => app.store.record_version(record, version).await?,
            None => app.store.newest_version(record).await?,
        };
        // Somebody else's record and one that is not here are no part of the decision: the patient has no say about them.
        let Some(row) = row.filter(own) else {
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

async fn opened(app: &App, caller: &Caller, row: &Record) -> Result<(FileKey, Option<Json>), Problem> {
    let key = read::key(app, caller, row, read::purpose(caller)).await?;
    let whole = read::whole(app, &key, row).await?;
    Ok((whole.file_key, Json::parse(&whole.opened.resource).ok()))
}

/// Every record that a claim refers to, but its patient's: whom it is about needs no evidence. With the version it says.
/// `base` is this server's FHIR base. A patient's device finds the same ones.
fn cited_in(claim: &Json, base: &str) -> BTreeSet<(B256, Option<u32>)> {
    fn walk<'a>(json: &'a Json, found: &mut Vec<&'a str>) {
        match json {
            Json::List(items) => items.iter().for_each(|item| walk(item, found)),
            Json::Object(members) => {
                found.extend(json.text("reference"));
                members.iter().for_each(|(_, member)| walk(member, found));
            }
            _ => {}
        }
    }
    let mut texts = Vec::new();
    if let Json::Object(members) = claim {
        let others = members
            .iter()
            .filter(|(name, _)| Some(name.as_str()) != Kind::Claim.subject());
        others.for_each(|(_, member)| walk(member, &mut texts));
    }
    let named = |text: &str| {
        let record = reference::record(text, base)?;
        Some((record.0, reference::version(text).transpose().ok()?))
    };
    texts.into_iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// `tests/vectors/claim.json`, which the portal reads too.
    #[test]
    fn a_claim_cites_what_the_vector_says() {
        let vector = include_str!("../../../../../../tests/vectors/claim.json");
        let vector: Value = serde_json::from_str(vector).unwrap();
        let claim = Json::parse(vector["claim"].to_string().as_bytes()).unwrap();
        let cited = cited_in(&claim, vector["base"].as_str().unwrap());
        let expected = vector["cites"].as_array().unwrap().iter().map(|one| {
            let version = one["version"].as_u64().map(|version| version.try_into().unwrap());
            (one["record"].as_str().unwrap().parse().unwrap(), version)
        });
        assert_eq!(cited, expected.collect());
    }
}
