//! A folder of CAR files, on a real disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::suite::{self, MIB, add, bytes, read};
use chartseal_ipfs::{Bytes, Cid, Content, Error, Local, raw_cid};
use tempfile::TempDir;

async fn open(folder: &TempDir) -> Content {
    Content::open(folder.path().join("ipfs").to_str().unwrap())
        .await
        .unwrap()
}

fn cars(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder.join("ipfs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn car_of(folder: &Path, root: &Cid) -> PathBuf {
    folder.join("ipfs").join(format!("{root}.car"))
}

async fn import(content: &Content, bytes: &'static [u8]) -> Cid {
    let cid = raw_cid(bytes);
    content
        .import(&[cid], vec![(cid, Bytes::from_static(bytes))])
        .await
        .unwrap();
    cid
}

#[tokio::test]
async fn files_of_every_shape_come_back_whole_and_in_part() {
    let folder = TempDir::new().unwrap();
    suite::files_of_every_shape_come_back_whole_and_in_part(&open(&folder).await).await;
}

#[tokio::test]
async fn an_import_is_there_by_every_cid_and_can_be_repeated() {
    let folder = TempDir::new().unwrap();
    suite::an_import_is_there_by_every_cid_and_can_be_repeated(&open(&folder).await).await;
}

#[tokio::test]
async fn an_import_that_is_not_what_it_says_is_refused() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    suite::an_import_that_is_not_what_it_says_is_refused(&content).await;
    suite::an_import_with_a_link_to_nowhere_is_refused(&content).await;
    assert_eq!(
        cars(folder.path()),
        Vec::<PathBuf>::new(),
        "a refused import leaves no file"
    );
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    suite::a_writer_that_is_dropped_leaves_nothing(&content).await;
    // The chunk that was being written when the writer was dropped holds the file a moment longer.
    while !cars(folder.path()).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let data = bytes(2 * MIB + 5);
    let added = add(&open(&folder).await, &data, MIB).await;
    let content = open(&folder).await;
    assert!(read(&content, &added.cid, ..).await.unwrap() == data);
}

#[tokio::test]
async fn a_flipped_byte_is_an_error_that_names_the_block_and_never_bytes() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    let cid = import(&content, b"a sealed record of some length").await;
    let path = car_of(folder.path(), &cid);
    let whole = fs::read(&path).unwrap();
    // Every byte of the block, and the last of its CID, in turn. Whoever opens the folder afresh sees the same.
    for at in whole.len() - 31..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        for content in [content.clone(), open(&folder).await] {
            match content.get(&cid).await {
                Err(Error::Corrupt { cid: named, .. }) => assert_eq!(*named, cid),
                // Under another CID the block is not there for who reads the index now, and good for who had.
                Ok(_) => assert_eq!(at, whole.len() - 31),
                other => panic!("byte {at}: {other:?}"),
            }
        }
    }
    fs::write(&path, &whole).unwrap();
    assert!(content.get(&cid).await.unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_leaf_ends_a_file_in_an_error_after_the_good_ones() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    let data = bytes(3 * MIB);
    let added = add(&content, &data, MIB).await;
    let path = car_of(folder.path(), &added.cid);
    let mut car = fs::read(&path).unwrap();
    car[2 * MIB + MIB / 2] ^= 1;
    fs::write(&path, car).unwrap();
    assert!(read(&content, &added.cid, ..2 * MIB as u64).await.unwrap() == data[..2 * MIB]);
    assert!(matches!(
        read(&content, &added.cid, ..).await,
        Err(Error::Corrupt { .. })
    ));
}

#[tokio::test]
async fn importing_again_mends_a_damaged_block() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    let cid = import(&content, b"a record").await;
    let path = car_of(folder.path(), &cid);
    let mut car = fs::read(&path).unwrap();
    *car.last_mut().unwrap() ^= 1;
    fs::write(&path, car).unwrap();
    assert!(content.get(&cid).await.is_err());
    import(&content, b"a record").await;
    assert!(content.get(&cid).await.unwrap().is_some());
}

