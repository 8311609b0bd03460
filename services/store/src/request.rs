//! Requests for access and what the patient decided.

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256, Bytes};

use crate::{
    Error, Store,
    cell::{Cells, int},
    engine::{Query, Row, exists, query},
    error::one_moved,
};

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestState {
    /// The grantee has not signed yet.
    Prepared,
    /// Signed; the patient is to decide.
    Open,
    /// Granted by the patient.
    Approved,
    /// Declined by the patient.
    Declined,
    /// Taken back by the grantee.
    Withdrawn,
}

impl RequestState {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::Prepared,
        Self::Open,
        Self::Approved,
        Self::Declined,
        Self::Withdrawn,
    ];

    /// The word in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for RequestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RequestState {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [
            Self::Prepared,
            Self::Open,
            Self::Approved,
            Self::Declined,
            Self::Withdrawn,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| format!("'{word}' is not a state of a request"))
    }
}

/// A request for access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Order of arrival; the cursor of pages. Ignored on insert.
    pub seq: i64,
    /// EIP-712 digest of the Request: its id.
    pub digest: B256,
    /// The custodian that shows it to the patient.
    pub org: Address,
    /// Who is asked.
    pub patient: Address,
    /// Who asks.
    pub grantee: Address,
    /// How far it has come. `Prepared` on insert.
    pub state: RequestState,
    /// Terms, purpose and reason, sealed by the gateway.
    pub sealed: Bytes,
    /// The grantee's signature, from `Open` on.
    pub signature: Option<Bytes>,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub decided_at: Option<u64>,
}

macro_rules! select_requests {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ", $name, "\nSELECT seq, digest, org, patient, grantee, state, sealed, signature, created_at, decided_at FROM request ",
            $rest
        )
    };
}

impl AccessRequest {
    fn read(row: &Row) -> Result<Self, Error> {
        let cells = Cells { table: "request", row };
        Ok(Self {
            seq: cells.int("seq")?,
            digest: cells.word("digest")?,
            org: cells.address("org")?,
            patient: cells.address("patient")?,
            grantee: cells.address("grantee")?,
            state: cells.parsed("state")?,
            sealed: cells.bytes("sealed")?,
            signature: cells.bytes_or_none("signature")?,
            created_at: cells.number("created_at")?,
            decided_at: cells.number_or_none("decided_at")?,
        })
    }
}

impl Store {
    /// Inserts a request in state `prepared`.
    pub async fn insert_request(&self, request: &AccessRequest) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query(
            "-- request_insert
             INSERT INTO request (digest, org, patient, grantee, state, sealed, created_at) VALUES ($1, $2, $3, $4, 'prepared', $5, $6)",
        )
        .bind(request.digest.as_slice())
        .bind(request.org.as_slice())
        .bind(request.patient.as_slice())
        .bind(request.grantee.as_slice())
        .bind(request.sealed.as_ref())
        .bind(int(request.created_at)?)
        .execute(&mut tx)
        .await
        .map_err(|e| exists(e, "request", request.digest))?;
        tx.commit().await
    }

    /// One request.
    pub async fn request(&self, digest: B256) -> Result<Option<AccessRequest>, Error> {
        query(select_requests!("request_get", "WHERE digest = $1"))
            .bind(digest.as_slice())
            .fetch_optional(self.reader())
            .await?
            .map(|row| AccessRequest::read(&row))
            .transpose()
    }

    /// A page of requests to a patient or by a grantee, newest first.
    pub async fn find_requests(
        &self,
        patient: Option<Address>,
        grantee: Option<Address>,
        state: Option<RequestState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AccessRequest>, Error> {
        let mut sql: Query<'_> = query(select_requests!("requests_find", "WHERE TRUE"));
        if let Some(patient) = patient {
            sql.push(" AND patient = ").push_bind(patient.to_vec());
        }
        if let Some(grantee) = grantee {
            sql.push(" AND grantee = ").push_bind(grantee.to_vec());
        }
        if let Some(state) = state {
            sql.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(before) = before {
            sql.push(" AND seq < ").push_bind(before);
        }
        sql.push(" ORDER BY seq DESC").push_limit(limit);
        sql.fetch_all(self.reader())
            .await?
            .iter()
            .map(AccessRequest::read)
            .collect()
    }

    /// Prepared → open, with the grantee's signature.
    pub async fn open_request(&self, digest: B256, signature: &[u8]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query("-- request_open\nUPDATE request SET state = 'open', signature = $1 WHERE digest = $2 AND state = 'prepared'")
            .bind(signature)
            .bind(digest.as_slice())
            .execute(&mut tx)
            .await?;
        one_moved(done, "request", digest, "prepared")?;
        tx.commit().await
    }

    /// Open → approved, declined or withdrawn.
    pub async fn decide_request(&self, digest: B256, state: RequestState, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let done = query(
            "-- request_decide\nUPDATE request SET state = $1, decided_at = $2 WHERE digest = $3 AND state = 'open'",
        )
        .bind(state.as_str())
        .bind(int(now)?)
        .bind(digest.as_slice())
        .execute(&mut tx)
        .await?;
        one_moved(done, "request", digest, "open")?;
        tx.commit().await
    }
}
