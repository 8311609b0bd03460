//! After the weather: the model, the database and the chain say the same.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use anyhow::{Context, Result, bail, ensure};
use chartseal_chain::bindings::Anchors;
use chartseal_record::{
    ContentHash,
    manifest::{self, Manifest},
};
use chartseal_stack::client::text;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    ground::Ground,
    model::{Patient, Standing},
    people::People,
    reading::{Seen, read},
    run::Run,
    step::{READERS, Reader, Slot},
};

/// How far the gateway may be behind the submitter: epochs in its queue are looked after every minute.
const BEHIND: Duration = Duration::from_secs(90);

/// What a run came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    pub records: usize,
    pub versions: usize,
    pub lost: usize,
    pub reads: usize,
    pub refusals: usize,
}

impl Run<'_> {
    pub async fn prove(&mut self) -> Result<Figures> {
        self.ground.heal().await?;
        let Self { ground, people, .. } = self;
        let mut figures = Figures::default();
        for patient in 0..people.patients.len() {
            settle(people, patient, &mut figures).await?;
        }
        // What was retried and revoked just now.
        ground.heal().await?;
        for patient in 0..people.patients.len() {
            decided(&mut people.patients[patient]).await?;
            let kept = listed(&people.patients[patient]).await?;
            nothing_else(&people.patients[patient], &kept)?;
            figures.read_by_everybody(people, patient).await?;
            once_on_chain(ground, &kept).await?;
        }
        Ok(figures)
    }
}

/// What got no answer is there whole or not at all; then everybody asks again, as they would.
async fn settle(people: &mut People, patient: usize, figures: &mut Figures) -> Result<()> {
    let kept = listed(&people.patients[patient]).await?;
    half_visible(&people.patients[patient], &kept).await?;
    let hospital = people.hospital.clone();
    let owner = &mut people.patients[patient];
    for at in 0..owner.records.len() {
        let Some(bytes) = owner.records[at].lost.clone() else {
            continue;
        };
        figures.lost += 1;
        match owner.records[at].id.clone() {
            // The same key, the same body: one record, whether it was stored before or is now.
            None => {
                let resource = owner.resource(owner.records[at].scope, &bytes);
                let record = &mut owner.records[at];
                let headers = [("Idempotency-Key", record.key.as_str())];
                let path = "/fhir/R4/DocumentReference";
                let answer = hospital.json(Method::POST, path, &headers, &resource).await?;
                record.id = Some(text(&answer.expect(201)?, "id")?);
                record.versions.push(bytes);
            }
            Some(id) => {
                let path = format!("/fhir/R4/DocumentReference/{id}");
                let Seen::Bytes(found) = read(&owner.session.gateway, &path).await else {
                    bail!("{id} cannot be read by its owner after an edit without an answer")
                };
                let record = &mut owner.records[at];
                if found == bytes {
                    record.versions.push(bytes);
                }
            }
        }
        owner.records[at].lost = None;
    }
    let slots: Vec<_> = owner.slots.keys().copied().collect();
    for slot in slots {
        make_sure(people, patient, slot).await?;
    }
    Ok(())
}

/// A patient who does not know how a grant stands revokes it, to be sure. If the gateway never heard of it there is nothing to
/// revoke.
pub async fn make_sure(people: &mut People, patient: usize, slot: Slot) -> Result<()> {
    let grantee = people.account(slot.grantee);
    let owner = &mut people.patients[patient];
    if *owner.standing(slot) != Standing::Unsure {
        return Ok(());
    }
    let terms = json!({ "kind": "revoke", "grantee": grantee, "scope": slot.scope.name() });
    let answer = owner.session.gateway.post("/v1/intents", &terms).await?;
    let standing = match answer.status {
        404 => Standing::Never,
        _ => {
            let intent = owner.session.sign(answer.expect(201)?).await?;
            owner.revocations.push(text(&intent, "id")?);
            Standing::Revoked
        }
    };
    owner.slots.insert(slot, standing);
    Ok(())
}

/// Everything a patient signed came into force.
async fn decided(owner: &mut Patient) -> Result<()> {
    for standing in owner.slots.values_mut() {
        if let Standing::Asked(intent) = standing {
            owner.session.confirmed(intent).await.context("a grant")?;
            *standing = Standing::Granted;
        }
    }
    for intent in &owner.revocations {
        owner.session.confirmed(intent).await.context("a revocation")?;
    }
    Ok(())
}

/// What the gateway says is stored of the patient: every version of every document, by id and version.
async fn listed(owner: &Patient) -> Result<BTreeMap<(String, u64), Value>> {
    let mut found = BTreeMap::new();
    let mut path = format!("/v1/records?patient={}", owner.account());
    loop {
        let page = owner.session.gateway.get(&path).await?.expect(200)?;
        let page = page.as_array().context("a list")?;
        for record in page
            .iter()
            .filter(|record| record["resourceType"] == "DocumentReference")
        {
            let id = text(record, "recordId")?.trim_start_matches("0x").to_owned();
            let version = record["version"].as_u64().context("a version")?;
            let twice = found.insert((id, version), record.clone());
            ensure!(twice.is_none(), "a version is listed twice: {record}");
        }
        match page.last().filter(|_| page.len() == 200) {
            None => return Ok(found),
            Some(last) => path = format!("/v1/records?patient={}&before={}", owner.account(), last["sequence"]),
        }
    }
}

