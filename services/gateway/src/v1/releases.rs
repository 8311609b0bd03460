//! POST /v1/releases: the release key of one wrap, sealed to the grantee.
//!
//! The request authenticates itself: an EIP-712 `Release` signed by the reader's controller or statement key. No bearer
//! token is needed, so another organisation's gateway can ask. No log, no key.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use axum::{Json, extract::State};
use chartseal_envelope::release;
use chartseal_record::{Slot, typed};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Body;
use crate::{
    app::App,
    audit::{self, Action, Entry, Subject},
    auth::signature,
    custody::{live, wraps},
    openapi::words::{AddressSchema, HashSchema, HexSchema},
    problem::{Code, Problem},
};

/// Seconds the signed time may be away from ours, either way.
const WINDOW: u64 = 300;
/// Bytes of a purpose.
const PURPOSE: usize = 64;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(release))
}

/// An EIP-712 `Release` in Consent's domain, with its signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReleaseRequest)]
struct Input {
    /// (patient, grantee, target) in one word.
    slot: B256,
    serial: u64,
    epoch: u32,
    /// The grantee.
    reader: Address,
    /// A purpose of use, such as TREAT or HPAYMT.
    #[schema(min_length = 1, max_length = 64)]
    purpose: String,
    /// Used once.
    nonce: B256,
    /// Unix seconds, within 300 of the custodian's clock.
    time: u64,
    /// An organisation served here.
    custodian: Address,
    /// By the reader's controller or statement key.
    signature: Bytes,
}

impl Input {
    fn typed(&self) -> typed::Release {
        typed::Release {
            slot: self.slot,
            serial: self.serial,
            epoch: self.epoch,
            reader: self.reader,
            purpose: self.purpose.clone(),
            nonce: self.nonce,
            time: self.time,
            custodian: self.custodian,
        }
    }
}

/// The release key, for the reader alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Release)]
struct Output {
    /// HPKE-sealed to the reader's encryption key in the Directory.
    release: Bytes,
    slot: B256,
    serial: u64,
    epoch: u32,
}

/// The release key of one wrap, sealed to the grantee, after the audit entry is durable. The request authenticates itself.
#[utoipa::path(
    post,
    path = "/v1/releases",
    operation_id = "release",
    tag = "releases",
    request_body = Input,
    responses((status = 200, body = Output)),
    extensions(("x-refusals" = json!(["not-found", "invalid", "out-of-time", "bad-signature", "replayed", "not-live"]))),
)]
async fn release(State(app): State<App>, Body(input): Body<Input>) -> Result<Json<Output>, Problem> {
    check_shape(&app, &input)?;
    check_signature(&app, &input).await?;
    let slot = Slot(input.slot);
    let state = app.index.grant(slot);
    let not_live = || Problem::from(live::NotLive::None);
    let terms = state.terms.clone().ok_or_else(not_live)?;
    let custodian = app.index.account(terms.patient).map(|a| a.custodian);
    if terms.grantee != input.reader || custodian != Some(input.custodian) || terms.serial != input.serial {
        return Err(not_live());
    }
    let reader = app.index.account(input.reader).ok_or_else(not_live)?;
    let entry = entry(&input, &terms, reader.role);
    let grant = match live::slot(&app, slot, terms.patient, terms.grantee, typed::READ).await {
        Ok(grant) => grant,
        Err(why) => return Err(audit::refused(&app, input.custodian, entry, why.into()).await),
    };
    let recipient = wraps::recipient(&reader)?;
    let state = match chartseal_record::Scope::new(terms.scope.clone()) {
        Ok(scope) => crate::custody::epochs::with_queued(&app, terms.patient, &scope, grant.state),
        Err(_) => grant.state,
    };
    let serves =
        |w: &chartseal_record::grant::Wrapped| w.epoch == input.epoch && w.recipient_key_hash == recipient.key_hash();
    audit::append(&app, input.custodian, entry).await?;
    let held = wraps::held(&app, input.custodian, slot, &state, serves)
        .await?
        .ok_or_else(not_live)?;
    let place = wraps::at(&app, slot, input.serial, input.epoch);
    let sealed = release::seal(&place, input.nonce, &recipient, &held.key)?;
    Ok(Json(Output {
        release: Bytes::from(sealed.to_vec()),
        slot: input.slot,
        serial: input.serial,
        epoch: input.epoch,
    }))
}

fn check_shape(app: &App, input: &Input) -> Result<(), Problem> {
    if app.config.organisation(input.custodian).is_none() {
        return Err(Problem::not_found());
    }
    if input.purpose.is_empty() || input.purpose.len() > PURPOSE {
        return Err(Problem::new(
            Code::Invalid,
            "purpose is a code of 1 to 64 bytes, such as TREAT or HPAYMT",
        ));
    }
    if app.clock.seconds().abs_diff(input.time) > WINDOW {
        return Err(Problem::new(
            Code::OutOfTime,
            "time must be within 5 minutes of now; sign a new release request",
        ));
    }
    Ok(())
}

/// Signed by the reader's controller, or a statement key that counts now; and never seen before.
async fn check_signature(app: &App, input: &Input) -> Result<(), Problem> {
    let digest = typed::digest(&input.typed(), &app.contracts.consent_domain());
    let refused = || {
        Problem::new(
            Code::BadSignature,
            "the request is not signed by the reader's controller or statement key",
        )
    };
    let reader = app.index.account(input.reader).ok_or_else(refused)?;
    let block = app.index.head().map_or(0, |h| h.number);
    let listed = typed::recover(digest, &input.signature).is_ok_and(|signer| reader.may_sign(signer, block));
    if !listed && !signature::is_by(app, reader.controller, digest, &input.signature).await? {
        return Err(refused());
    }
    // By the signed nonce, not by the signature, whose bytes a signer can vary. After the window the time refuses.
    let name = keccak256([input.reader.as_slice(), input.nonce.as_slice()].concat());
    if !app.store.use_once("release", name, input.time + WINDOW + 1).await? {
        return Err(Problem::new(
            Code::Replayed,
            "this nonce was used before; sign a new release request",
        ));
    }
    Ok(())
}

fn entry(input: &Input, terms: &chartseal_record::grant::Terms, role: chartseal_record::account::Role) -> Entry {
    Entry {
        nonce: B256::ZERO,
        patient: terms.patient,
        actor: input.reader,
        role: Some(role),
        action: Action::Release,
        refused: None,
        purpose: input.purpose.clone(),
        subject: Subject {
            scope: terms.scope.clone(),
            record: None,
            epoch: Some(input.epoch),
        },
        client: None,
    }
}
