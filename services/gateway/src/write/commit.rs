//! The one transaction: record, documents, outbox, blind index, audit entry and kept answer become true together.

use alloy::primitives::Bytes;
use chartseal_envelope::{
    key::PublicKey,
    record::{self, RecordHeader},
};
use chartseal_record::merkle;
use chartseal_store::{Error as StoreError, KeptAnswer, NewAudit, NewRecord, RecordCommit};
use uuid::Uuid;

use super::{Admitted, Prepared, Stored, document};
use crate::{
    app::App,
    audit::{self, Action, Entry, Subject},
    auth::caller::Caller,
    fhir::reference::RecordId,
    problem::{Code, Failure, Problem},
    read, statement,
};

/// Signs with the organisation's statement key and commits. `answer` is asked for what to keep under the caller's
/// Idempotency-Key. Gives the resource's bytes back.
pub async fn sign_and_commit(
    app: &App,
    caller: &Caller,
    prepared: Prepared,
    answer: impl FnOnce(&Stored, &[u8]) -> Result<Option<KeptAnswer>, Problem>,
) -> Result<(Stored, Vec<u8>), Problem> {
    let sealed = match statement::sign(app, prepared.admitted.author, prepared.digest(app)).await {
        Ok(signature) => seal(app, caller, &prepared, signature, answer, None),
        Err(problem) => Err(problem),
    };
    let result = match sealed {
        Ok((stored, commit)) => app
            .store
            .commit_record(commit)
            .await
            .map(|_| stored)
            .map_err(NotStored::from),
        Err(problem) => Err(NotStored::Refused(problem)),
    };
    match result {
        Ok(stored) => {
            document::forget_staged(app, &prepared.documents).await;
            Ok((stored, prepared.resource))
        }
        Err(NotStored::Refused(problem)) => {
            prepared.give_up(app).await;
            Err(problem)
        }
        // The record may be there, so its documents must stay; if it is not, ciphertext stays whose key nobody has.
        Err(NotStored::Unknown(problem)) => Err(problem),
    }
}

/// Commits a draft with its author's signature, once. If it is refused it may be signed again, so it keeps what it has.
pub async fn commit_draft(
    app: &App,
    caller: &Caller,
    prepared: Prepared,
    signature: Bytes,
    draft: Uuid,
) -> Result<Stored, Problem> {
    let (stored, commit) = seal(app, caller, &prepared, signature, |_, _| Ok(None), Some(draft))?;
    match app.store.commit_record(commit).await.map_err(NotStored::from) {
        Ok(_) => {
            document::forget_staged(app, &prepared.documents).await;
            Ok(stored)
        }
        Err(NotStored::Refused(problem) | NotStored::Unknown(problem)) => Err(problem),
    }
}

/// Everything the transaction takes.
fn seal(
    app: &App,
    caller: &Caller,
    prepared: &Prepared,
    signature: Bytes,
    answer: impl FnOnce(&Stored, &[u8]) -> Result<Option<KeptAnswer>, Problem>,
    draft: Option<Uuid>,
) -> Result<(Stored, RecordCommit), Problem> {
    let header = RecordHeader {
        statement: prepared.statement,
        signature,
        attachments: prepared.documents.iter().map(|d| d.reference.clone()).collect(),
    };
    let key = PublicKey::from_bytes(prepared.admitted.epoch.key);
    let sealed = record::seal(&key, &header, &prepared.resource).map_err(too_large)?;
    let stored = prepared.stored(sealed.content);
    let used = prepared.documents.iter().filter_map(|d| d.staged).chain(draft);
    let commit = RecordCommit {
        record: row(app, prepared, &stored),
        sealed: sealed.bytes.into(),
        attachments: prepared.documents.iter().map(|d| d.stored.clone()).collect(),
        index: prepared.index.clone(),
        answer: answer(&stored, &prepared.resource)?,
        staged: used.map(|id| (id.to_string(), caller.account)).collect(),
        audit: vec![entry(app, caller, prepared)?],
    };
    Ok((stored, commit))
}

/// Why a record was not stored, and whether that is certain.
enum NotStored {
    /// Nothing was kept.
    Refused(Problem),
    /// The disk, or the process, failed in the middle of a commit.
    Unknown(Problem),
}

impl From<StoreError> for NotStored {
    fn from(error: StoreError) -> Self {
        let (code, text) = match error {
            StoreError::StaleVersion { .. } => (
                Code::Stale,
                "another version of this record was stored first; read it and edit that one",
            ),
            StoreError::IdempotencyKeyUsed => (
                Code::StillAtWork,
                "another request with this Idempotency-Key was answered in this moment; send this one again for its answer",
            ),
            StoreError::Moved { table: "staged", .. } => (
                Code::WrongState,
                "a staged Binary or this draft was used already, or has expired; make it again",
            ),
            other => return Self::Unknown(Failure::from(other).into()),
        };
        Self::Refused(Problem::new(code, text))
    }
}

fn row(app: &App, prepared: &Prepared, stored: &Stored) -> NewRecord {
    let Admitted {
        org,
        patient,
        ref scope,
        compartment,
        epoch,
        author,
        ..
    } = prepared.admitted;
    NewRecord {
        org,
        patient,
        scope: scope.clone(),
        compartment,
        epoch: epoch.number,
        content_hash: stored.content,
        record_id: prepared.statement.id,
        version: prepared.statement.version,
        previous: prepared.statement.previous,
        digest: prepared.digest(app),
        author,
        authored_at: prepared.statement.authored_at,
        resource_type: prepared.kind.clone(),
        leaf: merkle::leaf(compartment, epoch.number, stored.content),
        received_at: app.clock.seconds(),
    }
}

fn entry(app: &App, caller: &Caller, prepared: &Prepared) -> Result<NewAudit, Problem> {
    let action = if prepared.statement.version == 1 {
        Action::Create
    } else {
        Action::Update
    };
    let subject = Subject {
        scope: prepared.admitted.scope.to_string(),
        record: Some(RecordId(prepared.statement.id).to_string()),
        epoch: Some(prepared.admitted.epoch.number),
    };
    let patient = prepared.admitted.patient;
    let entry = Entry::of(caller, patient, action, read::purpose(caller), subject);
    // The patient's own custodian keeps the journal, as for reads.
    let custodian = app.index.account(patient).map(|account| account.custodian);
    let served = custodian.filter(|custodian| app.config.organisation(*custodian).is_some());
    Ok(audit::sealed(app, served.unwrap_or(prepared.admitted.org), &entry)?)
}

fn too_large(error: chartseal_envelope::Error) -> Problem {
    match error {
        chartseal_envelope::Error::TooLarge { limit, .. } => Problem::new(
            Code::TooLarge,
            format!(
                "a record without its documents is at most {limit} bytes sealed; move large parts into attachments"
            ),
        ),
        other => other.into(),
    }
}
