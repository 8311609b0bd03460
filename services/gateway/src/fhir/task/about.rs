//! Which claim a Task is about: `reasonReference`, by reference or by the claim's number.

use alloy::primitives::{Address, B256};
use serde_json::Value;

use crate::{
    app::App,
    blind,
    fhir::{kind::Kind, reference, token::Token},
    problem::Problem,
};

/// Records looked at for one claim number, of any patient.
const MOST: u32 = 10_000;

/// The patient's claim. None if it names none that is here, or several have the number.
pub async fn claim(app: &App, patient: Address, task: &Value) -> Result<Option<B256>, Problem> {
    let about = &task["reasonReference"];
    let named = about["reference"].as_str().and_then(|text| {
        let base = app.config.url("/fhir/R4");
        reference::resource(text, Kind::Claim.as_str(), &base)
    });
    let rows = match named {
        Some(id) => Vec::from_iter(app.store.newest_version(id.0).await?),
        None => numbered(app, &about["identifier"]).await?,
    };
    let mut ids = rows
        .into_iter()
        .filter(|row| row.patient == patient && row.resource_type == Kind::Claim.as_str())
        .map(|row| row.record_id);
    let first = ids.next();
    Ok(first.filter(|first| ids.all(|other| other == *first)))
}

/// What is indexed under a claim's number.
async fn numbered(app: &App, identifier: &Value) -> Result<Vec<chartseal_store::Record>, Problem> {
    let Some(value) = identifier["value"].as_str().filter(|value| !value.is_empty()) else {
        return Ok(vec![]);
    };
    let system = identifier["system"].as_str().map(str::to_owned);
    let word = Token::new(system, value.to_owned()).word();
    let name = blind::name(Kind::Claim.as_str(), "identifier");
    let organisations = app.config.organisations.iter();
    let values: Vec<B256> = organisations
        .map(|org| blind::value(&app.vault, org.account, &name, &word))
        .collect();
    let named = app.store.named(&name, &values, MOST).await?.into_iter();
    Ok(named.filter(|named| named.exact).map(|named| named.record).collect())
}
