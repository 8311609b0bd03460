//! A stretch of a document: only the chunks that hold it are read and opened.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use chartseal_envelope::{
    age::{self, CHUNK, Ranges},
    record::AttachmentRef,
};
use chartseal_ipfs::{Bytes, unixfs::Nodes};
use cid::Cid;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{corrupt, document, failed};
use crate::{app::App, problem::Problem, write::SMALL};

/// Bytes in front of the first chunk: what `Ranges` asks for of a file written here.
const BEGINNING: u64 = 184;
/// Plaintext opened at a time: four chunks, 256 KiB.
const PIECE: u64 = 4 * CHUNK as u64;

/// Beginnings that are remembered; then all are forgotten and read again. 10,000 of them are about 3 MiB.
const MOST: usize = 10_000;

/// What a viewer that reads slice after slice would have read again each time: the inner nodes of files, and their
/// beginnings, for which a leaf of 1 MiB is read. All of it is ciphertext.
#[derive(Debug, Default)]
pub struct Known {
    nodes: Nodes,
    beginnings: Mutex<HashMap<Cid, Vec<u8>>>,
}

impl Known {
    async fn beginning(&self, app: &App, cid: &Cid) -> Result<Vec<u8>, Problem> {
        let beginnings = || self.beginnings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(beginning) = beginnings().get(cid) {
            return Ok(beginning.clone());
        }
        let mut beginning = Vec::with_capacity(BEGINNING as usize);
        let mut pieces = app.content.read_again(&self.nodes, cid, 0..BEGINNING);
        while let Some(piece) = pieces.next().await {
            beginning.extend_from_slice(&piece.map_err(|error| failed(cid, error))?);
        }
        let mut beginnings = beginnings();
        if beginnings.len() >= MOST {
            beginnings.clear();
        }
        beginnings.insert(*cid, beginning.clone());
        Ok(beginning)
    }
}

/// The bytes `range` of a document, which must lie within its size. A small document is proved whole before a byte leaves.
/// Of a large one each chunk is authentic and in its place, and the size is the sealed record's word, so nothing has to be
/// read to prove where the document ends.
pub async fn stretch(
    app: &App,
    reference: AttachmentRef,
    range: Range<u64>,
) -> Result<BoxStream<'static, Result<Bytes, Problem>>, Problem> {
    let size = age::sealed_size(reference.size);
    if size <= SMALL {
        let mut plain = document::all(app, &reference).await?;
        let bytes = Bytes::from(std::mem::take(&mut *plain));
        let (start, end) = (range.start as usize, range.end as usize);
        return Ok(stream::once(async move { Ok(bytes.slice(start..end)) }).boxed());
    }
    if range == (0..reference.size) {
        return document::pieces(app, reference).await;
    }
    let cid = reference.cid;
    let beginning = app.known.beginning(app, &cid).await?;
    let ranges = Ranges::with_file_key(&reference.file_key, &beginning, size).map_err(|_| corrupt(&cid))?;
    let sealed = ranges.sealed(range.clone()).map_err(|_| corrupt(&cid))?;
    let opening = Opening {
        sealed: app.content.read_again(&app.known.nodes, &cid, sealed).boxed(),
        ranges,
        held: Vec::new(),
        left: range,
        cid,
    };
    let mut plain = stream::try_unfold(opening, step).boxed();
    // What is damaged at its beginning is refused by a status and not by a broken stream.
    let first = plain.next().await.transpose()?;
    Ok(stream::iter(first.map(Ok)).chain(plain).boxed())
}

struct Opening {
    sealed: BoxStream<'static, Result<Bytes, chartseal_ipfs::Error>>,
    ranges: Ranges,
    /// Sealed bytes from the chunk on in which `left` begins.
    held: Vec<u8>,
    left: Range<u64>,
    cid: Cid,
}

async fn step(mut opening: Opening) -> Result<Option<(Bytes, Opening)>, Problem> {
    let Range { start, end } = opening.left;
    if start == end {
        return Ok(None);
    }
    let cid = opening.cid;
    // Ends at a chunk's end, so that no chunk is opened twice.
    let until = end.min((start / PIECE + 1) * PIECE);
    let needed = opening.ranges.sealed(start..until).map_err(|_| corrupt(&cid))?;
    let needed = (needed.end - needed.start) as usize;
    while opening.held.len() < needed {
        let piece = opening.sealed.next().await.ok_or_else(|| corrupt(&cid))?;
        opening
            .held
            .extend_from_slice(&piece.map_err(|error| failed(&cid, error))?);
    }
    let mut plain = Vec::with_capacity((until - start) as usize);
    opening
        .ranges
        .open(start..until, &opening.held[..needed], &mut plain)
        .map_err(|_| corrupt(&cid))?;
    opening.held.drain(..needed);
    opening.left.start = until;
    Ok(Some((plain.into(), opening)))
}
