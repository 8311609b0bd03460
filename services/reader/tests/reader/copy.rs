//! A folder of CAR files becomes a Kubo node's, and a folder again.

use std::collections::BTreeSet;

use chartseal_ipfs::{Bytes, Cid, Content, dag_cbor_cid, raw_cid};
use chartseal_stage::Kubo;
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::{run_async, text};

const MIB: usize = 1 << 20;

async fn copy(from: &str, to: &str) -> Value {
    let copied = run_async(&["copy", "--json", "--from", from, "--to", to]).await;
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    serde_json::from_slice(&copied.stdout).unwrap()
}

async fn pins(content: &Content) -> BTreeSet<String> {
    let pins = content.pins().await.unwrap();
    pins.into_iter().flatten().map(|cid| cid.to_string()).collect()
}

async fn holds(content: &Content, file: &Cid, data: &[u8], blocks: &[(Cid, Bytes)]) {
    let read: Vec<Bytes> = content.read_file(file, ..).try_collect().await.unwrap();
    assert!(read.concat() == data);
    for (cid, bytes) in blocks {
        assert_eq!(content.get(cid).await.unwrap().as_ref(), Some(bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_moves_into_kubo_and_back() {
    let Some(node) = Kubo::start("a_folder_moves_into_kubo_and_back") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let local = Content::open(text(&old)).await.unwrap();
    // A batch: a manifest with the record it lists, and a small attachment beside it; and a large attachment.
    let (record, small) = (Bytes::from(vec![7; 5000]), Bytes::from(vec![8; 70_000]));
    let manifest = Bytes::from(serde_ipld_dagcbor::to_vec(&[raw_cid(&record)]).unwrap());
    let roots = [dag_cbor_cid(&manifest), raw_cid(&small)];
    let blocks = vec![(roots[0], manifest), (raw_cid(&record), record), (roots[1], small)];
    local.import(&roots, blocks.clone()).await.unwrap();
    let data: Vec<u8> = (0..3 * MIB + 7).map(|at| (at % 251) as u8).collect();
    let mut writer = local.file_writer().await.unwrap();
    writer.push(&data).await.unwrap();
    let file = writer.finish().await.unwrap().cid;
    let pinned = pins(&local).await;
    assert_eq!(pinned.len(), 3);

    let there = node.location();
    let copied = copy(text(&old), &there).await;
    assert_eq!(
        (&copied["imports"], &copied["blocks"], &copied["known"]),
        (&json!(2), &json!(8), &json!(0))
    );
    let kubo = Content::open(&there).await.unwrap();
    holds(&kubo, &file, &data, &blocks).await;
    assert_eq!(pins(&kubo).await, pinned);
    // Kept by pins, not by chance.
    node.ipfs(&["repo", "gc", "--silent"]);
    holds(&kubo, &file, &data, &blocks).await;
    let again = copy(text(&old), &there).await;
    assert_eq!((&again["imports"], &again["known"]), (&json!(0), &json!(2)));

    copy(&there, text(&new)).await;
    let back = Content::open_reading(text(&new)).await.unwrap();
    holds(&back, &file, &data, &blocks).await;
    assert_eq!(pins(&back).await, pinned);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_and_nothing_of_its_import_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let local = Content::open(text(&old)).await.unwrap();
    let record = Bytes::from(vec![7; 5000]);
    let manifest = Bytes::from(serde_ipld_dagcbor::to_vec(&[raw_cid(&record)]).unwrap());
    // The record came first, by itself; then its CAR is lost.
    local
        .import(&[raw_cid(&record)], vec![(raw_cid(&record), record.clone())])
        .await
        .unwrap();
    let root = dag_cbor_cid(&manifest);
    local.import(&[root], vec![(root, manifest)]).await.unwrap();
    assert!(local.unpin(&raw_cid(&record)).await.unwrap());
    let refused = run_async(&["copy", "--from", text(&old), "--to", text(&new)]).await;
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(
        refused.stderr.contains(&raw_cid(&record).to_string()),
        "{}",
        refused.stderr
    );
    let there = Content::open_reading(text(&new)).await.unwrap();
    assert!(!there.has(&root).await.unwrap());
    let nowhere = run_async(&["copy", "--from", text(&old), "--to", "https://127.0.0.1:1"]).await;
    assert_ne!(nowhere.code, 0);
}
