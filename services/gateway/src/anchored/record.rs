//! One entry of a manifest, opened and held against everything it claims.

use alloy::primitives::Address;
use chartseal_envelope::age;
use chartseal_record::{Scope, Slot, Target, manifest::Entry, statement::Statement, typed};
use chartseal_store::{AnchoredBatch, AnchoredRecord, NewRecord};

use super::{Place, block};
use crate::{
    app::App,
    blind,
    custody::live,
    fhir::{json::Json, parameter},
    problem::Problem,
    read::{self, Key},
};

/// Seconds an anchor may be later than the end of its author's grant: a week.
const LATE: u64 = 7 * 86_400;

/// The record's row and index; or why it does not prove itself.
pub async fn open(
    app: &App,
    batch: &AnchoredBatch,
    place: &Place,
    entry: &Entry,
    leaf_index: u32,
    key: &Key,
) -> Result<Result<AnchoredRecord, String>, Problem> {
    let sealed = match block(app, &entry.content.cid()).await? {
        Ok(sealed) => sealed,
        Err(why) => return Ok(Err(why)),
    };
    let opened = match key.open(place.compartment, &sealed) {
        Ok((_, opened)) => opened,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let (header, statement) = (&opened.header, &opened.header.statement);
    let digest = statement.digest(&app.contracts);
    if !read::signed(
        app,
        statement.author,
        digest,
        &header.signature,
        Some(batch.mined.block),
    )
    .await?
    {
        return Ok(Err("it is not signed by a key of its author".into()));
    }
    if !may_have_written(app, batch, place, statement).await? {
        return Ok(Err("its author had no WRITE grant of the patient: unauthorised".into()));
    }
    let Ok(json) = Json::parse(&opened.resource) else {
        return Ok(Err("its resource is not FHIR JSON".into()));
    };
    let resource_type = json.text("resourceType").unwrap_or_default().to_owned();
    let words = parameter::index(&json, &app.config.url("/fhir/R4"));
    let attachments = header.attachments.iter();
    Ok(Ok(AnchoredRecord {
        record: NewRecord {
            org: batch.org,
            patient: place.patient,
            scope: place.scope.clone(),
            compartment: place.compartment,
            epoch: entry.epoch,
            content_hash: entry.content,
            record_id: statement.id,
            version: statement.version,
            previous: statement.previous,
            digest,
            author: statement.author,
            authored_at: statement.authored_at,
            leaf: entry.leaf(),
            // When it arrived at its first gateway only that one's rows knew.
            received_at: batch.anchored_at,
            resource_type: resource_type.clone(),
        },
        sealed_size: sealed.len() as u64,
        leaf_index,
        alone: matches!(key, Key::Alone(_)),
        attachments: attachments
            .map(|a| (a.cid.to_string(), age::sealed_size(a.size)))
            .collect(),
        index: blind::entries(&app.vault, indexed_by(app, batch.org), &resource_type, &words),
    }))
}

/// Searches try the key of every organisation served here; a record of another's is indexed under the first one's.
fn indexed_by(app: &App, org: Address) -> Address {
    match app.config.organisation(org) {
        Some(served) => served.account,
        None => app.config.organisations[0].account,
    }
}

/// WRITE was live at the anchor's block, or when it was written and the anchor came at most a week later. A custodian writes
/// its journal without a grant.
async fn may_have_written(
    app: &App,
    batch: &AnchoredBatch,
    place: &Place,
    statement: &Statement,
) -> Result<bool, Problem> {
    let block = batch.mined.block;
    let custodian = app.index.custodians(place.patient, block).pop().map(|(who, _)| who);
    if place.scope == Scope::audit() && custodian == Some(statement.author) {
        return Ok(true);
    }
    let slot = Slot::of(place.patient, statement.author, &Target::Scope(place.scope.clone()));
    let mut moments = vec![(app.index.grant_at(slot, block), batch.anchored_at)];
    if (statement.authored_at..=statement.authored_at.saturating_add(LATE)).contains(&batch.anchored_at) {
        moments.push((
            app.index.grant_as_of(slot, statement.authored_at),
            statement.authored_at,
        ));
    }
    for (state, time) in moments {
        let active = app
            .index
            .account_at(statement.author, block)
            .is_some_and(|a| a.is_active(time));
        let Some(terms) = state.live(typed::WRITE, time).filter(|_| active) else {
            continue;
        };
        let same = terms.patient == place.patient && terms.grantee == statement.author;
        if same && live::signed(app, terms).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
