use std::fs;

use chartseal_chain::{calls, deployment};
use chartseal_envelope::record;
use chartseal_record::{
    B256, Bytes, ContentHash,
    account::{Role, Status},
    packet::{Algorithms, Attachment, Author, Base64, Evidence, FORMAT, Given, Issuer, Packet, Signed, Text},
    receipt::Receipt,
    typed,
};
use chartseal_stage::{FAR, key, sign};
use serde_json::{Value, json};

use crate::{
    run, run_async,
    story::{RESOURCE_LATER, Story, compartment, doctor, hospital, patient, statement_key},
    text,
};

/// Makes a packet false in one way.
type Change = fn(&mut Packet);

/// The second record of the story, as the grantee would keep it.
async fn packet(story: &Story) -> Packet {
    let world = &story.world;
    world.statement_key(&doctor(), key(9).address()).await;
    let client = chartseal_chain::Client::connect(&world.anvil.url, world.contracts)
        .await
        .unwrap();
    let head = client.head().await.unwrap();
    let header = crate::story::header(world, RESOURCE_LATER, Vec::new(), &statement_key());
    let receipt = Receipt {
        statement: Some(header.statement),
        signature: Some(header.signature),
        ..story.receipt_of(&story.second, 2)
    };
    let mut given = Given {
        patient: patient().address(),
        grantee: doctor().address(),
        scope: "clinical".into(),
        record: B256::ZERO,
        salt: None,
        serial: 1,
        permission: typed::READ,
        until: FAR,
        purpose: "TREAT".into(),
        epoch: 2,
        suite: 1,
        recipient_key_hash: story.doctor.public_key().key_hash(),
        wrap_hash: alloy::primitives::keccak256(&story.wrap),
        signature: Bytes::new(),
        controller: patient().address(),
        block: head.number,
        transaction: B256::ZERO,
        revoked: 0,
    };
    given.signature = sign(&patient(), &given.typed(), &world.contracts.consent_domain());
    Packet {
        format: FORMAT.into(),
        algorithms: Algorithms::known(),
        chain_id: receipt.chain_id,
        contracts: receipt.contracts,
        issuer: Issuer {
            account: doctor().address(),
            signer: key(9).address(),
            block: head.number,
            block_hash: head.hash,
            time: head.timestamp,
        },
        purpose: "HPAYMT".into(),
        grants: vec![given],
        records: vec![Evidence {
            reference: "DocumentReference/5".into(),
            author: Author {
                account: hospital().address(),
                signer: statement_key().address(),
                role: Role::Hospital,
                status: Status::Active,
                credential: B256::ZERO,
                credential_expiry: 0,
                block: receipt.block,
            },
            receipt,
            grant: 0,
            file_key: Base64(story.second.file_key.as_bytes().to_vec()),
            resource: Text(String::from_utf8(RESOURCE_LATER.to_vec()).unwrap()),
            sealed: Base64(story.second.bytes.clone()),
            attachments: Vec::new(),
        }],
        not_granted: Vec::new(),
        proofs: None,
    }
}

/// The same with what the chain's state at the issuer's block proves of it.
async fn proved(story: &Story) -> Packet {
    let packet = packet(story).await;
    let proofs = story.world.client.proofs(&packet).await.unwrap();
    assert!(proofs.is_some());
    packet.with_proofs(proofs)
}

/// As somebody with the issuer's key would sign it.
fn signed(story: &Story, packet: Packet) -> Signed {
    let domain = story.world.contracts.consent_domain();
    let signature = sign(&key(9), &packet.typed().unwrap(), &domain);
    Signed { packet, signature }
}

