//! What the chain said, block by block.

use alloy_primitives::{Address, B256};
use chartseal_record::event::{Event, Logged};

use crate::{
    Error, Store, Tombstone,
    cell::{Cells, int},
    engine::{Locks, Row, Tx, query},
    tombstone,
};

/// A block that was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
}

/// A block by number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
}

macro_rules! select_events {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT e.block, e.log_index, e.tx_hash, e.data, b.hash, b.timestamp
             FROM chain_event e JOIN chain_block b ON b.number = e.block ",
            $rest,
            " ORDER BY e.block, e.log_index"
        )
    };
}
pub(crate) use select_events;

pub(crate) fn read(row: &Row) -> Result<Logged, Error> {
    let cells = Cells {
        table: "chain_event",
        row,
    };
    Ok(Logged {
        block: cells.number("block")?,
        block_hash: cells.word("hash")?,
        timestamp: cells.number("timestamp")?,
        log_index: cells.number("log_index")?,
        transaction: cells.word("tx_hash")?,
        event: cells.json("data")?,
    })
}

/// What a revocation on chain refuses here. Serials up to `u64::MAX` may be revoked at once; the database counts to half
/// of it.
fn refusal(logged: &Logged) -> Option<Tombstone> {
    match logged.event {
        Event::Revoked { slot, serial, .. } => Some(Tombstone {
            slot,
            org: Address::ZERO,
            serial: serial.min(i64::MAX as u64),
            refused_at: logged.timestamp,
            receipt: serde_json::Value::Null,
        }),
        _ => None,
    }
}

async fn stored_hash(tx: &mut Tx<'_>, number: u64) -> Result<Option<B256>, Error> {
    let row = query("-- chain_block_hash\nSELECT hash FROM chain_block WHERE number = $1")
        .bind(int(number)?)
        .fetch_optional(&mut *tx)
        .await?;
    let hash = |row: &Row| {
        let cells = Cells {
            table: "chain_block",
            row,
        };
        cells.word("hash")
    };
    row.as_ref().map(hash).transpose()
}

impl Store {
    /// Appends a block and its events. The same block again changes nothing; another block of the same number is
    /// refused ([`Error::AnotherBlock`]) until the old one is removed, and so is a block whose predecessor `after` is
    /// not stored ([`Error::Unfounded`]). Both are looked at in the transaction that writes, one at a time: what is stored
    /// is one chain at every moment, however many processes follow, and on whatever forks.
    ///
    /// Every revocation in it refuses its slot from here on and destroys its release keys, in the same transaction:
    /// [`Store::remove_blocks_from`] takes the block away again, never the refusal. Returns how many keys went; if any,
    /// the caller empties the write-ahead log ([`Store::wipe_log`]).
    pub async fn append_block(&self, block: Block, after: Option<BlockPlace>, events: &[Logged]) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let mut locks = Locks::default();
        for refused in events.iter().filter_map(refusal) {
            locks.refusal(refused.slot, true);
        }
        tx.lock(locks.chain()).await?;
        if let Some(after) = after
            && stored_hash(&mut tx, after.number).await? != Some(after.hash)
        {
            return Err(Error::Unfounded { number: block.number });
        }
        let new = query("-- chain_block_insert\nINSERT INTO chain_block (number, hash, timestamp) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(int(block.number)?)
            .bind(block.hash.as_slice())
            .bind(int(block.timestamp)?)
            .execute(&mut tx)
            .await?
            ;
        if new == 0 && stored_hash(&mut tx, block.number).await? != Some(block.hash) {
            return Err(Error::AnotherBlock { number: block.number });
        }
        let mut destroyed = 0;
        for logged in events {
            if let Some(tombstone) = refusal(logged) {
                destroyed += tombstone::raise(&mut tx, &tombstone).await?;
            }
            let data = serde_json::to_string(&logged.event).map_err(|e| Error::Broken {
                table: "chain_event",
                column: "data",
                reason: e.to_string(),
            })?;
            query(
                "-- chain_event_insert
                 INSERT INTO chain_event (block, log_index, tx_hash, name, subject, patient, grantee, data)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (block, log_index) DO NOTHING",
            )
            .bind(int(block.number)?)
            .bind(int(logged.log_index)?)
            .bind(logged.transaction.as_slice())
            .bind(logged.event.name())
            .bind(logged.event.subject().as_slice())
            .bind(logged.event.patient().as_ref().map(|a| a.as_slice()))
            .bind(logged.event.grantee().as_ref().map(|a| a.as_slice()))
            .bind(data)
            .execute(&mut tx)
            .await?;
        }
        tx.commit().await?;
        Ok(destroyed)
    }

    /// Forgets this block and all later ones: a re-org dropped them. Returns how many blocks went: none if this very
    /// block is not stored, for then another process has done so and may have brought what took its place.
    pub async fn remove_blocks_from(&self, lost: BlockPlace) -> Result<u64, Error> {
        let number = lost.number;
        let mut tx = self.write().await?;
        tx.lock(Locks::default().chain()).await?;
        if stored_hash(&mut tx, number).await? != Some(lost.hash) {
            return Ok(0);
        }
        query("-- chain_events_remove\nDELETE FROM chain_event WHERE block >= $1")
            .bind(int(number)?)
            .execute(&mut tx)
            .await?;
        let done = query("-- chain_blocks_remove\nDELETE FROM chain_block WHERE number >= $1")
            .bind(int(number)?)
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The newest blocks, newest first: where to go on, and which hashes to compare after a restart.
    pub async fn last_blocks(&self, limit: u32) -> Result<Vec<Block>, Error> {
        query("-- chain_blocks_last\nSELECT number, hash, timestamp FROM chain_block ORDER BY number DESC LIMIT CAST($1 AS BIGINT)")
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let cells = Cells {
                    table: "chain_block",
                    row,
                };
                Ok(Block {
                    number: cells.number("number")?,
                    hash: cells.word("hash")?,
                    timestamp: cells.number("timestamp")?,
                })
            })
            .collect()
    }

    /// All events, in the chain's order.
    pub async fn events(&self) -> Result<Vec<Logged>, Error> {
        let rows = query(select_events!("chain_events", ""))
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }

    /// All events of one subject (account as left-padded address, slot, compartment, root), in the chain's order: what
    /// its state is folded from.
    pub async fn events_of(&self, subject: B256) -> Result<Vec<Logged>, Error> {
        let rows = query(select_events!("chain_events_of", "WHERE e.subject = $1"))
            .bind(subject.as_slice())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }

    /// All events of one name, in the chain's order.
    pub async fn events_named(&self, name: &str) -> Result<Vec<Logged>, Error> {
        let rows = query(select_events!("chain_events_named", "WHERE e.name = $1"))
            .bind(name)
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }

    /// All events that name this patient, in the chain's order.
    pub async fn events_of_patient(&self, patient: Address) -> Result<Vec<Logged>, Error> {
        let rows = query(select_events!("chain_events_of_patient", "WHERE e.patient = $1"))
            .bind(patient.as_slice())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }

    /// All events that name this grantee, in the chain's order.
    pub async fn events_of_grantee(&self, grantee: Address) -> Result<Vec<Logged>, Error> {
        let rows = query(select_events!("chain_events_of_grantee", "WHERE e.grantee = $1"))
            .bind(grantee.as_slice())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }
}
