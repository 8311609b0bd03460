//! A drawn sequence, carried out: what people do, under what falls on them.

use anyhow::{Context, Result, bail, ensure};
use chartseal_stack::{
    client::{Answer, ClientError, text},
    decide::{READ, UNTIL},
    session::entries,
};
use reqwest::Method;
use serde_json::json;

use crate::{
    ground::Ground,
    model::{Record, Standing},
    people::People,
    reading::{Seen, read, refuses},
    step::{Act, Reader, Scope, Slot, Step},
};

pub struct Run<'a> {
    pub ground: &'a mut Ground,
    pub people: People,
    /// Tells documents of different runs and steps apart.
    pub name: String,
}

impl Run<'_> {
    pub async fn play(&mut self, steps: &[Step]) -> Result<()> {
        for (number, step) in steps.iter().enumerate() {
            let Self { ground, people, name } = self;
            let act = act(people, step, format!("{name} step {number}"));
            let strike = async {
                let Some((after, weather)) = step.weather else {
                    return Ok(());
                };
                // Not a wait for anything: the moment at which it strikes.
                tokio::time::sleep(after).await;
                ground.strike(weather).await
            };
            let (acted, struck) = tokio::join!(act, strike);
            struck.with_context(|| format!("the weather of step {number}"))?;
            acted.with_context(|| format!("step {number}: {step:?}"))?;
        }
        Ok(())
    }
}

/// One act, without weather. Not being answered is no error; being answered wrongly is.
pub async fn act(people: &mut People, step: &Step, name: String) -> Result<()> {
    let patient = step.patient;
    match step.act {
        Act::Upload { scope, count, size } => upload(people, patient, scope, count, size, &name).await,
        Act::Edit { record, size } => edit(people, patient, record, size, &name).await,
        Act::Request(slot) => request(people, patient, slot).await,
        Act::Grant(slot) => grant(people, patient, slot).await,
        Act::Revoke(slot) => revoke(people, patient, slot).await,
        Act::Read { record, reader } => look(people, patient, record, reader).await,
    }
}

/// Bytes no other document has.
fn document(name: &str, size: usize) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend((0..size).map(|i| (i % 251) as u8));
    bytes
}

async fn upload(
    people: &mut People,
    patient: usize,
    scope: Scope,
    count: usize,
    size: usize,
    name: &str,
) -> Result<()> {
    let hospital = &people.hospital;
    let owner = &people.patients[patient];
    let sent = (0..count).map(async |i| {
        let key = format!("{name} document {i}");
        let bytes = document(&key, size);
        let resource = owner.resource(scope, &bytes);
        let headers = [("Idempotency-Key", key.as_str())];
        let answer = hospital
            .json(Method::POST, "/fhir/R4/DocumentReference", &headers, &resource)
            .await;
        (key, bytes, answer)
    });
    for (key, bytes, answer) in futures::future::join_all(sent).await {
        let mut record = Record {
            key,
            scope,
            id: None,
            versions: Vec::new(),
            lost: None,
        };
        match acknowledged(answer, 201)? {
            Told::Done(resource) => {
                record.id = Some(text(&resource, "id")?);
                record.versions.push(bytes);
            }
            Told::Refused => continue,
            Told::Nothing => record.lost = Some(bytes),
        }
        people.patients[patient].records.push(record);
    }
    Ok(())
}

async fn edit(people: &mut People, patient: usize, record: usize, size: usize, name: &str) -> Result<()> {
    let People { hospital, patients, .. } = people;
    let owner = &mut patients[patient];
    let Some(at) = nth(owner.records.len(), record) else {
        return Ok(());
    };
    let edited = &owner.records[at];
    // Who got no answer reads first, before they edit again.
    let (Some(id), None) = (&edited.id, &edited.lost) else {
        return Ok(());
    };
    let bytes = document(name, size);
    let mut resource = owner.resource(edited.scope, &bytes);
    resource["id"] = json!(id);
    let version = format!("W/\"{}\"", edited.versions.len());
    let path = format!("/fhir/R4/DocumentReference/{id}");
    let headers = [("If-Match", version.as_str())];
    let answer = hospital.json(Method::PUT, &path, &headers, &resource).await;
    let edited = &mut owner.records[at];
    match acknowledged(answer, 200)? {
        Told::Done(resource) => {
            edited.versions.push(bytes);
            let told = text(&resource["meta"], "versionId")?;
            ensure!(
                told == edited.versions.len().to_string(),
                "the edit became version {told}"
            );
        }
        Told::Refused => {}
        Told::Nothing => edited.lost = Some(bytes),
    }
    Ok(())
}

