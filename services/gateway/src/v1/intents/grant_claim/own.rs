//! Wraps that a patient's device made: of a claim, and of what the device found that it cites.
//!
//! The keys are not here, so neither is which records the claim cites: that is the patient's to say, who signs for each. What is
//! here is held against what was handed over: whose the records are, what a wrap is bound to, that nothing of it was used
//! before. That a wrap opens, nobody can see but the grantee.

use alloy::primitives::{B256, Bytes};
use chartseal_envelope::{key::ReleaseKey, record_wrap::RECORD_WRAP};
use chartseal_record::ContentHash;
use chartseal_store::Record;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{MOST, To, cited};
use crate::{
    app::App,
    custody::single::Kept,
    openapi::words::{CidSchema, HashSchema, HexSchema},
    problem::{Code, Problem},
};

/// What a patient's device made for one decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OwnRecords)]
pub struct Own {
    /// keccak256 of the grantee's key in the Directory, which all wraps are for.
    recipient_key_hash: B256,
    /// The claim's newest version and what is granted with it, each once.
    #[schema(min_items = 1, max_items = 32)]
    records: Vec<OwnRecord>,
}

/// One record's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnRecord {
    #[schema(value_type = CidSchema)]
    cid: String,
    /// Of the commitment: 32 fresh random bytes.
    salt: B256,
    /// The record's file key, sealed for serial 1 of the commitment's slot and the record's epoch: 64 bytes.
    wrap: Bytes,
    /// Kept by the custodian.
    #[serde(deserialize_with = "super::super::release_key")]
    #[schema(value_type = HashSchema)]
    release_key: ReleaseKey,
}

/// All of it, or nothing: before any is kept.
pub async fn checked(app: &App, to: &To<'_>, claim: B256, own: Own) -> Result<Vec<(Record, Kept)>, Problem> {
    if own.recipient_key_hash != to.recipient.key_hash() {
        let why = "the grantee's key has changed since the wraps were made; make them for the key in the Directory";
        return Err(Problem::new(Code::EpochMoved, why));
    }
    let count = own.records.len();
    if count == 0 || count > MOST {
        return invalid(format!(
            "own names {count} records; one decision is about 1 to {MOST}, the claim among them"
        ));
    }
    let newest = cited::newest(app, to.patient.id(), claim).await?;
    let mut checked: Vec<(Record, Kept)> = Vec::with_capacity(count);
    for made in own.records {
        let content = made.cid.parse::<ContentHash>().map_err(|_| Problem::not_found())?;
        let row = app.store.record(content).await?;
        let row = row
            .filter(|row| row.patient == to.patient.id())
            .ok_or_else(Problem::not_found)?;
        if checked.iter().any(|(other, _)| other.digest == row.digest) {
            return invalid("a record stands twice in own; name each once".into());
        }
        if made.wrap.len() != RECORD_WRAP {
            return invalid(format!(
                "a record's wrap is {RECORD_WRAP} bytes; one has {}",
                made.wrap.len()
            ));
        }
        let slot = to.place(&row, made.salt).slot;
        if app.index.grant(slot).next_serial() != to.terms.serial || app.store.tombstone(slot).await?.is_some() {
            return invalid("a salt was used before for the same record and grantee; make another".into());
        }
        let kept = Kept {
            epoch: row.epoch,
            key: made.release_key,
            salt: made.salt,
            recipient: own.recipient_key_hash,
            content,
            wrap: made.wrap,
        };
        checked.push((row, kept));
    }
    if checked.iter().all(|(row, _)| row.digest != newest.digest) {
        return Err(Problem::new(
            Code::EpochMoved,
            "the newest version of the claim is not among the records; make the wraps anew",
        ));
    }
    Ok(checked)
}

fn invalid<T>(why: String) -> Result<T, Problem> {
    Err(Problem::new(Code::Invalid, why))
}
