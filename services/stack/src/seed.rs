//! What a fresh system is filled with: an admin who registers, a hospital, an insurer, a doctor and two patients, all
//! of whom sign for themselves, and the patients' first documents, so that the API can be tried at once.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{Gateway, text};
use crate::decide::{READ, Role, WRITE, contracts, enrol, equip, register, registration};
use crate::machine::{Machine, new_jwk, public_jwks};
use crate::samples::{self, Kind};
use crate::session::Session;
use crate::wallet::{self, Wallet};

/// Scopes a hospital may read and write in the samples.
pub const HOSPITAL_SCOPES: [&str; 5] = ["demographics", "clinical", "laboratory", "imaging", "claims"];

/// The lists of `stack.json` that name people and systems.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seeded {
    pub accounts: Vec<AccountEntry>,
    pub clients: Vec<ClientEntry>,
    pub patients: Vec<PatientEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountEntry {
    pub name: String,
    pub role: String,
    pub address: Address,
    pub private_key: B256,
    /// The X25519 public key listed in `Directory`, hex.
    pub encryption_key: Option<String>,
    /// `gateway`: the private half is in the gateway's vault; `own`: its holder has it; absent: there is none.
    pub custody: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientEntry {
    pub name: String,
    pub account: Address,
    pub client_id: String,
    pub scope: String,
    pub jwk: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientEntry {
    pub address: Address,
    pub fhir_id: String,
    pub custodian: Address,
    pub identifier: Value,
}

impl ClientEntry {
    pub fn machine(&self) -> Machine {
        Machine {
            name: self.name.clone(),
            client_id: self.client_id.clone(),
            scope: self.scope.clone(),
            jwk: self.jwk.clone(),
        }
    }
}

/// An organisation registers one of its systems.
pub async fn connect(org: &Session, name: &str, scope: &str) -> Result<ClientEntry> {
    let jwk = new_jwk()?;
    let body = json!({ "name": name, "account": org.account, "jwks": public_jwks(&jwk), "scopes": scope });
    let answer = org
        .gateway
        .post("/v1/clients", &body)
        .await?
        .expect(201)
        .with_context(|| format!("{} registers the {name}", org.wallet.name))?;
    Ok(ClientEntry {
        name: name.to_owned(),
        account: org.account,
        client_id: text(&answer, "clientId")?,
        scope: scope.to_owned(),
        jwk,
    })
}

/// Creates a FHIR resource and returns it as the gateway keeps it.
pub async fn create(system: &Gateway, resource: &Value) -> Result<Value> {
    let kind = text(resource, "resourceType")?;
    let answer = system.post(&format!("/fhir/R4/{kind}"), resource).await?;
    answer.expect(201).with_context(|| format!("a {kind} is uploaded"))
}

/// Uploads bytes as a raw Binary, then the DocumentReference they hang on.
pub async fn upload(system: &Gateway, patient: &str, kind: Kind, bytes: &[u8]) -> Result<Value> {
    let media = match kind {
        Kind::OperativeNote => "text/xml",
        Kind::Scan => "application/pdf",
        Kind::Picture => "application/dicom",
    };
    let binary = system
        .send(
            reqwest::Method::POST,
            "/fhir/R4/Binary",
            &[("content-type", media), ("accept", "application/fhir+json")],
            bytes.to_vec(),
        )
        .await?
        .expect(201)
        .context("the document's bytes are staged")?;
    let url = json!({ "url": format!("Binary/{}", text(&binary, "id")?) });
    create(system, &samples::document(patient, kind, url)).await
}

/// Waits until every record of `patient` that `reader` may see is anchored. The audit is left out: it goes on
/// growing while one looks.
pub async fn anchored(reader: &Gateway, patient: Address) -> Result<Vec<Value>> {
    // A batch waits for the submitter's interval, then for k confirmations.
    for _ in 0..600 {
        let records = reader
            .get(&format!("/v1/records?patient={patient}"))
            .await?
            .expect(200)?;
        let records = records
            .as_array()
            .into_iter()
            .flatten()
            .filter(|record| record["scope"] != "audit");
        let records: Vec<Value> = records.cloned().collect();
        if !records.is_empty() && records.iter().all(|record| record["state"] == "anchored") {
            return Ok(records);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("the records of {patient} were not anchored within two minutes; look at the submitter's log")
}

async fn account_entry(session: &Session, role: &str) -> Result<AccountEntry> {
    let account = session
        .gateway
        .get(&format!("/v1/accounts/{}", session.account))
        .await?
        .expect(200)?;
    let encryption_key = account["encryptionKey"]
        .as_str()
        .filter(|key| key.len() > 2)
        .map(str::to_owned);
    Ok(AccountEntry {
        name: session.wallet.name.clone(),
        role: role.to_owned(),
        address: session.account,
        private_key: session.wallet.private_key(),
        custody: Some("gateway".to_owned()),
        encryption_key,
    })
}

pub const HOSPITAL_SYSTEM_SCOPE: &str = "system/*.cruds";
pub const INSURER_SYSTEM_SCOPE: &str = "system/*.rs system/Task.cu";

/// Fills a running, empty system. `say` is told each step, for the person who waits.
pub async fn seed(base: &str, say: &(dyn Fn(&str) + Sync)) -> Result<Seeded> {
    let gateway = Gateway::new(base)?;
    let contracts = contracts(&gateway).await?;
    let sign_in = |name: &'static str, place: u32| {
        let gateway = gateway.clone();
        async move { Session::sign_in(&gateway, &Wallet::sample(name, place)).await }
    };
    let (admin, hospital, insurer, doctor, alice, bob) = tokio::try_join!(
        sign_in("admin", wallet::ADMIN),
        sign_in("hospital", wallet::HOSPITAL),
        sign_in("insurer", wallet::INSURER),
        sign_in("doctor", wallet::DOCTOR),
        sign_in("alice", wallet::ALICE),
        sign_in("bob", wallet::BOB),
    )?;

    say("registering hospital, insurer and doctor");
    tokio::try_join!(
        register(&admin, &hospital, registration(Role::Hospital, None)?),
        register(&admin, &insurer, registration(Role::Insurer, None)?),
        register(&admin, &doctor, registration(Role::Doctor, None)?),
    )?;
    say("listing statement keys and publishers; registering alice and bob");
    let patient = Role::Patient {
        custodian: hospital.account,
    };
    let hospital_publisher = Wallet::sample("hospital publisher", wallet::HOSPITAL_PUBLISHER);
    let insurer_publisher = Wallet::sample("insurer publisher", wallet::INSURER_PUBLISHER);
    tokio::try_join!(
        equip(&hospital, &hospital_publisher),
        equip(&insurer, &insurer_publisher),
        register(&admin, &alice, registration(patient, None)?),
        register(&admin, &bob, registration(patient, None)?),
    )?;
    say("enrolling alice and bob, granting the hospital");
    tokio::try_join!(
        enrol(&alice, hospital.account, &HOSPITAL_SCOPES, READ | WRITE),
        enrol(&bob, hospital.account, &HOSPITAL_SCOPES, READ | WRITE),
    )?;
    let (hospital_system, insurer_system) = tokio::try_join!(
        connect(&hospital, "hospital system", HOSPITAL_SYSTEM_SCOPE),
        connect(&insurer, "insurer system", INSURER_SYSTEM_SCOPE),
    )?;

    say("uploading documents");
    let system = hospital_system.machine().token(&gateway).await?;
    let alice_patient = create(
        &system,
        &samples::martina(contracts.chain_id, &alice.account.to_string()),
    )
    .await?;
    let alice_id = text(&alice_patient, "id")?;
    let note = upload(&system, &alice_id, Kind::OperativeNote, samples::KNEE).await?;
    let scan = upload(&system, &alice_id, Kind::Scan, samples::CONGRESS).await?;
    upload(&system, &alice_id, Kind::Picture, samples::CT).await?;
    let reference = |document: &Value| {
        text(document, "id").map(|id| json!({ "valueReference": { "reference": format!("DocumentReference/{id}") } }))
    };
    let evidence = [reference(&note)?, reference(&scan)?];
    create(&system, &samples::xray_claim(&alice_id, "C-2020-0001", &evidence)).await?;
    let bob_patient = create(&system, &samples::denis(contracts.chain_id, &bob.account.to_string())).await?;
    let bob_id = text(&bob_patient, "id")?;
    create(&system, &samples::denis_note(&bob_id)).await?;
    create(&system, &samples::dental_claim(&bob_id, "C-2020-0002")).await?;
    say("waiting for the anchors");
    tokio::try_join!(
        anchored(&hospital.gateway, alice.account),
        anchored(&hospital.gateway, bob.account)
    )?;

    let patient_entry = |session: &Session, id: &str| PatientEntry {
        address: session.account,
        fhir_id: id.to_owned(),
        custodian: hospital.account,
        identifier: samples::account_identifier(contracts.chain_id, &session.account.to_string()),
    };
    Ok(Seeded {
        accounts: vec![
            AccountEntry {
                name: "admin".into(),
                role: "admin".into(),
                address: admin.account,
                private_key: admin.wallet.private_key(),
                encryption_key: None,
                custody: None,
            },
            account_entry(&hospital, "hospital").await?,
            account_entry(&insurer, "insurer").await?,
            account_entry(&doctor, "doctor").await?,
            account_entry(&alice, "patient").await?,
            account_entry(&bob, "patient").await?,
        ],
        clients: vec![hospital_system, insurer_system],
        patients: vec![patient_entry(&alice, &alice_id), patient_entry(&bob, &bob_id)],
    })
}
