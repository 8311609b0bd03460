//! A draft as it waits: sealed in the staging folder, with what its documents need.

use alloy::primitives::{Address, B256};
use base64::{Engine, engine::general_purpose::STANDARD};
use chartseal_envelope::record::AttachmentRef;
use chartseal_record::{Scope, statement::Statement};
use chartseal_store::{AttachmentPlace, NewAttachment};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::App,
    problem::{Failure, Problem},
    write::{self, Prepared, SealedDocument},
};

/// A prepared version as it waits. Large documents are in the content store already.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    pub kind: String,
    pub patient: Address,
    pub scope: Scope,
    pub epoch: u32,
    pub statement: Statement,
    pub resource: String,
    pub documents: Vec<Document>,
    pub index: Vec<(String, B256)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    pub reference: AttachmentRef,
    pub sealed_size: u64,
    /// Base64 of the sealed bytes, where they are to wait in the outbox.
    pub sealed: Option<String>,
    /// A UUID.
    pub staged: Option<String>,
    pub kept: bool,
}

impl Draft {
    pub fn of(prepared: &Prepared) -> Result<Self, Failure> {
        let resource =
            String::from_utf8(prepared.resource.clone()).map_err(|_| Failure::Broken("a resource is not text"))?;
        Ok(Self {
            kind: prepared.kind.clone(),
            patient: prepared.admitted.patient,
            scope: prepared.admitted.scope.clone(),
            epoch: prepared.admitted.epoch.number,
            statement: prepared.statement,
            resource,
            documents: prepared.documents.iter().map(Document::of).collect(),
            index: prepared.index.clone(),
        })
    }

    pub fn into_prepared(self, admitted: write::Admitted) -> Result<Prepared, Failure> {
        let documents = self
            .documents
            .into_iter()
            .map(Document::into_sealed)
            .collect::<Result<_, _>>()?;
        Ok(Prepared {
            admitted,
            kind: self.kind,
            statement: self.statement,
            resource: self.resource.into_bytes(),
            documents,
            index: self.index,
            condition: None,
        })
    }
}

impl Document {
    fn of(document: &SealedDocument) -> Self {
        Self {
            reference: document.reference.clone(),
            sealed_size: document.stored.sealed_size,
            sealed: match &document.stored.place {
                AttachmentPlace::Outbox(bytes) => Some(STANDARD.encode(bytes)),
                AttachmentPlace::Content => None,
            },
            staged: document.staged.map(|id| id.to_string()),
            kept: document.kept,
        }
    }

    fn into_sealed(self) -> Result<SealedDocument, Failure> {
        let place = match self.sealed {
            Some(text) => {
                let bytes = STANDARD
                    .decode(text)
                    .map_err(|_| Failure::Broken("a draft's document is not base64"))?;
                AttachmentPlace::Outbox(bytes.into())
            }
            None => AttachmentPlace::Content,
        };
        let staged = match self.staged {
            Some(id) => Some(Uuid::try_parse(&id).map_err(|_| Failure::Broken("a draft's upload is not a UUID"))?),
            None => None,
        };
        let cid = self.reference.cid.to_string();
        Ok(SealedDocument {
            reference: self.reference,
            stored: NewAttachment {
                cid,
                sealed_size: self.sealed_size,
                place,
            },
            staged,
            kept: self.kept,
        })
    }
}

/// Unpins what an expired draft had brought into the content store.
pub async fn give_up(app: &App, draft: &[u8]) -> Result<(), Problem> {
    let draft: Draft = serde_json::from_slice(draft).map_err(|_| Failure::Broken("a draft is not one"))?;
    let documents: Vec<SealedDocument> = draft
        .documents
        .into_iter()
        .map(Document::into_sealed)
        .collect::<Result<_, _>>()?;
    write::give_up(app, &documents).await;
    Ok(())
}
