//! PUT /v1/drafts/{id}/signature: the author's wallet signed; the version is stored.

use alloy::primitives::{Address, B256, Bytes};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    super::{At, Body},
    file::Draft,
};
use crate::{
    app::App,
    auth::{caller::Caller, signature},
    idempotency::Created,
    openapi,
    openapi::words::{HashSchema, HexSchema},
    problem::{Code, Failure, Problem},
    staging, write,
};

/// The author's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DraftSignature)]
pub struct Signature {
    /// By the author's controller or statement key, over the draft's typed data.
    signature: Bytes,
}

/// The version that is stored now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[schema(value_type = openapi::words::CidSchema)]
    cid: String,
    record_id: B256,
    version: u32,
}

/// The author's wallet signed; the version is stored. Grant and epoch are looked at again.
#[utoipa::path(
    put,
    path = "/v1/drafts/{id}/signature",
    operation_id = "signDraft",
    tag = "drafts",
    params(("id" = String, Path, description = "The draft's.")),
    request_body = Signature,
    responses((status = 201, body = Stored, headers(("Location" = String, description = "Where the receipt will be.")))),
    security(("session" = [])),
    extensions(("x-refusals" = json!([
        "not-registered", "forbidden", "bad-signature", "no-write-grant", "patient-not-enrolled", "unregistered-author",
        "stale", "epoch-moved", "wrong-state",
    ]))),
)]
pub async fn sign(
    State(app): State<App>,
    caller: Caller,
    At(id): At<String>,
    Body(input): Body<Signature>,
) -> Result<Created, Problem> {
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    let staged = staging::find_draft(&app, &caller, id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let draft = staged.open(&app).await?.all().await?;
    let draft: Draft = serde_json::from_slice(&draft).map_err(|_| Failure::Broken("a draft is not one"))?;
    let author = write::may_author(&app, &caller)?;
    by_author(&app, author, draft.statement.digest(&app.contracts), &input.signature).await?;
    let admitted = write::admit_again(&app, &caller, draft.patient, &draft.scope, draft.statement.version).await?;
    if admitted.epoch.number != draft.epoch && draft.documents.iter().any(|document| !document.kept) {
        // Its documents are sealed to a key that somebody may have, whose grant has ended since. They are unpinned when
        // the draft expires.
        return Err(write::epoch_moved());
    }
    let prepared = draft.into_prepared(admitted)?;
    let stored = write::commit_draft(&app, &caller, prepared, input.signature, id).await?;
    staging::delete_file(&app, id).await;
    let (version, record_id) = (stored.version, stored.id.0);
    let location = app.config.url(&format!("/v1/receipts/{}", stored.content));
    Ok(Created::at(
        location,
        Stored {
            cid: stored.content.to_string(),
            record_id,
            version,
        },
    ))
}

/// The controller of the author's account, or a statement key of it, signed.
async fn by_author(app: &App, author: Address, digest: B256, bytes: &[u8]) -> Result<(), Problem> {
    let refused = || {
        Problem::new(
            Code::BadSignature,
            "the signature is not by the author's wallet over this draft",
        )
    };
    let account = app.index.account(author).ok_or_else(refused)?;
    let head = app.index.head().map_or(0, |head| head.number);
    let by_key = app
        .verified
        .recover(digest, bytes)
        .is_some_and(|signer| account.is_statement_key(signer, head));
    if by_key || signature::is_by(app, account.controller, digest, bytes).await? {
        Ok(())
    } else {
        Err(refused())
    }
}
