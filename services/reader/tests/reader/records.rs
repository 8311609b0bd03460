use std::{fs, path::PathBuf};

use alloy::{primitives::keccak256, signers::local::PrivateKeySigner};
use chartseal_chain::calls;
use chartseal_envelope::{
    age,
    key::{EpochSecret, Identity, ReleaseKey, Root},
    link,
    record::{self, AttachmentRef, RecordHeader, SealedRecord},
    release, tree, wrap,
};
use chartseal_ipfs::{Cid, Content, dag_cbor_cid};
use chartseal_record::{
    Address, B256, Bytes, Compartment, ContentHash, Scope, Slot, Target,
    manifest::{Entry, Manifest},
    receipt::{FORMAT, Receipt, manifest_name},
    statement::Statement,
    typed,
};
use chartseal_stage::{Chain, FAR, key, sign};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{run_async, text};

const RESOURCE: &[u8] = br#"{"resourceType":"DocumentReference","status":"current"}"#;
const RESOURCE_LATER: &[u8] = br#"{"resourceType":"DocumentReference","status":"superseded"}"#;

/// Makes a receipt false in one way.
type Change<'a> = &'a dyn Fn(&mut Receipt);

/// One hospital, patient and doctor; a record of epoch 1 with a document and one of epoch 2, anchored; the doctor's
/// grant reaches epoch 2.
struct Story {
    world: Chain,
    dir: TempDir,
    content: PathBuf,
    first: SealedRecord,
    second: SealedRecord,
    receipt: Receipt,
    secrets: [EpochSecret; 2],
    place: wrap::Place,
    release_key: ReleaseKey,
    wrap: Vec<u8>,
    doctor: Identity,
    document: Vec<u8>,
}

fn hospital() -> PrivateKeySigner {
    key(1)
}

fn patient() -> PrivateKeySigner {
    key(3)
}

fn doctor() -> PrivateKeySigner {
    key(2)
}

fn statement_key() -> PrivateKeySigner {
    key(8)
}

fn compartment() -> Compartment {
    Compartment::of(patient().address(), &Scope::clinical())
}

impl Story {
    async fn tell() -> Self {
        let world = Chain::start().await;
        let doctor_key = Identity::generate().unwrap();
        world.register(&hospital(), 3, None).await;
        world.register(&patient(), 1, Some(hospital().address())).await;
        let mut register = world.registration(doctor().address(), 2, None);
        register.encryptionKey = doctor_key.public_key().as_bytes().to_vec().into();
        world
            .send(world.contracts.directory, world.registration_call(&doctor(), &register))
            .await;
        world.statement_key(&hospital(), statement_key().address()).await;
        // Account 0 sends everything, so it is the publisher too.
        world.publisher(&hospital(), &key(0)).await;

        let root = Root::generate().unwrap();
        let secrets = [1, 2].map(|epoch| tree::epoch_secret(&root, &world.contracts, compartment(), epoch));
        advance(&world, 1, &secrets[0], Bytes::new()).await;
        let step = link::Step {
            contracts: world.contracts,
            compartment: compartment(),
            previous: 1,
            epoch: 2,
        };
        let link = link::seal(&step, secrets[1].public_key(), &secrets[0]).unwrap();
        advance(&world, 2, &secrets[1], link.to_vec().into()).await;

        let slot = Slot::of(
            patient().address(),
            doctor().address(),
            &Target::Scope(Scope::clinical()),
        );
        let place = wrap::Place {
            contracts: world.contracts,
            slot,
            serial: 1,
            epoch: 2,
        };
        let release_key = ReleaseKey::generate().unwrap();
        let wrap = wrap::seal(&place, doctor_key.public_key(), &release_key, &secrets[1])
            .unwrap()
            .to_vec();
        grant(&world, &doctor_key, &wrap).await;

        let dir = tempfile::tempdir().unwrap();
        let content = dir.path().join("content");
        let store = Content::open(text(&content)).await.unwrap();
        let document: Vec<u8> = (0..2_500_000u32).map(|i| (i % 251) as u8).collect();
        let attachment = attach(&store, &secrets[0], &document).await;
        let first = seal(&world, &secrets[0], RESOURCE, vec![attachment], &statement_key());
        let second = seal(&world, &secrets[1], RESOURCE_LATER, Vec::new(), &statement_key());
        let receipt = anchor(&world, &store, &[(1, &first), (2, &second)]).await;
        fs::write(dir.path().join("doctor.key"), doctor_key.to_text().as_bytes()).unwrap();
        for (name, secret) in ["epoch1.key", "epoch2.key"].iter().zip(&secrets) {
            fs::write(dir.path().join(name), secret.identity().to_text().as_bytes()).unwrap();
        }
        let doctor = doctor_key;
        let story = Self {
            world,
            dir,
            content,
            first,
            second,
            receipt,
            secrets,
            place,
            release_key,
            wrap,
            doctor,
            document,
        };
        story.write("receipt", &story.receipt);
        story.write_release("release", &story.release_key);
        story
    }

