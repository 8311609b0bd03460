//! What was disclosed or changed, per organisation and patient, chained by hash.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolValue;

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Tx, query},
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
    /// The entry, sealed by the gateway.
    pub sealed: Bytes,
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
    /// The entry, sealed by the gateway.
    pub sealed: Bytes,
}

impl AuditEntry {
    /// keccak256(abi.encode("chartseal/v1/audit", org, patient, seq, recorded_at, previous, keccak256(sealed))).
    pub fn expected_hash(&self) -> B256 {
        let label = "chartseal/v1/audit".to_owned();
        let sealed = keccak256(&self.sealed);
        keccak256(
            (
                label,
                self.org,
                self.patient,
                self.seq,
                self.recorded_at,
                self.previous,
                sealed,
            )
                .abi_encode_params(),
        )
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
        query(
            "-- audit_list
             SELECT seq, recorded_at, previous, hash, sealed FROM audit WHERE org = $1 AND patient = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        )
        .bind(org.as_slice())
        .bind(patient.as_slice())
        .bind(int(after)?)
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| {
            let cells = Cells { table: "audit", row };
            Ok(AuditEntry {
                org,
                patient,
                seq: cells.number("seq")?,
                recorded_at: cells.number("recorded_at")?,
                previous: cells.word("previous")?,
                hash: cells.word("hash")?,
                sealed: cells.bytes("sealed")?,
            })
        })
        .collect()
    }
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
        sealed: new.sealed.clone(),
    };
    entry.hash = entry.expected_hash();
    query("-- audit_insert\nINSERT INTO audit (org, patient, seq, recorded_at, previous, hash, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(entry.org.as_slice())
        .bind(entry.patient.as_slice())
        .bind(int(entry.seq)?)
        .bind(int(entry.recorded_at)?)
        .bind(entry.previous.as_slice())
        .bind(entry.hash.as_slice())
        .bind(entry.sealed.as_ref())
        .execute(tx)
        .await?;
    Ok(entry)
}
