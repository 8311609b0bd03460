//! The audit trail: the journal the custodian shows, beside what was anchored of it.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{People, Story};

/// Exit code of `chartseal-reader verify-audit` for a trail that is not whole.
const BROKEN: i32 = 16;

/// What was done so far is sealed as records of the patient's own.
pub async fn seal(people: &People) -> Result<()> {
    let sealed = people.patient.gateway.post("/v1/audit/seal", &json!({})).await?;
    let sealed = sealed.expect(200)?;
    ensure!(sealed["sequence"].as_u64() > Some(0), "nothing was sealed: {sealed}");
    Ok(())
}

/// `recovered` is what the patient got back from the chain.
pub async fn verify(story: &mut Story, people: &People, recovered: &Path) -> Result<()> {
    let mut journal: Vec<Value> = Vec::new();
    loop {
        let last = journal
            .last()
            .map_or(0, |entry| entry["sequence"].as_u64().unwrap_or(0));
        let page = people.patient.gateway.get(&format!("/v1/audit?after={last}")).await?;
        let page = page.expect(200)?;
        let page = page.as_array().context("a page of the journal is no array")?;
        if page.is_empty() || journal.len() > 5_000 {
            break;
        }
        journal.extend(page.iter().cloned());
        // To look is an entry of its own: a page that is not full is the last.
        if page.len() < 500 {
            break;
        }
    }
    let refusals = journal.iter().filter(|entry| entry["refused"].is_string()).count();
    ensure!(refusals > 0, "the refused releases are not in the journal");
    let verdict = run(story, recovered, &journal).await?;
    ensure!(
        verdict.status.success(),
        "chartseal-reader verify-audit: {}",
        String::from_utf8_lossy(&verdict.stderr).trim()
    );
    let verdict: Value = serde_json::from_slice(&verdict.stdout)?;
    ensure!(
        verdict["anchored"].as_u64() > Some(0),
        "no entry of the journal came back from the chain"
    );
    story.held(
        format!(
            "the audit trail is whole: {} entries, {refusals} of them refusals, {} as anchored",
            verdict["entries"], verdict["anchored"]
        ),
        None,
    );

    let mut without = journal.clone();
    without.remove(1);
    named(story, recovered, &without, "entry 2 is missing").await?;
    let mut changed = journal.clone();
    changed[1]["purpose"] = json!("HOPERAT");
    named(story, recovered, &changed, "entry 2 was changed").await?;
    // Cut off behind its first entry a journal is whole in itself.
    named(story, recovered, &journal[..1], "entry 2 is missing").await?;
    story.held("an entry taken out, changed or cut off is named", None);
    Ok(())
}

async fn named(story: &Story, recovered: &Path, journal: &[Value], fault: &str) -> Result<()> {
    let verdict = run(story, recovered, journal).await?;
    let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
    ensure!(
        verdict.status.code() == Some(BROKEN) && said.contains(fault),
        "expected exit code {BROKEN} and \"{fault}\", got {:?} and {said}",
        verdict.status.code()
    );
    Ok(())
}

async fn run(story: &Story, recovered: &Path, journal: &[Value]) -> Result<Output> {
    let file = recovered.join("journal.json");
    tokio::fs::write(&file, serde_json::to_vec(journal)?).await?;
    let mut reader = Command::new(&story.stage.reader);
    reader
        .args(["verify-audit", "--json", "--recovered"])
        .arg(recovered)
        .arg(file);
    Ok(tokio::task::spawn_blocking(move || reader.output()).await??)
}
