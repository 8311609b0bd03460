//! POST /v1/packets: a claim, what it cites and what proves both, in one file an insurer keeps.
//!
//! Nothing is in it that the organisation could not read at this moment: each record is judged, written down and opened as
//! a read of its own. What the claim cites and the organisation may not read is named as the claim names it, which it knows.

pub mod evidence;

use std::collections::BTreeSet;

use alloy::primitives::{B256, Bytes};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chartseal_record::packet::{Algorithms, BadPacket, FORMAT, Issuer, MAX_RECORDS, Packet, Proofs, Signed};
use chartseal_store::Record;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::evidence::Gathered;
use super::Body;
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    fhir::{json::Json, reference},
    openapi::words::{HashSchema, HexSchema},
    problem::{Code, Problem},
    read, statement,
};

const KIND: &str = "Claim";
/// What a packet counts for at the rate of lookups: each record of it is read, opened and proved.
const COSTS: u32 = 16;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make))
}

/// Which claim, and what for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PacketRequest)]
struct Input {
    /// The claim's record id, as a lookup gives it.
    claim: B256,
    /// Absent: HPAYMT.
    #[serde(default)]
    purpose: Purpose,
}

/// A purpose of use an evidence packet is made for.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[schema(as = PacketPurpose)]
enum Purpose {
    /// Payment.
    #[default]
    #[serde(rename = "HPAYMT")]
    Payment,
    /// Matching of claims with their attachments.
    #[serde(rename = "CLMATTCH")]
    Attachments,
}

impl Purpose {
    fn code(self) -> &'static str {
        match self {
            Self::Payment => "HPAYMT",
            Self::Attachments => "CLMATTCH",
        }
    }
}

/// An evidence packet: keep the body byte for byte, since its form is signed too. docs/format.md says what is in it.
#[derive(Debug, ToSchema)]
#[schema(as = EvidencePacket)]
#[expect(dead_code, reason = "the schema of chartseal_record::packet::Signed")]
struct Output {
    #[schema(value_type = Object)]
    packet: Value,
    /// The organisation's statement key's, over the packet.
    signature: Bytes,
}

/// A claim, the records it cites that the organisation may read, and what proves them, signed by the organisation's
/// statement key. `chartseal-reader verify` checks it without this gateway. A claim that does not exist and one that the
/// organisation may not read are refused alike; of what it cites, both are named in `notGranted`.
#[utoipa::path(
    post,
    path = "/v1/packets",
    operation_id = "makePacket",
    tag = "claims",
    request_body = Input,
    responses((status = 200, body = Output)),
    security(("session" = []), ("smart" = [])),
    extensions(("x-refusals" = json!([
        "not-registered", "forbidden", "not-found", "invalid", "own-key", "not-anchored", "content-corrupt"
    ]))),
)]
async fn make(State(app): State<App>, caller: Caller, Body(input): Body<Input>) -> Result<Response, Problem> {
    let (app, caller) = (&app, &caller);
    caller.may(KIND, Interaction::Read)?;
    if app.config.organisation(caller.account).is_none() {
        return Err(Problem::new(
            Code::Forbidden,
            "an organisation's statement key signs a packet: only an organisation served here has one made",
        ));
    }
    app.rates.lookup(caller, COSTS)?;
    let head = app.index.head().ok_or_else(moved)?;
    let mut gathered = Gathered::new(app, caller, input.purpose.code(), head.number);
    let claim = read::newest(app, caller, input.claim).await?;
    let claim = claim
        .filter(|row| row.resource_type == KIND)
        .ok_or_else(Problem::not_found)?;
    let name = format!("{KIND}/{}", reference::RecordId(claim.record_id));
    let resource = gathered.add(name, &claim).await?.ok_or_else(Problem::not_found)?;
    let mut not_granted = Vec::new();
    for text in cited(&resource)? {
        let given = match named(app, caller, &text).await? {
            Some(row) => gathered.add(text.clone(), &row).await?.is_some(),
            None => false,
        };
        if !given {
            not_granted.push(text);
        }
    }
    let Gathered { grants, records, .. } = gathered;
    let packet = Packet {
        format: FORMAT.to_owned(),
        algorithms: Algorithms::known(),
        chain_id: app.contracts.chain_id,
        contracts: (&app.contracts).into(),
        issuer: Issuer {
            account: caller.account,
            signer: statement::key(app, caller.account).await?,
            block: head.number,
            block_hash: head.hash,
            time: app.clock.seconds().max(head.timestamp),
        },
        purpose: input.purpose.code().to_owned(),
        grants,
        records,
        not_granted,
        proofs: None,
    };
    let proofs = proofs(app, &packet).await?;
    let packet = packet.with_proofs(proofs);
    let digest = packet.signing_digest().map_err(refused)?;
    let signature = statement::sign(app, caller.account, digest).await?;
    let file = Signed { packet, signature }.write().map_err(refused)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], file).into_response())
}

/// The references of what supports the claim, each once, in its order.
fn cited(claim: &Json) -> Result<Vec<String>, Problem> {
    let supporting = claim.list("supportingInfo").iter();
    let texts = supporting.filter_map(|info| info.get("valueReference")?.text("reference"));
    let mut seen = BTreeSet::new();
    let texts: Vec<String> = texts.filter(|text| seen.insert(*text)).map(str::to_owned).collect();
    if texts.len() < MAX_RECORDS {
        return Ok(texts);
    }
    Err(Problem::new(
        Code::Invalid,
        format!(
            "a packet holds {MAX_RECORDS} records, and the claim cites {}",
            texts.len()
        ),
    ))
}

/// The record a reference names: its newest version that may be read, or the one it says.
async fn named(app: &App, caller: &Caller, text: &str) -> Result<Option<Record>, Problem> {
    let Some(id) = reference::record(text, &app.config.url("/fhir/R4")) else {
        return Ok(None);
    };
    let row = match reference::version(text) {
        Some(Ok(version)) => app.store.record_version(id.0, version).await?,
        Some(Err(_)) => None,
        None => read::newest(app, caller, id.0).await?,
    };
    Ok(row.filter(|row| caller.may(&row.resource_type, Interaction::Read).is_ok()))
}

/// What a node that offers `eth_getProof` proves of the packet's block.
async fn proofs(app: &App, packet: &Packet) -> Result<Option<Proofs>, Problem> {
    match app.chain.proofs(packet).await {
        Ok(Some(proofs)) => Ok(Some(proofs)),
        Ok(None) => Err(moved()),
        // An optional member: without it a verifier asks a node of its own.
        Err(chartseal_chain::Error::Refused { code, .. }) => {
            tracing::warn!(code, "the node gives no state proofs; the packet is made without");
            Ok(None)
        }
        Err(failed) => Err(failed.into()),
    }
}

/// The packet would not verify, so it is not given out.
fn refused(why: BadPacket) -> Problem {
    match why {
        BadPacket::NotLive { .. } | BadPacket::Proofs(_) | BadPacket::Issuer { .. } => moved(),
        BadPacket::TooLarge(_) => Problem::new(Code::Invalid, why.to_string()),
        // A contract wallet's signature, which proves nothing off the chain.
        why => Problem::new(Code::Invalid, format!("no packet can be made of this claim: {why}")),
    }
}

fn moved() -> Problem {
    Problem::new(
        Code::Unavailable,
        "the chain moved on while the packet was made; ask again",
    )
}