    fn path(&self, name: &str) -> String {
        text(&self.dir.path().join(name)).into()
    }

    fn write(&self, name: &str, value: &impl serde::Serialize) -> String {
        fs::write(self.dir.path().join(name), serde_json::to_vec(value).unwrap()).unwrap();
        self.path(name)
    }

    /// A custodian's answer with this key in it.
    fn write_release(&self, name: &str, key: &ReleaseKey) -> String {
        let nonce = B256::repeat_byte(7);
        let release = release::seal(&self.place, nonce, self.doctor.public_key(), key).unwrap();
        let value = json!({
            "chainId": 31337, "contracts": self.receipt.contracts, "slot": self.place.slot, "serial": 1, "epoch": 2,
            "nonce": nonce, "release": Bytes::from(release.to_vec()),
        });
        self.write(name, &value)
    }

    async fn verify(&self, receipt: &str, more: &[&str]) -> (i32, Value) {
        let url = &self.world.anvil.url;
        let ran = run_async(&[&["verify", receipt, "--rpc", url, "--json"], more].concat()).await;
        (ran.code, serde_json::from_slice(&ran.stdout).unwrap())
    }
}

async fn advance(world: &Chain, epoch: u32, secret: &EpochSecret, link: Bytes) {
    let signed = typed::Advance {
        patient: patient().address(),
        scope: "clinical".into(),
        epoch,
        suite: 1,
        key: secret.public_key().as_bytes().to_vec().into(),
        link,
        wraps: calls::wraps_hash(&[]),
        by: hospital().address(),
    };
    let signature = sign(&statement_key(), &signed, &world.contracts.consent_domain());
    world
        .send(world.contracts.consent, calls::advance(&signed, Vec::new(), signature))
        .await;
}

