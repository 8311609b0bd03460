//! What was disclosed or changed, per organisation and patient, chained by hash.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use chartseal_record::audit;

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Locks, On, Tx, query},
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
             WHERE a.org = $1 GROUP BY a.patient HAVING MAX(a.seq) > COALESCE(MAX(s.seq), 0) ORDER BY a.patient LIMIT $2",
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
        for entry in entries {
            insert(&mut tx, entry).await?;
        }
        for entry in since {
            append(&mut tx, &entry.anew()).await?;
        }
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
         SELECT seq, recorded_at, previous, hash, digest, sealed FROM audit WHERE org = $1 AND patient = $2 AND seq > $3 ORDER BY seq LIMIT $4",
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

/// Appends one entry. The transaction holds the write lock, so nobody comes between reading the last entry and writing
/// the next.
pub(crate) async fn append(tx: &mut Tx<'_>, new: &NewAudit) -> Result<AuditEntry, Error> {
    let last =
        query("-- audit_last\nSELECT seq, hash FROM audit WHERE org = $1 AND patient = $2 ORDER BY seq DESC LIMIT 1")
            .bind(new.org.as_slice())
            .bind(new.patient.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
    let (seq, previous) = match &last {
        Some(row) => {
            let cells = Cells { table: "audit", row };
            (cells.number::<u64>("seq")?, cells.word("hash")?)
        }
        None => (0, B256::ZERO),
    };
    let mut entry = AuditEntry {
        org: new.org,
        patient: new.patient,
        seq: seq + 1,
        recorded_at: new.recorded_at,
        previous,
        hash: B256::ZERO,
        digest: new.digest,
        sealed: new.sealed.clone(),
    };
    entry.hash = entry.expected_hash();
    insert(tx, &entry).await?;
    Ok(entry)
}

async fn insert(tx: &mut Tx<'_>, entry: &AuditEntry) -> Result<(), Error> {
    query("-- audit_insert\nINSERT INTO audit (org, patient, seq, recorded_at, previous, hash, digest, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(entry.org.as_slice())
        .bind(entry.patient.as_slice())
        .bind(int(entry.seq)?)
        .bind(int(entry.recorded_at)?)
        .bind(entry.previous.as_slice())
        .bind(entry.hash.as_slice())
        .bind(entry.digest.as_slice())
        .bind(entry.sealed.as_ref())
        .execute(tx)
        .await?;
    Ok(())
}
