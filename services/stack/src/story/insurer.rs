//! Chapter four: the insurer asks twice and pays once.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::doctor::{request, shown};
use super::papers::{path, same_bytes};
use super::{Papers, People, Sabotage, Story};
use crate::client::text;
use crate::decide::READ;
use crate::samples::{self, CLAIM_SYSTEM};
use crate::seed;

pub async fn claim(story: &mut Story, people: &People, papers: &Papers) -> Result<()> {
    let (insurer, patient) = (&people.insurer, &people.patient);
    let first = request(insurer, patient, "claims", READ, "HPAYMT", "everything you have").await?;
    shown(patient, &first).await?;
    let declined = patient.decide("decline", json!({ "request": first })).await?;
    ensure!(declined.transaction.is_none(), "a decline became a transaction");
    let seen = shown(insurer, &first).await?;
    ensure!(
        seen["state"] == "declined",
        "the insurer is told the request is {}",
        seen["state"]
    );
    ensure!(
        !story.allowed(patient.account, insurer.account, "claims", READ).await?,
        "the contract allows what the patient declined"
    );
    let client = seed::connect(insurer, "insurer system", seed::INSURER_SYSTEM_SCOPE).await?;
    let system = client.machine().token(&story.gateway).await?;
    let search = format!("/fhir/R4/Claim?identifier={CLAIM_SYSTEM}|{}", papers.claim_number);
    let found = system.get(&search).await?;
    let nothing = found.status == 403 || (found.status == 200 && found.value()["total"] == 0);
    ensure!(
        nothing,
        "the declined insurer's search was answered {} {}",
        found.status,
        found.value()
    );
    story.held("the insurer asks for `claims`, is declined, finds nothing", None);

    let reason = format!("to pay claim {}", papers.claim_number);
    let second = request(insurer, patient, "claims", READ, "HPAYMT", &reason).await?;
    let confirmed = patient.decide("grant", json!({ "request": second })).await?;
    let gas = story.gas(&confirmed).await?;
    ensure!(
        story.allowed(patient.account, insurer.account, "claims", READ).await?,
        "the contract does not allow what the patient granted"
    );
    story.held("the insurer asks again, with a reason, and is approved", gas);

    if story.sabotages(Sabotage::Lookup) {
        patient
            .decide("revoke", json!({ "grantee": insurer.account, "scope": "claims" }))
            .await?;
    }
    let bundle = system.get(&search).await?.expect(200)?;
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    ensure!(
        entries.len() == 1,
        "the claim's number finds {} claims, expected 1",
        entries.len()
    );
    let claim = &entries[0]["resource"];
    ensure!(
        claim["total"] == papers.claim["total"],
        "the claim's total is {}",
        claim["total"]
    );
    let evidence = &claim["supportingInfo"][1]["valueAttachment"];
    same_bytes(&system, evidence, samples::CONGRESS).await?;
    story.held(
        "it finds the claim by its number and opens its evidence: bytes equal",
        None,
    );

    let reference =
        text(&claim["supportingInfo"][0]["valueReference"], "reference").context("the claim's reference")?;
    let beyond = system.get(&path(&reference)).await?;
    ensure!(
        matches!(beyond.status, 403 | 404),
        "the insurer read a clinical document: {}",
        beyond.status
    );
    let nowhere = system
        .get(&format!("/fhir/R4/DocumentReference/{}", "0".repeat(64)))
        .await?;
    ensure!(
        (beyond.status, beyond.code()) == (nowhere.status, nowhere.code()),
        "not allowed ({} {}) and not found ({} {}) look different",
        beyond.status,
        beyond.code(),
        nowhere.status,
        nowhere.code()
    );
    story.held(
        "the operative note the claim points to looks as if it were not there",
        None,
    );
    Ok(())
}
