//! Chapter three: the doctor asks, reads with a key of their own, and corrects.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chartseal_chain::bindings::Consent;
use chartseal_envelope::age;
use chartseal_envelope::key::ReleaseKey;
use chartseal_envelope::record as sealed_record;
use chartseal_record::{ContentHash, typed};
use serde_json::{Value, json};

use super::crypt::Wrapped;
use super::{Papers, People, Sabotage, Story};
use crate::client::text;
use crate::decide::{READ, UNTIL, WRITE};
use crate::samples;
use crate::session::{Session, entries};
use crate::thief;

/// Both halves the doctor holds while the grant is live, and a record they opened.
pub(crate) struct Opened {
    pub wrapped: Wrapped,
    pub release_key: ReleaseKey,
    pub sealed: Vec<u8>,
    pub resource: Value,
}

/// Lays out a request, signs it, and returns its id.
pub(crate) async fn request(
    who: &Session,
    patient: &Session,
    scope: &str,
    permission: u8,
    purpose: &str,
    reason: &str,
) -> Result<String> {
    let body = json!({
        "patient": patient.account,
        "scope": scope,
        "permission": permission,
        "until": UNTIL,
        "purpose": purpose,
        "reason": reason,
    });
    let laid_out = who.gateway.post("/v1/requests", &body).await?.expect(201)?;
    let id = text(&laid_out, "id")?;
    let entry = entries(&laid_out).next().context("the request asks for no signature")?;
    let signature = who.wallet.sign_typed(&entry["typedData"])?;
    let path = format!("/v1/requests/{id}/signature");
    who.gateway
        .put(&path, &json!({ "signature": signature }))
        .await?
        .expect(200)?;
    Ok(id)
}

/// What the patient is shown about a request.
pub(crate) async fn shown(patient: &Session, id: &str) -> Result<Value> {
    let waiting = patient.gateway.get("/v1/requests").await?.expect(200)?;
    let found = waiting
        .as_array()
        .into_iter()
        .flatten()
        .find(|request| request["id"] == *id);
    found.cloned().context("the patient is not shown the request")
}

pub async fn ask(story: &mut Story, people: &People) -> Result<()> {
    let reason = "follow-up after the knee operation";
    let id = request(
        &people.doctor,
        &people.patient,
        "clinical",
        READ | WRITE,
        "TREAT",
        reason,
    )
    .await?;
    let seen = shown(&people.patient, &id).await?;
    ensure!(
        seen["reason"] == reason && seen["scope"] == "clinical",
        "the patient is shown another request: {seen}"
    );
    let (patient, doctor) = (people.patient.account, people.doctor.account);
    ensure!(
        !story.allowed(patient, doctor, "clinical", READ).await?,
        "the doctor is allowed before the patient decided"
    );
    story.held(
        "the doctor asks for `clinical`; the patient sees who, what, why, until when",
        None,
    );

    let confirmed = people.patient.decide("grant", json!({ "request": id })).await?;
    let gas = story.gas(&confirmed).await?;
    ensure!(
        story.allowed(patient, doctor, "clinical", READ | WRITE).await?,
        "the contract does not allow what the patient granted"
    );
    ensure!(
        !story.allowed(patient, doctor, "claims", READ).await?,
        "the grant reaches beyond its scope"
    );
    let granted = story.node.logs::<Consent::Granted>(story.contracts.consent).await?;
    let granted = granted
        .iter()
        .map(|seen| &seen.event)
        .rfind(|event| event.grantee == doctor);
    let wrap = granted.map_or(0, |event| event.wrap.len());
    ensure!(wrap == 80, "the grant's wrap has {wrap} bytes, expected 80");
    story.held("the patient approves: one wrap of 80 bytes, on chain", gas);
    Ok(())
}

