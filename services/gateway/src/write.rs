//! From a resource to a stored record: admit, take the documents in, compose, sign, seal, commit.
//!
//! Until the commit returns nothing is acknowledged and nothing of the record is kept. A large document that was
//! pinned for a record that then is not committed is unpinned again; if the process dies in between, ciphertext stays
//! pinned whose key nobody has.

mod admit;
mod compose;
mod document;

pub use admit::{Admitted, admit_again, may_author, may_write, patient_of};
pub use document::{SMALL, SealedDocument, Summed, Sums, give_up};

use std::sync::Arc;

use alloy::primitives::{B256, Bytes};
use chartseal_envelope::{
    key::PublicKey,
    record::{self, RecordHeader},
};
use chartseal_record::{ContentHash, merkle, statement::Statement, typed};
use chartseal_store::{Error as StoreError, KeptAnswer, NewAudit, NewRecord, Record, RecordCommit};
use uuid::Uuid;

use crate::{
    app::App,
    audit::{self, Action, Entry, Subject},
    auth::caller::Caller,
    blind,
    fhir::{
        attachment, element,
        json::Json,
        outcome::Outcome,
        parameter,
        reference::{PatientRef, RecordId},
    },
    problem::{Code, Failure, Problem},
    read,
};

/// What a client wants written.
#[derive(Debug)]
pub struct Upload {
    pub kind: &'static str,
    pub resource: Json,
    /// Whom it is about, as far as the resource says so readably.
    pub patient: Option<PatientRef>,
    /// The version it replaces; none for a new record.
    pub replaces: Option<Arc<Record>>,
    /// A scope the caller chose; none: by the resource's own codes.
    pub scope: Option<chartseal_record::Scope>,
}

/// A version that only lacks its author's signature.
#[derive(Debug)]
pub struct Prepared {
    pub admitted: Admitted,
    pub kind: String,
    pub statement: Statement,
    /// The bytes the statement is about.
    pub resource: Vec<u8>,
    pub documents: Vec<SealedDocument>,
    pub index: Vec<(String, B256)>,
}

/// A record that is durable now.
#[derive(Debug, Clone)]
pub struct Stored {
    pub content: ContentHash,
    pub id: RecordId,
    pub version: u32,
    pub authored_at: u64,
}

impl Prepared {
    /// Leaves nothing of a version that will not be committed.
    pub async fn give_up(&self, app: &App) {
        document::give_up(app, &self.documents).await;
    }

    /// What the author signs.
    pub fn digest(&self, app: &App) -> B256 {
        self.statement.digest(&app.contracts)
    }

    /// What is true of the record once it is committed.
    pub fn stored(&self, content: ContentHash) -> Stored {
        Stored {
            content,
            id: RecordId(self.statement.id),
            version: self.statement.version,
            authored_at: self.statement.authored_at,
        }
    }
}

/// Checks who may, takes the documents in and composes the version.
pub async fn prepare(app: &App, caller: &Caller, upload: Upload) -> Result<Prepared, Outcome> {
    let Upload {
        kind,
        mut resource,
        patient,
        replaces,
        scope,
    } = upload;
    element::check(&resource, kind)?;
    let admitted = admit::admit(app, caller, &resource, patient, scope, replaces.as_deref()).await?;
    let base = app.config.url("/fhir/R4");
    let found = attachment::take(&mut resource, &base)?;
    let kept = kept_from(app, caller, &found, replaces.as_deref()).await?;
    let words = parameter::index(&resource);
    let index = blind::entries(&app.vault, admitted.org, kind, &words);
    let version = compose::Version::after(app, &admitted, replaces.as_deref()).map_err(Problem::from)?;
    let documents = document::seal_all(app, caller, &admitted, found, kept.as_ref()).await?;
    let contents: Vec<attachment::Content> = documents.iter().map(SealedDocument::content).collect();
    let (statement, bytes) = match version.compose(resource, &contents, &base) {
        Ok(composed) => composed,
        Err(refused) => {
            document::give_up(app, &documents).await;
            return Err(refused);
        }
    };
    Ok(Prepared {
        admitted,
        kind: kind.to_owned(),
        statement,
        resource: bytes,
        documents,
        index,
    })
}

