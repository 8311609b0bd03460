use std::fs;

use chartseal_envelope::key::ReleaseKey;
use chartseal_record::{Address, B256, receipt::Receipt};
use chartseal_stage::key;
use serde_json::{Value, json};

use crate::{
    run_async,
    story::{RESOURCE, RESOURCE_LATER, Story, doctor, header, hospital},
    text,
};

/// Makes a receipt false in one way.
type Change<'a> = &'a dyn Fn(&mut Receipt);

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

#[tokio::test(flavor = "multi_thread")]
async fn a_grantee_of_one_record_opens_it_and_no_other_is_passed_off_for_it() {
    let story = Story::tell().await;
    let (place, url) = (text(&story.content), story.world.anvil.url.clone());
    let (one, two) = (story.first.content.to_string(), story.second.content.to_string());
    let salt = B256::repeat_byte(0x31);
    story.grant_alone(&story.first, salt).await;
    let release = story.write_alone("alone", &story.first, (&story.first, 1), salt);
    let open = async |release: &str, cid: &str, rpc: bool| {
        let documents = story.path("documents");
        let doctor = story.path("doctor.key");
        let mut args = vec![
            "open",
            "-i",
            &doctor,
            "--release",
            release,
            "--ipfs",
            place,
            "--attachments",
            &documents,
        ];
        if rpc {
            args.extend(["--rpc", &url]);
        }
        args.push(cid);
        run_async(&args).await
    };
    let ran = open(&release, &one, true).await;
    assert_eq!(
        (ran.code, ran.stdout.as_slice()),
        (0, [RESOURCE, b"\n"].concat().as_slice()),
        "{}",
        ran.stderr
    );
    let files: Vec<_> = fs::read_dir(story.path("documents"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert!(files.len() == 1 && fs::read(&files[0]).unwrap() == story.document);
    let ran = open(&release, &one, false).await;
    assert!(ran.code == 1 && ran.stderr.contains("--rpc"), "{}", ran.stderr);
    assert_eq!(open(&release, &two, true).await.code, 1, "it is not of that one");

    // A custodian that hands out another record in the granted one's slot, with everything else in order.
    let other = story.write_alone("other", &story.first, (&story.second, 2), salt);
    assert_eq!(open(&other, &two, true).await.code, 15);
    // A commitment that the patient never made is a slot with no grant.
    let salt = B256::repeat_byte(0x32);
    let never = story.write_alone("never", &story.first, (&story.first, 1), salt);
    assert_eq!(open(&never, &one, true).await.code, 4);
}