pub async fn read(story: &mut Story, people: &People, papers: &Papers) -> Result<Opened> {
    let (patient, custodian) = (people.patient.account, people.hospital.account);
    let doctor = &people.doctor;
    let document = papers.documents.get("note").context("the note was uploaded")?;
    let fhir = doctor
        .gateway
        .get(&format!("/fhir/R4/DocumentReference/{document}"))
        .await?;
    ensure!(
        (fhir.status, fhir.code().as_str()) == (403, "own-key"),
        "a gateway without the doctor's key answered {} {}",
        fhir.status,
        fhir.code()
    );
    let path = format!("/v1/records?patient={patient}&scope=clinical");
    let records = doctor.gateway.get(&path).await?.expect(200)?;
    let record = records.as_array().into_iter().flatten().find(|record| {
        record["recordId"]
            .as_str()
            .is_some_and(|id| id.trim_start_matches("0x") == document)
    });
    let cid = text(record.context("the note is not among the doctor's records")?, "cid")?;
    if story.sabotages(Sabotage::Read) {
        thief::flip(&story.stage.data, &cid)?;
    }
    let sealed = doctor
        .gateway
        .get(&format!("/ipfs/{cid}?format=raw"))
        .await?
        .bytes(200)?;
    let content = ContentHash::of(&sealed);
    ensure!(
        content.to_string() == cid,
        "the ciphertext served does not match its CID"
    );

    let wrapped = story.wrap_of(patient, doctor.account, "clinical").await?;
    let (answer, nonce) = story.ask_release(doctor, custodian, &wrapped).await?;
    let release_key = story.open_release(&story.doctor_key, &wrapped, answer, nonce)?;
    let secret = story.open_wrap(&story.doctor_key, &wrapped, &release_key)?;
    let opened = sealed_record::open(secret.identity(), story.compartment(patient, "clinical")?, &sealed)?;
    let statement = opened.header.statement;
    ensure!(statement.author == custodian, "the record's author is not the hospital");
    let digest = statement.digest(&story.contracts);
    let signer = typed::recover(digest, &opened.header.signature)?;
    let head = story.node.head().await?;
    ensure!(
        story.chain.is_statement_key(custodian, signer, head).await?,
        "the record is signed by {signer}, which is no statement key of the hospital"
    );
    let resource: Value = serde_json::from_slice(&opened.resource)?;
    let attachment = opened
        .header
        .attachments
        .first()
        .context("the note hangs on no attachment")?;
    let url = text(&resource["content"][0]["attachment"], "url")?;
    ensure!(
        url == format!("ipfs://{}", attachment.cid),
        "the resource names {url}, not its attachment"
    );
    let ciphertext = doctor
        .gateway
        .get(&format!("/ipfs/{}?format=raw", attachment.cid))
        .await?
        .bytes(200)?;
    let plain = age::open_with_file_key(&attachment.file_key, &ciphertext)?;
    ensure!(
        plain.as_slice() == samples::KNEE,
        "the doctor reads {} bytes, not the note's",
        plain.len()
    );
    story.held(
        "the doctor reads with wrap, release and a key of their own: bytes equal",
        None,
    );
    Ok(Opened {
        wrapped,
        release_key,
        sealed,
        resource,
    })
}

pub async fn correct(story: &mut Story, people: &People, papers: &Papers, opened: &Opened) -> Result<()> {
    let document = &papers.documents["note"];
    let corrected = String::from_utf8_lossy(samples::KNEE).replace("Orthopedic", "Orthopaedic");
    let mut resource = opened.resource.clone();
    resource["description"] = json!("Operative note, corrected");
    resource["docStatus"] = json!("amended");
    resource["content"] = json!([{ "attachment": {
        "contentType": "text/xml",
        "title": "Operative note, corrected",
        "data": STANDARD.encode(&corrected),
    } }]);
    let draft = json!({
        "patient": people.patient.account,
        "scope": "clinical",
        "resource": resource,
        "replaces": document,
    });
    let doctor = &people.doctor;
    let laid_out = doctor.gateway.post("/v1/drafts", &draft).await?.expect(201)?;
    let stale = doctor.gateway.post("/v1/drafts", &draft).await?.expect(201)?;
    let written = sign_draft(doctor, &laid_out).await?.expect(201)?;
    ensure!(
        written["version"] == 2,
        "the correction has version {}",
        written["version"]
    );
    let late = sign_draft(doctor, &stale).await?;
    ensure!(
        late.status == 412,
        "a second correction of the same version was answered {} {}",
        late.status,
        late.code()
    );

    let path = format!("/fhir/R4/DocumentReference/{document}");
    let now = people.patient.gateway.get(&path).await?.expect(200)?;
    ensure!(
        now["meta"]["versionId"] == "2",
        "the patient reads version {}",
        now["meta"]["versionId"]
    );
    super::papers::same_bytes(
        &people.patient.gateway,
        &now["content"][0]["attachment"],
        corrected.as_bytes(),
    )
    .await?;
    story.held(
        "the doctor signs a corrected version, the patient reads it; a stale one is 412",
        None,
    );
    Ok(())
}

async fn sign_draft(author: &Session, laid_out: &Value) -> Result<crate::client::Answer> {
    let id = text(laid_out, "id")?;
    let entry = entries(laid_out).next().context("the draft asks for no signature")?;
    let signature = author.wallet.sign_typed(&entry["typedData"])?;
    Ok(author
        .gateway
        .put(
            &format!("/v1/drafts/{id}/signature"),
            &json!({ "signature": signature }),
        )
        .await?)
}