#[tokio::test]
async fn a_car_cut_short_anywhere_hides_nothing_of_the_others_and_gives_no_wrong_byte() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    let other = import(&content, b"another record").await;
    let (first, last) = (Bytes::from_static(b"first block"), Bytes::from_static(b"last block"));
    let blocks = vec![(raw_cid(&first), first.clone()), (raw_cid(&last), last.clone())];
    content
        .import(&[raw_cid(&first), raw_cid(&last)], blocks)
        .await
        .unwrap();
    let path = car_of(folder.path(), &raw_cid(&first));
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let content = open(&folder).await;
        assert!(content.get(&other).await.unwrap().is_some());
        for block in [&first, &last] {
            match content.get(&raw_cid(block)).await {
                Ok(Some(bytes)) => assert_eq!(&bytes, block),
                Ok(None) | Err(Error::Corrupt { .. }) => {}
                Err(other) => panic!("cut to {length}: {other}"),
            }
        }
        // A cut between two blocks, or before the first, leaves a CAR that is well formed.
        let before_last = whole.len() - (last.len() + 37);
        let well_formed = [before_last, before_last - (first.len() + 37)].contains(&length);
        assert_eq!(content_damage(&content), usize::from(!well_formed), "cut to {length}");
    }
}

fn content_damage(content: &Content) -> usize {
    match content {
        Content::Local(local) => local.damaged().len(),
        _ => 0,
    }
}

#[tokio::test]
async fn what_another_process_adds_replaces_or_removes_is_seen() {
    let folder = TempDir::new().unwrap();
    let (here, there) = (open(&folder).await, open(&folder).await);
    assert_eq!(here.get(&raw_cid(b"one")).await.unwrap(), None);
    // In quick succession, so that several changes fall into one step of the folder's clock.
    for record in [&b"one"[..], b"two", b"three", b"four"] {
        let cid = import(&there, record).await;
        assert!(here.has(&cid).await.unwrap());
        assert_eq!(here.get(&cid).await.unwrap().unwrap(), record);
    }
    // The same first root in front of other blocks: what `here` knows of the file's layout is wrong now.
    let (root, moved) = (raw_cid(b"one"), raw_cid(b"moved"));
    let blocks = vec![
        (moved, Bytes::from_static(b"moved")),
        (root, Bytes::from_static(b"one")),
    ];
    there.import(&[root], blocks).await.unwrap();
    assert_eq!(here.get(&root).await.unwrap().unwrap(), &b"one"[..]);
    assert_eq!(here.get(&moved).await.unwrap().unwrap(), &b"moved"[..]);
    assert!(there.unpin(&root).await.unwrap());
    assert_eq!(here.get(&root).await.unwrap(), None);
}

#[tokio::test]
async fn a_block_in_two_cars_outlives_either() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    let shared = Bytes::from_static(b"shared");
    let cid = raw_cid(&shared);
    let mut roots = Vec::new();
    for owner in [&b"first owner"[..], b"second owner", b"third owner"] {
        let root = raw_cid(owner);
        content
            .import(&[root], vec![(root, Bytes::from_static(owner)), (cid, shared.clone())])
            .await
            .unwrap();
        roots.push(root);
    }
    for content in [content, open(&folder).await] {
        for (left, root) in roots.iter().enumerate().rev() {
            if content.unpin(root).await.unwrap() {
                assert_eq!(content.get(&cid).await.unwrap().is_some(), left > 0);
            }
        }
        assert_eq!(content.get(&cid).await.unwrap(), None);
    }
}

#[tokio::test]
async fn leftovers_of_a_dead_writer_are_swept_and_a_living_writer_s_file_is_not() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    let leftover = folder.path().join("ipfs/.incoming-0123456789abcdef");
    fs::write(&leftover, b"half a CAR").unwrap();
    let mut writer = content.file_writer().await.unwrap();
    writer.push(&bytes(MIB + 1)).await.unwrap();
    let stranger = folder.path().join("ipfs/notes.txt");
    fs::write(&stranger, b"not ours").unwrap();
    let second = open(&folder).await;
    assert!(!leftover.exists());
    assert!(stranger.exists());
    let added = writer.finish().await.unwrap();
    assert_eq!(read(&second, &added.cid, ..).await.unwrap(), bytes(MIB + 1));
}