async fn grant(world: &Chain, recipient: &Identity, wrap: &[u8]) {
    let signed = typed::Grant {
        patient: patient().address(),
        grantee: doctor().address(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: 1,
        permission: typed::READ,
        until: FAR,
        purpose: "TREAT".into(),
        epoch: 2,
        suite: 1,
        recipientKeyHash: recipient.public_key().key_hash(),
        wrapHash: keccak256(wrap),
    };
    let signature = sign(&patient(), &signed, &world.contracts.consent_domain());
    world
        .send(
            world.contracts.consent,
            calls::grant(&signed, wrap.to_vec().into(), signature),
        )
        .await;
}

async fn attach(store: &Content, secret: &EpochSecret, document: &[u8]) -> AttachmentRef {
    let sealed = age::seal(secret.public_key(), document).unwrap();
    let mut writer = store.file_writer().await.unwrap();
    writer.push(&sealed.bytes).await.unwrap();
    let cid = writer.finish().await.unwrap().cid;
    let sha256 = B256::from_slice(&Sha256::digest(document));
    AttachmentRef {
        cid,
        file_key: sealed.file_key,
        size: document.len() as u64,
        sha256,
    }
}

fn header(world: &Chain, resource: &[u8], attachments: Vec<AttachmentRef>, signer: &PrivateKeySigner) -> RecordHeader {
    let statement = Statement {
        compartment: compartment(),
        id: B256::repeat_byte(5),
        version: 1,
        previous: B256::ZERO,
        resource: ContentHash::of(resource).0,
        author: hospital().address(),
        authored_at: 1_763_800_000,
    };
    let signature = sign(signer, &statement.typed(), &world.contracts.consent_domain());
    RecordHeader {
        statement,
        signature,
        attachments,
    }
}

fn seal(
    world: &Chain,
    secret: &EpochSecret,
    resource: &[u8],
    attachments: Vec<AttachmentRef>,
    by: &PrivateKeySigner,
) -> SealedRecord {
    record::seal(secret.public_key(), &header(world, resource, attachments, by), resource).unwrap()
}

/// Stores and anchors; the receipt is of the first record, as its readers get it.
async fn anchor(world: &Chain, store: &Content, records: &[(u32, &SealedRecord)]) -> Receipt {
    let entry = |(epoch, record): &(u32, &SealedRecord)| Entry {
        compartment: compartment(),
        epoch: *epoch,
        content: record.content,
    };
    let manifest = Manifest::new(records.iter().map(entry).collect()).unwrap();
    let bytes = manifest.encode();
    let name = dag_cbor_cid(&bytes);
    let mut blocks = vec![(name, chartseal_ipfs::Bytes::from(bytes))];
    blocks.extend(
        records
            .iter()
            .map(|(_, record)| (record.content.cid(), record.bytes.clone().into())),
    );
    store
        .import(
            &blocks.iter().map(|(cid, _)| *cid).collect::<Vec<Cid>>(),
            blocks.clone(),
        )
        .await
        .unwrap();

    let digest = chartseal_record::content::digest_of(&name).unwrap().1;
    let (root, count) = (manifest.tree().root(), records.len() as u32);
    let call = calls::anchor(hospital().address(), root, count, digest);
    let mined = world.send(world.contracts.anchors, call).await;
    let first = entry(&records[0]);
    let statement = header(world, RESOURCE, Vec::new(), &statement_key());
    Receipt {
        format: FORMAT.into(),
        chain_id: world.contracts.chain_id,
        contracts: (&world.contracts).into(),
        cid: first.content,
        compartment: first.compartment,
        epoch: first.epoch,
        proof: manifest.tree().proof(first.leaf()).unwrap(),
        root,
        organisation: hospital().address(),
        count,
        manifest: manifest_name(digest),
        transaction: mined.transaction,
        block: mined.block,
        statement: Some(statement.statement),
        signature: Some(statement.signature),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_verified_and_each_falsehood_has_its_exit_code() {
    let story = Story::tell().await;
    let (content, good) = (text(&story.content), &story.receipt);
    let deployment = story.write(
        "deployment",
        &json!({ "chainId": 31337, "contracts": good.contracts, "organisations": [] }),
    );
    let whole = story
        .verify(
            &story.path("receipt"),
            &["--ipfs", content, "--deployment", &deployment],
        )
        .await;
    assert_eq!(whole.0, 0, "{}", whole.1);
    for check in ["path", "contracts", "anchor", "author", "content", "manifest"] {
        assert!(whole.1["checks"][check].is_object(), "{check}: {}", whole.1);
    }
    let url = story.world.anvil.url.clone();
    let shown = run_async(&["verify", &story.path("receipt"), "--rpc", &url]).await;
    assert!(shown.code == 0 && String::from_utf8(shown.stdout).unwrap().ends_with("verified\n"));

    let forged = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        story.write("forged", &receipt)
    };
    let stranger = header(&story.world, RESOURCE, Vec::new(), &key(7));
    let cases: [(i32, Change); 9] = [
        (3, &|r| r.epoch = 9),
        (3, &|r| r.proof.clear()),
        (3, &|r| r.format = "chartseal-receipt/2".into()),
        (4, &|r| r.count = 3),
        (4, &|r| r.organisation = doctor().address()),
        (4, &|r| r.contracts.anchors = Address::repeat_byte(1)),
        (4, &|r| r.chain_id = 1),
        (6, &|r| r.signature = Some(stranger.signature.clone())),
        (6, &|r| r.signature = None),
    ];
    for (at, (code, change)) in cases.into_iter().enumerate() {
        let (found, report) = story.verify(&forged(change), &[]).await;
        assert_eq!(
            (found, &report["verified"]),
            (code, &json!(false)),
            "case {at}: {report}"
        );
        assert_eq!(report["code"], json!(code));
    }

    let elsewhere = story.write("elsewhere", &json!({ "chainId": 1, "contracts": good.contracts }));
    assert_eq!(
        story
            .verify(&story.path("receipt"), &["--deployment", &elsewhere])
            .await
            .0,
        4
    );
    let empty = story.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(
        story.verify(&story.path("receipt"), &["--ipfs", text(&empty)]).await.0,
        5
    );
    let nobody = run_async(&["verify", &story.path("receipt"), "--rpc", "http://127.0.0.1:1"]).await;
    assert_eq!(nobody.code, 7, "{}", nobody.stderr);
    assert_eq!(
        run_async(&["verify", &story.path("absent"), "--rpc", &url]).await.code,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_store_is_caught() {
    let story = Story::tell().await;
    let place = text(&story.content);
    let (key, cid) = (story.path("epoch1.key"), story.first.content.to_string());
    let open = ["open", "--identity", &key, "--ipfs", place, &cid];
    assert_eq!(run_async(&open).await.code, 0);
    let mut flipped = 0;
    for entry in fs::read_dir(&story.content).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut bytes) = fs::read(&path) else { continue };
        let found = bytes.windows(100).position(|w| w == &story.first.bytes[200..300]);
        if let Some(at) = found {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            flipped += 1;
        }
    }
    assert!(flipped > 0);
    assert_eq!(run_async(&open).await.code, 5);
    assert_eq!(story.verify(&story.path("receipt"), &["--ipfs", place]).await.0, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epochs_identity_opens_the_record_its_document_and_nothing_of_another_epoch() {
    let story = Story::tell().await;
    let place = text(&story.content);
    let (one, cid, documents) = (
        story.path("epoch1.key"),
        story.first.content.to_string(),
        story.path("documents"),
    );
    let ran = run_async(&["open", "-i", &one, "--ipfs", place, "--attachments", &documents, &cid]).await;
    assert_eq!(
        (ran.code, ran.stdout.as_slice()),
        (0, [RESOURCE, b"\n"].concat().as_slice()),
        "{}",
        ran.stderr
    );
    let files: Vec<_> = fs::read_dir(documents).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.len() == 1 && fs::read(&files[0]).unwrap() == story.document);

    let (url, receipt) = (story.world.anvil.url.clone(), story.path("receipt"));
    let checked = [
        "open",
        "-i",
        &one,
        "--ipfs",
        place,
        "--receipt",
        &receipt,
        "--rpc",
        &url,
        "--json",
        &cid,
    ];
    let ran = run_async(&checked).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let shown: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(shown["resource"]["status"], "current");
    assert_eq!(
        (&shown["signerChecked"], &shown["compartmentChecked"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(shown["statement"]["author"], json!(hospital().address()));

    let (two, later) = (story.path("epoch2.key"), story.second.content.to_string());
    assert_eq!(run_async(&["open", "-i", &two, "--ipfs", place, &cid]).await.code, 12);
    assert_eq!(run_async(&["open", "-i", &one, "--ipfs", place, &later]).await.code, 12);
    assert_eq!(run_async(&["open", "-i", &two, "--ipfs", place, &later]).await.code, 0);
    assert_eq!(
        run_async(&["open", "-i", &one, "--ipfs", place, "--receipt", &receipt, &later])
            .await
            .code,
        1
    );
    assert_eq!(run_async(&["open", "-i", &one, &cid]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grantee_opens_with_its_key_the_release_and_the_wrap_and_walks_back() {
    let story = Story::tell().await;
    let (place, url) = (text(&story.content), story.world.anvil.url.clone());
    let (doctor, release) = (story.path("doctor.key"), story.path("release"));
    for (record, resource) in [(&story.first, RESOURCE), (&story.second, RESOURCE_LATER)] {
        let cid = record.content.to_string();
        let ran = run_async(&[
            "open",
            "-i",
            &doctor,
            "--release",
            &release,
            "--rpc",
            &url,
            "--ipfs",
            place,
            &cid,
        ])
        .await;
        assert_eq!(
            (ran.code, ran.stdout.as_slice()),
            (0, [resource, b"\n"].concat().as_slice()),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("as expected"), "{}", ran.stderr);
    }

    let (wrap, key) = (hex::encode(&story.wrap), story.secrets[1].public_key().to_string());
    let cid = story.second.content.to_string();
    let by_hand = |release: String, key: String, wrap: String| {
        let args = [
            "open",
            "-i",
            &doctor,
            "--release",
            &release,
            "--wrap",
            &wrap,
            "--epoch-key",
            &key,
            "--ipfs",
            place,
            &cid,
        ];
        args.map(str::to_owned)
    };
    let run_by_hand = async |args: [String; 12]| {
        run_async(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .await
            .code
    };
    assert_eq!(
        run_by_hand(by_hand(release.clone(), key.clone(), wrap.clone())).await,
        0
    );
    let other_key = story.secrets[0].public_key().to_string();
    assert_eq!(run_by_hand(by_hand(release.clone(), other_key, wrap.clone())).await, 14);
    assert_eq!(
        run_by_hand(by_hand(release.clone(), key.clone(), wrap[2..].into())).await,
        14
    );

    // Without the release key the wrap is dead: neither another release key nor another's key opens it.
    let wrong = story.write_release("wrong", &ReleaseKey::generate().unwrap());
    assert_eq!(run_by_hand(by_hand(wrong, key, wrap)).await, 14);
    let stranger = story.path("epoch2.key");
    let ran = run_async(&[
        "open",
        "-i",
        &stranger,
        "--release",
        &release,
        "--rpc",
        &url,
        "--ipfs",
        place,
        &cid,
    ])
    .await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert_eq!(
        run_async(&["open", "-i", &doctor, "--ipfs", place, &cid]).await.code,
        12
    );
    assert_eq!(
        run_async(&["open", "-i", &doctor, "--release", &release, "--ipfs", place, &cid])
            .await
            .code,
        1
    );
}
