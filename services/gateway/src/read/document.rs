//! Documents on their way out: found by CID on a record the caller may open, decrypted as they come.

use chartseal_envelope::{age::Opener, record::AttachmentRef};
use chartseal_ipfs::Bytes;
use chartseal_record::content::RAW;
use chartseal_store::Record;
use cid::Cid;
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Opened, block, corrupt, failed, hide};
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{attachment, reference::RecordId},
    problem::{Code, Problem},
};

/// A document of a record that was opened for the caller.
#[derive(Debug)]
pub struct Found {
    pub reference: AttachmentRef,
    pub content_type: String,
    /// The record it hangs on, whose readers are its own: `DocumentReference/<id>`.
    pub record: String,
}

/// Finds a document the caller may read and opens its record, which makes the audit entry.
pub async fn find(app: &App, caller: &Caller, cid: &Cid, purpose: &str) -> Result<Found, Problem> {
    let row = row(app, caller, cid).await?.ok_or_else(Problem::not_found)?;
    let Opened { header, json } = super::open(app, caller, &row, purpose).await.map_err(hide)?;
    let named = |a: &AttachmentRef| a.cid == *cid;
    let reference = header.attachments.into_iter().find(named).ok_or_else(|| corrupt(cid))?;
    let content_type = attachment::content_type_of(&json, &cid.to_string());
    let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    Ok(Found {
        reference,
        content_type,
        record: format!("{}/{}", row.resource_type, RecordId(row.record_id)),
    })
}

/// The newest record the caller may open that carries the document.
pub async fn row(app: &App, caller: &Caller, cid: &Cid) -> Result<Option<Record>, Problem> {
    for row in app.store.records_with_attachment(&cid.to_string()).await? {
        if super::may(app, caller, &row).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The whole document, in memory.
pub async fn all(app: &App, reference: &AttachmentRef) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let cid = &reference.cid;
    let mut plain = Zeroizing::new(Vec::with_capacity(usize::try_from(reference.size).unwrap_or(0)));
    let mut opener = Opener::with_file_key(&reference.file_key);
    let mut sealed = sealed(app, cid).await?;
    while let Some(piece) = sealed.next().await {
        opener.push(&piece?, &mut plain).map_err(|_| corrupt(cid))?;
    }
    opener.finish(&mut plain).map_err(|_| corrupt(cid))?;
    let same = plain.len() as u64 == reference.size && Sha256::digest(&plain[..])[..] == reference.sha256[..];
    if same { Ok(plain) } else { Err(corrupt(cid)) }
}

/// A large document as it is decrypted: each piece is authentic, and a stream that ends early or with an error has
/// failed.
pub async fn pieces(
    app: &App,
    reference: AttachmentRef,
) -> Result<BoxStream<'static, Result<Bytes, Problem>>, Problem> {
    let state = Some(Opening {
        sealed: sealed(app, &reference.cid).await?,
        work: Work {
            opener: Opener::with_file_key(&reference.file_key).threads(THREADS),
            sha256: Sha256::new(),
            reference,
            size: 0,
        },
    });
    let mut plain = stream::try_unfold(state, step).boxed();
    // What is damaged at its beginning is still refused by a status and not by a broken stream.
    let first = plain.next().await.transpose()?;
    Ok(stream::iter(first.map(Ok)).chain(plain).boxed())
}

/// A piece is 1 MiB at most, which no more threads than this make faster.
const THREADS: usize = 2;

struct Opening {
    sealed: BoxStream<'static, Result<Bytes, Problem>>,
    work: Work,
}

/// What happens to each piece. It takes about a millisecond, so it happens where no other request waits for it.
struct Work {
    opener: Opener,
    sha256: Sha256,
    reference: AttachmentRef,
    size: u64,
}

impl Work {
    fn push(&mut self, sealed: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut plain = Vec::with_capacity(sealed.len());
        let opened = self.opener.push(sealed, &mut plain);
        opened.map_err(|_| corrupt(&self.reference.cid))?;
        self.sha256.update(&plain);
        self.size += plain.len() as u64;
        Ok(plain)
    }

    fn finish(self) -> Result<Vec<u8>, Problem> {
        let Self {
            opener,
            mut sha256,
            reference,
            size,
        } = self;
        let mut plain = Vec::new();
        opener.finish(&mut plain).map_err(|_| corrupt(&reference.cid))?;
        sha256.update(&plain);
        let same = size + plain.len() as u64 == reference.size && sha256.finalize()[..] == reference.sha256[..];
        if same { Ok(plain) } else { Err(corrupt(&reference.cid)) }
    }
}

async fn step(state: Option<Opening>) -> Result<Option<(Bytes, Option<Opening>)>, Problem> {
    let Some(Opening { mut sealed, mut work }) = state else {
        return Ok(None);
    };
    while let Some(piece) = sealed.next().await.transpose()? {
        let (opened, back) = aside(move || (work.push(&piece), work)).await?;
        work = back;
        let plain = opened?;
        if !plain.is_empty() {
            return Ok(Some((plain.into(), Some(Opening { sealed, work }))));
        }
    }
    let last = aside(move || work.finish()).await??;
    Ok(Some((last.into(), None)))
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        Problem::new(
            Code::Internal,
            "the gateway stopped while it opened a document; ask again",
        )
    })
}

/// The sealed file: one block from the outbox or the store, or a tree of blocks from the store.
pub async fn sealed(app: &App, cid: &Cid) -> Result<BoxStream<'static, Result<Bytes, Problem>>, Problem> {
    if cid.codec() == RAW {
        let bytes = block(app, cid).await?;
        return Ok(stream::once(async { Ok(bytes) }).boxed());
    }
    let cid = *cid;
    let file = app.content.read_file(&cid, ..);
    Ok(file
        .map(move |piece| piece.map_err(|error| failed(&cid, error)))
        .boxed())
}

/// A stream a response body takes; a problem inside it ends the connection, which is how HTTP says "cut off".
pub fn body(
    pieces: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    pieces.map(|piece| piece.map_err(|problem| std::io::Error::other(problem.detail)))
}
