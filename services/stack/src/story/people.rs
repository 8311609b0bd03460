//! Chapter one: who is who.

use alloy::primitives::Address;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chartseal_chain::bindings::{Consent, Directory};
use chartseal_envelope::backup;
use serde_json::Value;

use super::{Kept, People, Sabotage, Story};
use crate::decide::{self, Enrolled, Role};
use crate::session::Session;
use crate::wallet::{self, Wallet};

/// The scopes the story's hospital may read and write from the start.
pub const HOSPITAL_SCOPES: [&str; 5] = ["demographics", "clinical", "laboratory", "imaging", "claims"];

pub async fn register(story: &mut Story) -> Result<People> {
    let sign_in = |wallet: Wallet| {
        let gateway = story.gateway.clone();
        async move { Session::sign_in(&gateway, &wallet).await }
    };
    let people = People {
        admin: sign_in(Wallet::sample("the admin", wallet::ADMIN)).await?,
        hospital: sign_in(Wallet::sample("the hospital", wallet::HOSPITAL)).await?,
        insurer: sign_in(Wallet::sample("the insurer", wallet::INSURER)).await?,
        doctor: sign_in(Wallet::random("the doctor")).await?,
        patient: sign_in(Wallet::random("the patient")).await?,
        kept: None,
    };
    ensure!(
        story.chain.is_registrar(people.admin.account).await?,
        "the admin is not a registrar on chain"
    );
    story.held("everyone signs in with a wallet; the chain knows only the admin", None);

    if story.sabotages(Sabotage::Register) {
        decide::register(&people.admin, &people.doctor, decide::registration(Role::Doctor, None)?).await?;
    }
    one(
        story,
        &people.admin,
        &people.hospital,
        3,
        decide::registration(Role::Hospital, None)?,
    )
    .await?;
    one(
        story,
        &people.admin,
        &people.insurer,
        4,
        decide::registration(Role::Insurer, None)?,
    )
    .await?;
    let key = format!("0x{}", hex::encode(story.doctor_key.public_key().as_bytes()));
    one(
        story,
        &people.admin,
        &people.doctor,
        2,
        decide::registration(Role::Doctor, Some(&key))?,
    )
    .await?;
    let role = Role::Patient {
        custodian: people.hospital.account,
    };
    one(
        story,
        &people.admin,
        &people.patient,
        1,
        decide::registration(role, None)?,
    )
    .await?;
    duplicate(story, &people).await?;

    let publishers = [
        (
            &people.hospital,
            Wallet::sample("the hospital's publisher", wallet::HOSPITAL_PUBLISHER),
        ),
        (
            &people.insurer,
            Wallet::sample("the insurer's publisher", wallet::INSURER_PUBLISHER),
        ),
    ];
    let mut gas = 0;
    for (org, publisher) in &publishers {
        for confirmed in decide::equip(org, publisher).await? {
            gas += story.gas(&confirmed).await?.unwrap_or(0);
        }
        let listed = story.chain.publisher_org(publisher.address()).await?;
        ensure!(
            listed == org.account,
            "{publisher:?} does not publish for {}",
            org.wallet.name
        );
    }
    story.held(
        "hospital and insurer list a statement key and a publisher each",
        Some(gas),
    );
    Ok(people)
}

/// One registration: signed by its owner, countersigned by the admin, on chain with the right role.
async fn one(story: &mut Story, admin: &Session, who: &Session, role: u8, parameters: Value) -> Result<()> {
    let name = &who.wallet.name;
    let before = story.chain.authority(who.account).await?;
    let Ok(confirmed) = decide::register(admin, who, parameters).await else {
        bail!(
            "{name} cannot be registered: the address is known with role {}",
            before.role
        );
    };
    let gas = story.gas(&confirmed).await?;
    let now = story.chain.authority(who.account).await?;
    ensure!(before.role == 0, "{name} was on chain before registering");
    ensure!(
        (now.role, now.status, now.controller) == (role, 1, who.account),
        "the chain says {now:?} of {name}, expected role {role}, active, controlled by itself"
    );
    story.held(format!("the admin registers {name}, who signed for it"), gas);
    Ok(())
}

