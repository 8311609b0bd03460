//! What holds for every place that can be written to.

use chartseal_ipfs::{Added, Bytes, Cid, Content, Error, raw_cid, unixfs};
use futures::TryStreamExt;

pub const MIB: usize = 1024 * 1024;

/// Bytes that differ from chunk to chunk, so that a swapped leaf shows.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut state: u32 = 0x9e37_79b9;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    })
    .take(length.div_ceil(4))
    .flatten()
    .take(length)
    .collect()
}

pub async fn add(content: &Content, data: &[u8], step: usize) -> Added {
    let mut writer = content.file_writer().await.unwrap();
    for part in data.chunks(step.max(1)) {
        writer.push(part).await.unwrap();
    }
    writer.finish().await.unwrap()
}

pub async fn read(content: &Content, cid: &Cid, range: impl std::ops::RangeBounds<u64>) -> Result<Vec<u8>, Error> {
    let parts: Vec<Bytes> = content.read_file(cid, range).try_collect().await?;
    Ok(parts.concat())
}

pub async fn files_of_every_shape_come_back_whole_and_in_part(content: &Content) {
    let data = bytes(3 * MIB + 7);
    for length in [0, 1, 300_000, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 7] {
        let data = &data[..length];
        let added = add(content, data, 333_333).await;
        assert_eq!(added.size, length as u64);
        assert_eq!((added.cid, added.size), unixfs::file_cid(data).unwrap());
        assert_eq!(content.file_size(&added.cid).await.unwrap(), Some(length as u64));
        assert!(read(content, &added.cid, ..).await.unwrap() == data, "{length} bytes");
        for (start, end) in [
            (0, 0),
            (0, 1),
            (1, 2),
            (0, MIB),
            (MIB - 1, MIB + 1),
            (MIB, 2 * MIB),
            (length / 2, length),
        ] {
            let part = read(content, &added.cid, start as u64..end as u64).await;
            if end <= length {
                assert!(part.unwrap() == data[start..end], "{start}..{end} of {length}");
            } else {
                assert!(
                    matches!(part, Err(Error::OutOfRange { .. })),
                    "{start}..{end} of {length}"
                );
            }
        }
        assert!(read(content, &added.cid, length as u64..).await.unwrap().is_empty());
        assert!(matches!(
            read(content, &added.cid, length as u64 + 1..).await,
            Err(Error::OutOfRange { .. })
        ));
    }
}

pub async fn an_import_is_there_by_every_cid_and_can_be_repeated(content: &Content) {
    let record = Bytes::from_static(b"a sealed record");
    let attachment = Bytes::from_static(b"a small attachment");
    let manifest = manifest(&[raw_cid(&record)]);
    let roots = [chartseal_ipfs::dag_cbor_cid(&manifest), raw_cid(&attachment)];
    let blocks = vec![
        (roots[0], manifest.clone()),
        (raw_cid(&record), record.clone()),
        (roots[1], attachment.clone()),
    ];
    for _ in 0..2 {
        content.import(&roots, blocks.clone()).await.unwrap();
        for (cid, bytes) in &blocks {
            assert!(content.has(cid).await.unwrap());
            assert_eq!(content.get(cid).await.unwrap().as_ref(), Some(bytes));
        }
    }
    assert!(content.unpin(&roots[0]).await.unwrap());
    assert!(!content.unpin(&roots[0]).await.unwrap());
}

pub async fn an_import_that_is_not_what_it_says_is_refused(content: &Content) {
    let good = Bytes::from_static(b"these bytes");
    let cid = raw_cid(b"other bytes");
    let refused = content.import(&[cid], vec![(cid, good.clone())]).await;
    assert!(
        matches!(&refused, Err(Error::Corrupt { cid: named, .. }) if **named == cid),
        "{refused:?}"
    );
    assert!(!content.has(&cid).await.unwrap());
    let refused = content.import(&[cid], vec![(raw_cid(&good), good.clone())]).await;
    assert!(
        matches!(&refused, Err(Error::MissingRoot { cid: named }) if **named == cid),
        "{refused:?}"
    );
    let refused = content.import(&[], vec![(raw_cid(&good), good)]).await;
    assert!(matches!(refused, Err(Error::RootCount { got: 0 })), "{refused:?}");
    let large = Bytes::from(vec![0; 2 * MIB + 1]);
    let refused = content.import(&[raw_cid(&large)], vec![(raw_cid(&large), large)]).await;
    assert!(matches!(refused, Err(Error::BlockTooLarge { .. })), "{refused:?}");
}

pub async fn an_import_with_a_link_to_nowhere_is_refused(content: &Content) {
    let absent = raw_cid(b"a record that nobody has");
    let manifest = manifest(&[absent]);
    let root = chartseal_ipfs::dag_cbor_cid(&manifest);
    let refused = content.import(&[root], vec![(root, manifest)]).await;
    assert!(
        matches!(&refused, Err(Error::MissingBlock { cid, .. }) if **cid == absent),
        "{refused:?}"
    );
    assert!(!content.has(&root).await.unwrap());
    let garbage = Bytes::from_static(&[0xff; 40]);
    let root = chartseal_ipfs::dag_cbor_cid(&garbage);
    let refused = content.import(&[root], vec![(root, garbage)]).await;
    assert!(matches!(refused, Err(Error::Malformed { .. })), "{refused:?}");
}

pub async fn a_writer_that_is_dropped_leaves_nothing(content: &Content) {
    let data = bytes(2 * MIB + 11);
    let mut writer = content.file_writer().await.unwrap();
    writer.push(&data).await.unwrap();
    drop(writer);
    let (cid, _) = unixfs::file_cid(&data[..]).unwrap();
    assert!(!content.has(&cid).await.unwrap());
}

/// A dag-cbor list of links, in the shape of a batch's manifest.
pub fn manifest(links: &[Cid]) -> Bytes {
    Bytes::from(serde_ipld_dagcbor::to_vec(&links).unwrap())
}
