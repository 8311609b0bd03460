//! Documents on their way in: checked against what the client says of them, sealed each under a fresh file key.
//!
//! Up to [`SMALL`] sealed bytes wait in the outbox with their record, so an outage of the content store stops no
//! upload; larger ones are streamed into the content store and pinned before the record is committed, since a row
//! without bytes would lie.

use chartseal_envelope::{
    age::{self, Sealer},
    key::PublicKey,
    record::{AttachmentRef, RecordHeader},
};
use chartseal_ipfs::raw_cid;
use chartseal_record::B256;
use chartseal_store::{AttachmentPlace, NewAttachment};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Admitted;
use crate::{
    app::App,
    auth::caller::Caller,
    fhir::{
        attachment::{Claims, Content, Found, Source},
        outcome::Outcome,
        request::too_large,
    },
    problem::{Code, Problem},
    staging,
};

/// Sealed bytes up to which a document is one raw block that waits in the outbox: 1 MiB.
pub const SMALL: u64 = 1 << 20;

/// A document, sealed.
#[derive(Debug, Clone)]
pub struct SealedDocument {
    /// What the record's header says of it.
    pub reference: AttachmentRef,
    /// What the database keeps of it.
    pub stored: NewAttachment,
    /// The upload it used up.
    pub staged: Option<Uuid>,
    /// Hangs on the version before, so it is not given up when this version is.
    pub kept: bool,
}

impl SealedDocument {
    /// What the resource says of it.
    pub fn content(&self) -> Content {
        let AttachmentRef { cid, size, sha256, .. } = &self.reference;
        Content {
            cid: *cid,
            size: *size,
            sha256: sha256.0,
        }
    }
}

/// Seals every document of a resource, in order. If one is refused, nothing of the others is left behind.
pub async fn seal_all(
    app: &App,
    caller: &Caller,
    admitted: &Admitted,
    found: Vec<Found>,
    before: Option<&RecordHeader>,
) -> Result<Vec<SealedDocument>, Outcome> {
    let key = PublicKey::from_bytes(admitted.epoch.key);
    let mut sealed = Vec::with_capacity(found.len());
    for Found { path, source, claims } in found {
        let document = match source {
            Source::Inline(bytes) => seal_bytes(app, &key, &bytes, &claims).await,
            Source::Staged(id) => seal_staged(app, caller, &key, id, &claims).await,
            Source::Kept(cid) => keep(before, &cid.to_string(), &claims),
        };
        match document {
            Ok(document) => sealed.push(document),
            Err(problem) => {
                give_up(app, &sealed).await;
                return Err(Outcome::from(problem).at(path));
            }
        }
    }
    Ok(sealed)
}

async fn seal_bytes(app: &App, key: &PublicKey, bytes: &[u8], claims: &Claims) -> Result<SealedDocument, Problem> {
    if bytes.len() as u64 > app.config.limits.document_bytes {
        return Err(too_large(app.config.limits.document_bytes));
    }
    let mut sums = Sums::default();
    sums.push(bytes);
    let sums = sums.finish();
    sums.check(claims)?;
    if age::sealed_size(bytes.len() as u64) > SMALL {
        let mut writing = Writing::begin(app, key).await?;
        for chunk in bytes.chunks(PIECE) {
            writing.push(chunk).await?;
        }
        return writing.finish(sums).await;
    }
    let sealed = age::seal(key, bytes)?;
    let cid = raw_cid(&sealed.bytes);
    Ok(SealedDocument {
        reference: AttachmentRef {
            cid,
            file_key: sealed.file_key,
            size: sums.size,
            sha256: sums.sha256,
        },
        stored: NewAttachment {
            cid: cid.to_string(),
            sealed_size: sealed.bytes.len() as u64,
            place: AttachmentPlace::Outbox(sealed.bytes.into()),
        },
        staged: None,
        kept: false,
    })
}

async fn seal_staged(
    app: &App,
    caller: &Caller,
    key: &PublicKey,
    id: Uuid,
    claims: &Claims,
) -> Result<SealedDocument, Problem> {
    let staged = staging::find(app, caller, id).await?.ok_or_else(|| {
        Problem::new(
            Code::Invalid,
            "there is no such staged Binary of this account; upload it (again) and refer to its new id",
        )
    })?;
    let sums = staged.sums();
    sums.check(claims)?;
    let mut pieces = staged.open(app).await?;
    let sealed = if age::sealed_size(sums.size) > SMALL {
        let mut writing = Writing::begin(app, key).await?;
        while let Some(piece) = pieces.next().await? {
            writing.push(&piece).await?;
        }
        writing.finish(sums).await?
    } else {
        let bytes = pieces.all().await?;
        seal_bytes(app, key, &bytes, claims).await?
    };
    Ok(SealedDocument {
        staged: Some(id),
        ..sealed
    })
}