/// The same address a second time: refused by the gateway, and by the contract itself.
async fn duplicate(story: &mut Story, people: &People) -> Result<()> {
    let logs = registrations(story, people.doctor.account).await?;
    let again = decide::register(&people.admin, &people.doctor, decide::registration(Role::Doctor, None)?).await;
    let error = again
        .err()
        .context("a second registration of one address went through")?;
    ensure!(
        registrations(story, people.doctor.account).await? == logs && logs == 1,
        "the refused registration left an event"
    );
    let reason = error.root_cause().to_string();
    ensure!(
        reason.contains("already") || reason.contains("Already"),
        "the duplicate was refused for another reason: {reason}"
    );
    story.held("a second registration of the doctor's address is refused", None);
    Ok(())
}

async fn registrations(story: &Story, who: Address) -> Result<usize> {
    let logs = story
        .node
        .logs::<Directory::Registered>(story.contracts.directory)
        .await?;
    Ok(logs.iter().filter(|log| log.event.who == who).count())
}

/// The patient opens scopes and lets the hospital write, all with a wallet.
pub async fn enrol(story: &mut Story, people: &mut People) -> Result<()> {
    let (patient, hospital) = (people.patient.account, people.hospital.account);
    ensure!(
        !story.allowed(patient, hospital, "clinical", decide::WRITE).await?,
        "the hospital may write before the patient granted it"
    );
    let enrolled = decide::enrol(
        &people.patient,
        hospital,
        &HOSPITAL_SCOPES,
        decide::READ | decide::WRITE,
    )
    .await?;
    for scope in decide::SCOPES {
        let epoch = story.chain.epoch_of(story.compartment(patient, scope)?).await?;
        ensure!(epoch.number >= 1, "scope {scope} has no epoch on chain");
    }
    for scope in HOSPITAL_SCOPES {
        let allowed = story
            .allowed(patient, hospital, scope, decide::READ | decide::WRITE)
            .await?;
        ensure!(allowed, "the contract does not allow the hospital in {scope}");
    }
    ensure!(
        !story
            .allowed(patient, people.doctor.account, "clinical", decide::READ)
            .await?,
        "the doctor is allowed though nobody granted it"
    );
    let granted: Vec<_> = story
        .node
        .logs::<Consent::Granted>(story.contracts.consent)
        .await?
        .into_iter()
        .filter(|log| log.event.patient == patient)
        .collect();
    ensure!(
        granted.len() == HOSPITAL_SCOPES.len(),
        "the chain shows {} grants",
        granted.len()
    );
    let advanced = story.node.logs::<Consent::Advanced>(story.contracts.consent).await?;
    let mut transactions: Vec<_> = granted.iter().map(|log| log.transaction).collect();
    transactions.extend(
        advanced
            .iter()
            .filter(|log| log.event.patient == patient)
            .map(|log| log.transaction),
    );
    transactions.sort_unstable();
    transactions.dedup();
    let mut gas = 0;
    for transaction in &transactions {
        gas += story.node.gas_used(*transaction).await?;
    }
    people.kept = Some(kept(story, people, &enrolled)?);
    story.held(
        format!(
            "the patient enrols: {} scopes opened, {} grants to the hospital signed",
            decide::SCOPES.len(),
            granted.len()
        ),
        Some(gas),
    );
    Ok(())
}

/// The backup opens with its passphrase, and is this patient's.
fn kept(story: &Story, people: &People, enrolled: &Enrolled) -> Result<Kept> {
    let file = STANDARD
        .decode(&enrolled.backup_file)
        .context("the backup is not base64")?;
    let opened = backup::open(&enrolled.backup_passphrase, &file)?;
    ensure!(
        (opened.patient, opened.consent, opened.chain_id)
            == (
                people.patient.account,
                story.contracts.consent,
                story.contracts.chain_id
            ),
        "the backup belongs to another patient or another chain"
    );
    Ok(Kept {
        file,
        passphrase: enrolled.backup_passphrase.clone(),
        opened,
    })
}
