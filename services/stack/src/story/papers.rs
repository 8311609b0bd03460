//! Chapter two: the hospital's system uploads, the submitter anchors, anyone verifies.

use std::process::Command;
use std::time::Duration;

use alloy::primitives::B256;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chartseal_chain::bindings::Anchors;
use chartseal_record::receipt::Receipt;
use serde_json::{Value, json};

use super::{Papers, People, Sabotage, Story};
use crate::client::{Gateway, text};
use crate::samples::{self, Kind};
use crate::seed;

/// The number the hospital gives its claim.
const CLAIM_NUMBER: &str = "C-2020-7281";

pub async fn upload(story: &mut Story, people: &People) -> Result<Papers> {
    let client = seed::connect(&people.hospital, "hospital system", seed::HOSPITAL_SYSTEM_SCOPE).await?;
    let system = client.machine().token(&story.gateway).await?;
    let chain_id = story.contracts.chain_id;
    let patient = seed::create(
        &system,
        &samples::martina(chain_id, &people.patient.account.to_string()),
    )
    .await?;
    let id = text(&patient, "id")?;
    ensure!(
        patient["name"][0]["family"] == "Murazik",
        "the Patient came back as somebody else"
    );
    story.held("the hospital's system gets a token and uploads the Patient", None);

    let mut papers = Papers {
        patient: id.clone(),
        claim_number: CLAIM_NUMBER.to_owned(),
        ..Papers::default()
    };
    let documents = [
        ("note", Kind::OperativeNote, samples::KNEE, "a C-CDA operative note"),
        ("scan", Kind::Scan, samples::CONGRESS, "a scanned PDF page"),
        ("picture", Kind::Picture, samples::CT, "a DICOM picture"),
    ];
    for (name, kind, bytes, what) in documents {
        let created = seed::upload(&system, &id, kind, bytes).await?;
        same_bytes(&system, &created["content"][0]["attachment"], bytes).await?;
        papers.documents.insert(name, text(&created, "id")?);
        story.held(
            format!("it uploads {what}, {} bytes, and reads the same back", bytes.len()),
            None,
        );
    }

    let evidence = [
        json!({ "valueReference": { "reference": format!("DocumentReference/{}", papers.documents["note"]) } }),
        json!({ "valueAttachment": {
            "contentType": "application/pdf",
            "title": "X-ray report",
            "data": STANDARD.encode(samples::CONGRESS),
        } }),
    ];
    let claim = seed::create(&system, &samples::xray_claim(&id, CLAIM_NUMBER, &evidence)).await?;
    let attachment = &claim["supportingInfo"][1]["valueAttachment"];
    ensure!(
        attachment["data"].is_null(),
        "the evidence still stands inline in the claim"
    );
    same_bytes(&system, attachment, samples::CONGRESS).await?;
    papers.claim = claim;
    story.held(format!("it uploads claim {CLAIM_NUMBER} with its evidence"), None);
    Ok(papers)
}

/// Reads an attachment by its URL and compares every byte.
pub async fn same_bytes(reader: &Gateway, attachment: &Value, expected: &[u8]) -> Result<()> {
    let url = text(attachment, "url").context("the attachment has no URL")?;
    let bytes = reader.get_as(&path(&url), "*/*").await?.bytes(200)?;
    ensure!(
        bytes == expected,
        "{} bytes came back, not the {} uploaded",
        bytes.len(),
        expected.len()
    );
    Ok(())
}

/// Attachments are named by absolute URL, or relative to the FHIR base.
pub fn path(url: &str) -> String {
    if url.starts_with("http") {
        url.to_owned()
    } else {
        format!("/fhir/R4/{url}")
    }
}

pub async fn anchor(story: &mut Story, people: &People) -> Result<()> {
    let patient = people.patient.account;
    let records = seed::anchored(&people.patient.gateway, patient).await?;
    ensure!(
        records.len() >= 5,
        "only {} of the five records are listed",
        records.len()
    );
    let anchors = story.node.logs::<Anchors::Anchored>(story.contracts.anchors).await?;
    let mut gas = 0;
    for anchor in &anchors {
        gas += story.node.gas_used(anchor.transaction).await?;
    }
    story.held(
        format!(
            "{} records are anchored by {} transactions",
            records.len(),
            anchors.len()
        ),
        Some(gas),
    );

    for record in &records {
        let cid = text(record, "cid")?;
        let mut receipt = people
            .patient
            .gateway
            .get(&format!("/v1/receipts/{cid}"))
            .await?
            .expect(200)?;
        if story.sabotages(Sabotage::Anchor) {
            receipt["root"] = json!(B256::repeat_byte(0xee));
        }
        verify(story, &receipt)
            .await
            .with_context(|| format!("the receipt of {cid}"))?;
    }
    story.held(
        format!("{} receipts verify: path, chain, and chartseal-reader", records.len()),
        None,
    );
    Ok(())
}

/// A receipt, verified three times: its path by hashing, its root by asking the contract, all of it by the reader.
pub async fn verify(story: &Story, receipt: &Value) -> Result<()> {
    let json = serde_json::to_vec(receipt)?;
    let parsed = Receipt::parse(&json)?;
    let leaf = chartseal_record::merkle::leaf(parsed.compartment, parsed.epoch, parsed.cid);
    let digest = parsed.manifest_digest()?;
    let block = story
        .chain
        .verify(
            parsed.organisation,
            parsed.root,
            parsed.count,
            digest,
            leaf,
            parsed.proof.clone(),
        )
        .await?
        .context("the contract knows no such anchor")?;
    ensure!(
        block == parsed.block,
        "the receipt says block {}, the chain {block}",
        parsed.block
    );

    let file = story.stage.data.join("receipt.json");
    tokio::fs::write(&file, &json).await?;
    let mut reader = Command::new(&story.stage.reader);
    reader.arg("verify").arg(&file).arg("--rpc").arg(&story.stage.rpc);
    let output = tokio::task::spawn_blocking(move || reader.output()).await?;
    let output = output.with_context(|| format!("{} does not start", story.stage.reader.display()))?;
    tokio::fs::remove_file(&file).await?;
    ensure!(
        output.status.success(),
        "chartseal-reader verify: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Waits until a condition of the chain or the gateway holds; `what` stands in the error if it never does.
pub async fn eventually<F>(what: &str, mut holds: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    for _ in 0..300 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("waited a minute in vain: {what}")
}
