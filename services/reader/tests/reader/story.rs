//! What the tests read: records, a grant and an anchor, made as a gateway and a submitter make them.

use std::{fs, path::PathBuf};

use alloy::{primitives::keccak256, signers::local::PrivateKeySigner};
use chartseal_chain::calls;
use chartseal_envelope::{
    age,
    key::{EpochSecret, Identity, ReleaseKey, Root},
    link,
    record::{self, AttachmentRef, RecordHeader, SealedRecord},
    record_wrap, release, tree, wrap,
};
use chartseal_ipfs::{Cid, Content, dag_cbor_cid};
use chartseal_record::{
    B256, Bytes, Compartment, ContentHash, Scope, Slot, Target,
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

pub const RESOURCE: &[u8] = br#"{"resourceType":"DocumentReference","status":"current"}"#;
pub const RESOURCE_LATER: &[u8] = br#"{"resourceType":"DocumentReference","status":"superseded"}"#;

/// One hospital, patient and doctor; a record of epoch 1 with a document and one of epoch 2, anchored; the doctor's
/// grant reaches epoch 2.
pub struct Story {
    pub world: Chain,
    pub dir: TempDir,
    pub content: PathBuf,
    pub first: SealedRecord,
    pub second: SealedRecord,
    pub receipt: Receipt,
    pub root: Root,
    pub secrets: [EpochSecret; 2],
    pub place: wrap::Place,
    pub release_key: ReleaseKey,
    pub wrap: Vec<u8>,
    pub doctor: Identity,
    pub document: Vec<u8>,
}

pub fn hospital() -> PrivateKeySigner {
    key(1)
}

pub fn patient() -> PrivateKeySigner {
    key(3)
}

pub fn doctor() -> PrivateKeySigner {
    key(2)
}

pub fn statement_key() -> PrivateKeySigner {
    key(8)
}

pub fn compartment() -> Compartment {
    Compartment::of(patient().address(), &Scope::clinical())
}

impl Story {
    pub async fn tell() -> Self {
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
            root,
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

    pub fn path(&self, name: &str) -> String {
        text(&self.dir.path().join(name)).into()
    }

    pub fn write(&self, name: &str, value: &impl serde::Serialize) -> String {
        fs::write(self.dir.path().join(name), serde_json::to_vec(value).unwrap()).unwrap();
        self.path(name)
    }

    /// Without a statement. The batch has two records, so a path is the other's leaf.
    pub fn receipt_of(&self, record: &SealedRecord, epoch: u32) -> Receipt {
        Receipt {
            cid: record.content,
            epoch,
            proof: vec![self.receipt.leaf()],
            ..self.receipt.clone()
        }
    }

    /// A custodian's answer with this key in it.
    pub fn write_release(&self, name: &str, key: &ReleaseKey) -> String {
        let nonce = B256::repeat_byte(7);
        let release = release::seal(&self.place, nonce, self.doctor.public_key(), key).unwrap();
        let value = json!({
            "chainId": 31337, "contracts": self.receipt.contracts, "slot": self.place.slot, "serial": 1, "epoch": 2,
            "nonce": nonce, "release": Bytes::from(release.to_vec()),
        });
        self.write(name, &value)
    }

    /// The doctor's slot of a record alone.
    fn slot_alone(&self, record: &SealedRecord, salt: B256) -> Target {
        let opened = record::open_anywhere_with_file_key(&record.file_key, &record.bytes).unwrap();
        Target::record(opened.header.statement.digest(&self.world.contracts), salt)
    }

    pub async fn grant_alone(&self, record: &SealedRecord, salt: B256) {
        let (scope, record) = self.slot_alone(record, salt).fields();
        let signed = typed::Grant {
            patient: patient().address(),
            grantee: doctor().address(),
            scope,
            record,
            serial: 1,
            permission: typed::READ,
            until: FAR,
            purpose: "HPAYMT".into(),
            epoch: 0,
            suite: 0,
            recipientKeyHash: B256::ZERO,
            wrapHash: B256::ZERO,
        };
        let signature = sign(&patient(), &signed, &self.world.contracts.consent_domain());
        let call = calls::grant(&signed, Bytes::new(), signature);
        self.world.send(self.world.contracts.consent, call).await;
    }

    /// A custodian's answer for the grant of `granted` alone, that hands out `given`, which is sealed in this epoch.
    pub fn write_alone(
        &self,
        name: &str,
        granted: &SealedRecord,
        (given, epoch): (&SealedRecord, u32),
        salt: B256,
    ) -> String {
        let target = self.slot_alone(granted, salt);
        let place = wrap::Place {
            slot: Slot::of(patient().address(), doctor().address(), &target),
            epoch,
            ..self.place
        };
        let (nonce, key, to) = (B256::repeat_byte(7), &self.release_key, self.doctor.public_key());
        let wrap = record_wrap::seal(&place, given.content, to, key, &given.file_key).unwrap();
        let release = release::seal(&place, nonce, to, key).unwrap();
        let value = json!({
            "chainId": 31337, "contracts": self.receipt.contracts, "slot": place.slot, "serial": 1, "epoch": epoch,
            "nonce": nonce, "release": Bytes::from(release.to_vec()),
            "record": { "cid": given.content.to_string(), "salt": salt, "wrap": Bytes::from(wrap.to_vec()) },
        });
        self.write(name, &value)
    }

    pub async fn verify(&self, receipt: &str, more: &[&str]) -> (i32, Value) {
        let url = &self.world.anvil.url;
        let ran = run_async(&[&["verify", receipt, "--rpc", url, "--json"], more].concat()).await;
        (ran.code, serde_json::from_slice(&ran.stdout).unwrap())
    }
}

pub async fn advance(world: &Chain, epoch: u32, secret: &EpochSecret, link: Bytes) {
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

pub async fn grant(world: &Chain, recipient: &Identity, wrap: &[u8]) {
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

pub async fn attach(store: &Content, secret: &EpochSecret, document: &[u8]) -> AttachmentRef {
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

pub fn header(
    world: &Chain,
    resource: &[u8],
    attachments: Vec<AttachmentRef>,
    signer: &PrivateKeySigner,
) -> RecordHeader {
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

pub fn seal(
    world: &Chain,
    secret: &EpochSecret,
    resource: &[u8],
    attachments: Vec<AttachmentRef>,
    by: &PrivateKeySigner,
) -> SealedRecord {
    record::seal(secret.public_key(), &header(world, resource, attachments, by), resource).unwrap()
}

/// Stores and anchors; the receipt is of the first record, as its readers get it.
pub async fn anchor(world: &Chain, store: &Content, records: &[(u32, &SealedRecord)]) -> Receipt {
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
