//! What was disclosed or changed, per organisation and patient, chained by hash.

use std::collections::{BTreeSet, HashMap};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use chartseal_record::audit;

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Locks, On, Tx, pieces, query},
};

/// An entry to append. Durable through [`Store::append_audit`], or together with a record.
#[derive(Debug, Clone)]
pub struct NewAudit {
    /// The organisation that keeps the chain.
    pub org: Address,
    /// The patient.
    pub patient: Address,
    /// Unix seconds.
    pub recorded_at: u64,
    /// What the hash binds: the digest of what it says.
    pub digest: B256,
    /// The entry, sealed by the gateway.
    pub sealed: Bytes,
}

/// A journal that has entries no record holds yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsealed {
    /// The patient.
    pub patient: Address,
    /// The last entry that a record holds; 0 if none.
    pub sealed: u64,
    /// The last entry.
    pub newest: u64,
}

/// That a record holds the entries after `from` up to `to`: true together with the record. Of two that begin at the same
/// entry, one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing {
    /// The organisation that keeps the chain.
    pub org: Address,
    /// The patient.
    pub patient: Address,
    /// The last entry sealed before; 0 if none.
    pub from: u64,
    /// The last entry sealed now.
    pub to: u64,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The organisation that keeps the chain.
    pub org: Address,
    /// The patient.
    pub patient: Address,
    /// 1, 2, 3, … without gaps.
    pub seq: u64,
    /// Unix seconds.
    pub recorded_at: u64,
    /// Hash of the entry before; zero for the first.
    pub previous: B256,
    /// Hash of this entry.
    pub hash: B256,
    /// What the hash binds: of what it says; of the sealed bytes where it was written before digests were kept.
    pub digest: B256,
    /// The entry, sealed by the gateway.
    pub sealed: Bytes,
}

impl AuditEntry {
    /// [`audit::hash`] of this place.
    pub fn expected_hash(&self) -> B256 {
        audit::hash(
            self.org,
            self.patient,
            self.seq,
            self.recorded_at,
            self.previous,
            self.digest,
        )
    }

    /// To append what it says in another place.
    fn anew(self) -> NewAudit {
        NewAudit {
            org: self.org,
            patient: self.patient,
            recorded_at: self.recorded_at,
            digest: self.digest,
            sealed: self.sealed,
        }
    }

    /// Whether this entry may stand after `before` (`None`: first of its chain).
    pub fn follows(&self, before: Option<&AuditEntry>) -> bool {
        let (seq, previous) = before.map_or((0, B256::ZERO), |entry| (entry.seq, entry.hash));
        let same_chain = before.is_none_or(|entry| (entry.org, entry.patient) == (self.org, self.patient));
        same_chain && self.seq == seq + 1 && self.previous == previous && self.hash == self.expected_hash()
    }
}

impl Store {
    /// A patient's entries after `after` (0 for all), oldest first.
    pub async fn audit(
        &self,
        org: Address,
        patient: Address,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, Error> {
        rows(self.reader(), org, patient, after, i64::from(limit)).await
    }

    /// Journals of `org` with entries no record holds yet, at most `limit` of them.
    pub async fn unsealed_audit(&self, org: Address, limit: u32) -> Result<Vec<Unsealed>, Error> {
        query(
            "-- audit_unsealed
             SELECT a.patient, MAX(a.seq) AS newest, COALESCE(MAX(s.seq), 0) AS sealed
             FROM audit a LEFT JOIN audit_seal s ON s.org = a.org AND s.patient = a.patient
             WHERE a.org = $1 GROUP BY a.patient HAVING MAX(a.seq) > COALESCE(MAX(s.seq), 0) ORDER BY a.patient LIMIT CAST($2 AS BIGINT)",
        )
        .bind(org.as_slice())
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| {
            let cells = Cells { table: "audit", row };
            Ok(Unsealed {
                patient: cells.address("patient")?,
                sealed: cells.number("sealed")?,
                newest: cells.number("newest")?,
            })
        })
        .collect()
    }

    /// The last entry of a patient's journal; 0 if there is none.
    pub async fn newest_audit(&self, org: Address, patient: Address) -> Result<u64, Error> {
        self.journal_mark(
            "-- audit_newest\nSELECT COALESCE(MAX(seq), 0) AS seq FROM audit WHERE org = $1 AND patient = $2",
            org,
            patient,
        )
        .await
    }

    /// The last entry of a patient's journal that a record holds; 0 if none.
    pub async fn sealed_audit(&self, org: Address, patient: Address) -> Result<u64, Error> {
        self.journal_mark(
            "-- audit_sealed\nSELECT seq FROM audit_seal WHERE org = $1 AND patient = $2",
            org,
            patient,
        )
        .await
    }

    async fn journal_mark(&self, sql: &'static str, org: Address, patient: Address) -> Result<u64, Error> {
        query(sql)
            .bind(org.as_slice())
            .bind(patient.as_slice())
            .fetch_optional(self.reader())
            .await?
            .map_or(Ok(0), |row| {
                let table = "audit_seal";
                Cells { table, row: &row }.number("seq")
            })
    }
}

