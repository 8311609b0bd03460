//! A claim and the records it cites, granted each alone: what is necessary to decide about it, and no more.

mod cited;
mod own;

use alloy::primitives::{Address, B256, Bytes};
use chartseal_envelope::key::{FileKey, PublicKey};
use chartseal_record::{Slot, Target, typed};
use chartseal_store::Record;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    access,
    grant::{asked, check, missing, patient_of},
    prepare::Laid,
};
use crate::{
    app::App,
    auth::caller::Caller,
    custody::{Patient, single, wraps},
    intent::{Decision, PreparedGrant},
    openapi::words::{AddressSchema, HashSchema},
    problem::{Code, Failure, Problem},
};

/// Records of one decision: each is a signature in the patient's wallet.
const MOST: usize = 32;

/// READ of a claim and of the records of the patient that it cites, in their versions of now, each in a slot of its own.
/// By terms, or as the answer to a request that is about a claim.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantClaim {
    /// The request it answers.
    request: Option<B256>,
    /// The claim's record id; absent: the one the request is about.
    claim: Option<B256>,
    grantee: Option<Address>,
    /// Unix seconds, exclusive.
    until: Option<u64>,
    #[schema(min_length = 1, max_length = 64)]
    purpose: Option<String>,
    /// Custody mode self: the device opens the claim, finds what it cites, and makes the wraps.
    own: Option<own::Own>,
}

pub async fn grant_claim(app: &App, caller: &Caller, input: GrantClaim) -> Result<Laid, Problem> {
    let patient = patient_of(app, caller)?;
    let asked = asked(app, &patient, input.request, input.grantee).await?;
    let asked = asked.as_ref();
    let terms = typed::Grant {
        patient: patient.id(),
        grantee: input
            .grantee
            .or(asked.map(|r| r.grantee))
            .ok_or_else(|| missing("grantee"))?,
        until: input.until.or(asked.map(|r| r.until)).ok_or_else(|| missing("until"))?,
        purpose: input
            .purpose
            .or(asked.map(|r| r.purpose.clone()))
            .ok_or_else(|| missing("purpose"))?,
        permission: typed::READ,
        scope: String::new(),
        record: B256::ZERO,
        serial: 1,
        epoch: 0,
        suite: typed::SUITE_NONE,
        recipientKeyHash: B256::ZERO,
        wrapHash: B256::ZERO,
    };
    check(app, &patient, terms.grantee, terms.until, &terms.purpose)?;
    if asked.is_some_and(|r| r.permission & typed::READ == 0) {
        let why = "the request is to write, and a grant of one record lets nobody write";
        return Err(Problem::new(Code::Invalid, why));
    }
    if !patient.in_gateway_custody() && input.own.is_none() {
        let why = "the patient's keys are on the patient's own device, which makes the wraps and sends them as own {recipientKeyHash, records}";
        return Err(Problem::new(Code::OwnKey, why));
    }
    let claim = match (input.claim, input.request) {
        (Some(claim), _) => claim,
        (None, Some(request)) => access::claim(app, request).await?.ok_or_else(|| missing("claim"))?,
        (None, None) => return Err(missing("claim")),
    };
    let grantee = app.index.account(terms.grantee).ok_or_else(Problem::not_found)?;
    let recipient = wraps::recipient(&grantee)?;
    let to = To {
        patient: &patient,
        terms: &terms,
        recipient,
        request: input.request,
    };
    let mut grants = Vec::new();
    match input.own {
        Some(own) => {
            for (row, made) in own::checked(app, &to, claim, own).await? {
                grants.push(to.own(app, &row, made).await?);
            }
        }
        None => {
            for (row, key) in cited::claim_and_cited(app, caller, claim).await? {
                grants.push(to.made_here(app, &row, &key).await?);
            }
        }
    }
    let decision = Decision::GrantClaim {
        grants,
        request: input.request,
    };
    Laid::of(app, patient.custodian, decision, None).await
}

/// From whom to whom, on which terms: the same for every record of one decision.
struct To<'a> {
    patient: &'a Patient,
    terms: &'a typed::Grant,
    recipient: PublicKey,
    request: Option<B256>,
}

impl To<'_> {
    /// Of a record whose key is here: salt, wrap and release key are made here.
    async fn made_here(&self, app: &App, row: &Record, key: &FileKey) -> Result<PreparedGrant, Problem> {
        let mut salt = B256::ZERO;
        getrandom::fill(salt.as_mut_slice()).map_err(|_| Failure::Random)?;
        let made = single::seal(app, &self.place(row, salt), salt, row, key)?;
        self.own(app, row, made).await
    }

    /// The struct the patient signs for one record; what opens it is in the vault when this returns.
    async fn own(&self, app: &App, row: &Record, made: single::Kept) -> Result<PreparedGrant, Problem> {
        let (scope, record) = Target::record(row.digest, made.salt).fields();
        if !single::keep(app, &self.place(row, made.salt), row, &made).await? {
            return Err(wraps::refused_meanwhile());
        }
        Ok(PreparedGrant {
            grant: typed::Grant {
                scope,
                record,
                ..self.terms.clone()
            },
            wrap: Bytes::new(),
            after: None,
            request: self.request,
        })
    }

    fn place(&self, row: &Record, salt: B256) -> wraps::For {
        wraps::For {
            custodian: self.patient.custodian,
            slot: Slot::of(self.patient.id(), self.terms.grantee, &Target::record(row.digest, salt)),
            serial: self.terms.serial,
            epoch: row.epoch,
            recipient: self.recipient,
        }
    }
}
