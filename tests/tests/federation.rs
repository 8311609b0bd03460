//! Two gateways, each with its organisation, database, keys and Kubo node, on one chain and in one private swarm: the
//! insurer's finds, opens and serves what the hospital's anchored, as far as the patient granted it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use chartseal_stack::{
    client::{Answer, Gateway, text},
    configuration::Served,
    decide::{self, READ, Role, WRITE, grant_entry},
    samples::{self, CLAIM_SYSTEM, CONGRESS, Kind},
    seed,
    session::Session,
    supervise::Process,
    up::{Options, Stack},
    wallet::{self, Wallet},
};
use chartseal_stage::Kubo;
use chartseal_tests::program;
use serde_json::{Value, json};

/// A place of the mnemonic that no sample account uses; anvil gives it ether.
const INSURERS_RELAYER: u32 = 9;

#[tokio::test]
async fn an_insurers_gateway_serves_what_a_hospitals_gateway_anchored() {
    let test = "an_insurers_gateway_serves_what_a_hospitals_gateway_anchored";
    let (Some(hospitals_node), Some(insurers_node)) = (Kubo::start(test), Kubo::start(test)) else {
        return;
    };
    let address = hospitals_node.ipfs(&["id", "-f", "<addrs>"]);
    insurers_node.ipfs(&["swarm", "connect", address.lines().next().unwrap()]);
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        served: Served {
            hospital_only: true,
            content: Some(hospitals_node.location()),
            ..Served::default()
        },
        ..Options::empty_in(folder.path().join("hospital"))
    };
    let mut stack = Stack::start(options, &|_| {}).await.unwrap();
    let (here, there) = (stack.json().gateway, free());
    let insurers = Insurer::start(&stack, &folder.path().join("insurer"), &insurers_node, there).await;
    let (hospitals_gateway, insurers_gateway) = (Gateway::new(&here).unwrap(), Gateway::new(&insurers.url).unwrap());

    let sign_in = |gateway: &Gateway, name: &'static str, place: u32| {
        let gateway = gateway.clone();
        async move { Session::sign_in(&gateway, &Wallet::sample(name, place)).await.unwrap() }
    };
    let admin = sign_in(&hospitals_gateway, "admin", wallet::ADMIN).await;
    let admin_there = sign_in(&insurers_gateway, "admin", wallet::ADMIN).await;
    let hospital = sign_in(&hospitals_gateway, "hospital", wallet::HOSPITAL).await;
    let insurer = sign_in(&insurers_gateway, "insurer", wallet::INSURER).await;
    let alice = sign_in(&hospitals_gateway, "alice", wallet::ALICE).await;
    let mut parameters = decide::registration(Role::Hospital, None).unwrap();
    parameters["endpoint"] = json!(here);
    decide::register(&admin, &hospital, parameters).await.unwrap();
    let publisher = Wallet::sample("hospital publisher", wallet::HOSPITAL_PUBLISHER);
    decide::equip(&hospital, &publisher).await.unwrap();
    let parameters = decide::registration(Role::Insurer, None).unwrap();
    decide::register(&admin_there, &insurer, parameters).await.unwrap();
    let publisher = Wallet::sample("insurer publisher", wallet::INSURER_PUBLISHER);
    decide::equip(&insurer, &publisher).await.unwrap();
    let patient = Role::Patient {
        custodian: hospital.account,
    };
    decide::register(&admin, &alice, decide::registration(patient, None).unwrap())
        .await
        .unwrap();
    decide::enrol(&alice, hospital.account, &seed::HOSPITAL_SCOPES, READ | WRITE)
        .await
        .unwrap();

    let scope = seed::HOSPITAL_SYSTEM_SCOPE;
    let client = seed::connect(&hospital, "hospital system", scope).await.unwrap();
    let system = client.machine().token(&hospitals_gateway).await.unwrap();
    let martina = samples::martina(31337, &alice.account.to_string());
    let id = text(&seed::create(&system, &martina).await.unwrap(), "id").unwrap();
    claim(&system, &id, "C-1").await;
    seed::anchored(&hospital.gateway, alice.account).await.unwrap();
    let scope = seed::INSURER_SYSTEM_SCOPE;
    let client = seed::connect(&insurer, "insurer system", scope).await.unwrap();
    let insurer_system = client.machine().token(&insurers_gateway).await.unwrap();
    assert_eq!(found(&insurer_system, "C-1").await.len(), 0, "nobody granted it");

    // An anchor from before the grant, then one from after it.
    let granted = grant_entry(insurer.account, "claims", READ, "HPAYMT");
    alice.decide("grant", granted).await.unwrap();
    let claims = eventually(&insurer_system, "C-1", 1).await;
    let evidence = text(&claims[0]["supportingInfo"][0]["valueAttachment"], "url").unwrap();
    assert!(
        evidence.starts_with(&insurers.url),
        "it is served by the insurer's own gateway"
    );
    assert_eq!(
        insurer_system
            .get_as(&evidence, "*/*")
            .await
            .unwrap()
            .bytes(200)
            .unwrap(),
        CONGRESS
    );
    claim(&system, &id, "C-2").await;
    eventually(&insurer_system, "C-2", 1).await;
    let patient = insurer_system.get(&format!("/fhir/R4/Patient/{id}")).await.unwrap();
    assert_eq!(patient.status, 404, "demographics were not granted");
    let records = insurer.gateway.get("/v1/records").await.unwrap().expect(200).unwrap();
    for record in records.as_array().unwrap() {
        let path = format!("/v1/receipts/{}", text(record, "cid").unwrap());
        let receipt = insurer.gateway.get(&path).await.unwrap().expect(200).unwrap();
        assert_eq!(receipt["organisation"], json!(hospital.account));
    }
    // The custodian has written down each time who it released to.
    let journal = alice.gateway.get("/v1/audit").await.unwrap().expect(200).unwrap();
    let released = |entry: &&Value| entry["action"] == "release" && entry["actor"] == json!(insurer.account);
    assert!(
        journal.as_array().unwrap().iter().filter(released).count() >= 3,
        "{journal:#}"
    );

    // Without its custodian nothing opens; from the moment it refuses nothing does either.
    stack.hold(Process::Gateway).await.unwrap();
    let away = search(&insurer_system, "C-1").await;
    assert_eq!(away.status, 503);
    stack.resume(Process::Gateway).await.unwrap();
    eventually(&insurer_system, "C-1", 1).await;
    let terms = json!({ "grantee": insurer.account, "scope": "claims" });
    alice.propose("revoke", terms).await.unwrap();
    assert_eq!(
        found(&insurer_system, "C-1").await.len(),
        0,
        "the custodian refuses before the chain knows"
    );

    // One claim and the note it cites, each granted alone: its custodian says which records they are.
    let note = seed::upload(&system, &id, Kind::OperativeNote, samples::KNEE)
        .await
        .unwrap();
    let note = format!("DocumentReference/{}", text(&note, "id").unwrap());
    let cited = [json!({ "valueReference": { "reference": note } })];
    let third = samples::xray_claim(&id, "C-3", &cited);
    let third = text(&seed::create(&system, &third).await.unwrap(), "id").unwrap();
    seed::anchored(&hospital.gateway, alice.account).await.unwrap();
    let until = decide::grant_entry(insurer.account, "claims", READ, "CLMATTCH")["until"].clone();
    let terms =
        json!({ "claim": format!("0x{third}"), "grantee": insurer.account, "until": until, "purpose": "CLMATTCH" });
    let intent = alice.lay_out("grantClaim", terms).await.unwrap();
    let record = intent["sign"][0]["typedData"]["message"]["record"].clone();
    let intent_id = text(&intent, "id").unwrap();
    alice.sign(intent).await.unwrap();
    alice.confirmed(&intent_id).await.unwrap();
    eventually(&insurer_system, "C-3", 1).await;
    let beside = async |system: &Gateway| {
        let read = system.get(&format!("/fhir/R4/{note}")).await.unwrap();
        (
            read.status,
            found(system, "C-1").await.len(),
            found(system, "C-2").await.len(),
        )
    };
    until_read(&insurer_system, &note).await;
    assert_eq!(beside(&insurer_system).await, (200, 0, 0), "and no other claim");
    let asked = json!({ "claim": format!("0x{third}"), "purpose": "CLMATTCH" });
    let packet = insurer_system
        .post("/v1/packets", &asked)
        .await
        .unwrap()
        .expect(200)
        .unwrap();
    let packet = &packet["packet"];
    assert_eq!(
        (packet["records"].as_array().unwrap().len(), &packet["notGranted"]),
        (2, &json!([]))
    );
    assert!(
        packet["grants"]
            .as_array()
            .unwrap()
            .iter()
            .all(|grant| grant["scope"] == "" && grant["salt"].is_string())
    );
    let journal = alice.gateway.get("/v1/audit").await.unwrap().expect(200).unwrap();
    let of_claim = |entry: &&Value| released(entry) && entry["subject"]["record"] == json!(third);
    assert!(
        journal.as_array().unwrap().iter().any(|entry| of_claim(&entry)),
        "{journal:#}"
    );
    let terms = json!({ "grantee": insurer.account, "record": record });
    alice.propose("revoke", terms).await.unwrap();
    assert_eq!(
        found(&insurer_system, "C-3").await.len(),
        0,
        "the custodian refuses at once"
    );
    assert_eq!(beside(&insurer_system).await, (200, 0, 0), "what it cites stands");
    stack.stop().await;
}

