//! The one transaction: record, documents, outbox, blind index, audit entry and kept answer become true together.

use alloy::primitives::Bytes;
use chartseal_envelope::{
    key::PublicKey,
    record::{self, RecordHeader},
};
use chartseal_record::merkle;
use chartseal_store::{Error as StoreError, KeptAnswer, NewAudit, NewRecord, RecordCommit};
use uuid::Uuid;

use super::{Admitted, Prepared, Stored, admit, document};
use crate::{
    app::App,
    audit::{self, Action, Subject},
    auth::caller::Caller,
    fhir::reference::RecordId,
    problem::{Code, Failure, Problem},
    read, statement,
};

/// Times a commit is made up anew because a revocation or an advance came between. More than this in a moment is
/// somebody else's loop.
const ATTEMPTS: usize = 4;

/// Signs with the organisation's statement key and commits. `answer` is asked for what to keep under the caller's
/// Idempotency-Key. Gives the resource's bytes back.
pub async fn sign_and_commit(
    app: &App,
    caller: &Caller,
    prepared: Prepared,
    answer: impl Fn(&Stored) -> Option<KeptAnswer>,
) -> Result<(Stored, Vec<u8>), Problem> {
    let mut all = together(app, caller, vec![prepared], answer).await?;
    Ok(all.pop().expect("as many come back as were given"))
}

/// The same for several versions: all are stored, or none is.
pub async fn sign_and_commit_all(
    app: &App,
    caller: &Caller,
    prepared: Vec<Prepared>,
) -> Result<Vec<(Stored, Vec<u8>)>, Problem> {
    together(app, caller, prepared, |_| None).await
}

async fn together(
    app: &App,
    caller: &Caller,
    mut prepared: Vec<Prepared>,
    answer: impl Fn(&Stored) -> Option<KeptAnswer>,
) -> Result<Vec<(Stored, Vec<u8>)>, Problem> {
    let result = match signatures(app, &prepared).await {
        Ok(signatures) => commit(app, caller, &mut prepared, &signatures, answer, None).await,
        Err(problem) => Err(NotStored::Refused(problem)),
    };
    match result {
        Ok(stored) => {
            for one in &prepared {
                document::forget_staged(app, &one.documents).await;
            }
            let resources = prepared.into_iter().map(|one| one.resource);
            Ok(stored.into_iter().zip(resources).collect())
        }
        Err(NotStored::Refused(problem)) => {
            for one in &prepared {
                one.give_up(app).await;
            }
            Err(problem)
        }
        // The records may be there, so their documents must stay; if they are not, ciphertext stays whose key nobody has.
        Err(NotStored::Unknown(problem)) => Err(problem),
    }
}

async fn signatures(app: &App, prepared: &[Prepared]) -> Result<Vec<Bytes>, Problem> {
    let mut signatures = Vec::with_capacity(prepared.len());
    for one in prepared {
        signatures.push(statement::sign(app, one.admitted.author, one.digest(app)).await?);
    }
    Ok(signatures)
}

/// Commits a draft with its author's signature, once. If it is refused it may be signed again, so it keeps what it has.
pub async fn commit_draft(
    app: &App,
    caller: &Caller,
    prepared: Prepared,
    signature: Bytes,
    draft: Uuid,
) -> Result<Stored, Problem> {
    let mut prepared = [prepared];
    match commit(app, caller, &mut prepared, &[signature], |_| None, Some(draft)).await {
        Ok(mut stored) => {
            document::forget_staged(app, &prepared[0].documents).await;
            Ok(stored.pop().expect("as many come back as were given"))
        }
        Err(NotStored::Refused(problem) | NotStored::Unknown(problem)) => Err(problem),
    }
}

/// Admits once more, seals and commits, all in one transaction.
///
/// Hours may have passed since the records were admitted: their documents came first. What is sealed after a revocation
/// must not be sealed to an epoch whose secret the revoked reader has. How custody stands is read before the writer is
/// judged by it, and compared again inside the transaction, so a revocation falls either before the judgement or after the
/// commit.
async fn commit(
    app: &App,
    caller: &Caller,
    prepared: &mut [Prepared],
    signatures: &[Bytes],
    answer: impl Fn(&Stored) -> Option<KeptAnswer>,
    draft: Option<Uuid>,
) -> Result<Vec<Stored>, NotStored> {
    for _ in 0..ATTEMPTS {
        let mut all = Vec::with_capacity(prepared.len());
        let mut commits = Vec::with_capacity(prepared.len());
        for (one, signature) in prepared.iter_mut().zip(signatures) {
            renew(app, caller, one).await?;
            let (stored, commit) = seal(app, caller, one, signature.clone(), &answer, draft)?;
            all.push(stored);
            commits.push(commit);
        }
        match app.store.commit_records(commits).await {
            Ok(_) => return Ok(all),
            Err(StoreError::StandingChanged(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(epoch_moved().into())
}

/// Judges the writer again and takes the newest epoch. The header is sealed to it; documents that were sealed already
/// cannot follow.
async fn renew(app: &App, caller: &Caller, prepared: &mut Prepared) -> Result<(), Problem> {
    let before = prepared.admitted.epoch;
    let admitted = admit::admit_again(
        app,
        caller,
        prepared.admitted.patient,
        &prepared.admitted.scope,
        prepared.statement.version,
    )
    .await?;
    if admitted.epoch != before && prepared.documents.iter().any(|document| !document.kept) {
        return Err(epoch_moved());
    }
    prepared.admitted = admitted;
    Ok(())
}

/// What a client is told whose documents are sealed to an epoch that has passed.
pub fn epoch_moved() -> Problem {
    Problem::new(
        Code::EpochMoved,
        "the patient's keys have moved on since this was sealed, so nothing was stored; send it again",
    )
}

/// Everything the transaction takes.
fn seal(
    app: &App,
    caller: &Caller,
    prepared: &Prepared,
    signature: Bytes,
    answer: impl Fn(&Stored) -> Option<KeptAnswer>,
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
        answer: answer(&stored),
        staged: used.map(|id| (id.to_string(), caller.account)).collect(),
        audit: vec![entry(app, caller, prepared)?],
        sealing: None,
        standing: Some(prepared.admitted.standing.clone()),
        condition: prepared.condition,
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

impl From<Problem> for NotStored {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
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
            StoreError::ConditionMet => (
                Code::StillAtWork,
                "another request created under this condition (If-None-Exist) in this moment; send this one again to be shown what",
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
    let entry = audit::by(caller, patient, action, read::purpose(caller), subject);
    let org = audit::journal(app, patient, prepared.admitted.org);
    Ok(audit::sealed(app, org, entry)?)
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
