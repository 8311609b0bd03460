//! Chapter five: the patient revokes the doctor. What opened before opens nothing afterwards.

use alloy::primitives::Bytes;
use anyhow::{Context, Result, ensure};
use chartseal_envelope::key::ReleaseKey;
use chartseal_envelope::record as sealed_record;
use chartseal_record::typed;
use serde_json::{Value, json};

use super::crypt::random;
use super::doctor::Opened;
use super::papers::eventually;
use super::{Papers, People, Sabotage, Story};
use crate::client::text;
use crate::decide::{self, READ};
use crate::samples::{self, Kind};
use crate::seed;
use crate::thief::{self, VaultRow};

pub async fn revoke(story: &mut Story, people: &People, papers: &Papers, opened: &Opened) -> Result<()> {
    let rows = control(story, people, opened).await?;
    let (patient, doctor) = (people.patient.account, people.doctor.account);
    let epoch = story
        .chain
        .epoch_of(story.compartment(patient, "clinical")?)
        .await?
        .number;

    let intent = people
        .patient
        .propose("revoke", json!({ "grantee": doctor, "scope": "clinical" }))
        .await?;
    refused_at_once(story, people, opened, &intent).await?;
    let confirmed = people.patient.confirmed(&text(&intent, "id")?).await?;
    let gas = story.gas(&confirmed).await?;
    ensure!(
        !story.allowed(patient, doctor, "clinical", READ).await?,
        "the contract still allows the doctor"
    );
    story.held("the revocation is on chain", gas);

    if story.sabotages(Sabotage::Revoke) {
        let grant = decide::grant_entry(doctor, "clinical", READ, "TREAT");
        people.patient.decide("grant", grant).await?;
    }
    every_release(story, people).await?;
    destroyed(story, opened, &rows).await?;
    afterwards(story, people, papers, opened, epoch).await
}

/// Before: wrap + release key + the doctor's key open the record. The sealed release key is seen in the vault.
async fn control(story: &mut Story, people: &People, opened: &Opened) -> Result<Vec<VaultRow>> {
    let (patient, custodian) = (people.patient.account, people.hospital.account);
    let (answer, nonce) = story.ask_release(&people.doctor, custodian, &opened.wrapped).await?;
    let key = story.open_release(&story.doctor_key, &opened.wrapped, answer, nonce)?;
    ensure!(
        key == opened.release_key,
        "two releases of one wrap hold different keys"
    );
    let secret = story.open_wrap(&story.doctor_key, &opened.wrapped, &key)?;
    sealed_record::open(
        secret.identity(),
        story.compartment(patient, "clinical")?,
        &opened.sealed,
    )?;

    let rows = rows_of(story, opened).await?;
    ensure!(!rows.is_empty(), "the vault shows no row for the doctor's slot");
    for row in &rows {
        let holders = thief::holders(&story.stage.data, &row.sealed)?;
        ensure!(
            !holders.is_empty(),
            "the search does not find a sealed release key even while it is there"
        );
    }
    ensure!(
        thief::holders(&story.stage.data, key.as_bytes())?.is_empty(),
        "the release key lies open on disk"
    );
    story.held(
        "control: wrap + release + the doctor's key open; the vault has the release key",
        None,
    );
    Ok(rows)
}

/// The vault's rows for the doctor's slot, whose place begins with it.
async fn rows_of(story: &Story, opened: &Opened) -> Result<Vec<VaultRow>> {
    let slot = hex::encode(opened.wrapped.slot.0);
    let rows = thief::vault(&story.stage.data).await?;
    Ok(rows
        .into_iter()
        .filter(|row| row.place.to_lowercase().contains(&slot))
        .collect())
}

/// From the moment the signature is accepted, before the chain has it.
async fn refused_at_once(story: &mut Story, people: &People, opened: &Opened, intent: &Value) -> Result<()> {
    let custodian = people.hospital.account;
    let (answer, _) = story.ask_release(&people.doctor, custodian, &opened.wrapped).await?;
    ensure!(
        (answer.status, answer.code().as_str()) == (403, "not-live"),
        "the first request after the revocation was answered {} {}",
        answer.status,
        answer.code()
    );
    let receipt = &intent["receipt"];
    let number = |name: &str| {
        receipt[name]
            .as_u64()
            .with_context(|| format!("the revocation receipt has no {name}"))
    };
    let signed = typed::Revoked {
        slot: text(receipt, "slot")?.parse()?,
        serial: number("serial")?,
        refusedAt: number("refusedAt")?,
        backupsExpire: number("backupsExpire")?,
        custodian: text(receipt, "custodian")?.parse()?,
    };
    ensure!(
        signed.slot == opened.wrapped.slot.0 && signed.custodian == custodian && signed.serial >= opened.wrapped.serial,
        "the revocation receipt is about something else: {receipt}"
    );
    let signature: Bytes = text(receipt, "signature")?.parse()?;
    let signer = typed::recover(typed::digest(&signed, &story.contracts.consent_domain()), &signature)?;
    let head = story.node.head().await?;
    ensure!(
        story.chain.is_statement_key(custodian, signer, head).await?,
        "the revocation receipt is signed by {signer}, which is no statement key of the hospital"
    );
    story.held(
        "the patient revokes: refused at once, and a signed receipt says since when",
        None,
    );
    Ok(())
}

