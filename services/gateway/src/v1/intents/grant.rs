//! A grant, prepared: the wrap for the grantee and the release key that stays here.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use chartseal_envelope::{key::ReleaseKey, tree};
use chartseal_record::{Compartment, Scope, account::Role, typed};
use chartseal_store::RequestState;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{access, account::own_account, prepare::Laid};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::{Patient, epochs, root, wraps},
    intent::{Decision, PreparedGrant},
    openapi::words::{AddressSchema, HashSchema, HexSchema, ScopeSchema},
    problem::{Code, Problem},
};

/// Bytes of a purpose code.
const PURPOSE: usize = 64;
/// Bytes of a wrap of suite 1, and of a link.
pub const WRAP: usize = 80;

/// What a grant says.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = GrantTerms)]
pub struct Terms {
    pub grantee: Address,
    pub scope: Scope,
    /// READ = 1, WRITE = 2, both = 3.
    #[schema(minimum = 1, maximum = 3)]
    pub permission: u8,
    /// Unix seconds, exclusive.
    pub until: u64,
    /// A purpose of use, such as TREAT or HPAYMT.
    #[schema(min_length = 1, max_length = 64)]
    pub purpose: String,
    /// Custody mode self: the device made the wrap, and hands the release key over to be kept.
    #[serde(default)]
    pub own: Option<OwnWrap>,
}

/// A wrap that the patient's device made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnWrap {
    /// The newest of the scope, as `GET /v1/epochs` names it.
    epoch: u32,
    /// The grant's: the wrap is bound to it. The next of the slot, above every one granted or revoked.
    serial: u64,
    /// 80 bytes.
    wrap: Bytes,
    /// Kept by the custodian.
    #[serde(deserialize_with = "super::release_key")]
    #[schema(value_type = HashSchema)]
    release_key: ReleaseKey,
}

/// By terms, or as the answer to a request, whose terms the patient may change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The request it answers.
    request: Option<B256>,
    grantee: Option<Address>,
    scope: Option<Scope>,
    /// READ = 1, WRITE = 2, both = 3.
    #[schema(minimum = 1, maximum = 3)]
    permission: Option<u8>,
    /// Unix seconds, exclusive.
    until: Option<u64>,
    #[schema(min_length = 1, max_length = 64)]
    purpose: Option<String>,
    /// Custody mode self.
    own: Option<OwnWrap>,
}

pub async fn grant(app: &App, caller: &Caller, input: Grant) -> Result<Laid, Problem> {
    let patient = patient_of(app, caller)?;
    let asked = asked(app, &patient, input.request, input.grantee).await?;
    let asked = asked.as_ref();
    let grantee = input.grantee.or(asked.map(|r| r.grantee));
    let terms = Terms {
        grantee: grantee.ok_or_else(|| missing("grantee"))?,
        scope: match input
            .scope
            .or_else(|| asked.and_then(|r| Scope::new(r.scope.clone()).ok()))
        {
            Some(scope) => scope,
            None => return Err(missing("scope")),
        },
        permission: input
            .permission
            .or(asked.map(|r| r.permission))
            .ok_or_else(|| missing("permission"))?,
        until: input.until.or(asked.map(|r| r.until)).ok_or_else(|| missing("until"))?,
        purpose: input
            .purpose
            .or(asked.map(|r| r.purpose.clone()))
            .ok_or_else(|| missing("purpose"))?,
        own: input.own,
    };
    let prepared = prepare(app, &patient, terms, input.request).await?;
    let after = prepared.after.clone();
    Laid::of(app, patient.custodian, Decision::Grant(prepared), after.as_deref()).await
}

/// The open request that is answered, if one is named: to this patient, by this grantee.
pub async fn asked(
    app: &App,
    patient: &Patient,
    request: Option<B256>,
    grantee: Option<Address>,
) -> Result<Option<typed::Request>, Problem> {
    let Some(digest) = request else { return Ok(None) };
    let asked = access::asked(app, digest, RequestState::Open).await?;
    if asked.patient != patient.id() {
        return Err(Problem::not_found());
    }
    match grantee.is_none_or(|grantee| grantee == asked.grantee) {
        true => Ok(Some(asked)),
        false => Err(Problem::new(Code::Invalid, "the request is another grantee's")),
    }
}

/// A term that neither the patient nor the request names.
pub fn missing(what: &str) -> Problem {
    Problem::new(
        Code::Malformed,
        format!("{what} is missing; name it, or a request that has it"),
    )
}

