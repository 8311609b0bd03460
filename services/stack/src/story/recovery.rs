//! Chapter seven: no gateway answers any more. The patient has the root backup, a node of the chain and the sealed bytes.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{People, Story, papers::eventually, trail};
use crate::samples;

pub async fn recover(story: &mut Story, people: &People) -> Result<()> {
    let patient = &people.patient;
    trail::seal(people).await?;
    let path = format!("/v1/records?patient={}", patient.account);
    eventually("every record is anchored", || async {
        let records = patient.gateway.get(&path).await?.expect(200)?;
        Ok(records
            .as_array()
            .into_iter()
            .flatten()
            .all(|record| record["state"] == "anchored"))
    })
    .await?;
    let records = patient.gateway.get(&path).await?.expect(200)?;

    // Away from the system's data: what is recovered is plaintext.
    let home = tempfile::tempdir()?;
    let list = run(story, people, home.path()).await?;
    let recovered = list["records"].as_array().map_or(0, Vec::len);
    let known = records.as_array().map_or(0, Vec::len);
    ensure!(
        recovered == known && known > 0,
        "{recovered} records came back, the gateway knew {known}"
    );
    let mut documents = Vec::new();
    for record in list["records"].as_array().into_iter().flatten() {
        ensure!(
            record["signer"].is_string(),
            "{} is not signed by its author",
            record["cid"]
        );
        for document in record["documents"].as_array().into_iter().flatten() {
            let file = document.as_str().context("a document without a file")?;
            documents.push(tokio::fs::read(home.path().join(file)).await?);
        }
    }
    for (name, bytes) in [
        ("note", samples::KNEE),
        ("scan", samples::CONGRESS),
        ("picture", samples::CT),
    ] {
        ensure!(
            documents.iter().any(|found| found == bytes),
            "the {name} did not come back as it was uploaded"
        );
    }
    story.held(
        format!(
            "with root, chain and sealed bytes alone {recovered} records and {} documents come back",
            documents.len()
        ),
        None,
    );
    trail::verify(story, people, home.path()).await
}

/// `chartseal-reader recover`, as the patient runs it. Gives its list.
async fn run(story: &Story, people: &People, home: &Path) -> Result<Value> {
    let kept = people.kept.as_ref().context("the patient has no backup")?;
    let contracts = &story.contracts;
    let deployment = json!({ "chainId": contracts.chain_id, "contracts": {
        "directory": contracts.directory, "consent": contracts.consent, "anchors": contracts.anchors,
    } });
    let (root, passphrase, named) = (
        home.join("root.age"),
        home.join("passphrase"),
        home.join("deployment.json"),
    );
    tokio::fs::write(&root, &kept.file).await?;
    tokio::fs::write(&passphrase, &kept.passphrase).await?;
    tokio::fs::write(&named, deployment.to_string()).await?;
    let mut reader = Command::new(&story.stage.reader);
    reader.args(["recover", "--json", "--rpc", &story.stage.rpc]);
    reader
        .arg("--root")
        .arg(&root)
        .arg("--passphrase-file")
        .arg(&passphrase);
    reader.arg("--deployment").arg(&named).arg("--out").arg(home);
    reader.arg("--ipfs").arg(story.stage.data.join("content"));
    let output = tokio::task::spawn_blocking(move || reader.output()).await??;
    ensure!(
        output.status.success(),
        "chartseal-reader recover: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
