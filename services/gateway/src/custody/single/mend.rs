//! What grants of one record lack: a wrap for a new key, an index entry in a database made anew.

use chartseal_envelope::{age, tree};
use chartseal_record::{Slot, grant::Terms};
use chartseal_store::ReleaseKeyPlace;

use super::{find, held, keep, kept_at, seal};
use crate::{
    app::App,
    custody::{Patient, root, wraps},
    problem::{Failure, Problem},
    read,
    vault::Kind,
};

/// Seals the record's key anew if the grantee has changed its key since. The commitment and its salt stay.
pub async fn rewrap(app: &App, patient: &Patient, slot: Slot, terms: &Terms) -> Result<(), Problem> {
    let Some(Ok(recipient)) = app.index.account(terms.grantee).as_ref().map(wraps::recipient) else {
        return Ok(());
    };
    let kept = held(app, patient.custodian, slot, terms.serial).await?;
    let Some(first) = kept
        .first()
        .filter(|_| kept.iter().all(|k| k.recipient != recipient.key_hash()))
    else {
        return Ok(());
    };
    if find::live_in(app, slot, patient.id(), terms.grantee).await?.is_none() {
        return Ok(());
    }
    let Some(row) = app.store.record(first.content).await? else {
        return Ok(());
    };
    let Some(root) = root::get(app, patient).await? else {
        return Ok(());
    };
    let sealed = read::block(app, &row.content_hash.cid()).await?;
    let secret = tree::epoch_secret(&root, &app.contracts, row.compartment, row.epoch);
    // Of an epoch that another root opened only the wraps made then are left.
    let Ok(file_key) = age::file_key(secret.identity(), &sealed) else {
        return Ok(());
    };
    let to = wraps::For {
        custodian: patient.custodian,
        slot,
        serial: terms.serial,
        epoch: row.epoch,
        recipient,
    };
    // Refused meanwhile: then nothing is kept, as it should be.
    let made = seal(app, &to, first.salt, &row, &file_key)?;
    keep(app, &to, &row, &made).await?;
    Ok(())
}

/// Lets every slot that the vault keeps lead to its record again, in a database made anew.
pub async fn put_back(app: &App) -> Result<(), Failure> {
    for org in &app.config.organisations {
        for entry in app.store.vault_list(org.account, Kind::ReleaseKey.as_str()).await? {
            let Some(at) = ReleaseKeyPlace::of(&entry.key) else {
                continue;
            };
            let row = app
                .vault
                .open(org.account, Kind::ReleaseKey, &entry.key.place, &entry.sealed)?;
            if let Some(kept) = kept_at(&entry.key, &row)
                && let Some(record) = app.store.record(kept.content).await?
            {
                find::name_record(app, at.slot, &record).await?;
            }
        }
    }
    Ok(())
}
