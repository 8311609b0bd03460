//! A hospital loses its database and makes it again: from the chain, the sealed bytes, its master key, and a backup of the
//! vault that is older than the last revocation.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use chartseal_record::{
    Scope, Slot, Target,
    audit::{self, Recorded},
    typed,
};
use chartseal_stack::{
    client::{Gateway, text},
    configuration::Database,
    decide::{READ, WRITE, contracts, grant_entry},
    samples::{CLAIM_SYSTEM, CONGRESS, KNEE, denis_note, xray_claim},
    seed,
    session::Session,
    stack_json::StackJson,
    story::release_body,
    supervise::Process,
    up::{Options, Stack},
};
use chartseal_stage::Postgres;
use chartseal_tests::{program, sign_in};
use serde_json::{Value, json};

/// Two systems at once would only wait for each other on a small machine.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn a_lost_database_comes_back_from_chain_content_and_backup() {
    let _one = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(Options::in_folder(folder.path()), &|_| {}).await.unwrap();
    let data = stack.data().to_owned();
    loses_and_rebuilds(stack, || {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(data.join(format!("chartseal.db{end}")));
        }
    })
    .await;
}

#[tokio::test]
async fn so_does_one_in_postgresql() {
    let Some(server) = Postgres::of_this_process("so_does_one_in_postgresql") else {
        return;
    };
    let _one = ONE_AT_A_TIME.lock().await;
    let (folder, database) = (tempfile::tempdir().unwrap(), server.database());
    let password = folder.path().join("password");
    std::fs::write(&password, format!("{}\n", database.password)).unwrap();
    let options = Options {
        database: Database {
            url: Some(database.url.clone()),
            password_file: Some(password),
        },
        ..Options::in_folder(folder.path().join("data"))
    };
    let stack = Stack::start(options, &|_| {}).await.unwrap();
    loses_and_rebuilds(stack, || {
        server.psql(database.name(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    })
    .await;
}

async fn loses_and_rebuilds(mut stack: Stack, lose: impl FnOnce()) {
    let (json, backup) = (stack.json(), stack.data().join("backup"));
    let config = json.data.join("gateway.toml");
    let mut story = Story::tell(&json).await;
    // While the gateway runs, and before the doctor is revoked.
    let made = gateway(&config, &["backup", "--json", "--out", backup.to_str().unwrap()]);
    let made = said(&made);
    assert!(made["keys"].as_u64().unwrap() > 10 && made["clients"] == 2, "{made}");
    story.revoke_the_doctor().await;
    let journals = story.seal_the_journals().await;
    let before = story.answers().await;
    let good = before.values().filter(|answer| answer["status"] == 200).count();
    let refused = before.values().filter(|answer| answer["status"] == 404).count();
    assert!(
        good > 20 && refused > 5,
        "{good} answered, {refused} refused: {before:#?}"
    );

    stack.hold(Process::Gateway).await.unwrap();
    stack.hold(Process::Submitter).await.unwrap();
    let rebuild = ["rebuild", "--json", "--backup", backup.to_str().unwrap()];
    let refused = gateway(&config, &rebuild);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the database is not empty"));
    lose();
    let report = said(&gateway(&config, &rebuild));
    assert_eq!(report["lost"], json!([]), "{report}");
    // The story's own, and one sealed part of each journal.
    let sealed: usize = journals.iter().map(Vec::len).sum();
    assert_eq!(report["auditEntries"], sealed, "{report}");
    assert_eq!(
        report["records"].as_u64().unwrap() as usize,
        story.records.len() + journals.len(),
        "{report}"
    );
    assert!(
        report["refusedKeys"].as_u64().unwrap() >= 1,
        "the doctor's key was in the backup: {report}"
    );
    let gone = report["gone"].to_string();
    for named in [
        "not anchored yet",
        "audit entries that were not anchored",
        "sessions",
        "Idempotency-Keys",
        "drafts",
        "newer than the backup",
    ] {
        assert!(gone.contains(named), "{named} is not listed: {gone}");
    }
    stack.resume(Process::Submitter).await.unwrap();
    stack.resume(Process::Gateway).await.unwrap();

    story.sign_in_again(&json).await;
    // Wraps whose release keys came after the backup are made anew in the first moments.
    let begun = Instant::now();
    loop {
        let after = story.answers().await;
        let differing: Vec<_> = before
            .iter()
            .filter(|(path, answer)| after.get(*path) != Some(answer))
            .collect();
        if differing.is_empty() && after.len() == before.len() {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "answered otherwise: {differing:#?}\nnow {:#?}",
            differing.iter().map(|(path, _)| &after[*path]).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    story.the_journals_go_on(&journals).await;
    story.the_doctor_is_refused().await;
    story.life_goes_on().await;
    stack.stop().await;
}

/// The gateway's program with its configuration.
fn gateway(config: &Path, arguments: &[&str]) -> Output {
    Command::new(program("chartseal-gateway"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// People and systems of the samples, and what they know.
struct Story {
    hospital: Session,
    insurer: Session,
    doctor: Session,
    alice: Session,
    bob: Session,
    hospital_system: Gateway,
    insurer_system: Gateway,
    alice_id: String,
    bob_id: String,
    note: String,
    after_revocation: String,
    /// CIDs of what is anchored.
    records: Vec<String>,
    slot: Slot,
}

async fn system(json: &StackJson, name: &str) -> Gateway {
    let client = json.client(name).unwrap().machine();
    client.token(&Gateway::new(&json.gateway).unwrap()).await.unwrap()
}

impl Story {
    /// The doctor is granted `clinical` and edits a note; the insurer is granted `claims`.
    async fn tell(json: &StackJson) -> Self {
        let (alice, doctor, insurer) = (
            sign_in(json, "alice").await,
            sign_in(json, "doctor").await,
            sign_in(json, "insurer").await,
        );
        let grant = |grantee: Address, scope, permission| grant_entry(grantee, scope, permission, "TREAT");
        alice
            .decide("grant", grant(doctor.account, "clinical", READ | WRITE))
            .await
            .unwrap();
        alice
            .decide("grant", grant(insurer.account, "claims", READ))
            .await
            .unwrap();
        let hospital_system = system(json, "hospital").await;
        let bob_id = json.samples.patients[1].fhir_id.clone();
        let note = seed::create(&hospital_system, &denis_note(&bob_id)).await.unwrap();
        let id = text(&note, "id").unwrap();
        let mut edited = note.clone();
        edited["description"] = json!("second thoughts");
        let path = format!("/fhir/R4/DocumentReference/{id}");
        let answer = hospital_system
            .json(reqwest::Method::PUT, &path, &[("if-match", "W/\"1\"")], &edited)
            .await
            .unwrap();
        answer.expect(200).unwrap();
        let clinical = Target::Scope(Scope::new("clinical").unwrap());
        Self {
            slot: Slot::of(alice.account, doctor.account, &clinical),
            hospital: sign_in(json, "hospital").await,
            bob: sign_in(json, "bob").await,
            insurer_system: system(json, "insurer").await,
            alice_id: json.samples.patients[0].fhir_id.clone(),
            bob_id,
            note: id,
            after_revocation: String::new(),
            records: Vec::new(),
            insurer,
            doctor,
            alice,
            hospital_system,
        }
    }

    /// The doctor reads, is revoked, and a note is written that only the next epoch opens.
    async fn revoke_the_doctor(&mut self) {
        let found = self
            .doctor
            .gateway
            .get(&self.of_alice("DocumentReference"))
            .await
            .unwrap();
        assert!(found.expect(200).unwrap()["total"].as_u64().unwrap() >= 1);
        let terms = json!({ "grantee": self.doctor.account, "scope": "clinical" });
        self.alice.decide("revoke", terms).await.unwrap();
        let kind = chartseal_stack::samples::Kind::OperativeNote;
        let written = seed::upload(&self.hospital_system, &self.alice_id, kind, KNEE)
            .await
            .unwrap();
        self.after_revocation = text(&written, "id").unwrap();
        let claim = xray_claim(&self.alice_id, "C-2020-0003", &[]);
        seed::create(&self.hospital_system, &claim).await.unwrap();
        for patient in [&self.alice, &self.bob] {
            let anchored = seed::anchored(&self.hospital.gateway, patient.account).await.unwrap();
            self.records
                .extend(anchored.iter().map(|record| text(record, "cid").unwrap()));
        }
    }

    /// What the patients' journals hold now is anchored.
    async fn seal_the_journals(&self) -> Vec<Vec<Recorded>> {
        let mut sealed = Vec::new();
        for patient in [&self.alice, &self.bob] {
            let gateway = &patient.gateway;
            let mut entries = journal(gateway).await;
            let answer = gateway
                .post("/v1/audit/seal", &json!({}))
                .await
                .unwrap()
                .expect(200)
                .unwrap();
            // Having been read is an entry too.
            assert_eq!(answer["sequence"], entries.len() + 1);
            entries = journal(gateway).await[..=entries.len()].to_vec();
            sealed.push(entries);
            let anchored = || async {
                let records = gateway.get("/v1/records").await.unwrap().expect(200).unwrap();
                let records = records.as_array().unwrap().clone();
                records.iter().all(|record| record["state"] == "anchored")
            };
            let begun = Instant::now();
            while !anchored().await {
                assert!(begun.elapsed() < Duration::from_secs(60), "the journal is not anchored");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        sealed
    }

    /// No entry that was anchored is another one now, and what came since follows.
    async fn the_journals_go_on(&self, sealed: &[Vec<Recorded>]) {
        for (patient, sealed) in [&self.alice, &self.bob].into_iter().zip(sealed) {
            let now = journal(&patient.gateway).await;
            assert_eq!(audit::check(None, &now), Ok(()));
            assert_eq!(audit::covers(&now, sealed), Ok(()));
            assert!(now.len() > sealed.len(), "the rebuild reads, and says so");
            let answer = patient.gateway.post("/v1/audit/seal", &json!({})).await.unwrap();
            assert!(answer.expect(200).unwrap()["sequence"].as_u64().unwrap() > sealed.len() as u64);
        }
    }

    async fn sign_in_again(&mut self, json: &StackJson) {
        for (session, name) in [
            (&mut self.hospital, "hospital"),
            (&mut self.insurer, "insurer"),
            (&mut self.doctor, "doctor"),
            (&mut self.alice, "alice"),
            (&mut self.bob, "bob"),
        ] {
            let old = session.gateway.get("/v1/records").await.unwrap();
            assert_eq!(old.status, 401, "the session of {name} outlived the database");
            *session = sign_in(json, name).await;
        }
        self.hospital_system = system(json, "hospital").await;
        self.insurer_system = system(json, "insurer").await;
    }

    fn of_alice(&self, kind: &str) -> String {
        format!("/fhir/R4/{kind}?patient={}", self.alice_id)
    }

    /// Every query of the story, by who asks, with what came back.
    async fn answers(&self) -> BTreeMap<String, Value> {
        let (a, b, note) = (&self.alice_id, &self.bob_id, &self.note);
        let number = |number: &str| format!("/fhir/R4/Claim?identifier={CLAIM_SYSTEM}|{number}");
        let mut asked = vec![];
        for kind in ["DocumentReference", "Claim", "Consent"] {
            for patient in [a, b] {
                asked.push(("hospital system", format!("/fhir/R4/{kind}?patient={patient}")));
            }
        }
        for path in [
            format!("/fhir/R4/Patient/{a}"),
            format!("/fhir/R4/Patient?identifier={}", self.account(&self.bob)),
            format!("/fhir/R4/DocumentReference?patient={a}&type=http://loinc.org|11504-8"),
            format!("/fhir/R4/DocumentReference/{note}"),
            format!("/fhir/R4/DocumentReference/{note}/_history"),
            format!("/fhir/R4/DocumentReference/{note}/_history/1"),
            number("C-2020-0002"),
        ] {
            asked.push(("hospital system", path));
        }
        for path in [
            number("C-2020-0001"),
            number("C-2020-0002"),
            number("C-2020-0003"),
            self.of_alice("DocumentReference"),
        ] {
            asked.push(("insurer system", path));
        }
        asked.push(("doctor", self.of_alice("DocumentReference")));
        asked.push((
            "doctor",
            format!("/fhir/R4/DocumentReference/{}", self.after_revocation),
        ));
        asked.push(("doctor", format!("/v1/grants?grantee={}", self.doctor.account)));
        for path in [
            "/v1/records".to_owned(),
            format!("/v1/grants?patient={}", self.alice.account),
            self.of_alice("DocumentReference"),
            format!("/v1/accounts/{}", self.doctor.account),
        ] {
            asked.push(("alice", path));
        }
        for cid in &self.records {
            asked.push(("hospital", format!("/v1/receipts/{cid}")));
            asked.push(("insurer", format!("/ipfs/{cid}?format=raw")));
        }
        asked.push(("hospital", "/v1/clients".to_owned()));
        let mut answers = BTreeMap::new();
        for (who, path) in asked {
            let answer = self.asks(who).get(&path).await.unwrap();
            let mut shown = match serde_json::from_slice(&answer.body) {
                Ok(value) => json!({ "status": answer.status, "body": normal(value) }),
                Err(_) => json!({ "status": answer.status, "bytes": hex::encode(&answer.body) }),
            };
            // The documents of what was found, byte by byte.
            let mut urls = Vec::new();
            attachments(&shown["body"], &mut urls);
            for url in urls {
                let bytes = self.asks(who).get_as(&url, "*/*").await.unwrap();
                shown["documents"][url] =
                    json!([bytes.status, B256::from_slice(&digest(&bytes.body)), bytes.body.len()]);
            }
            answers.insert(format!("{who} {path}"), shown);
        }
        answers
    }

    fn account(&self, who: &Session) -> String {
        format!("urn:chartseal:account|eip155:31337:{}", who.account)
    }

    fn asks(&self, who: &str) -> &Gateway {
        match who {
            "hospital system" => &self.hospital_system,
            "insurer system" => &self.insurer_system,
            "hospital" => &self.hospital.gateway,
            "insurer" => &self.insurer.gateway,
            "doctor" => &self.doctor.gateway,
            _ => &self.alice.gateway,
        }
    }

    /// No release of the old grant, although the backup held its key and the doctor's wrap is on the chain for ever.
    async fn the_doctor_is_refused(&self) {
        let contracts = contracts(&self.doctor.gateway).await.unwrap();
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).unwrap();
        let asked = typed::Release {
            slot: self.slot.0,
            serial: 1,
            epoch: 1,
            reader: self.doctor.account,
            purpose: "TREAT".to_owned(),
            nonce: B256::from(nonce),
            time: time::OffsetDateTime::now_utc().unix_timestamp() as u64,
            custodian: self.hospital.account,
        };
        let signature = typed::digest(&asked, &contracts.consent_domain());
        let signature = self.doctor.wallet.sign_digest(signature).unwrap();
        let body = release_body(&asked, &signature);
        let answer = self.doctor.gateway.post("/v1/releases", &body).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (403, "not-live"));
    }

    /// What is written now is anchored, read, and follows the versions that came back.
    async fn life_goes_on(&self) {
        let path = format!("/fhir/R4/DocumentReference/{}", self.note);
        let mut third = self.hospital_system.get(&path).await.unwrap().expect(200).unwrap();
        third["description"] = json!("third thoughts");
        let put = self
            .hospital_system
            .json(reqwest::Method::PUT, &path, &[("if-match", "W/\"2\"")], &third)
            .await
            .unwrap();
        put.expect(200).unwrap();
        let kind = chartseal_stack::samples::Kind::Scan;
        let scan = seed::upload(&self.hospital_system, &self.alice_id, kind, CONGRESS)
            .await
            .unwrap();
        let url = scan["content"][0]["attachment"]["url"].as_str().unwrap();
        assert_eq!(
            self.hospital_system
                .get_as(url, "*/*")
                .await
                .unwrap()
                .bytes(200)
                .unwrap(),
            CONGRESS
        );
        for patient in [&self.alice, &self.bob] {
            seed::anchored(&self.hospital.gateway, patient.account).await.unwrap();
        }
    }
}

/// A patient's whole journal. Reading it is an entry that the next reading shows.
async fn journal(gateway: &Gateway) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let after = all.last().map_or(0, |last| last.sequence);
        let page = gateway
            .get(&format!("/v1/audit?after={after}"))
            .await
            .unwrap()
            .expect(200)
            .unwrap();
        let page: Vec<Recorded> = serde_json::from_value(page).unwrap();
        // Each page read is an entry of its own: the end is a page that is not full.
        let full = page.len() == 500;
        all.extend(page);
        if !full {
            return all;
        }
    }
}

/// Without what a rebuilt database cannot know: numbers and order of arrival, the epoch a grant was last wrapped for.
fn normal(mut value: Value) -> Value {
    match &mut value {
        Value::Array(list) => {
            for one in list.iter_mut() {
                if let Some(members) = one.as_object_mut() {
                    members.remove("sequence");
                    if members.contains_key("slot") {
                        members.remove("epoch");
                    }
                }
            }
            list.sort_by_key(Value::to_string);
        }
        Value::Object(members) if members.get("resourceType") == Some(&json!("Bundle")) => {
            if let Some(entries) = members.get_mut("entry").and_then(Value::as_array_mut) {
                entries.sort_by_key(Value::to_string);
            }
        }
        _ => {}
    }
    value
}

fn attachments(value: &Value, urls: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let url = members.get("url").and_then(Value::as_str);
            urls.extend(url.filter(|url| url.contains("/Binary/")).map(str::to_owned));
            members.values().for_each(|member| attachments(member, urls));
        }
        Value::Array(list) => list.iter().for_each(|one| attachments(one, urls)),
        _ => {}
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
