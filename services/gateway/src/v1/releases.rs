//! POST /v1/releases: the release key of one wrap, sealed to the grantee; of a grant of one record the wrap as well.
//!
//! The request authenticates itself: an EIP-712 `Release` signed by the reader's controller or statement key. No bearer
//! token is needed, so another organisation's gateway can ask. No log, no key.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use axum::{Json, extract::State};
use chartseal_envelope::{
    key::{PublicKey, ReleaseKey},
    release,
};
use chartseal_record::{
    Scope, Slot, Target,
    account::Role,
    grant::{Terms, Wrapped},
    release::ReleasedRecord,
    typed,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Body;
use crate::{
    app::App,
    audit::{self, Action, Entry, Subject},
    auth::signature,
    custody::{
        epochs,
        live::{self, LiveGrant},
        single, wraps,
    },
    openapi,
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
    /// Of the wrap; 0 for a grant of one record, as in the grant.
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
    /// Of one record: the one it is sealed in.
    epoch: u32,
    /// Of a grant of one record: the record, and what the chain does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi::words::ReleasedRecord>)]
    record: Option<ReleasedRecord>,
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
    let subject = single::entry_of(&app, slot, &terms.scope).await?;
    let entry = entry(&input, &terms, reader.role, subject);
    let grant = match live::slot(&app, slot, terms.patient, terms.grantee, typed::READ).await {
        Ok(grant) => grant,
        Err(why) => return Err(audit::refused(&app, input.custodian, entry, why.into()).await),
    };
    let recipient = wraps::recipient(&reader)?;
    audit::append(&app, input.custodian, entry).await?;
    let answer = match Target::from_fields(&terms.scope, terms.record) {
        Some(Target::Scope(scope)) => of_scope(&app, &input, &scope, grant, &recipient).await?,
        Some(Target::Record(_)) if input.epoch == 0 => of_record(&app, &input, &recipient).await?,
        _ => None,
    };
    answer.map(Json).ok_or_else(not_live)
}

async fn of_scope(
    app: &App,
    input: &Input,
    scope: &Scope,
    grant: LiveGrant,
    recipient: &PublicKey,
) -> Result<Option<Output>, Problem> {
    let state = epochs::with_queued(app, grant.patient, scope, grant.state);
    let serves = |w: &Wrapped| w.epoch == input.epoch && w.recipient_key_hash == recipient.key_hash();
    let held = wraps::held(app, input.custodian, grant.slot, &state, serves).await?;
    let Some(held) = held else { return Ok(None) };
    sealed(app, input, input.epoch, recipient, &held.key, None).map(Some)
}

async fn of_record(app: &App, input: &Input, recipient: &PublicKey) -> Result<Option<Output>, Problem> {
    let held = single::held(app, input.custodian, Slot(input.slot), input.serial).await?;
    let Some(kept) = held.into_iter().find(|kept| kept.recipient == recipient.key_hash()) else {
        return Ok(None);
    };
    let record = ReleasedRecord {
        cid: kept.content,
        salt: kept.salt,
        wrap: kept.wrap,
    };
    sealed(app, input, kept.epoch, recipient, &kept.key, Some(record)).map(Some)
}

fn sealed(
    app: &App,
    input: &Input,
    epoch: u32,
    recipient: &PublicKey,
    key: &ReleaseKey,
    record: Option<ReleasedRecord>,
) -> Result<Output, Problem> {
    let place = wraps::at(app, Slot(input.slot), input.serial, epoch);
    let sealed = release::seal(&place, input.nonce, recipient, key)?;
    Ok(Output {
        release: Bytes::from(sealed.to_vec()),
        slot: input.slot,
        serial: input.serial,
        epoch,
        record,
    })
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

fn entry(input: &Input, terms: &Terms, role: Role, subject: Subject) -> Entry {
    Entry {
        nonce: B256::ZERO,
        patient: terms.patient,
        actor: input.reader,
        role: Some(role),
        action: Action::Release,
        refused: None,
        purpose: input.purpose.clone(),
        subject: Subject {
            epoch: Some(input.epoch).filter(|epoch| *epoch != 0),
            ..subject
        },
        client: None,
    }
}
