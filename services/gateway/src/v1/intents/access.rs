//! Decline and withdraw: what is decided about a request, off the chain.

use alloy::primitives::B256;
use chartseal_record::typed;
use chartseal_store::RequestState;

use super::prepare::Laid;
use crate::{
    app::App,
    auth::caller::Caller,
    intent::Decision,
    problem::{Code, Failure, Problem},
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
pub fn open(app: &App, row: &chartseal_store::AccessRequest) -> Result<typed::Request, Problem> {
    let json = app
        .vault
        .open(row.org, Kind::Request, &row.digest.to_string(), &row.sealed)?;
    Ok(serde_json::from_slice(&json).map_err(|_| Failure::Vault(Kind::Request.as_str()))?)
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
