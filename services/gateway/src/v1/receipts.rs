//! GET /v1/receipts/{cid}: the file that proves a record without this gateway.

use axum::{Json, extract::State};
use chartseal_record::{
    ContentHash,
    manifest::{self, Entry, Manifest},
    merkle::Tree,
    receipt::{FORMAT, Receipt},
    state::RecordState,
};
use chartseal_store::{Batch, Record};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::At;
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    openapi,
    problem::{Code, Failure, Problem},
    read,
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// The file that proves a record without this gateway. For who may open the record, its author, and the organisation
/// that anchored it. Statement and signature are inside the sealed bytes, so only a reader's receipt has them, and making
/// it is a read.
#[utoipa::path(
    get,
    path = "/v1/receipts/{cid}",
    operation_id = "showReceipt",
    tag = "receipts",
    params(("cid" = String, Path, description = "The record's.")),
    responses((status = 200, body = openapi::receipt::Receipt)),
    security(("session" = []), ("smart" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden", "not-anchored", "content-corrupt"]))),
)]
async fn show(State(app): State<App>, caller: Caller, At(cid): At<String>) -> Result<Json<Receipt>, Problem> {
    let content: ContentHash = cid.parse().map_err(|_| Problem::not_found())?;
    let row = app.store.record(content).await?.ok_or_else(Problem::not_found)?;
    let reader = read::may(&app, &caller, &row).await?;
    if !reader && caller.account != row.author && caller.account != row.org {
        return Err(Problem::not_found());
    }
    caller.may(&row.resource_type, Interaction::Read)?;
    let mut receipt = receipt(&app, &row).await?;
    if reader {
        add_statement(&app, &caller, &row, &mut receipt).await?;
    }
    Ok(Json(receipt))
}

/// Without statement and signature, which are inside the sealed bytes.
pub(super) async fn receipt(app: &App, row: &Record) -> Result<Receipt, Problem> {
    let pending = || {
        Problem::new(
            Code::NotAnchored,
            "the record is stored and will be anchored; ask again when its state is 'anchored'",
        )
    };
    let (id, _) = row.batch.ok_or_else(pending)?;
    let batch = app
        .store
        .batch(id)
        .await?
        .filter(|batch| batch.state == RecordState::Anchored)
        .ok_or_else(pending)?;
    let tree = tree(app, &batch).await?;
    let receipt = compose(app, row, &batch, tree.proof(row.leaf)).ok_or_else(pending)?;
    // A receipt that does not verify is worse than none.
    receipt
        .check()
        .map_err(|_| Failure::Broken("a batch's leaves do not lead to its root"))?;
    Ok(receipt)
}

/// Over every leaf of the batch. Where only a part of its records is kept here, its manifest has them all.
async fn tree(app: &App, batch: &Batch) -> Result<Tree, Problem> {
    let mut leaves = app.store.batch_leaves(batch.id).await?;
    if leaves.len() != batch.count as usize {
        let name = manifest::cid(batch.manifest);
        let bytes = read::block(app, &name).await?;
        let manifest = Manifest::decode(&bytes).map_err(|_| read::corrupt(&name))?;
        leaves = manifest.entries().iter().map(Entry::leaf).collect();
    }
    Ok(Tree::new(leaves).map_err(|_| Failure::Broken("a batch has no tree"))?)
}

fn compose(app: &App, row: &Record, batch: &Batch, proof: Option<Vec<alloy::primitives::B256>>) -> Option<Receipt> {
    Some(Receipt {
        format: FORMAT.to_owned(),
        chain_id: app.contracts.chain_id,
        contracts: (&app.contracts).into(),
        cid: row.content_hash,
        compartment: row.compartment,
        epoch: row.epoch,
        proof: proof?,
        root: batch.root,
        organisation: batch.org,
        count: batch.count,
        manifest: manifest::cid(batch.manifest).to_string(),
        transaction: batch.tx_hash?,
        block: batch.mined?.block,
        statement: None,
        signature: None,
    })
}

async fn add_statement(app: &App, caller: &Caller, row: &Record, receipt: &mut Receipt) -> Result<(), Problem> {
    match read::open(app, caller, row, read::purpose(caller)).await {
        Ok(opened) => {
            receipt.statement = Some(opened.header.statement);
            receipt.signature = Some(opened.header.signature);
            Ok(())
        }
        // The reader's own device opens the record and finds them there.
        Err(problem) if matches!(problem.code, Code::OwnKey | Code::NotLive) => Ok(()),
        Err(problem) => Err(problem),
    }
}
