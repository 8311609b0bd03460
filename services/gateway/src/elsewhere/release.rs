//! Asking a custodian at another gateway for what it releases of a grant: `POST /v1/releases` at its Directory endpoint.
//!
//! The endpoint is what the custodian's account says on chain, and what answers there may be anything: https only, no
//! redirects, five seconds, 16 KiB, and outside development no address of this machine or a private network.

use alloy::primitives::{Address, B256, Bytes};
use chartseal_envelope::{
    key::{Identity, ReleaseKey},
    release,
};
use chartseal_record::{account::Account, grant::Wrapped, release::ReleasedRecord, typed};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use crate::{
    app::App,
    auth::fetch,
    custody::{live::LiveGrant, single::Kept, wraps},
    problem::{Code, Failure, Problem},
    statement,
};

const LONGEST: usize = 16 * 1024;

#[derive(Deserialize)]
struct Answer {
    release: Bytes,
    epoch: u32,
    record: Option<ReleasedRecord>,
}

/// The release key of a wrap that the chain has. The custodian makes an audit entry of its own first.
pub async fn ask(
    app: &App,
    custodian: &Account,
    reader: Address,
    grant: &LiveGrant,
    wrapped: &Wrapped,
    purpose: &str,
    identity: &Identity,
) -> Result<ReleaseKey, Problem> {
    let (_, key) = answer(app, custodian, reader, grant, wrapped.epoch, purpose, identity).await?;
    Ok(key)
}

/// The same for a grant of one record, with what the custodian alone keeps of it. Which record it is of is what the
/// custodian says: the grant's commitment tells whether that is true once the record is open.
pub async fn ask_record(
    app: &App,
    custodian: &Account,
    reader: Address,
    grant: &LiveGrant,
    purpose: &str,
    identity: &Identity,
) -> Result<Kept, Problem> {
    let (answer, key) = answer(app, custodian, reader, grant, 0, purpose, identity).await?;
    let record = answer
        .record
        .ok_or_else(|| away("its answer to a grant of one record names none"))?;
    Ok(Kept {
        epoch: answer.epoch,
        key,
        salt: record.salt,
        recipient: identity.public_key().key_hash(),
        content: record.cid,
        wrap: record.wrap,
    })
}

/// Asks as `reader`, which is an organisation of this gateway.
async fn answer(
    app: &App,
    custodian: &Account,
    reader: Address,
    grant: &LiveGrant,
    epoch: u32,
    purpose: &str,
    identity: &Identity,
) -> Result<(Answer, ReleaseKey), Problem> {
    if app.config.organisation(reader).is_none() {
        let text = "the patient's custodian is another organisation, which releases to the account's own signature: \
                    fetch /ipfs/{cid} here, POST /v1/releases there, and open it on your device";
        return Err(Problem::new(Code::OwnKey, text));
    }
    let url = endpoint(app, custodian).await?;
    let mut nonce = B256::ZERO;
    getrandom::fill(nonce.as_mut_slice()).map_err(|_| Failure::Random)?;
    let asked = typed::Release {
        slot: grant.slot.0,
        serial: grant.serial,
        epoch,
        reader,
        purpose: purpose.to_owned(),
        nonce,
        time: app.clock.seconds(),
        custodian: custodian.id,
    };
    let digest = typed::digest(&asked, &app.contracts.consent_domain());
    let signature = statement::sign(app, reader, digest).await?;
    let body = json!({
        "slot": asked.slot, "serial": asked.serial, "epoch": asked.epoch, "reader": reader, "purpose": purpose,
        "nonce": nonce, "time": asked.time, "custodian": custodian.id, "signature": signature,
    });
    let answer = send(app, url, &body).await?;
    let place = wraps::at(app, grant.slot, grant.serial, answer.epoch);
    // What does not open is not what was asked for, whatever it is.
    let key = release::open(&place, nonce, identity, &answer.release).map_err(|_| away("its answer does not open"))?;
    Ok((answer, key))
}

/// Where the custodian takes requests.
async fn endpoint(app: &App, custodian: &Account) -> Result<Url, Problem> {
    let base = custodian.endpoint.trim_end_matches('/');
    let url: Url = format!("{base}/v1/releases")
        .parse()
        .map_err(|_| away("the Directory has no endpoint of it"))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let scheme = url.scheme() == "https" || app.config.development && url.scheme() == "http";
    if !plain || !scheme || url.fragment().is_some() {
        return Err(away("its endpoint is not an https URL without credentials and query"));
    }
    if !app.config.development && fetch::only_public(&url).await.is_err() {
        return Err(away("its endpoint is inside a private network, or unknown"));
    }
    Ok(url)
}

async fn send(app: &App, url: Url, body: &serde_json::Value) -> Result<Answer, Problem> {
    let sent = app.http.post(url).json(body).send().await;
    let mut answer = sent.map_err(|_| away("it does not answer"))?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            return Err(Problem::new(
                Code::NotLive,
                "the patient's custodian does not release the key of this grant",
            ));
        }
        _ => return Err(away("it refuses to answer now")),
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| away("its answer broke off"))? {
        text.extend_from_slice(&chunk);
        if text.len() > LONGEST {
            return Err(away("its answer is over 16 KiB"));
        }
    }
    serde_json::from_slice(&text).map_err(|_| away("its answer is not a release"))
}

/// No key, and perhaps one in a moment.
fn away(why: &'static str) -> Problem {
    tracing::warn!(why, "a patient's custodian at another gateway gives no release key");
    Problem::new(
        Code::Unavailable,
        format!("the patient's custodian at another gateway gives no release key now: {why}; try again"),
    )
}
