//! Bytes that wait for their record: a Binary before a resource points at it, a draft before it is signed.
//!
//! A file holds them as age ciphertext; its key, the content type and the digests are a vault-sealed row. The row is
//! written after the file is durable, so a row without a file does not happen; a file without a row is swept.

use std::{convert::Infallible, fmt, path::PathBuf};

use alloy::primitives::{Address, B256};
use bytes::Bytes;
use chartseal_envelope::{
    age::{Opener, Sealer},
    key::{FileKey, Identity},
};
use chartseal_store::Staged as Row;
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncWriteExt},
};
use uuid::Uuid;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    app::App,
    auth::caller::Caller,
    fhir::request::too_large,
    problem::{Failure, Problem},
    vault::Kind,
    write::{Summed, Sums},
};

/// Seconds an upload waits for its record: a day.
const LIFETIME: u64 = 86_400;
/// Sealed bytes read at a time.
const PIECE: usize = 256 * 1024;

/// What the row keeps sealed.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Details {
    /// A draft of this gateway, which a client cannot upload.
    draft: bool,
    content_type: String,
    file_key: [u8; 16],
    size: u64,
    sha1: [u8; 20],
    #[zeroize(skip)]
    sha256: B256,
}

/// An upload of the caller's.
pub struct Staged {
    pub id: Uuid,
    /// Unix seconds.
    pub created_at: u64,
    details: Details,
}

/// Shows which, and neither its key nor its type.
impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Staged({})", self.id)
    }
}

impl Staged {
    /// Whether it is a draft that waits for its signature, and not a client's bytes.
    pub fn is_draft(&self) -> bool {
        self.details.draft
    }

    pub fn content_type(&self) -> &str {
        &self.details.content_type
    }

    pub fn sums(&self) -> Summed {
        let Details { size, sha1, sha256, .. } = self.details;
        Summed { size, sha1, sha256 }
    }

    /// Opens the file.
    pub async fn open(&self, app: &App) -> Result<Pieces, Problem> {
        let file = File::open(file_of(app, self.id)).await.map_err(Failure::Staging)?;
        let key = FileKey::from_bytes(self.details.file_key);
        Ok(Pieces {
            file,
            opener: Some(Opener::with_file_key(&key)),
            sealed: vec![0; PIECE],
            left: self.details.size,
        })
    }
}

/// The plaintext of an upload, piece by piece.
pub struct Pieces {
    file: File,
    opener: Option<Opener>,
    sealed: Vec<u8>,
    left: u64,
}

impl Pieces {
    /// The next piece; none after the last, when the whole file has proved authentic.
    pub async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
        let mut plain = Zeroizing::new(Vec::with_capacity(PIECE));
        while let Some(opener) = &mut self.opener {
            let read = self.file.read(&mut self.sealed).await.map_err(Failure::Staging)?;
            if read > 0 {
                opener.push(&self.sealed[..read], &mut plain)?;
            } else if let Some(opener) = self.opener.take() {
                opener.finish(&mut plain)?;
            }
            if !plain.is_empty() {
                self.left = self.left.saturating_sub(plain.len() as u64);
                return Ok(Some(plain));
            }
        }
        match self.left {
            0 => Ok(None),
            _ => Err(Failure::Broken("a staged file is shorter than its row says").into()),
        }
    }

    /// All of it.
    pub async fn all(mut self) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let mut all = Zeroizing::new(Vec::with_capacity(usize::try_from(self.left).unwrap_or(0)));
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

