//! Records: one version of one sealed resource each.

use std::collections::HashMap;

use alloy_primitives::{Address, B256};
use chartseal_record::{Compartment, ContentHash, Scope, state::RecordState};

use crate::{
    AttachmentPlace, BatchId, Error, NewAttachment, NewRecord, RecordCommit, Store,
    cell::{Cells, int},
    condition,
    engine::{Locks, Row, Tx, Value, Violated, pieces, query, violated},
    idempotency,
    outbox::{self, NewBlock},
    staged, standing,
};

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Order of arrival; the cursor of pages.
    pub seq: i64,
    /// SHA-256 of the sealed bytes.
    pub content_hash: ContentHash,
    /// The organisation whose publisher anchors it.
    pub org: Address,
    /// Account id of the patient.
    pub patient: Address,
    /// Scope.
    pub scope: Scope,
    /// Patient × scope.
    pub compartment: Compartment,
    /// Epoch the bytes are sealed to.
    pub epoch: u32,
    /// The record's id.
    pub record_id: B256,
    /// 1 for the first version.
    pub version: u32,
    /// Digest of the previous version's statement; zero for the first.
    pub previous: B256,
    /// Digest of this version's statement.
    pub digest: B256,
    /// Account id of the author.
    pub author: Address,
    /// Unix seconds.
    pub authored_at: u64,
    /// FHIR type.
    pub resource_type: String,
    /// Bytes, sealed.
    pub sealed_size: u64,
    /// Merkle leaf.
    pub leaf: B256,
    /// Unix seconds.
    pub received_at: u64,
    /// How far it has come.
    pub state: RecordState,
    /// Its batch and the leaf's place there, unless `stored`.
    pub batch: Option<(BatchId, u32)>,
    /// The block its batch was seen anchored in, if it was.
    pub anchored_in: Option<u64>,
}

/// A document that hangs on a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// CID as text.
    pub cid: String,
    /// Bytes, sealed.
    pub sealed_size: u64,
    /// The bytes were given to the outbox with the record (they leave it once anchored), not to the content store.
    pub from_outbox: bool,
}

/// The columns of a record `r` and its batch `b`, which may be missing.
macro_rules! record_columns {
    () => {
        "r.seq, r.content_hash, r.org, r.patient, r.scope, r.compartment, r.epoch, r.record_id, r.version, r.previous, r.digest,
             r.author, r.authored_at, r.resource_type, r.sealed_size, r.leaf, r.received_at, r.batch, r.leaf_index,
             COALESCE(b.state, 'stored') AS state, b.block AS anchored_in"
    };
}
pub(crate) use record_columns;

/// A SELECT of records under its own name; `$rest` begins after the FROM clause (record `r`, its batch `b`).
macro_rules! select_records {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT ",
            $crate::record::record_columns!(),
            " FROM record r LEFT JOIN batch b ON b.id = r.batch ",
            $rest
        )
    };
}
pub(crate) use select_records;

impl Record {
    pub(crate) fn read(row: &Row) -> Result<Self, Error> {
        let cells = Cells { table: "record", row };
        Ok(Self {
            seq: cells.int("seq")?,
            content_hash: ContentHash(cells.word("content_hash")?),
            org: cells.address("org")?,
            patient: cells.address("patient")?,
            scope: cells.parsed("scope")?,
            compartment: Compartment(cells.word("compartment")?),
            epoch: cells.number("epoch")?,
            record_id: cells.word("record_id")?,
            version: cells.number("version")?,
            previous: cells.word("previous")?,
            digest: cells.word("digest")?,
            author: cells.address("author")?,
            authored_at: cells.number("authored_at")?,
            resource_type: cells.text("resource_type")?,
            sealed_size: cells.number("sealed_size")?,
            leaf: cells.word("leaf")?,
            received_at: cells.number("received_at")?,
            state: cells.parsed("state")?,
            batch: match cells.number_or_none("batch")? {
                Some(batch) => Some((BatchId(batch), cells.number("leaf_index")?)),
                None => None,
            },
            anchored_in: cells.number_or_none("anchored_in")?,
        })
    }
}

impl Store {
    /// The record of these sealed bytes.
    pub async fn record(&self, content_hash: ContentHash) -> Result<Option<Record>, Error> {
        query(select_records!("record_by_content", "WHERE r.content_hash = $1"))
            .bind(content_hash.0.as_slice())
            .fetch_optional(self.reader())
            .await?
            .map(|row| Record::read(&row))
            .transpose()
    }