/// What a writer knows afterwards.
enum Told {
    Done(serde_json::Value),
    Refused,
    Nothing,
}

fn acknowledged(answer: Result<Answer, ClientError>, good: u16) -> Result<Told> {
    match answer {
        Ok(answer) if answer.status == good => Ok(Told::Done(answer.value())),
        // Only because a re-org took the hospital's grant, without which it may neither write nor find what it would edit;
        // that nothing is lost is proved afterwards. A stale version would be a broken promise.
        Ok(answer) if [403, 404].contains(&answer.status) => Ok(Told::Refused),
        Ok(answer) if refuses(answer.status) => {
            bail!("{} was refused: {} {}", answer.what, answer.status, answer.value())
        }
        Ok(_) | Err(_) => Ok(Told::Nothing),
    }
}

async fn request(people: &mut People, patient: usize, slot: Slot) -> Result<()> {
    let who = people.grantee(slot.grantee);
    let owner = &people.patients[patient];
    let body = json!({
        "patient": owner.account(),
        "scope": slot.scope.name(),
        "permission": READ,
        "until": UNTIL,
        "purpose": "TREAT",
        "reason": "the weather",
    });
    // A request without an answer is asked again some other day.
    let asked = async {
        let laid_out = who.gateway.post("/v1/requests", &body).await?.expect(201)?;
        let id = text(&laid_out, "id")?;
        let entry = entries(&laid_out).next().context("nothing to sign")?;
        let signature = json!({ "signature": who.wallet.sign_typed(&entry["typedData"])? });
        let path = format!("/v1/requests/{id}/signature");
        who.gateway.put(&path, &signature).await?.expect(200)?;
        anyhow::Ok(id)
    };
    if let Ok(id) = asked.await {
        people.patients[patient].requests.insert(slot, id);
    }
    Ok(())
}

/// By terms, or as the answer to a request. A patient whose last decision has no answer yet, or is under way, waits.
async fn grant(people: &mut People, patient: usize, slot: Slot) -> Result<()> {
    let grantee = people.account(slot.grantee);
    let owner = &mut people.patients[patient];
    if !matches!(owner.standing(slot), Standing::Never | Standing::Revoked) {
        return Ok(());
    }
    let terms = match owner.requests.remove(&slot) {
        Some(request) => json!({ "request": request }),
        None => json!({
            "grantee": grantee,
            "scope": slot.scope.name(),
            "permission": READ,
            "until": UNTIL,
            "purpose": "TREAT",
        }),
    };
    let standing = match owner.session.propose("grant", terms).await {
        Ok(intent) => Standing::Asked(text(&intent, "id")?),
        Err(_) => Standing::Unsure,
    };
    owner.slots.insert(slot, standing);
    Ok(())
}

async fn revoke(people: &mut People, patient: usize, slot: Slot) -> Result<()> {
    let grantee = people.account(slot.grantee);
    let owner = &mut people.patients[patient];
    if matches!(owner.standing(slot), Standing::Never | Standing::Revoked) {
        return Ok(());
    }
    let terms = json!({ "grantee": grantee, "scope": slot.scope.name() });
    let standing = match owner.session.propose("revoke", terms).await {
        Ok(intent) => {
            owner.revocations.push(text(&intent, "id")?);
            Standing::Revoked
        }
        Err(_) => Standing::Unsure,
    };
    owner.slots.insert(slot, standing);
    Ok(())
}

/// Under the weather a reader may get nothing; what it gets must be right, and for it.
async fn look(people: &mut People, patient: usize, record: usize, reader: Reader) -> Result<()> {
    let owner = &people.patients[patient];
    let Some(record) = nth(owner.records.len(), record).map(|at| &owner.records[at]) else {
        return Ok(());
    };
    let Some(id) = &record.id else { return Ok(()) };
    let path = format!("/fhir/R4/DocumentReference/{id}");
    if let Seen::Bytes(bytes) = read(people.reader(patient, reader), &path).await {
        ensure!(
            owner.entitled(reader, record.scope) != Some(false),
            "{reader:?} reads {id} without a right to"
        );
        ensure!(
            record.newest().any(|one| *one == bytes),
            "{reader:?} reads other bytes than were stored in {id}"
        );
    }
    Ok(())
}

fn nth(count: usize, which: usize) -> Option<usize> {
    (count > 0).then(|| which % count)
}