/// Keeps a stream of a client's bytes, at most `limit` of them.
pub async fn put<E>(
    app: &App,
    caller: &Caller,
    content_type: &str,
    limit: u64,
    bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Staged, Problem> {
    keep(app, caller, (content_type, false), limit, bytes).await
}

/// Keeps a draft of this gateway's own making.
pub async fn put_draft(app: &App, caller: &Caller, draft: Vec<u8>) -> Result<Staged, Problem> {
    let bytes = stream::iter([Ok::<_, Infallible>(Bytes::from(draft))]);
    keep(app, caller, ("application/json", true), u64::MAX, bytes).await
}

async fn keep<E>(
    app: &App,
    caller: &Caller,
    (content_type, draft): (&str, bool),
    limit: u64,
    bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Staged, Problem> {
    let id = Uuid::new_v4();
    match write(app, id, limit, bytes).await {
        Ok((key, sums, sealed)) => {
            let Summed { size, sha1, sha256 } = sums;
            let details = Details {
                draft,
                content_type: content_type.to_owned(),
                file_key: *key,
                size,
                sha1,
                sha256,
            };
            row(app, caller, id, sealed, details).await
        }
        Err(problem) => {
            delete_file(app, id).await;
            Err(problem)
        }
    }
}

/// Seals the stream into a file; gives the file's key, the plaintext's digests and the sealed size.
async fn write<E>(
    app: &App,
    id: Uuid,
    limit: u64,
    mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<(Zeroizing<[u8; 16]>, Summed, u64), Problem> {
    fs::create_dir_all(directory(app)).await.map_err(Failure::Staging)?;
    // Nobody keeps the secret half of the recipient: the file opens by its own key alone.
    let sealer = Sealer::new(Identity::generate()?.public_key())?;
    let key = Zeroizing::new(*sealer.file_key().as_bytes());
    let file = File::create_new(file_of(app, id)).await.map_err(Failure::Staging)?;
    let mut writing = Writing {
        file,
        sealer,
        sealed: 0,
    };
    let mut sums = Sums::default();
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|_| cut_off())?;
        sums.push(&piece);
        if sums.size() > limit {
            return Err(too_large(limit));
        }
        writing.push(&piece).await?;
    }
    Ok((key, sums.finish(), writing.finish().await?))
}

async fn row(app: &App, caller: &Caller, id: Uuid, sealed_size: u64, details: Details) -> Result<Staged, Problem> {
    let json =
        Zeroizing::new(serde_json::to_vec(&details).map_err(|_| Failure::Broken("details of an upload are not JSON"))?);
    let now = app.clock.seconds();
    let row = Row {
        id: id.to_string(),
        org: caller.org,
        account: caller.account,
        path: id.to_string(),
        sealed_size,
        details: app
            .vault
            .seal(caller.org, Kind::Staged, &place(caller.account, id), &json)?
            .into(),
        created_at: now,
        expires_at: now + LIFETIME,
    };
    app.store.insert_staged(&row).await?;
    Ok(Staged {
        id,
        created_at: now,
        details,
    })
}

/// A draft of this caller's that has not expired.
pub async fn find_draft(app: &App, caller: &Caller, id: Uuid) -> Result<Option<Staged>, Problem> {
    Ok(by_id(app, caller, id).await?.filter(Staged::is_draft))
}

/// An upload of this caller's that has not expired. Somebody else's looks like none, and so does a draft.
pub async fn find(app: &App, caller: &Caller, id: Uuid) -> Result<Option<Staged>, Problem> {
    Ok(by_id(app, caller, id).await?.filter(|staged| !staged.is_draft()))
}

async fn by_id(app: &App, caller: &Caller, id: Uuid) -> Result<Option<Staged>, Problem> {
    let Some(row) = app
        .store
        .staged(&id.to_string(), caller.account, app.clock.seconds())
        .await?
    else {
        return Ok(None);
    };
    opened(app, id, &row).map(Some)
}

fn opened(app: &App, id: Uuid, row: &Row) -> Result<Staged, Problem> {
    let json = app
        .vault
        .open(row.org, Kind::Staged, &place(row.account, id), &row.details)?;
    let details = serde_json::from_slice(&json).map_err(|_| Failure::Vault(Kind::Staged.as_str()))?;
    Ok(Staged {
        id,
        created_at: row.created_at,
        details,
    })
}

/// Deletes what an expired row pointed at: its file, and what a draft had pinned.
pub async fn discard(app: &App, row: &Row) -> Result<(), Problem> {
    let Ok(id) = Uuid::try_parse(&row.id) else {
        return Ok(());
    };
    let staged = opened(app, id, row)?;
    if staged.is_draft() {
        let draft = staged.open(app).await?.all().await?;
        crate::v1::drafts::give_up(app, &draft).await?;
    }
    delete_file(app, id).await;
    Ok(())
}

/// Deletes files that no row points at any more: a row lives for a day, so what is older than two has none.
pub async fn sweep(app: &App) -> std::io::Result<()> {
    let mut files = match fs::read_dir(directory(app)).await {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    while let Some(file) = files.next_entry().await? {
        let old = file
            .metadata()
            .await?
            .modified()?
            .elapsed()
            .is_ok_and(|age| age.as_secs() > 2 * LIFETIME);
        if old {
            fs::remove_file(file.path()).await?;
        }
    }
    Ok(())
}

/// Deletes the file of an upload whose row is gone. What fails here is swept later.
pub async fn delete_file(app: &App, id: Uuid) {
    match fs::remove_file(file_of(app, id)).await {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%id, %error, "the file of upload {id} could not be deleted"),
    }
}

struct Writing {
    file: File,
    sealer: Sealer,
    sealed: u64,
}

impl Writing {
    async fn push(&mut self, plain: &[u8]) -> Result<(), Problem> {
        let mut out = Vec::with_capacity(plain.len() + 256);
        self.sealer.push(plain, &mut out)?;
        self.sealed += out.len() as u64;
        Ok(self.file.write_all(&out).await.map_err(Failure::Staging)?)
    }

    /// Makes the file durable; gives its size.
    async fn finish(self) -> Result<u64, Problem> {
        let Self {
            mut file,
            sealer,
            sealed,
        } = self;
        let mut out = Vec::new();
        sealer.finish(&mut out)?;
        file.write_all(&out).await.map_err(Failure::Staging)?;
        file.sync_all().await.map_err(Failure::Staging)?;
        Ok(sealed + out.len() as u64)
    }
}

fn directory(app: &App) -> PathBuf {
    app.config.staging().expect("a configuration without one was refused")
}

fn file_of(app: &App, id: Uuid) -> PathBuf {
    directory(app).join(id.to_string())
}

fn place(account: Address, id: Uuid) -> String {
    format!("{account}|{id}")
}

fn cut_off() -> Problem {
    Problem::new(
        crate::problem::Code::Malformed,
        "the body ended before its announced length; send it again",
    )
}