/// A document that hangs on the version before stays as it was sealed.
fn keep(before: Option<&RecordHeader>, cid: &str, claims: &Claims) -> Result<SealedDocument, Problem> {
    let reference = before.and_then(|header| header.attachments.iter().find(|a| a.cid.to_string() == cid));
    let reference = reference.ok_or_else(|| {
        Problem::new(
            Code::Invalid,
            "this Binary does not hang on the version that is replaced; send its bytes",
        )
    })?;
    if claims.size.is_some_and(|size| size != reference.size) {
        return Err(mismatch("size"));
    }
    Ok(SealedDocument {
        reference: reference.clone(),
        stored: NewAttachment {
            cid: cid.to_owned(),
            sealed_size: age::sealed_size(reference.size),
            place: AttachmentPlace::Content,
        },
        staged: None,
        kept: true,
    })
}

/// Plaintext sealed at a time.
const PIECE: usize = 256 * 1024;

/// A large document on its way through age into the content store.
struct Writing {
    sealer: Sealer,
    writer: chartseal_ipfs::FileWriter,
    out: Vec<u8>,
}

impl Writing {
    async fn begin(app: &App, key: &PublicKey) -> Result<Self, Problem> {
        Ok(Self {
            sealer: Sealer::new(key)?,
            writer: app.content.file_writer().await?,
            out: Vec::new(),
        })
    }

    async fn push(&mut self, piece: &[u8]) -> Result<(), Problem> {
        self.sealer.push(piece, &mut self.out)?;
        self.writer.push(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    async fn finish(mut self, sums: Summed) -> Result<SealedDocument, Problem> {
        let file_key = self.sealer.file_key().clone();
        self.sealer.finish(&mut self.out)?;
        self.writer.push(&self.out).await?;
        let added = self.writer.finish().await?;
        Ok(SealedDocument {
            reference: AttachmentRef {
                cid: added.cid,
                file_key,
                size: sums.size,
                sha256: sums.sha256,
            },
            stored: NewAttachment {
                cid: added.cid.to_string(),
                sealed_size: added.size,
                place: AttachmentPlace::Content,
            },
            staged: None,
            kept: false,
        })
    }
}

/// Unpins what was pinned for a record that will not come. What fails here stays as ciphertext whose key nobody has.
pub async fn give_up(app: &App, documents: &[SealedDocument]) {
    for document in documents.iter().filter(|d| !d.kept) {
        if matches!(document.stored.place, AttachmentPlace::Content)
            && let Err(error) = app.content.unpin(&document.reference.cid).await
        {
            tracing::warn!(cid = %document.reference.cid, %error, "a document of a refused record is still pinned");
        }
    }
}

/// Deletes the files of uploads that hang on a record now.
pub async fn forget_staged(app: &App, documents: &[SealedDocument]) {
    for id in documents.iter().filter_map(|d| d.staged) {
        staging::delete_file(app, id).await;
    }
}

/// Size and digests of a document, as its bytes come.
#[derive(Default)]
pub struct Sums {
    size: u64,
    sha1: Sha1,
    sha256: Sha256,
}

/// The same, finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summed {
    pub size: u64,
    pub sha1: [u8; 20],
    pub sha256: B256,
}

impl Sums {
    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    pub fn finish(self) -> Summed {
        Summed {
            size: self.size,
            sha1: self.sha1.finalize().into(),
            sha256: B256::from_slice(&self.sha256.finalize()),
        }
    }
}

impl Summed {
    /// Holds the bytes against what the client says of them.
    pub fn check(&self, claims: &Claims) -> Result<(), Problem> {
        if claims.size.is_some_and(|size| size != self.size) {
            return Err(mismatch("size"));
        }
        if claims.hash.as_ref().is_some_and(|hash| hash[..] != self.sha1) {
            return Err(mismatch("hash"));
        }
        Ok(())
    }
}

fn mismatch(what: &str) -> Problem {
    let text = format!("the document's bytes are not those its {what} announces; nothing was stored. Send it again");
    Problem::new(Code::ContentHashMismatch, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summed(bytes: &[u8]) -> Summed {
        let mut sums = Sums::default();
        bytes.chunks(3).for_each(|piece| sums.push(piece));
        sums.finish()
    }

    #[test]
    fn a_document_must_be_what_its_hash_and_size_say() {
        let hello = summed(b"hello");
        let sha1 = hex::decode("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d").unwrap();
        let right = Claims {
            hash: Some(sha1.clone()),
            size: Some(5),
        };
        assert!(hello.check(&right).is_ok());
        assert!(hello.check(&Claims::default()).is_ok());
        for wrong in [
            Claims {
                size: Some(6),
                ..right.clone()
            },
            Claims {
                hash: Some(vec![0; 20]),
                ..right
            },
        ] {
            assert_eq!(hello.check(&wrong).unwrap_err().code, Code::ContentHashMismatch);
        }
    }

    #[test]
    fn nothing_has_size_zero_and_a_hash() {
        assert_eq!(summed(b"").size, 0);
        assert_eq!(
            hex::encode(summed(b"").sha1),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
    }
}
