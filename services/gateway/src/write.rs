//! From a resource to a stored record: admit, take the documents in, compose, sign, seal, commit.
//!
//! Until the commit returns nothing is acknowledged and nothing of the record is kept. A large document that was
//! pinned for a record that then is not committed is unpinned again; if the process dies in between, ciphertext stays
//! pinned whose key nobody has.

mod admit;
mod commit;
mod compose;
mod document;

pub use admit::{Admitted, admit_again, may_author, may_write, patient_of};
pub use commit::{commit_draft, epoch_moved, sign_and_commit, sign_and_commit_all};
pub use compose::fresh_id;
pub use document::{SMALL, SealedDocument, Summed, Sums, give_up};

use std::sync::Arc;

use alloy::primitives::B256;
use chartseal_envelope::record::RecordHeader;
use chartseal_record::{ContentHash, Scope, statement::Statement, typed};
use chartseal_store::{Condition, Record};

use crate::{
    app::App,
    auth::caller::Caller,
    blind,
    fhir::{
        attachment, element,
        json::Json,
        outcome::Outcome,
        parameter,
        reference::{PatientRef, RecordId},
    },
    problem::{Code, Problem},
    read,
};

/// What a client wants written.
#[derive(Debug)]
pub struct Upload {
    pub kind: &'static str,
    pub resource: Json,
    /// Whom it is about, as far as the resource says so readably.
    pub patient: Option<PatientRef>,
    /// The id of a new record, where something was told it before; none: a fresh one.
    pub id: Option<B256>,
    /// The version it replaces; none for a new record.
    pub replaces: Option<Arc<Record>>,
    /// A scope the caller chose; none: by the resource's own codes.
    pub scope: Option<Scope>,
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
    /// What it is created under, if only where nothing like it is.
    pub condition: Option<Condition>,
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
        id,
        replaces,
        scope,
    } = upload;
    element::check(&resource, kind)?;
    let admitted = admit::admit(app, caller, &resource, patient, scope, replaces.as_deref()).await?;
    let base = app.config.url("/fhir/R4");
    let found = attachment::take(&mut resource, &base)?;
    let kept = kept_from(app, caller, &found, replaces.as_deref()).await?;
    let words = parameter::index(&resource, &base);
    let index = blind::entries(&app.vault, admitted.org, kind, &words);
    let version = compose::Version::after(app, &admitted, id, replaces.as_deref()).map_err(Problem::from)?;
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
        condition: None,
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

/// What a wallet shows before it signs.
pub fn typed_data(app: &App, statement: &Statement) -> serde_json::Value {
    typed::typed_data_json(&statement.typed(), &app.contracts.consent_domain())
}