#[tokio::test]
async fn a_process_killed_while_it_writes_leaves_only_what_it_had_finished() {
    if let Ok(folder) = std::env::var("CHARTSEAL_TEST_WRITE_FOR_EVER") {
        let content = Content::open(&folder).await.unwrap();
        for number in 0u32.. {
            let data = [bytes(MIB + 300), number.to_le_bytes().to_vec()].concat();
            println!("done {}", add(&content, &data, 100_000).await.cid);
        }
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ipfs");
    for _ in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "local::a_process_killed_while_it_writes_leaves_only_what_it_had_finished",
                "--nocapture",
            ])
            .env("CHARTSEAL_TEST_WRITE_FOR_EVER", &path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut done = Vec::new();
        while done.len() < 3 {
            let mut line = String::new();
            assert!(
                std::io::BufRead::read_line(&mut output, &mut line).unwrap() > 0,
                "the writer ended by itself"
            );
            done.extend(line.trim().strip_prefix("done ").map(|cid| cid.parse::<Cid>().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let content = Content::open(path.to_str().unwrap()).await.unwrap();
        assert_eq!(content_damage(&content), 0);
        for cid in done {
            assert_eq!(read(&content, &cid, ..).await.unwrap().len(), MIB + 304);
        }
        assert!(
            cars(folder.path())
                .iter()
                .all(|path| path.extension().is_some_and(|end| end == "car"))
        );
    }
}

#[tokio::test]
async fn opening_to_read_changes_nothing_and_wants_the_folder_to_be_there() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("ipfs");
    let refused = Content::open_reading(place.to_str().unwrap()).await;
    assert!(matches!(refused, Err(Error::Disk { .. })), "{refused:?}");
    assert!(!place.exists());
    let cid = import(&open(&folder).await, b"x").await;
    let leftover = place.join(".incoming-0123456789abcdef");
    fs::write(&leftover, b"").unwrap();
    let content = Content::Local(Local::open_reading(&place).unwrap());
    assert!(content.get(&cid).await.unwrap().is_some());
    assert!(leftover.exists());
}

#[tokio::test]
async fn a_disk_that_refuses_is_a_temporary_error_that_names_the_file() {
    let folder = TempDir::new().unwrap();
    let content = open(&folder).await;
    fs::remove_dir(folder.path().join("ipfs")).unwrap();
    let error = content
        .import(&[raw_cid(b"x")], vec![(raw_cid(b"x"), Bytes::from_static(b"x"))])
        .await
        .unwrap_err();
    assert!(
        error.is_temporary() && error.to_string().contains("ipfs/.incoming-"),
        "{error}"
    );
    assert!(content.ready().await.is_err());
}

#[tokio::test]
async fn places_are_read_as_they_are_documented() {
    for (place, shown) in [
        ("kubo+http://127.0.0.1:5001", Some("kubo+http://127.0.0.1:5001")),
        ("kubo+http://user:secret@node:5001/", Some("kubo+http://node:5001")),
        ("https://gateway.example/base", Some("https://gateway.example/base")),
        ("kubo+https://node:5001", None),
        ("kubo+http://node:5001/api/v0", None),
        ("kubo+http://user@node:5001", None),
        ("https://user:secret@gateway.example", None),
        ("ftp://somewhere", None),
        ("", None),
    ] {
        match (Content::open(place).await, shown) {
            (Ok(content), Some(shown)) => assert_eq!(content.place(), shown),
            (Err(error @ Error::Location { .. }), None) => assert!(!error.to_string().contains("secret"), "{error}"),
            (other, _) => panic!("{place}: {other:?}"),
        }
    }
}
