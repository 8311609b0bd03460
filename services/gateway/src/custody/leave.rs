//! A patient has left a custodian, or taken its root back.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use chartseal_record::account::Custody;
use chartseal_store::Error as StoreError;

use super::{revoke, root};
use crate::{
    app::App,
    problem::Problem,
    vault::{Kind, rows},
};

/// Destroys what former custodians served here still hold of the patient: the release keys once the patient left, the root
/// once it left or took custody back.
///
/// Only what is final counts, and what is in office at the head counts as well: a change of custodian that a re-org drops
/// has destroyed nothing.
pub async fn destroy(app: &App, patient: Address) -> Result<(), Problem> {
    let settled = app
        .index
        .head()
        .map_or(0, |h| h.settled(app.config.chain.confirmations));
    let all = app.index.custodians(patient, settled);
    let newest = app.index.account(patient).map(|a| (a.custodian, a.custody));
    let in_office: Vec<(Address, Custody)> = all.last().copied().into_iter().chain(newest).collect();
    let had: BTreeSet<Address> = all.into_iter().map(|(custodian, _)| custodian).collect();
    let mut keys = Vec::new();
    for org in had.into_iter().filter(|org| app.config.organisation(*org).is_some()) {
        if !in_office.iter().any(|(custodian, _)| *custodian == org) {
            for (slot, _) in app.index.grants_of_patient(patient) {
                keys.extend(rows::places(app, org, Kind::ReleaseKey, &format!("{}|", slot.0)).await?);
            }
        }
        let root = root::key(org, patient);
        if !in_office.contains(&(org, Custody::Gateway)) && app.store.vault_get(&root).await?.is_some() {
            keys.push(root);
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    match app.store.vault_delete(&keys).await {
        Ok(destroyed) => tracing::info!(destroyed, "a patient left its custodian here; its keys are destroyed"),
        Err(StoreError::LogNotWiped) => revoke::wipe_later(app),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
