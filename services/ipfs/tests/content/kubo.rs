//! A real Kubo daemon.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
};

use chartseal_ipfs::{Bytes, Content, Error, dag_cbor_cid, raw_cid, unixfs};
use chartseal_stage::Kubo;
use tempfile::NamedTempFile;

use crate::suite::{self, MIB, add, bytes, read};

/// The profile unixfs-v1-2025, flag by flag, so that it holds whatever the node's configuration says.
const PROFILE: [&str; 9] = [
    "add",
    "--only-hash",
    "--quieter",
    "--cid-version=1",
    "--hash=sha2-256",
    "--raw-leaves",
    "--chunker=size-1048576",
    "--max-file-links=1024",
    "--inline=false",
];

async fn content(node: &Kubo) -> Content {
    Content::open(&node.location()).await.unwrap()
}

#[tokio::test]
async fn our_cids_are_those_kubo_gives_by_the_profile() {
    let Some(node) = Kubo::start("our_cids_are_those_kubo_gives_by_the_profile") else {
        return;
    };
    let file = NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for length in [0, 1, 4096, MIB - 1, MIB, MIB + 1, 3 * MIB + 7, 20 * MIB] {
        fs::write(path, bytes(length)).unwrap();
        let theirs = node.ipfs(&[&PROFILE[..], &[path]].concat());
        let (ours, size) = unixfs::file_cid(fs::File::open(path).unwrap()).unwrap();
        assert_eq!((ours.to_string(), size), (theirs, length as u64), "{length} bytes");
    }
}

/// One byte more than a node of 1024 leaves holds, and twelve: the first file whose tree has two levels of nodes.
#[tokio::test]
async fn a_file_of_two_levels_has_one_cid_everywhere() {
    let Some(node) = Kubo::start("a_file_of_two_levels_has_one_cid_everywhere") else {
        return;
    };
    const LENGTH: u64 = (1 << 30) + 13;
    let mut file = NamedTempFile::new().unwrap();
    file.as_file().set_len(LENGTH).unwrap();
    // A file of holes, but no two leaves are alike.
    for leaf in 0..=1024u64 {
        file.seek(SeekFrom::Start(leaf * MIB as u64)).unwrap();
        file.write_all(&(leaf + 1).to_le_bytes()).unwrap();
    }
    let path = file.path().to_str().unwrap();
    let theirs = node.ipfs(&[&PROFILE[..], &[path]].concat());
    let folder = tempfile::tempdir().unwrap();
    let local = Content::open(folder.path().join("ipfs").to_str().unwrap())
        .await
        .unwrap();
    for place in [local, content(&node).await] {
        let mut source = fs::File::open(path).unwrap();
        let mut writer = place.file_writer().await.unwrap();
        let mut part = vec![0; 3 * MIB];
        loop {
            match source.read(&mut part).unwrap() {
                0 => break,
                length => writer.push(&part[..length]).await.unwrap(),
            }
        }
        let added = writer.finish().await.unwrap();
        assert_eq!((added.cid.to_string(), added.size), (theirs.clone(), LENGTH));
        assert_eq!(
            read(&place, &added.cid, 1 << 30..).await.unwrap(),
            [[1, 4, 0, 0].as_slice(), &[0; 9]].concat()
        );
        assert!(read(&place, &added.cid, MIB as u64..MIB as u64 + 1).await.unwrap() == [2]);
    }
}

#[tokio::test]
async fn files_of_every_shape_come_back_whole_and_in_part() {
    let Some(node) = Kubo::start("files_of_every_shape_come_back_whole_and_in_part") else {
        return;
    };
    let content = content(&node).await;
    assert!(content.ready().await.unwrap().starts_with("Kubo "));
    suite::files_of_every_shape_come_back_whole_and_in_part(&content).await;
    // Kubo reads the same bytes out of the same blocks, by its own command line and by its gateway.
    let data = bytes(2 * MIB + 3);
    let added = add(&content, &data, MIB).await;
    let copy = NamedTempFile::new().unwrap();
    node.ipfs(&["get", "--output", copy.path().to_str().unwrap(), &added.cid.to_string()]);
    assert!(fs::read(copy.path()).unwrap() == data);
    let pins = node.ipfs(&["pin", "ls", "--type=recursive", "--quiet"]);
    assert!(pins.lines().any(|pin| pin == added.cid.to_string()));
    let gateway = Content::open(&node.gateway).await.unwrap();
    assert!(gateway.ready().await.is_ok());
    assert!(read(&gateway, &added.cid, ..).await.unwrap() == data);
    assert_eq!(gateway.get(&raw_cid(b"absent")).await.unwrap(), None);
}