/// The header of the version before, if attachments are to be kept from it: that takes READ, since their keys are
/// in it.
async fn kept_from(
    app: &App,
    caller: &Caller,
    found: &[attachment::Found],
    replaces: Option<&Record>,
) -> Result<Option<RecordHeader>, Outcome> {
    if !found.iter().any(|f| matches!(f.source, attachment::Source::Kept(_))) {
        return Ok(None);
    }
    let Some(before) = replaces else { return Ok(None) };
    let purpose = read::purpose(caller);
    match read::open(app, caller, before, purpose).await {
        Ok(opened) => Ok(Some(opened.header)),
        Err(problem) if problem.code == Code::NotLive => Err(Outcome::new(
            Code::NotLive,
            "documents of the version before are kept only by who may read it; send their bytes again",
        )),
        Err(problem) => Err(problem.into()),
    }
}

/// Seals and commits: record, documents, outbox, blind index, audit entry and kept answer become true together.
///
/// `answer` is asked for what to keep under the caller's Idempotency-Key; `draft` is used up with it.
async fn commit(
    app: &App,
    caller: &Caller,
    prepared: Prepared,
    signature: Bytes,
    answer: impl FnOnce(&Stored, &[u8]) -> Result<Option<KeptAnswer>, Problem>,
    draft: Option<Uuid>,
) -> Result<(Stored, Vec<u8>), Problem> {
    let header = RecordHeader {
        statement: prepared.statement,
        signature,
        attachments: prepared.documents.iter().map(|d| d.reference.clone()).collect(),
    };
    let key = PublicKey::from_bytes(prepared.admitted.epoch.key);
    let result = async {
        let sealed = record::seal(&key, &header, &prepared.resource).map_err(too_large)?;
        let stored = prepared.stored(sealed.content);
        let used = prepared.documents.iter().filter_map(|d| d.staged).chain(draft);
        let commit = RecordCommit {
            record: row(app, &prepared, &stored),
            sealed: sealed.bytes.into(),
            attachments: prepared.documents.iter().map(|d| d.stored.clone()).collect(),
            index: prepared.index.clone(),
            answer: answer(&stored, &prepared.resource)?,
            staged: used.map(|id| (id.to_string(), caller.account)).collect(),
            audit: vec![entry(app, caller, &prepared)?],
        };
        app.store.commit_record(commit).await.map_err(refused)?;
        Ok(stored)
    };
    match result.await {
        Ok(stored) => {
            document::forget_staged(app, &prepared.documents).await;
            Ok((stored, prepared.resource))
        }
        // A draft that was not committed may be signed again, so it keeps what it has.
        Err(problem) if draft.is_some() => Err(problem),
        Err(problem) => {
            prepared.give_up(app).await;
            Err(problem)
        }
    }
}

/// Commits a draft with its author's signature, once.
pub async fn commit_draft(
    app: &App,
    caller: &Caller,
    prepared: Prepared,
    signature: Bytes,
    draft: Uuid,
) -> Result<(Stored, Vec<u8>), Problem> {
    commit(app, caller, prepared, signature, |_, _| Ok(None), Some(draft)).await
}

/// Signs with the organisation's statement key and commits.
pub async fn sign_and_commit(
    app: &App,
    caller: &Caller,
    prepared: Prepared,
    answer: impl FnOnce(&Stored, &[u8]) -> Result<Option<KeptAnswer>, Problem>,
) -> Result<(Stored, Vec<u8>), Problem> {
    let digest = prepared.digest(app);
    match crate::statement::sign(app, prepared.admitted.author, digest).await {
        Ok(signature) => commit(app, caller, prepared, signature, answer, None).await,
        Err(problem) => {
            prepared.give_up(app).await;
            Err(problem)
        }
    }
}

/// What a wallet shows before it signs.
pub fn typed_data(app: &App, statement: &Statement) -> serde_json::Value {
    typed::typed_data_json(&statement.typed(), &app.contracts.consent_domain())
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

fn refused(error: StoreError) -> Problem {
    match error {
        StoreError::StaleVersion { .. } => Problem::new(
            Code::Stale,
            "another version of this record was stored first; read it and edit that one",
        ),
        StoreError::IdempotencyKeyUsed => Problem::new(
            Code::StillAtWork,
            "another request with this Idempotency-Key was answered in this moment; send this one again for its answer",
        ),
        StoreError::Moved { table: "staged", .. } => Problem::new(
            Code::WrongState,
            "a staged Binary or this draft was used already, or has expired; make it again",
        ),
        other => Failure::from(other).into(),
    }
}
