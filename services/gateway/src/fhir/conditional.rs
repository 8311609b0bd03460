//! If-None-Exist: a create that finds what it would have created.

use alloy::primitives::{Address, B256};
use chartseal_record::{Target, typed};
use chartseal_store::{Condition, Record};

use super::{
    create, find,
    json::Json,
    kind::Kind,
    outcome::Outcome,
    scope,
    search::{Here, Query, read_form},
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    blind,
    custody::live,
    problem::{Code, Problem},
    write,
};

/// Seconds a condition that was met is remembered: two days, as uploads are waited for at most.
const MEMORY: u64 = 2 * 86_400;

/// What a condition met.
#[derive(Debug)]
pub enum Found {
    /// Nothing. The commit that carries the condition is refused if another comes first, at this gateway or at any other
    /// of the same database.
    None(Condition),
    /// One record, opened.
    One(Box<Record>, Json),
}

/// Searches for what a create must not make again.
///
/// "None exists" is said of what the caller may read, so it must be able to read where the resource would go: who may only
/// write there could be told of neither the one nor the other.
pub async fn look(app: &App, caller: &Caller, kind: Kind, condition: &str, resource: &Json) -> Result<Found, Outcome> {
    caller.may(kind.as_str(), Interaction::Search)?;
    let base = app.config.url("/fhir/R4");
    let here = Here {
        base: &base,
        chain_id: app.contracts.chain_id,
    };
    let condition = condition.rsplit_once('?').map_or(condition, |(_, query)| query);
    let query = Query::parse(kind.as_str(), &read_form(condition), true, here)?;
    if query.criteria.is_empty() {
        let text = "If-None-Exist must be a search with at least one parameter, like identifier=http://a|1";
        return Err(Outcome::new(Code::InvalidSearch, text));
    }
    readable(app, caller, kind, resource).await?;
    // Before the search: what comes in after it was begun is noticed at the commit.
    let expires_at = app.clock.seconds() + MEMORY;
    let condition = app.store.condition(hash(app, kind, &query), expires_at).await;
    let condition = condition.map_err(Problem::from)?;
    let mut found = find::matches(app, caller, kind, &query).await?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Ok(Found::None(condition)),
        (Some((row, json)), true) => Ok(Found::One(Box::new(row), json)),
        (Some(_), false) => Err(Outcome::new(
            Code::Stale,
            "If-None-Exist matches several resources, so none is created; name one",
        )),
    }
}

/// A condition is everybody's, so it belongs to no organisation.
fn hash(app: &App, kind: Kind, query: &Query) -> B256 {
    let name = blind::name(kind.as_str(), "if-none-exist");
    blind::value(&app.vault, Address::ZERO, &name, &query.condition())
}

async fn readable(app: &App, caller: &Caller, kind: Kind, resource: &Json) -> Result<(), Outcome> {
    let patient = write::patient_of(app, create::patient(app, kind, resource)).await?;
    let target = Target::Scope(scope::of(resource, &app.config.scopes)?);
    if caller.account == patient {
        return Ok(());
    }
    match live::permission(app, patient, caller.account, &target, typed::READ)
        .await
        .map_err(Problem::from)
    {
        Ok(_) => Ok(()),
        Err(problem) if problem.code == Code::NotLive => Err(Outcome::new(
            Code::NotLive,
            "a conditional create takes READ beside WRITE, since it looks first; repeat a plain create safely with an Idempotency-Key",
        )),
        Err(problem) => Err(problem.into()),
    }
}
