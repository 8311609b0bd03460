//! Records that are granted alone, whose custodian is elsewhere: it says which record a grant is of, the chain has its anchor,
//! and its statement with the salt must be what the patient's commitment is to.

use alloy::primitives::B256;
use chartseal_record::{Slot, Target};

use super::{Progress, foreign, release};
use crate::{
    anchored::Keys,
    app::App,
    audit::{self, Action, Entry, Subject},
    custody::{
        live::LiveGrant,
        open::{custodian_of, identity, own_key},
        single::{self, Alone, Kept},
        wraps,
    },
    problem::Problem,
};

/// Purpose of use in both journals: v3-ActReason's health system administration.
const PURPOSE: &str = "HSYSADMIN";

/// Finds the records of live grants that are not here yet. One that is not anchored is looked for again when all are.
pub async fn take_in(app: &App, progress: &mut Progress, settled: u64, again: bool) -> Result<(), Problem> {
    if again {
        progress.asked.clear();
    }
    let (mut keys, mut found) = (Keys::default(), Vec::new());
    for org in &app.config.organisations {
        for (patient, slot) in app.index.record_slots(org.account) {
            if progress.alone.contains(&slot) || progress.asked.contains(&slot) {
                continue;
            }
            let Ok(custodian) = custodian_of(app, patient) else {
                continue;
            };
            let here = app.config.organisation(custodian.id).is_some();
            if here || single::record(app, slot).await?.is_some() {
                progress.alone.insert(slot);
                continue;
            }
            let Some(grant) = single::live_in(app, slot, patient, org.account).await? else {
                continue;
            };
            progress.asked.insert(slot);
            match asked(app, &grant).await {
                Ok((kept, alone)) => {
                    found.push((grant, kept.content, alone.salt));
                    keys.add(kept.content, alone);
                }
                Err(problem) => tracing::warn!(
                    code = problem.code.as_str(),
                    "the custodian of a grant of one record does not say which it is; it is asked again"
                ),
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    for anchor in app.store.anchors_from(0).await? {
        if anchor.block <= settled {
            foreign(app, &anchor, &mut keys, |_| false).await?;
        }
    }
    for (grant, content, salt) in found {
        let Some(row) = app.store.record(content).await? else {
            continue;
        };
        let target = Target::record(row.digest, salt);
        if Slot::of(grant.patient, grant.grantee, &target) == grant.slot && row.patient == grant.patient {
            single::name_record(app, grant.slot, &row).await?;
            progress.alone.insert(grant.slot);
        } else {
            tracing::error!(cid = %content, "a custodian names another record than the patient granted");
        }
    }
    Ok(())
}

/// What the custodian keeps of the grant, opened after an entry that names the record by its CID.
async fn asked(app: &App, grant: &LiveGrant) -> Result<(Kept, Alone), Problem> {
    let custodian = custodian_of(app, grant.patient)?;
    let reader = app.index.account(grant.grantee).ok_or_else(own_key)?;
    let own = wraps::recipient(&reader)?.key_hash();
    let identity = identity(app, grant.grantee, own).await?.ok_or_else(own_key)?;
    let kept = release::ask_record(app, &custodian, grant.grantee, grant, PURPOSE, &identity).await?;
    let entry = Entry {
        nonce: B256::ZERO,
        refused: None,
        patient: grant.patient,
        actor: grant.grantee,
        role: Some(reader.role),
        action: Action::Read,
        purpose: PURPOSE.to_owned(),
        subject: Subject {
            record: Some(kept.content.to_string()),
            ..Subject::default()
        },
        client: None,
    };
    audit::append(app, audit::journal(app, grant.patient, grant.grantee), entry).await?;
    let alone = Alone {
        file_key: single::wrapped_key(app, grant, &kept, &identity)?,
        salt: kept.salt,
    };
    Ok((kept, alone))
}
