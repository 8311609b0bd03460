//! Decline and withdraw: what is decided about a request, off the chain.

use alloy::primitives::B256;
use chartseal_record::typed;
use chartseal_store::{AccessRequest, Error as StoreError, RequestState};
use serde_json::Value;

use super::prepare::Laid;
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::about,
    intent::Decision,
    problem::{Code, Failure, Problem},
    statement,
    vault::Kind,
};

/// The request with this digest, if it is in this state.
pub async fn asked(app: &App, digest: B256, state: RequestState) -> Result<typed::Request, Problem> {
    let row = app.store.request(digest).await?.ok_or_else(Problem::not_found)?;
    if row.state != state {
        return Err(Problem::new(Code::WrongState, format!("the request is {}", row.state)));
    }
    open(app, &row)
}

/// What a request row says.
pub fn open(app: &App, row: &AccessRequest) -> Result<typed::Request, Problem> {
    let json = app
        .vault
        .open(row.org, Kind::Request, &row.digest.to_string(), &row.sealed)?;
    Ok(serde_json::from_slice(&json).map_err(|_| Failure::Vault(Kind::Request.as_str()))?)
}

/// The FHIR Task a request was asked by, as it was sent; none if it was asked by wallet.
pub fn task(app: &App, row: &AccessRequest) -> Result<Option<Value>, Problem> {
    let json = app
        .vault
        .open(row.org, Kind::Request, &row.digest.to_string(), &row.sealed)?;
    let mut said: Value = serde_json::from_slice(&json).map_err(|_| Failure::Vault(Kind::Request.as_str()))?;
    Ok(said.get_mut("task").map(Value::take))
}

/// The patient's claim that a request is about, if it was asked by a Task that names one which is here.
pub async fn claim(app: &App, request: B256) -> Result<Option<B256>, Problem> {
    let Some(row) = app.store.request(request).await? else {
        return Ok(None);
    };
    claim_of(app, &row).await
}

/// The same for its row.
pub async fn claim_of(app: &App, row: &AccessRequest) -> Result<Option<B256>, Problem> {
    match task(app, row)? {
        Some(task) => about::claim(app, row.patient, &task).await,
        None => Ok(None),
    }
}

/// The asking organisation takes an open request back by its statement key, as it asked. The decision is kept with its
/// signature like one that a wallet signed.
pub async fn withdraw_for(app: &App, row: &AccessRequest) -> Result<(), Problem> {
    let now = app.clock.seconds();
    let withdraw = typed::Withdraw {
        request: row.digest,
        grantee: row.grantee,
        time: now,
    };
    let digest = typed::digest(&withdraw, &app.contracts.consent_domain());
    let signature = statement::sign(app, row.grantee, digest).await?;
    match app.store.decide_request(row.digest, RequestState::Withdrawn, now).await {
        Ok(()) => {}
        Err(StoreError::Moved { .. }) => {
            let text = format!("the request is {}, so it cannot be taken back", row.state);
            return Err(Problem::new(Code::WrongState, text));
        }
        Err(error) => return Err(error.into()),
    }
    let decision = Decision::Withdraw { withdraw };
    let laid = Laid::of(app, row.org, decision, None).await?;
    app.store.sign_intent(&laid.id, "account", &signature, now).await?;
    Ok(app.store.intent_decided(&laid.id, now).await?)
}

pub async fn decline(app: &App, caller: &Caller, request: B256) -> Result<Laid, Problem> {
    let asked = asked(app, request, RequestState::Open).await?;
    if asked.patient != caller.account {
        return Err(Problem::not_found());
    }
    let decline = typed::Decline {
        request,
        patient: caller.account,
        time: app.clock.seconds(),
    };
    Laid::of(app, asked.custodian, Decision::Decline { decline }, None).await
}

pub async fn withdraw(app: &App, caller: &Caller, request: B256) -> Result<Laid, Problem> {
    let asked = asked(app, request, RequestState::Open).await?;
    if asked.grantee != caller.account {
        return Err(Problem::not_found());
    }
    let withdraw = typed::Withdraw {
        request,
        grantee: caller.account,
        time: app.clock.seconds(),
    };
    Laid::of(app, asked.custodian, Decision::Withdraw { withdraw }, None).await
}
