//! What a transaction must have to itself. SQLite has one writer at a time, so there nothing more is needed. PostgreSQL
//! has many: those whose rows depend on rows that are not there yet (the next entry of a chain, a refusal that may come)
//! take a lock by name. All of one transaction's locks are taken at once and in one order, so nobody waits in a circle.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, keccak256};
use chartseal_record::{Compartment, Slot};

use super::Tx;

/// Locks to take, each by the first 64 bits of its name's hash. Two names that share them wait for each other without
/// need, and nothing worse.
#[derive(Default)]
pub(crate) struct Locks(BTreeMap<i64, bool>);

impl Locks {
    /// The audit chain of a patient: who appends reads the last entry first.
    pub fn audit_chain(&mut self, org: Address, patient: Address) -> &mut Self {
        self.add("audit", &[org.as_slice(), patient.as_slice()].concat(), true)
    }

    /// The epoch numbers of a compartment. A record that was sealed to the newest shares it; who takes the next is alone.
    pub fn epochs(&mut self, compartment: Compartment, alone: bool) -> &mut Self {
        self.add("epochs", compartment.0.as_slice(), alone)
    }

    /// The refusal of a slot. Who relies on there being none shares it; who refuses is alone.
    pub fn refusal(&mut self, slot: Slot, alone: bool) -> &mut Self {
        self.add("refusal", slot.0.as_slice(), alone)
    }

    /// The arrival of records. PostgreSQL numbers a row before its transaction commits, so a smaller number may become
    /// visible after a larger one. Whoever inserts shares this; whoever needs every record up to a number waits, alone,
    /// until those under way are in.
    pub fn arrival(&mut self, alone: bool) -> &mut Self {
        self.add("arrival", &[], alone)
    }

    /// What was last created under a condition.
    pub fn condition(&mut self, hash: B256) -> &mut Self {
        self.add("condition", hash.as_slice(), true)
    }

    /// The blocks of the chain: appended and removed by one at a time.
    pub fn chain(&mut self) -> &mut Self {
        self.add("chain", &[], true)
    }

    fn add(&mut self, what: &str, which: &[u8], alone: bool) -> &mut Self {
        let hash = keccak256([what.as_bytes(), b"|", which].concat());
        let name = i64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
        // Both ways wanted: alone is enough, and asking for more later is how two would wait for each other.
        *self.0.entry(name).or_default() |= alone;
        self
    }
}

impl Tx<'_> {
    /// Takes the locks until the transaction ends. Call it once, before anything is read: every statement after it sees
    /// what the former holders committed.
    pub async fn lock(&mut self, locks: &Locks) -> Result<(), sqlx::Error> {
        let Self::Postgres(tx) = self else { return Ok(()) };
        if locks.0.is_empty() {
            return Ok(());
        }
        let (names, alone): (Vec<i64>, Vec<bool>) = locks.0.iter().map(|(name, alone)| (*name, *alone)).unzip();
        sqlx::query(
            "-- lock
             SELECT CASE WHEN alone THEN pg_advisory_xact_lock(name)::text ELSE pg_advisory_xact_lock_shared(name)::text END
             FROM unnest($1::bigint[], $2::boolean[]) AS wanted (name, alone)",
        )
        .bind(names)
        .bind(alone)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
