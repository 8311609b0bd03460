//! A patient with the root backup, and no gateway.

use std::{fs, path::Path};

use chartseal_envelope::{
    backup::{self, RootBackup},
    key::Root,
};
use serde_json::{Value, json};

use crate::{
    Run, run_async,
    story::{RESOURCE, RESOURCE_LATER, Story, hospital, patient, statement_key},
    text,
};

const PASSPHRASE: &str = "correct horse battery staple";

/// Writes the backup, its passphrase and the deployment as a patient has them.
fn prepare(story: &Story, root: &Root) -> [String; 3] {
    let backup = RootBackup {
        chain_id: 31337,
        consent: story.world.contracts.consent,
        patient: patient().address(),
        root: root.clone(),
    };
    let (file, phrase) = (story.path("root.age"), story.path("passphrase"));
    fs::write(&file, backup::seal(&backup, PASSPHRASE, 15).unwrap()).unwrap();
    fs::write(&phrase, format!("{PASSPHRASE}\n")).unwrap();
    let deployment = json!({ "chainId": 31337, "contracts": story.receipt.contracts });
    [file, phrase, story.write("deployment", &deployment)]
}

async fn recover(story: &Story, files: &[String; 3], content: &Path, out: &str) -> Run {
    let [root, phrase, deployment] = files;
    let url = &story.world.anvil.url;
    run_async(&[
        "recover",
        "--root",
        root,
        "--passphrase-file",
        phrase,
        "--deployment",
        deployment,
        "--rpc",
        url,
        "--ipfs",
        text(content),
        "--out",
        out,
        "--json",
    ])
    .await
}

fn list(ran: &Run) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_gets_every_record_back_with_the_root_alone() {
    let story = Story::tell().await;
    let files = prepare(&story, &story.root);
    let out = story.path("records");
    // A second run finds the same and writes the same.
    for _ in 0..2 {
        let ran = recover(&story, &files, &story.content, &out).await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let list = list(&ran);
        let records = list["records"].as_array().unwrap();
        assert_eq!((records.len(), &list["lost"]), (2, &json!([])), "{list}");
        // Both say that they are version 1 of one record: a fork, kept side by side.
        let mut found: Vec<Vec<u8>> = Vec::new();
        for record in records {
            assert_eq!(record["author"], json!(hospital().address()), "{record}");
            assert_eq!(record["signer"], json!(statement_key().address()), "{record}");
            found.push(fs::read(Path::new(&out).join(record["file"].as_str().unwrap())).unwrap());
            for document in record["documents"].as_array().unwrap() {
                let document = fs::read(Path::new(&out).join(document.as_str().unwrap())).unwrap();
                assert_eq!(document, story.document);
            }
        }
        found.sort();
        assert_eq!(found, [RESOURCE, RESOURCE_LATER]);
        let documents = records
            .iter()
            .map(|record| record["documents"].as_array().unwrap().len());
        assert_eq!(documents.sum::<usize>(), 1);
        let kept: Value = serde_json::from_slice(&fs::read(Path::new(&out).join("recovered.json")).unwrap()).unwrap();
        assert_eq!(kept, list);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_brought_back_is_named_and_the_rest_is_there() {
    let story = Story::tell().await;
    let files = prepare(&story, &story.root);
    let empty = story.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let ran = recover(&story, &files, &empty, &story.path("nothing")).await;
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    let lost = &list(&ran)["lost"];
    let manifest = story.receipt.manifest.to_string();
    assert!(lost.as_array().unwrap().len() == 1 && lost[0]["what"].as_str().unwrap().contains(&manifest));

    // One flipped byte: that record is lost, the other is not.
    for entry in fs::read_dir(&story.content).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut bytes) = fs::read(&path) else { continue };
        if let Some(at) = bytes.windows(100).position(|w| w == &story.second.bytes[200..300]) {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let ran = recover(&story, &files, &story.content, &story.path("half")).await;
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    let list = list(&ran);
    assert_eq!(list["records"].as_array().unwrap().len(), 1, "{list}");
    assert!(
        list["lost"][0]["what"]
            .as_str()
            .unwrap()
            .contains(&story.second.content.to_string())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_opens_nothing_and_another_deployment_is_refused() {
    let story = Story::tell().await;
    let files = prepare(&story, &Root::generate().unwrap());
    let ran = recover(&story, &files, &story.content, &story.path("records")).await;
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    let list = list(&ran);
    assert_eq!(
        (
            list["records"].as_array().unwrap().len(),
            list["lost"].as_array().unwrap().len()
        ),
        (0, 2)
    );

    let [root, phrase, _] = files;
    let elsewhere = story.write(
        "elsewhere",
        &json!({ "chainId": 1, "contracts": story.receipt.contracts }),
    );
    let ran = recover(
        &story,
        &[root.clone(), phrase.clone(), elsewhere],
        &story.content,
        &story.path("x"),
    )
    .await;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    fs::write(&phrase, "wrong horse").unwrap();
    let files = [root, phrase, story.path("deployment")];
    let ran = recover(&story, &files, &story.content, &story.path("x")).await;
    assert_eq!(ran.code, 12, "{}", ran.stderr);
}
