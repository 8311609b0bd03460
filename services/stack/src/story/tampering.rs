//! Chapter six: somebody changes a stored byte.

use anyhow::{Result, ensure};

use super::{Papers, People, Sabotage, Story};
use crate::client::text;
use crate::{samples, thief};

pub async fn flip(story: &mut Story, people: &People, papers: &Papers) -> Result<()> {
    let document = &papers.documents["picture"];
    let patient = &people.patient;
    let records = patient
        .gateway
        .get(&format!("/v1/records?patient={}", patient.account))
        .await?
        .expect(200)?;
    let record = records.as_array().into_iter().flatten().find(|record| {
        record["recordId"]
            .as_str()
            .is_some_and(|id| id.trim_start_matches("0x") == document)
    });
    let cid = text(record.unwrap_or(&serde_json::Value::Null), "cid")?;
    let path = format!("/fhir/R4/DocumentReference/{document}");
    let whole = patient.gateway.get(&path).await?.expect(200)?;

    let flipped = thief::flip(&story.stage.data, &cid)?;
    if story.sabotages(Sabotage::Tamper) {
        flipped.iter().try_for_each(thief::Flipped::turn)?;
    }
    for path in [path.clone(), format!("/ipfs/{cid}?format=raw")] {
        let answer = patient.gateway.get(&path).await?;
        ensure!(
            answer.status >= 500 && answer.code() == "content-corrupt",
            "the damaged record was answered {} {} with {} bytes",
            answer.status,
            answer.code(),
            answer.body.len()
        );
    }
    story.held(
        "one stored byte is flipped: every way to read it answers content-corrupt",
        None,
    );

    flipped.iter().try_for_each(thief::Flipped::turn)?;
    let mended = patient.gateway.get(&path).await?.expect(200)?;
    ensure!(mended == whole, "the mended record reads differently");
    super::papers::same_bytes(&patient.gateway, &mended["content"][0]["attachment"], samples::CT).await?;
    story.held("the byte is put back: record and picture read as before", None);
    Ok(())
}
