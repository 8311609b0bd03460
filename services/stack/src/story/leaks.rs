//! The end: nothing of the patient lies in the open.

use anyhow::{Result, bail};

use super::Story;
use crate::{samples, thief};

/// Names, identifiers, numbers and addresses out of the documents the story used.
pub async fn search(story: &mut Story) -> Result<()> {
    let canaries = samples::canaries();
    let files = thief::files(&story.stage.data)?;
    let chain = story.node.everything().await?;
    if let Some(found) = thief::readable(&canaries, &files, &chain)? {
        bail!("{found}");
    }
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    story.held(
        format!(
            "{} names and numbers are in none of {} files ({} KiB) nor in {} KiB of chain",
            canaries.len(),
            files.len(),
            bytes / 1024,
            chain.len() / 1024
        ),
        None,
    );
    Ok(())
}