async fn report(file: &str, more: &[&str]) -> (i32, Value) {
    let ran = run_async(&[&["verify", file, "--json"], more].concat()).await;
    (ran.code, serde_json::from_slice(&ran.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_verifies_alone_and_with_the_chain_and_after_the_revocation() {
    let story = Story::tell().await;
    let (file, url) = (story.path("packet.json"), story.world.anvil.url.clone());
    fs::write(&file, signed(&story, packet(&story).await).write().unwrap()).unwrap();

    let alone = report(&file, &[]).await;
    assert_eq!((alone.0, &alone.1["chain"]), (0, &json!(false)), "{}", alone.1);
    let unchecked = [
        "that its anchors and grants stood on the chain",
        "that its signers were the accounts' keys",
    ];
    assert_eq!(alone.1["unchecked"], json!(unchecked), "{}", alone.1);
    let whole = report(&file, &["--rpc", &url]).await;
    assert_eq!((whole.0, &whole.1["unchecked"]), (0, &json!([])), "{}", whole.1);
    for check in ["packet", "grants", "records", "contracts", "anchors", "issuer", "slots"] {
        assert!(!whole.1["checks"][check].is_null(), "{check}: {}", whole.1);
    }
    assert_eq!(whole.1["checks"]["slots"][0]["revokedNow"], false);

    let revoke = typed::Revoke {
        patient: patient().address(),
        grantee: doctor().address(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: 1,
    };
    let domain = story.world.contracts.consent_domain();
    let call = calls::revoke(&revoke, sign(&patient(), &revoke, &domain));
    story.world.send(story.world.contracts.consent, call).await;
    let later = report(&file, &["--rpc", &url]).await;
    assert_eq!(later.0, 0, "{}", later.1);
    assert_eq!(later.1["checks"]["slots"][0]["revokedNow"], true);
    assert_eq!(
        later.1["checks"]["grants"][0]["live"], true,
        "the state at the packet's block"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_of_parts_that_do_not_belong_together_is_refused_whoever_signed_it() {
    let story = Story::tell().await;
    let good = packet(&story).await;
    let url = story.world.anvil.url.clone();
    let file = story.path("forged.json");
    let cases: [(i32, Change); 8] = [
        (17, |p| p.records[0].resource = Text("{}".into())),
        (17, |p| p.grants[0].revoked = 1),
        (11, |p| p.records[0].file_key = Base64(vec![0; 16])),
        (5, |p| p.records[0].file_key = Base64(vec![0; 15])),
        (5, |p| {
            let cid = ContentHash::of(b"x").to_string();
            let (file_key, sha256) = (Base64(vec![0; 16]), B256::ZERO);
            p.records[0].attachments.push(Attachment {
                cid,
                file_key,
                size: 1,
                sha256,
                sealed: None,
            });
        }),
        (6, |p| p.issuer.block = 1),
        (6, |p| p.records[0].author.role = Role::Doctor),
        (6, |p| {
            let domain = p.deployment().consent_domain();
            p.grants[0].controller = key(7).address();
            p.grants[0].signature = sign(&key(7), &p.grants[0].typed(), &domain);
        }),
    ];
    for (at, (code, change)) in cases.into_iter().enumerate() {
        let mut packet = good.clone();
        change(&mut packet);
        // An issuer that claims an older block would have had the grant then.
        packet.grants[0].block = packet.grants[0].block.min(packet.issuer.block);
        let forged = signed(&story, packet);
        fs::write(&file, chartseal_record::canonical::write(&forged).unwrap()).unwrap();
        let (found, report) = report(&file, &["--rpc", &url]).await;
        assert_eq!(found, code, "case {at}: {report}");
        assert_eq!(report["code"], json!(code));
    }
    let pretty = serde_json::to_vec_pretty(&signed(&story, good)).unwrap();
    fs::write(&file, pretty).unwrap();
    assert_eq!(report(&file, &[]).await.0, 17);
}

/// A document of more than one block is named by its content id; where it is, it is checked too.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_too_large_to_embed_is_fetched_and_opened() {
    let story = Story::tell().await;
    let mut packet = packet(&story).await;
    let opened = record::open(story.secrets[0].identity(), compartment(), &story.first.bytes).unwrap();
    let evidence = &mut packet.records[0];
    evidence.receipt = Receipt {
        statement: Some(opened.header.statement),
        signature: Some(opened.header.signature.clone()),
        ..story.receipt.clone()
    };
    evidence.file_key = Base64(story.first.file_key.as_bytes().to_vec());
    evidence.resource = Text(String::from_utf8(opened.resource.to_vec()).unwrap());
    evidence.sealed = Base64(story.first.bytes.clone());
    let named = opened.header.attachments.iter().map(|of| Attachment {
        cid: of.cid.to_string(),
        file_key: Base64(of.file_key.as_bytes().to_vec()),
        size: of.size,
        sha256: of.sha256,
        sealed: None,
    });
    evidence.attachments = named.collect();
    let cid = evidence.attachments[0].cid.clone();
    let file = story.path("packet.json");
    fs::write(&file, signed(&story, packet).write().unwrap()).unwrap();
    let (code, said) = report(&file, &["--ipfs", text(&story.content)]).await;
    assert_eq!((code, &said["checks"]["documents"]), (0, &json!([cid])), "{said}");
    let empty = story.path("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(report(&file, &["--ipfs", &empty]).await.0, 5);
    assert_eq!(report(&file, &[]).await.0, 0, "what it names is not looked for unasked");
}

/// In a network namespace of its own there is nothing, not even loopback.
#[tokio::test(flavor = "multi_thread")]
async fn a_packet_verifies_with_the_network_cut() {
    let story = Story::tell().await;
    let (file, bare) = (story.path("packet.json"), story.path("bare.json"));
    let packet = proved(&story).await;
    let hash = packet.issuer.block_hash.to_string();
    let without = packet.clone().with_proofs(None);
    fs::write(&file, signed(&story, packet).write().unwrap()).unwrap();
    fs::write(&bare, signed(&story, without).write().unwrap()).unwrap();
    let cut = |file: &str, args: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command
            .args(["--net", "--", env!("CARGO_BIN_EXE_chartseal-reader"), "verify", file])
            .args(args);
        command.output().unwrap()
    };
    let url = story.world.anvil.url.clone();
    let control = cut(&file, &["--rpc", &url]);
    if !control.stderr.starts_with(b"chartseal-reader") {
        assert!(
            std::env::var_os("REQUIRE_ALL").is_none(),
            "no network namespace can be made here"
        );
        eprintln!("skipped: no network namespace can be made here");
        return;
    }
    assert_eq!(control.status.code(), Some(7), "the chain is out of reach");
    let alone = cut(&file, &["--json"]);
    assert_eq!(alone.status.code(), Some(0));
    let trusted = cut(&file, &["--json", "--block-hash", &hash]);
    let said: Value = serde_json::from_slice(&trusted.stdout).unwrap();
    assert_eq!(trusted.status.code(), Some(0), "{said}");
    assert_eq!(said["checks"]["state"]["trusted"], true, "{said}");
    assert_eq!(
        (&said["checks"]["signers"]["notShown"], &said["unchecked"]),
        (&json!(0), &json!([])),
        "{said}"
    );
    let other = B256::repeat_byte(1).to_string();
    let refused = cut(&file, &["--block-hash", &other]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("the one you trust"));
    let unproved = cut(&bare, &["--block-hash", &hash]);
    assert_eq!(
        unproved.status.code(),
        Some(4),
        "a hash proves nothing of a packet without proofs"
    );
    assert_eq!(run(&["verify", text(file.as_ref())]).code, 0);
}

/// What the node proves is what the packet says, and only of the state there was: a later packet shows the revocation.
#[tokio::test(flavor = "multi_thread")]
async fn state_proofs_are_of_the_packets_own_block_and_of_these_contracts() {
    let story = Story::tell().await;
    let before = proved(&story).await;
    let revoke = typed::Revoke {
        patient: patient().address(),
        grantee: doctor().address(),
        scope: "clinical".into(),
        record: B256::ZERO,
        serial: 1,
    };
    let domain = story.world.contracts.consent_domain();
    let call = calls::revoke(&revoke, sign(&patient(), &revoke, &domain));
    story.world.send(story.world.contracts.consent, call).await;

    let (file, hash) = (story.path("before.json"), before.issuer.block_hash.to_string());
    fs::write(&file, signed(&story, before.clone()).write().unwrap()).unwrap();
    let (code, said) = report(&file, &["--block-hash", &hash]).await;
    assert_eq!(
        (code, &said["checks"]["grants"][0]["live"]),
        (0, &json!(true)),
        "{said}"
    );

    // The same grant shown in the state after it was revoked.
    let after = proved(&story).await;
    let refused = signed(&story, after).write().unwrap_err().to_string();
    assert_eq!(
        refused,
        "state proof: grant 0: its slot did not hold this grant, so revoked, at that block"
    );

    // Contracts of other code prove whatever they like.
    let contracts = story.world.contracts;
    let code = |code: &[u8]| {
        (
            deployment::is_anchors(&contracts, code),
            deployment::is_consent(&contracts, code),
            deployment::is_directory(&contracts, code),
        )
    };
    let proofs = before.proofs.clone().unwrap();
    let directory = proofs.signers.unwrap().directory.code;
    assert_eq!(code(&proofs.anchors.code), (true, false, false));
    assert_eq!(code(&proofs.consent.code), (false, true, false));
    assert_eq!(code(&directory), (false, false, true));
    let elsewhere = chartseal_record::Contracts {
        directory: hospital().address(),
        ..contracts
    };
    assert!(!deployment::is_anchors(&elsewhere, &proofs.anchors.code));
    assert!(!deployment::is_consent(&elsewhere, &proofs.consent.code));
    assert!(!deployment::is_directory(&elsewhere, &directory));
    for at in (0..directory.len()).step_by(97) {
        for code in [&proofs.consent.code, &directory] {
            let mut other = code.to_vec();
            other[at] ^= 1;
            let taken = deployment::is_consent(&contracts, &other) || deployment::is_directory(&contracts, &other);
            assert!(!taken, "byte {at}");
        }
    }

    let file = signed(&story, before).write().unwrap();
    for at in (0..file.len()).step_by(file.len() / 100) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(Signed::parse(&changed).is_err(), "byte {at}");
    }
}

/// Whose keys the signers were is in the state of the packet's block: shown while it is so, and said not to be shown once an
/// account has another controller, who signed what, only the chain of before can tell.
#[tokio::test(flavor = "multi_thread")]
async fn the_directory_at_the_packets_block_shows_whose_keys_its_signers_were() {
    let story = Story::tell().await;
    let file = story.path("packet.json");
    let verify = async |packet: Packet| {
        let hash = packet.issuer.block_hash.to_string();
        fs::write(&file, signed(&story, packet).write().unwrap()).unwrap();
        report(&file, &["--block-hash", &hash]).await
    };
    let before = proved(&story).await;
    let (code, said) = verify(before.clone()).await;
    assert_eq!((code, &said["unchecked"]), (0, &json!([])), "{said}");
    let accounts = said["checks"]["signers"]["accounts"].as_array().unwrap();
    let roles: Vec<_> = accounts
        .iter()
        .map(|account| account["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["doctor", "hospital", "patient"]);

    // A packet of before there were such proofs says what nobody has looked at.
    let mut plain = before.clone();
    plain.proofs.as_mut().unwrap().signers = None;
    let proofs = plain.proofs.clone();
    let (code, said) = verify(plain.with_proofs(proofs)).await;
    assert_eq!(
        (code, &said["unchecked"]),
        (0, &json!(["that its signers were the accounts' keys"])),
        "{said}"
    );

    // The code of another contract.
    let mut other = before.clone();
    let signers = other.proofs.as_mut().unwrap().signers.as_mut().unwrap();
    signers.directory.code = Bytes::from_static(b"other");
    let refused = signed(&story, other).write().unwrap_err().to_string();
    assert_eq!(
        refused,
        "state proof: Directory is no such account in the state of that block"
    );

    let wallet = key(6);
    story.world.hand_over(&patient(), &wallet).await;
    let (code, said) = verify(before).await;
    assert_eq!(
        (code, &said["unchecked"]),
        (0, &json!([])),
        "its block stays what it was: {said}"
    );
    let after = proved(&story).await;
    let sentence = format!(
        "grant 0: that {} was the controller of its patient {} at block {}",
        patient().address(),
        patient().address(),
        after.grants[0].block
    );
    let (code, said) = verify(after).await;
    assert_eq!((code, &said["unchecked"]), (0, &json!([sentence])), "{said}");

    // A key of nobody's.
    let mut forged = packet(&story).await;
    forged.issuer.signer = key(7).address();
    let proofs = story.world.client.proofs(&forged).await.unwrap();
    let forged = forged.with_proofs(proofs);
    let domain = story.world.contracts.consent_domain();
    let signature = sign(&key(7), &forged.typed().unwrap(), &domain);
    let refused = Signed {
        packet: forged,
        signature,
    }
    .write()
    .unwrap_err()
    .to_string();
    assert_eq!(
        refused,
        "state proof: the issuer's key was no statement key of its account at that block"
    );
    let mut author = packet(&story).await;
    author.records[0].author.role = Role::Doctor;
    let proofs = story.world.client.proofs(&author).await.unwrap();
    let refused = signed(&story, author.with_proofs(proofs))
        .write()
        .unwrap_err()
        .to_string();
    assert_eq!(refused, "state proof: record 0: its author is no doctor in Directory");
}