/// Before anything is retried: all that was acknowledged, and of the rest only whole documents, each once.
async fn half_visible(owner: &Patient, kept: &BTreeMap<(String, u64), Value>) -> Result<()> {
    let expected = versions(owner);
    if let Some(missing) = expected.iter().find(|one| !kept.contains_key(*one)) {
        bail!("{missing:?} was acknowledged and is lost");
    }
    let mut lost: Vec<&Vec<u8>> = owner.records.iter().filter_map(|record| record.lost.as_ref()).collect();
    for (id, version) in kept.keys().filter(|one| !expected.contains(*one)) {
        let path = format!("/fhir/R4/DocumentReference/{id}/_history/{version}");
        let Seen::Bytes(bytes) = read(&owner.session.gateway, &path).await else {
            bail!("{id} version {version} is listed and cannot be read")
        };
        let Some(at) = lost.iter().position(|one| **one == bytes) else {
            bail!("{id} version {version} was stored twice, or never sent")
        };
        lost.swap_remove(at);
    }
    Ok(())
}

fn versions(owner: &Patient) -> BTreeSet<(String, u64)> {
    let records = owner
        .records
        .iter()
        .filter_map(|record| Some((record.id.clone()?, record)));
    records
        .flat_map(|(id, record)| (1..=record.versions.len() as u64).map(move |version| (id.clone(), version)))
        .collect()
}

fn nothing_else(owner: &Patient, kept: &BTreeMap<(String, u64), Value>) -> Result<()> {
    let kept: BTreeSet<_> = kept.keys().cloned().collect();
    let expected = versions(owner);
    ensure!(
        kept == expected,
        "stored and not expected: {:?}; expected and not stored: {:?}",
        kept.difference(&expected).collect::<Vec<_>>(),
        expected.difference(&kept).collect::<Vec<_>>()
    );
    Ok(())
}

impl Figures {
    /// Every version by its owner; the newest by everybody.
    async fn read_by_everybody(&mut self, people: &People, patient: usize) -> Result<()> {
        let owner = &people.patients[patient];
        for record in &owner.records {
            let id = record.id.as_ref().context("settled")?;
            self.records += 1;
            for (version, bytes) in (1..).zip(&record.versions) {
                let path = format!("/fhir/R4/DocumentReference/{id}/_history/{version}");
                self.versions += 1;
                let newest = version == record.versions.len();
                for reader in READERS.into_iter().filter(|reader| newest || *reader == Reader::Owner) {
                    let entitled = owner.entitled(reader, record.scope).context("all is decided")?;
                    let who = people.reader(patient, reader);
                    let seen = match entitled {
                        true => patiently(|| read(who, &path)).await,
                        false => read(who, &path).await,
                    };
                    let right = match &seen {
                        Seen::Bytes(read) => entitled && read == bytes,
                        Seen::Refused(status) => !entitled && [403, 404].contains(status),
                        Seen::Unanswered(_) => false,
                    };
                    let shown = match seen {
                        Seen::Bytes(read) => format!("{} bytes", read.len()),
                        other => format!("{other:?}"),
                    };
                    ensure!(
                        right,
                        "{reader:?} (entitled: {entitled}) of {path} in {:?}: {shown}",
                        record.scope
                    );
                    self.reads += usize::from(entitled);
                    self.refusals += usize::from(!entitled);
                }
            }
        }
        Ok(())
    }
}

/// The submitter has seen the confirmation; the gateway may see it a little later.
async fn patiently<F: Future<Output = Seen>>(read: impl Fn() -> F) -> Seen {
    let begun = Instant::now();
    loop {
        let seen = read().await;
        if matches!(seen, Seen::Bytes(_)) || begun.elapsed() > BEHIND {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every listed version stands in exactly one batch that the chain holds, and chain and database hold the same batches.
pub async fn once_on_chain(ground: &mut Ground, kept: &BTreeMap<(String, u64), Value>) -> Result<()> {
    let times = anchored(ground).await?;
    for ((id, version), record) in kept {
        ensure!(
            record["state"] == "anchored",
            "{id} version {version} is {}",
            record["state"]
        );
        let cid: ContentHash = text(record, "cid")?.parse()?;
        let times = times.get(&cid).copied().unwrap_or_default();
        ensure!(times == 1, "{id} version {version} is anchored {times} times");
    }
    Ok(())
}

/// How often each record's hash is anchored, by the chain's own word and the manifests it names.
pub async fn anchored(ground: &mut Ground) -> Result<HashMap<ContentHash, u32>> {
    // The audit's batches go on meanwhile: what the database says is done stands on the chain already, and what the chain
    // holds stands in the database still.
    let done = batches(ground, "WHERE state = 'anchored'").await?;
    let events = ground
        .node
        .logs::<Anchors::Anchored>(ground.json.contracts.anchors)
        .await?;
    let mut roots = BTreeSet::new();
    let mut times: HashMap<ContentHash, u32> = HashMap::new();
    for seen in &events {
        let Anchors::Anchored { root, manifest, .. } = seen.event;
        ensure!(roots.insert(root), "root {root} is anchored twice");
        if !ground.manifests.contains_key(&manifest) {
            let bytes = ground.content.get(&manifest::cid(manifest)).await?;
            let listed = Manifest::decode(&bytes.context("the manifest is gone")?)?;
            let content = listed.entries().iter().map(|entry| entry.content).collect();
            ground.manifests.insert(manifest, content);
        }
        for content in &ground.manifests[&manifest] {
            *times.entry(*content).or_default() += 1;
        }
    }
    let all = batches(ground, "").await?;
    ensure!(roots.is_subset(&all), "the chain holds a batch the database does not");
    ensure!(
        done.is_subset(&roots),
        "the database holds a batch for anchored that the chain does not"
    );
    Ok(times)
}

async fn batches(ground: &Ground, which: &str) -> Result<BTreeSet<B256>> {
    let roots = ground
        .texts(&format!("SELECT {} FROM batch {which}", ground.hex("root")))
        .await?;
    roots.iter().map(|root| Ok(root.parse()?)).collect()
}