    /// One version of a record.
    pub async fn record_version(&self, record_id: B256, version: u32) -> Result<Option<Record>, Error> {
        query(select_records!(
            "record_by_version",
            "WHERE r.record_id = $1 AND r.version = $2"
        ))
        .bind(record_id.as_slice())
        .bind(i64::from(version))
        .fetch_optional(self.reader())
        .await?
        .map(|row| Record::read(&row))
        .transpose()
    }

    /// The newest version of a record.
    pub async fn newest_version(&self, record_id: B256) -> Result<Option<Record>, Error> {
        query(select_records!(
            "record_newest",
            "WHERE r.record_id = $1 ORDER BY r.version DESC LIMIT 1"
        ))
        .bind(record_id.as_slice())
        .fetch_optional(self.reader())
        .await?
        .map(|row| Record::read(&row))
        .transpose()
    }

    /// All versions of a record, newest first.
    pub async fn record_history(&self, record_id: B256) -> Result<Vec<Record>, Error> {
        query(select_records!(
            "record_history",
            "WHERE r.record_id = $1 ORDER BY r.version DESC"
        ))
        .bind(record_id.as_slice())
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Record::read)
        .collect()
    }

    /// What hangs on a record, in the order of its header.
    pub async fn attachments(&self, seq: i64) -> Result<Vec<Attachment>, Error> {
        query("-- attachments_of_record\nSELECT cid, sealed_size, place FROM attachment WHERE record = $1 ORDER BY ordinal")
            .bind(seq)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let cells = Cells { table: "attachment", row };
                Ok(Attachment {
                    cid: cells.text("cid")?,
                    sealed_size: cells.number("sealed_size")?,
                    from_outbox: cells.text("place")? == "outbox",
                })
            })
            .collect()
    }

    /// The records an attachment hangs on, newest first: whoever may read one of them may fetch it.
    pub async fn records_with_attachment(&self, cid: &str) -> Result<Vec<Record>, Error> {
        query(select_records!(
            "records_with_attachment",
            "JOIN attachment a ON a.record = r.seq WHERE a.cid = $1 ORDER BY r.seq DESC"
        ))
        .bind(cid)
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(Record::read)
        .collect()
    }
}

/// What a commit relies on not moving until it is in.
pub(crate) fn lock(commit: &RecordCommit, locks: &mut Locks) {
    locks.arrival(false);
    if let Some(standing) = &commit.standing {
        locks.epochs(commit.record.compartment, false);
        for slot in standing.refused.keys().copied() {
            locks.refusal(slot, false);
        }
    }
    if let Some(condition) = &commit.condition {
        locks.condition(condition.hash);
    }
}

/// Inserts everything these commits hold except their audit entries, under their locks, and returns the records' `seq`s. A group of
/// many is a few statements, since the writer's lock is held meanwhile.
pub(crate) async fn insert(tx: &mut Tx<'_>, commits: &[&RecordCommit]) -> Result<Vec<i64>, Error> {
    standing::hold(tx, commits).await?;
    for commit in commits {
        if let Some(condition) = &commit.condition {
            condition::meet(tx, condition, commit.record.content_hash).await?;
        }
    }
    // Before their versions are judged: what was sent twice at one time is told that it was, not that its first made it stale.
    for commit in commits {
        if let Some(answer) = &commit.answer {
            idempotency::insert(tx, answer).await?;
        }
    }
    let seqs = insert_rows(tx, commits).await?;
    let (mut blocks, mut attached, mut index_rows) = (Vec::new(), Vec::new(), Vec::new());
    for (&seq, commit) in seqs.iter().zip(commits) {
        let mut block = |cid, bytes| {
            blocks.push(NewBlock {
                cid,
                org: commit.record.org,
                record: seq,
                bytes,
            });
        };
        block(commit.record.content_hash.to_string(), &commit.sealed[..]);
        for (ordinal, attachment) in commit.attachments.iter().enumerate() {
            if let AttachmentPlace::Outbox(bytes) = &attachment.place {
                block(attachment.cid.clone(), bytes);
            }
            attached.push((seq, ordinal, attachment));
        }
        index_rows.extend(commit.index.iter().map(|(name, value)| (seq, name.as_str(), *value)));
    }
    outbox::insert(tx, &blocks).await?;
    attach(tx, &attached).await?;
    index(tx, &index_rows).await?;
    for commit in commits {
        for (id, account) in &commit.staged {
            staged::take(tx, id, *account).await?;
        }
    }
    Ok(seqs)
}