/// The struct the patient signs, with its wrap; the release key is in the vault when this returns.
pub async fn prepare(
    app: &App,
    patient: &Patient,
    terms: Terms,
    request: Option<B256>,
) -> Result<PreparedGrant, Problem> {
    check(app, patient, terms.grantee, terms.until, &terms.purpose)?;
    if !(1..=3).contains(&terms.permission) {
        let why = "permission is 1 (READ), 2 (WRITE) or 3 (both)";
        return Err(Problem::new(Code::Invalid, why));
    }
    let slot = epochs::slot(patient.id(), terms.grantee, &terms.scope);
    // What is refused here stays refused: only a higher serial opens the slot again.
    let refused = app.store.tombstone(slot).await?.map_or(0, |t| t.serial);
    let serial = app.index.grant(slot).next_serial().max(refused + 1);
    let mut grant = typed::Grant {
        patient: patient.id(),
        grantee: terms.grantee,
        scope: terms.scope.to_string(),
        record: B256::ZERO,
        serial,
        permission: terms.permission,
        until: terms.until,
        purpose: terms.purpose.clone(),
        epoch: 0,
        suite: typed::SUITE_NONE,
        recipientKeyHash: B256::ZERO,
        wrapHash: B256::ZERO,
    };
    let (mut wrap, mut after) = (Bytes::new(), None);
    if terms.permission & typed::READ != 0 {
        let grantee = app.index.account(terms.grantee).ok_or_else(Problem::not_found)?;
        let recipient = wraps::recipient(&grantee)?;
        // A due advance first: otherwise the grantee would get an epoch somebody else has just lost.
        let newest = epochs::newest(app, patient.id(), &terms.scope).await?;
        let to = wraps::For {
            custodian: patient.custodian,
            slot,
            serial,
            epoch: newest.number,
            recipient,
        };
        grant.epoch = newest.number;
        wrap = match &terms.own {
            None => made_here(app, patient, &terms.scope, newest, to).await?,
            Some(own) => kept_here(app, to, own).await?,
        };
        grant.suite = typed::SUITE_X25519;
        grant.recipientKeyHash = recipient.key_hash();
        grant.wrapHash = keccak256(&wrap);
        after = epochs::current(app, Compartment::of(patient.id(), &terms.scope)).and_then(|(_, intent)| intent);
    }
    Ok(PreparedGrant {
        grant,
        wrap,
        after,
        request,
    })
}

/// To whom, until when and for what: what every grant has.
pub fn check(app: &App, patient: &Patient, grantee: Address, until: u64, purpose: &str) -> Result<(), Problem> {
    let invalid = |why: &str| Err(Problem::new(Code::Invalid, why));
    let now = app.clock.seconds();
    if until <= now {
        return invalid("until lies in the past; it is the unix second in which the grant ends");
    }
    if purpose.is_empty() || purpose.len() > PURPOSE {
        return invalid("purpose is a code of 1 to 64 bytes, such as TREAT or HPAYMT");
    }
    if grantee == patient.id() {
        return invalid("a patient needs no grant of its own");
    }
    match app.index.account(grantee) {
        Some(grantee) if grantee.role == Role::Patient => invalid("grants go to doctors, hospitals and insurers"),
        Some(grantee) if !grantee.is_active(now) => invalid("the grantee's account is not active"),
        Some(_) => Ok(()),
        None => Err(Problem::new(Code::NotRegistered, "the grantee is not registered")),
    }
}

async fn made_here(
    app: &App,
    patient: &Patient,
    scope: &Scope,
    newest: epochs::Epoch,
    to: wraps::For,
) -> Result<Bytes, Problem> {
    let not_here = || {
        let why = "the root of this scope is not here: the device makes the wrap and sends it as own {epoch, serial, wrap, releaseKey}";
        Problem::new(Code::OwnKey, why)
    };
    if !patient.in_gateway_custody() {
        return Err(not_here());
    }
    let root = root::get(app, patient).await?.ok_or_else(not_here)?;
    let compartment = Compartment::of(patient.id(), scope);
    let secret = tree::epoch_secret(&root, &app.contracts, compartment, newest.number);
    if *secret.public_key().as_bytes() != newest.key {
        return Err(not_here());
    }
    wraps::make(app, to, &secret)
        .await?
        .ok_or_else(wraps::refused_meanwhile)
}

/// The wrap is checked for its place only: that it opens, nobody can see but the grantee.
async fn kept_here(app: &App, to: wraps::For, own: &OwnWrap) -> Result<Bytes, Problem> {
    if (own.epoch, own.serial) != (to.epoch, to.serial) || own.wrap.len() != WRAP {
        let why = format!(
            "own is a wrap of {WRAP} bytes for epoch {} and serial {}; it is for epoch {}, serial {} and has {} bytes",
            to.epoch,
            to.serial,
            own.epoch,
            own.serial,
            own.wrap.len()
        );
        return Err(Problem::new(Code::EpochMoved, why));
    }
    match wraps::keep(
        app,
        to.custodian,
        to.slot,
        to.serial,
        own.epoch,
        &own.wrap,
        &own.release_key,
    )
    .await?
    {
        true => Ok(own.wrap.clone()),
        false => Err(wraps::refused_meanwhile()),
    }
}

/// The caller as a patient whose custodian is served here.
pub fn patient_of(app: &App, caller: &Caller) -> Result<Patient, Problem> {
    if own_account(app, caller)?.role != Role::Patient {
        return Err(Problem::new(
            Code::Forbidden,
            "only patients decide about their records",
        ));
    }
    Patient::of(app, caller.account)
}