impl Store {
    /// Puts the first entries of a journal back, which are a chain from entry 1 on and sealed in records. What was
    /// appended meanwhile to the journal that had begun anew comes behind them, in its order, with new numbers and hashes:
    /// do this before anybody is shown an entry of it. `false`, and no change, if the journal begins with them already.
    pub async fn restore_journal(&self, entries: &[AuditEntry]) -> Result<bool, Error> {
        let Some((first, last)) = entries.first().zip(entries.last()) else {
            return Ok(false);
        };
        let (org, patient) = (first.org, first.patient);
        let mut tx = self.write().await?;
        tx.lock(Locks::default().audit_chain(org, patient)).await?;
        let since = rows(&mut tx, org, patient, 0, i64::MAX).await?;
        if since.first().is_some_and(|entry| entry.hash == first.hash) {
            return Ok(false);
        }
        query("-- audit_begun_anew\nDELETE FROM audit WHERE org = $1 AND patient = $2")
            .bind(org.as_slice())
            .bind(patient.as_slice())
            .execute(&mut tx)
            .await?;
        insert(&mut tx, entries).await?;
        let since: Vec<NewAudit> = since.into_iter().map(AuditEntry::anew).collect();
        append(&mut tx, &since.iter().collect::<Vec<_>>()).await?;
        seal(
            &mut tx,
            &Sealing {
                org,
                patient,
                from: 0,
                to: last.seq,
            },
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn rows(
    on: impl Into<On<'_>>,
    org: Address,
    patient: Address,
    after: u64,
    limit: i64,
) -> Result<Vec<AuditEntry>, Error> {
    query(
        "-- audit_list
         SELECT seq, recorded_at, previous, hash, digest, sealed FROM audit WHERE org = $1 AND patient = $2 AND seq > $3 ORDER BY seq LIMIT CAST($4 AS BIGINT)",
    )
    .bind(org.as_slice())
    .bind(patient.as_slice())
    .bind(int(after)?)
    .bind(limit)
    .fetch_all(on)
    .await?
    .iter()
    .map(|row| {
        let cells = Cells { table: "audit", row };
        let sealed = cells.bytes("sealed")?;
        Ok(AuditEntry {
            org,
            patient,
            seq: cells.number("seq")?,
            recorded_at: cells.number("recorded_at")?,
            previous: cells.word("previous")?,
            hash: cells.word("hash")?,
            digest: cells.word_or_none("digest")?.unwrap_or_else(|| keccak256(&sealed)),
            sealed,
        })
    })
    .collect()
}

/// Moves the mark, which must stand where the sealing begins.
pub(crate) async fn seal(tx: &mut Tx<'_>, sealing: &Sealing) -> Result<(), Error> {
    let moved = query(
        "-- audit_seal
         INSERT INTO audit_seal (org, patient, seq) VALUES ($1, $2, $3)
         ON CONFLICT (org, patient) DO UPDATE SET seq = excluded.seq WHERE audit_seal.seq = $4",
    )
    .bind(sealing.org.as_slice())
    .bind(sealing.patient.as_slice())
    .bind(int(sealing.to)?)
    .bind(int(sealing.from)?)
    .execute(tx)
    .await?;
    if moved == 1 {
        return Ok(());
    }
    Err(Error::Moved {
        table: "audit_seal",
        key: sealing.patient.to_string(),
        expected: "where the entries to seal begin",
    })
}

/// Appends entries, each to its journal. The transaction has the journals to itself, so nobody comes between reading the last
/// entries and writing the next.
pub(crate) async fn append(tx: &mut Tx<'_>, new: &[&NewAudit]) -> Result<Vec<AuditEntry>, Error> {
    let mut last = last(tx, new).await?;
    let mut entries = Vec::with_capacity(new.len());
    for new in new {
        let (seq, previous) = last.entry((new.org, new.patient)).or_default();
        let mut entry = AuditEntry {
            org: new.org,
            patient: new.patient,
            seq: *seq + 1,
            recorded_at: new.recorded_at,
            previous: *previous,
            hash: B256::ZERO,
            digest: new.digest,
            sealed: new.sealed.clone(),
        };
        entry.hash = entry.expected_hash();
        (*seq, *previous) = (entry.seq, entry.hash);
        entries.push(entry);
    }
    insert(tx, &entries).await?;
    Ok(entries)
}

/// Number and hash of the last entry of each journal that has one.
async fn last(tx: &mut Tx<'_>, new: &[&NewAudit]) -> Result<HashMap<(Address, Address), (u64, B256)>, Error> {
    let journals: BTreeSet<(Address, Address)> = new.iter().map(|one| (one.org, one.patient)).collect();
    let journals: Vec<_> = journals.into_iter().collect();
    let mut found = HashMap::new();
    for piece in pieces(&journals, 2) {
        let mut last = query("-- audit_last\n");
        for (i, (org, patient)) in piece.iter().enumerate() {
            last.push(if i > 0 { " UNION ALL " } else { "" })
                .push("SELECT * FROM (SELECT org, patient, seq, hash FROM audit WHERE org = ")
                .push_bind(org.as_slice())
                .push(" AND patient = ")
                .push_bind(patient.as_slice())
                .push(" ORDER BY seq DESC LIMIT 1) AS one");
        }
        for row in last.fetch_all(&mut *tx).await? {
            let cells = Cells {
                table: "audit",
                row: &row,
            };
            let journal = (cells.address("org")?, cells.address("patient")?);
            found.insert(journal, (cells.number("seq")?, cells.word("hash")?));
        }
    }
    Ok(found)
}

async fn insert(tx: &mut Tx<'_>, entries: &[AuditEntry]) -> Result<(), Error> {
    for piece in pieces(entries, 8) {
        let mut insert = query(
            "-- audit_insert\nINSERT INTO audit (org, patient, seq, recorded_at, previous, hash, digest, sealed) VALUES ",
        );
        for (i, entry) in piece.iter().enumerate() {
            let row = [
                entry.org.as_slice().into(),
                entry.patient.as_slice().into(),
                int(entry.seq)?.into(),
                int(entry.recorded_at)?.into(),
                entry.previous.as_slice().into(),
                entry.hash.as_slice().into(),
                entry.digest.as_slice().into(),
                entry.sealed.as_ref().into(),
            ];
            insert.push_row(i > 0, row);
        }
        insert.execute(&mut *tx).await?;
    }
    Ok(())
}
