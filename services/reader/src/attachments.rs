//! The documents that hang on a record: fetched, opened with their own keys, checked, written.

use std::path::{Path, PathBuf};

use chartseal_envelope::{age::Opener, record::AttachmentRef};
use chartseal_ipfs::Content;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{failure::Failure, output::Output};

/// Writes one attachment to `folder`, named by its CID. The file appears only if every byte is authentic and the
/// whole has the size and SHA-256 that the record names.
pub async fn write(content: &Content, attachment: &AttachmentRef, folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join(attachment.cid.to_string());
    let mut output = Output::to(Some(&path))?;
    read(content, attachment, |plain| output.write(plain)).await?;
    output.finish()?;
    Ok(path)
}

/// Fetches one attachment and gives its document piece by piece; it was the document the record names only if this ends
/// well.
pub async fn read(
    content: &Content,
    attachment: &AttachmentRef,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut opener = Opener::with_file_key(&attachment.file_key);
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    let mut plain = Zeroizing::new(Vec::new());
    let mut sealed = content.read_file(&attachment.cid, ..);
    let mut pass = |plain: &mut Vec<u8>| {
        hash.update(&*plain);
        size += plain.len() as u64;
        let taken = take(plain);
        plain.clear();
        taken
    };
    while let Some(piece) = sealed.next().await {
        opener.push(&piece?, &mut plain)?;
        pass(&mut plain)?;
    }
    opener.finish(&mut plain)?;
    pass(&mut plain)?;
    if size == attachment.size && hash.finalize()[..] == attachment.sha256[..] {
        return Ok(());
    }
    Err(Failure::Content(format!(
        "attachment {} opens, but is not the document the record names",
        attachment.cid
    )))
}
