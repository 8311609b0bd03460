//! The vault, the epoch numbers and the journals.

use std::collections::HashMap;

use alloy::primitives::Address;
use chartseal_envelope::{key::Root, tree};
use chartseal_record::account::Custody;
use chartseal_store::{Error as StoreError, ReleaseKeyPlace, VaultEntry};

use super::{Findings, REPAIR};
use crate::{
    app::App,
    custody::{revoke, root},
    problem::Problem,
    vault::Kind,
};

/// Audit entries read at one time.
const PAGE: u32 = 500;

/// Every row opens with the master key, every root makes its epochs, and no release key is here that a refusal forbids.
pub async fn vault(app: &App, found: &mut Findings) -> Result<(), Problem> {
    let snapshot = app.store.snapshot().await?;
    let refused: HashMap<_, _> = snapshot.tombstones.iter().map(|t| (t.slot, t.serial)).collect();
    let mut destroy = Vec::new();
    for entry in &snapshot.vault {
        match opens(app, entry) {
            Some(false) => {
                let advice = "restore it from a backup: rebuild into a new database";
                found.differs("vault", &entry.key, "it does not open with the master key", advice);
            }
            None => {
                found.differs("vault", &entry.key, "no such kind is known", "start a newer version");
            }
            Some(true) => {}
        }
        let Some(place) = ReleaseKeyPlace::of(&entry.key) else {
            continue;
        };
        if refused.get(&place.slot).is_some_and(|serial| place.serial <= *serial) {
            let what = format!("slot {} serial {}", place.slot.0, place.serial);
            if found.differs(
                "forbidden-key",
                what,
                "its release key is here although it is refused",
                REPAIR,
            ) {
                destroy.push(place);
                found.mended();
            }
        }
    }
    for place in destroy {
        match app.store.destroy_release_keys(place.slot, place.serial).await {
            Err(StoreError::LogNotWiped) => revoke::wipe_later(app),
            done => drop(done?),
        }
    }
    roots(app, found).await
}

fn opens(app: &App, entry: &VaultEntry) -> Option<bool> {
    let kinds = [Kind::Root, Kind::EncryptionKey, Kind::StatementKey, Kind::ReleaseKey];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == entry.key.kind)?;
    Some(
        app.vault
            .open(entry.key.org, kind, &entry.key.place, &entry.sealed)
            .is_ok(),
    )
}

/// The organisation of this gateway that holds the patient's root.
fn keeper(app: &App, patient: Address) -> Option<Address> {
    let account = app
        .index
        .account(patient)
        .filter(|account| account.custody == Custody::Gateway)?;
    app.config.organisation(account.custodian).map(|org| org.account)
}

/// The newest epoch of each compartment in gateway custody here was made from the root that is here.
async fn roots(app: &App, found: &mut Findings) -> Result<(), Problem> {
    for (place, newest) in app.index.compartments() {
        let Some(custodian) = keeper(app, place.patient) else {
            continue;
        };
        let key = root::key(custodian, place.patient);
        let Some(sealed) = app.store.vault_get(&key).await? else {
            let advice = "restore the vault from a backup, or let the patient enrol again";
            found.differs(
                "root",
                &key,
                "the patient is in custody here and the root is missing",
                advice,
            );
            continue;
        };
        let Ok(secret) = app.vault.open(key.org, Kind::Root, &key.place, &sealed) else {
            continue;
        };
        let derived = tree::epoch_secret(&Root::try_from(&secret[..])?, &app.contracts, place.compartment, newest);
        let on_chain = app.index.epochs(place.compartment).pop();
        if on_chain.is_some_and(|epoch| epoch.epoch.key != *derived.public_key().as_bytes()) {
            let why = format!("epoch {newest} of scope {} was not made from it", place.scope);
            let advice = "restore the vault from a backup; links still lead to older epochs";
            found.differs("root", &key, why, advice);
        }
    }
    Ok(())
}

/// No number that is on chain is below the mark.
pub async fn epochs(app: &App, found: &mut Findings) -> Result<(), Problem> {
    for (place, newest) in app.index.compartments() {
        let mark = app.store.epoch_mark(place.compartment).await?;
        if keeper(app, place.patient).is_none() || mark >= newest {
            continue;
        }
        let why = format!("epoch {newest} is on chain, the mark says {mark}");
        if found.differs(
            "epoch-mark",
            format!("compartment {}", place.compartment.0),
            why,
            REPAIR,
        ) {
            app.store.raise_epoch_mark(place.compartment, newest).await?;
            found.mended();
        }
    }
    Ok(())
}

/// Every journal is one chain from its first entry on.
pub async fn journals(app: &App, found: &mut Findings) -> Result<(), Problem> {
    for (org, patient) in app.store.journals().await? {
        let mut before = None;
        loop {
            let after = before
                .as_ref()
                .map_or(0, |entry: &chartseal_store::AuditEntry| entry.seq);
            let page = app.store.audit(org, patient, after, PAGE).await?;
            let Some(last) = page.last().cloned() else { break };
            let mut broken = None;
            for entry in page {
                if !entry.follows(before.as_ref()) {
                    broken = Some(entry.seq);
                    break;
                }
                before = Some(entry);
            }
            if let Some(seq) = broken {
                let advice =
                    "compare it with the entries anchored in the patient's audit scope; nothing mends a journal";
                found.differs(
                    "journal",
                    format!("of {patient} kept by {org}"),
                    format!("entry {seq} does not follow the one before it"),
                    advice,
                );
                break;
            }
            before = Some(last);
        }
    }
    Ok(())
}