#[tokio::test]
async fn imports_are_pinned_and_what_is_not_what_it_says_is_refused() {
    let Some(node) = Kubo::start("imports_are_pinned_and_what_is_not_what_it_says_is_refused") else {
        return;
    };
    let content = content(&node).await;
    suite::an_import_is_there_by_every_cid_and_can_be_repeated(&content).await;
    suite::an_import_that_is_not_what_it_says_is_refused(&content).await;
    suite::an_import_with_a_link_to_nowhere_is_refused(&content).await;
    suite::a_writer_that_is_dropped_leaves_nothing(&content).await;
    // Garbage collection takes what is unpinned and leaves what hangs on a pinned manifest.
    let record = Bytes::from(bytes(5000));
    let manifest = suite::manifest(&[raw_cid(&record)]);
    let root = dag_cbor_cid(&manifest);
    let blocks = vec![(root, manifest), (raw_cid(&record), record.clone())];
    content.import(&[root], blocks).await.unwrap();
    node.ipfs(&["repo", "gc", "--quiet"]);
    assert_eq!(content.get(&raw_cid(&record)).await.unwrap(), Some(record.clone()));
    assert!(content.unpin(&root).await.unwrap());
    node.ipfs(&["repo", "gc", "--quiet"]);
    assert!(!content.has(&raw_cid(&record)).await.unwrap());
}

#[tokio::test]
async fn a_batch_of_many_records_is_imported_in_one_call() {
    let Some(node) = Kubo::start("a_batch_of_many_records_is_imported_in_one_call") else {
        return;
    };
    let content = content(&node).await;
    let records: Vec<Bytes> = (0..2000u32)
        .map(|n| Bytes::from([&n.to_le_bytes()[..], &bytes(4096)].concat()))
        .collect();
    let manifest = suite::manifest(&records.iter().map(|record| raw_cid(record)).collect::<Vec<_>>());
    let root = dag_cbor_cid(&manifest);
    let mut blocks = vec![(root, manifest)];
    blocks.extend(records.iter().map(|record| (raw_cid(record), record.clone())));
    content.import(&[root], blocks).await.unwrap();
    for record in records.iter().step_by(397) {
        assert_eq!(content.get(&raw_cid(record)).await.unwrap().as_ref(), Some(record));
    }
}

#[tokio::test]
async fn a_byte_flipped_in_kubo_s_own_repository_is_caught() {
    let Some(node) = Kubo::start("a_byte_flipped_in_kubo_s_own_repository_is_caught") else {
        return;
    };
    let content = content(&node).await;
    let record = Bytes::from(bytes(3000));
    let cid = raw_cid(&record);
    content.import(&[cid], vec![(cid, record.clone())]).await.unwrap();
    let mut flipped = 0;
    for shard in fs::read_dir(node.blocks())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
    {
        for block in fs::read_dir(shard).unwrap().map(|entry| entry.unwrap().path()) {
            let mut held = fs::read(&block).unwrap();
            if held == record {
                held[1234] ^= 4;
                fs::write(&block, held).unwrap();
                flipped += 1;
            }
        }
    }
    assert_eq!(flipped, 1);
    let got = content.get(&cid).await;
    assert!(
        matches!(&got, Err(Error::Corrupt { cid: named, .. }) if **named == cid),
        "{got:?}"
    );
}

#[tokio::test]
async fn a_peer_of_the_private_swarm_has_the_other_s_content() {
    let Some(node) = Kubo::start("a_peer_of_the_private_swarm_has_the_other_s_content") else {
        return;
    };
    let Some(peer) = Kubo::start("a_peer_of_the_private_swarm_has_the_other_s_content") else {
        return;
    };
    let data = bytes(MIB + 100);
    let added = add(&content(&node).await, &data, MIB).await;
    let address = node.ipfs(&["id", "-f", "<addrs>"]);
    peer.ipfs(&["swarm", "connect", address.lines().next().unwrap()]);
    let content = content(&peer).await;
    assert!(!content.has(&added.cid).await.unwrap(), "not in its own repository yet");
    assert!(read(&content, &added.cid, ..).await.unwrap() == data);
}

#[tokio::test]
async fn a_node_that_is_away_is_a_temporary_error() {
    let Some(node) = Kubo::start("a_node_that_is_away_is_a_temporary_error") else {
        return;
    };
    let content = content(&node).await;
    let absent = content.get(&raw_cid(b"nobody has this")).await;
    assert!(matches!(absent, Ok(None)), "{absent:?}");
    drop(node);
    for error in [
        content.get(&raw_cid(b"x")).await.unwrap_err(),
        content.ready().await.unwrap_err(),
        content
            .import(&[raw_cid(b"x")], vec![(raw_cid(b"x"), Bytes::from_static(b"x"))])
            .await
            .unwrap_err(),
    ] {
        assert!(error.is_temporary(), "{error}");
    }
}