async fn attach(tx: &mut Tx<'_>, attached: &[(i64, usize, &NewAttachment)]) -> Result<(), Error> {
    for piece in pieces(attached, 5) {
        let mut insert =
            query("-- attachment_insert\nINSERT INTO attachment (record, ordinal, cid, sealed_size, place) VALUES ");
        for (i, (seq, ordinal, attachment)) in piece.iter().enumerate() {
            let place = match attachment.place {
                AttachmentPlace::Outbox(_) => "outbox",
                AttachmentPlace::Content => "content",
            };
            let row = [
                (*seq).into(),
                int(*ordinal as u64)?.into(),
                (&attachment.cid).into(),
                int(attachment.sealed_size)?.into(),
                place.into(),
            ];
            insert.push_row(i > 0, row);
        }
        insert.execute(&mut *tx).await?;
    }
    Ok(())
}

/// Blind index: record, name and keyed hash. The same value twice in one resource (an identifier repeated) is one entry.
pub(crate) async fn index(tx: &mut Tx<'_>, entries: &[(i64, &str, B256)]) -> Result<(), Error> {
    for piece in pieces(entries, 3) {
        let mut insert = query("-- record_index_insert\nINSERT INTO record_index (record, name, value) VALUES ");
        for (i, (seq, name, value)) in piece.iter().enumerate() {
            insert.push_row(i > 0, [(*seq).into(), (*name).into(), value.as_slice().into()]);
        }
        insert.push(" ON CONFLICT DO NOTHING");
        insert.execute(&mut *tx).await?;
    }
    Ok(())
}

async fn insert_rows(tx: &mut Tx<'_>, commits: &[&RecordCommit]) -> Result<Vec<i64>, Error> {
    let mut seqs = HashMap::with_capacity(commits.len());
    for piece in pieces(commits, 16) {
        let mut insert = query(
            "-- record_insert
             INSERT INTO record (content_hash, org, patient, scope, compartment, epoch, record_id, version, previous, digest, author,
                 authored_at, resource_type, sealed_size, leaf, received_at)
             VALUES ",
        );
        for (i, commit) in piece.iter().enumerate() {
            insert.push_row(i > 0, row(commit)?);
        }
        insert.push(" RETURNING seq, content_hash");
        for row in insert.fetch_all(&mut *tx).await.map_err(|e| refused(piece[0], e))? {
            let cells = Cells {
                table: "record",
                row: &row,
            };
            seqs.insert(cells.word("content_hash")?, cells.int("seq")?);
        }
    }
    // After the rows: the version before may have come in this very group.
    for commit in commits {
        if !follows(tx, &commit.record).await? {
            return Err(stale(&commit.record));
        }
    }
    Ok(commits
        .iter()
        .map(|commit| seqs[&commit.record.content_hash.0])
        .collect())
}

fn row(commit: &RecordCommit) -> Result<[Value<'_>; 16], Error> {
    let record = &commit.record;
    Ok([
        record.content_hash.0.as_slice().into(),
        record.org.as_slice().into(),
        record.patient.as_slice().into(),
        record.scope.as_str().into(),
        record.compartment.0.as_slice().into(),
        i64::from(record.epoch).into(),
        record.record_id.as_slice().into(),
        i64::from(record.version).into(),
        record.previous.as_slice().into(),
        record.digest.as_slice().into(),
        record.author.as_slice().into(),
        int(record.authored_at)?.into(),
        (&record.resource_type).into(),
        int(commit.sealed.len() as u64)?.into(),
        record.leaf.as_slice().into(),
        int(record.received_at)?.into(),
    ])
}

/// Exact where one record was inserted; a group that is refused is inserted again one by one.
fn refused(commit: &RecordCommit, error: sqlx::Error) -> Error {
    match violated(&error) {
        Some(Violated::RecordBytes) => Error::RecordExists(commit.record.content_hash),
        Some(Violated::RecordVersion) => stale(&commit.record),
        _ => Error::Database(error),
    }
}

fn stale(record: &NewRecord) -> Error {
    Error::StaleVersion {
        record: record.record_id,
        version: record.version,
    }
}

/// Whether the version before, in the same compartment and with the digest named as `previous`, is here. That no other
/// successor is here is the table's own constraint.
pub(crate) async fn follows(tx: &mut Tx<'_>, record: &NewRecord) -> Result<bool, Error> {
    if record.version == 1 {
        return Ok(record.previous == B256::ZERO);
    }
    Ok(query(
        "-- record_follows
         SELECT EXISTS (SELECT 1 FROM record WHERE record_id = $1 AND version = $2 AND compartment = $3 AND digest = $4)",
    )
    .bind(record.record_id.as_slice())
    .bind(i64::from(record.version) - 1)
    .bind(record.compartment.0.as_slice())
    .bind(record.previous.as_slice())
    .fetch_value(&mut *tx)
    .await?)
}