/// Every wrap the chain ever showed for the doctor: none is released any more.
async fn every_release(story: &mut Story, people: &People) -> Result<()> {
    let (patient, custodian) = (people.patient.account, people.hospital.account);
    let wraps = story.wraps_of(patient, people.doctor.account, "clinical").await?;
    for wrapped in &wraps {
        let (answer, _) = story.ask_release(&people.doctor, custodian, wrapped).await?;
        ensure!(
            (answer.status, answer.code().as_str()) == (403, "not-live"),
            "serial {} epoch {} was answered {} {}",
            wrapped.serial,
            wrapped.epoch,
            answer.status,
            answer.code()
        );
    }
    let path = format!("/v1/records?patient={patient}&scope=clinical");
    let listed = people.doctor.gateway.get(&path).await?;
    let nothing = listed.status >= 400 || listed.value().as_array().is_some_and(Vec::is_empty);
    ensure!(nothing, "the doctor still lists {}", listed.value());
    story.held(
        format!(
            "{} of {} wraps are refused; nothing is listed",
            wraps.len(),
            wraps.len()
        ),
        None,
    );
    Ok(())
}

/// Neither vault nor database nor its write-ahead log holds the release key any more.
async fn destroyed(story: &mut Story, opened: &Opened, rows: &[VaultRow]) -> Result<()> {
    let left = rows_of(story, opened).await?;
    ensure!(
        left.is_empty(),
        "the vault still has {} rows for the doctor's slot",
        left.len()
    );
    for row in rows {
        let holders = thief::holders(&story.stage.data, &row.sealed)?;
        ensure!(holders.is_empty(), "the sealed release key still lies in {holders:?}");
    }

    // Both halves that remain to the doctor, with every release key that could be tried: none, or a guess.
    for guess in [[0; 32], random()?] {
        let opened = story.open_wrap(&story.doctor_key, &opened.wrapped, &ReleaseKey::from_bytes(guess));
        ensure!(opened.is_err(), "the wrap opened without its release key");
    }
    story.held(
        "the release key is in no vault, database or log; wrap + key open nothing",
        None,
    );
    Ok(())
}

/// The compartment moved on: what is written now opens with the new secret only.
async fn afterwards(story: &mut Story, people: &People, papers: &Papers, opened: &Opened, before: u32) -> Result<()> {
    let patient = people.patient.account;
    let compartment = story.compartment(patient, "clinical")?;
    let chain = story.chain.clone();
    eventually("the custodian opens the next epoch", || {
        let chain = chain.clone();
        async move { Ok(chain.epoch_of(compartment).await?.number > before) }
    })
    .await?;
    let epoch = story.chain.epoch_of(compartment).await?.number;
    let advanced = story
        .node
        .logs::<chartseal_chain::bindings::Consent::Advanced>(story.contracts.consent)
        .await?;
    let advanced = advanced.iter().rfind(|seen| seen.event.compartment == compartment.0);
    let transaction = advanced.context("no Advanced event")?.transaction;
    let gas = story.node.gas_used(transaction).await?;
    story.held(format!("the custodian opens epoch {epoch} by itself"), Some(gas));

    let client = seed::connect(&people.hospital, "ward system", seed::HOSPITAL_SYSTEM_SCOPE).await?;
    let system = client.machine().token(&story.gateway).await?;
    let written = seed::upload(&system, &papers.patient, Kind::Scan, samples::CONGRESS).await?;
    let id = text(&written, "id")?;
    let path = format!("/v1/records?patient={patient}&scope=clinical");
    let records = people.patient.gateway.get(&path).await?.expect(200)?;
    let record = records.as_array().into_iter().flatten().find(|record| {
        record["recordId"]
            .as_str()
            .is_some_and(|record| record.trim_start_matches("0x") == id)
    });
    let record = record.context("the new record is not listed")?;
    ensure!(
        record["epoch"] == epoch,
        "the new record was sealed to epoch {}",
        record["epoch"]
    );
    let cid = text(record, "cid")?;
    let sealed = people
        .patient
        .gateway
        .get(&format!("/ipfs/{cid}?format=raw"))
        .await?
        .bytes(200)?;

    let old = story.open_wrap(&story.doctor_key, &opened.wrapped, &opened.release_key)?;
    ensure!(
        sealed_record::open(old.identity(), compartment, &sealed).is_err(),
        "the old epoch's secret opens a record written after the revocation"
    );
    let new = story.secret_from_backup(people, compartment, epoch).await?;
    sealed_record::open(new.identity(), compartment, &sealed)?;
    sealed_record::open(old.identity(), compartment, &opened.sealed)
        .context("what the doctor kept no longer opens what was already read; SECURITY.md says it does")?;
    story.held(
        "what is written now opens with the new epoch secret, not with the old",
        None,
    );
    Ok(())
}