/// Until a record is served, which takes the insurer's gateway a block or two.
async fn until_read(system: &Gateway, place: &str) {
    let begun = Instant::now();
    while system.get(&format!("/fhir/R4/{place}")).await.unwrap().status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(90), "{place} is not served");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// A claim with its evidence.
async fn claim(system: &Gateway, patient: &str, number: &str) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let evidence =
        json!({ "valueAttachment": { "contentType": "application/pdf", "data": STANDARD.encode(CONGRESS) } });
    let claim = samples::xray_claim(patient, number, &[evidence]);
    seed::create(system, &claim).await.unwrap();
}

async fn search(system: &Gateway, number: &str) -> Answer {
    let path = format!("/fhir/R4/Claim?identifier={CLAIM_SYSTEM}|{number}");
    system.get(&path).await.unwrap()
}

async fn found(system: &Gateway, number: &str) -> Vec<Value> {
    let bundle = search(system, number).await.expect(200).unwrap();
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.map(|entry| entry["resource"].clone()).collect()
}

async fn eventually(system: &Gateway, number: &str, count: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let found = found(system, number).await;
        if found.len() == count {
            return found;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "claim {number}: {} found",
            found.len()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The insurer's gateway and submitter, on the hospital's chain.
struct Insurer {
    url: String,
    _children: [Ended; 2],
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Insurer {
    async fn start(stack: &Stack, folder: &Path, node: &Kubo, port: u16) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (url, shown) = (format!("http://127.0.0.1:{port}"), folder.display());
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let key = |place| hex::encode(Wallet::sample("", place).private_key());
        file("master.key", "6b".repeat(32));
        file("relayer.key", key(INSURERS_RELAYER));
        file("publisher.key", key(wallet::INSURER_PUBLISHER));
        let account = Wallet::sample("", wallet::INSURER).address();
        let shared = format!(
            "[database]\nurl = \"sqlite:{shown}/insurer.db\"\n[content]\nlocation = \"kubo+{}\"\n\
             [chain]\nrpc = \"{}\"\ndeployment = \"{}\"\nconfirmations = 2\n",
            node.api,
            stack.json().rpc,
            stack.data().join("deployment.json").display()
        );
        let gateway = file(
            "gateway.toml",
            format!(
                "listen = \"127.0.0.1:{port}\"\npublic_url = \"{url}\"\ndevelopment = true\n\
                 master_key_file = \"{shown}/master.key\"\n{shared}\
                 [[organisations]]\naccount = \"{account}\"\nname = \"Insurer\"\n"
            ),
        );
        let submitter = file(
            "submitter.toml",
            format!(
                "{shared}poll_milliseconds = 250\n[relayer]\nkey_file = \"{shown}/relayer.key\"\n\
                 [[publishers]]\naccount = \"{account}\"\nkey_file = \"{shown}/publisher.key\"\n"
            ),
        );
        let run = |name: &str, config: &Path| {
            let log = fs::File::create(folder.join(format!("{name}.log"))).unwrap();
            let child = Command::new(program(name))
                .arg("--config")
                .arg(config)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn();
            Ended(child.unwrap())
        };
        let children = [
            run("chartseal-gateway", &gateway),
            run("chartseal-submitter", &submitter),
        ];
        let (http, begun) = (reqwest::Client::new(), Instant::now());
        while !http
            .get(format!("{url}/readyz"))
            .send()
            .await
            .is_ok_and(|a| a.status().is_success())
        {
            let log = fs::read_to_string(folder.join("chartseal-gateway.log")).unwrap();
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "not ready in a minute: {log}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Self {
            url,
            _children: children,
        }
    }
}

/// A port that was free a moment ago.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
