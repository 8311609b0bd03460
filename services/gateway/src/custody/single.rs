//! Grants of one record: one version of it, with its documents, and nothing else of its scope.
//!
//! On chain stands a slot whose target is a salted commitment to the record's statement. Everything it takes to open the
//! record, and to tell which one it is, lies in one row of the custodian's vault, a release key's, which a revocation
//! destroys in its own transaction:
//!
//! ```text
//! place = slot|serial|epoch|keccak256(record wrap), epoch being the one the record is sealed in
//! row   = release key (32) ‖ salt (32) ‖ keccak256(recipient's key) (32) ‖ SHA-256 of the sealed bytes (32) ‖ record wrap (64)
//! ```
//!
//! For searches the record is indexed under a keyed hash of the slot: the database alone does not lead from a grant on the
//! chain to its record. That index only says where to look: whether a grant is live is decided by `live`, and which record
//! it is of by the salt, each time one is opened.

mod find;
mod mend;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use chartseal_envelope::{
    key::{FileKey, Identity, ReleaseKey},
    record_wrap::{self, RECORD_WRAP},
};
use chartseal_record::{ContentHash, Slot, Target, account::Account};
use chartseal_store::{NewAudit, Record, ReleaseKeyPlace, VaultKey};
use zeroize::Zeroizing;

pub use self::{
    find::{Slots, entry_of, live_in, live_to, live_values, name_record, of, record, records},
    mend::{put_back, rewrap},
};
use super::{
    live::LiveGrant,
    open::{custodian_of, identity, no_release_key, own_key},
    wraps,
};
use crate::{
    app::App,
    audit::{self, Entry, Written},
    elsewhere::release,
    problem::{Code, Failure, Problem},
    read,
    vault::{Kind, rows},
};

/// What the custodian keeps of a grant of one record.
pub struct Kept {
    /// Of the epoch the record is sealed in.
    pub epoch: u32,
    pub key: ReleaseKey,
    pub salt: B256,
    /// keccak256 of the key the wrap is for.
    pub recipient: B256,
    pub content: ContentHash,
    pub wrap: Bytes,
}

impl Kept {
    fn read(epoch: u32, row: &[u8]) -> Option<Self> {
        let (words, wrap) = row.split_at_checked(4 * 32)?;
        let word = |n: usize| B256::from_slice(&words[32 * n..32 * (n + 1)]);
        (wrap.len() == RECORD_WRAP).then(|| Self {
            epoch,
            key: ReleaseKey::from_bytes(word(0).0),
            salt: word(1),
            recipient: word(2),
            content: ContentHash(word(3)),
            wrap: Bytes::copy_from_slice(wrap),
        })
    }

    fn row(&self) -> Zeroizing<Vec<u8>> {
        let words = [self.key.as_bytes(), &self.salt.0, &self.recipient.0, &self.content.0.0];
        let mut row = Zeroizing::new(Vec::with_capacity(4 * 32 + RECORD_WRAP));
        words.iter().for_each(|word| row.extend_from_slice(&word[..]));
        row.extend_from_slice(&self.wrap);
        row
    }
}

/// A record opened by a grant of it alone.
pub struct Alone {
    pub file_key: FileKey,
    /// Of the grant's commitment.
    pub salt: B256,
}

/// Seals a record's key for a grantee under a fresh release key.
pub fn seal(app: &App, to: &wraps::For, salt: B256, record: &Record, file_key: &FileKey) -> Result<Kept, Failure> {
    let key = ReleaseKey::generate()?;
    let place = wraps::at(app, to.slot, to.serial, to.epoch);
    let wrap = record_wrap::seal(&place, record.content_hash, &to.recipient, &key, file_key)?;
    Ok(Kept {
        epoch: to.epoch,
        key,
        salt,
        recipient: to.recipient.key_hash(),
        content: record.content_hash,
        wrap: Bytes::from(wrap.to_vec()),
    })
}

/// Keeps what opens a record. `false` if the slot is refused here: then nothing is kept.
pub async fn keep(app: &App, to: &wraps::For, record: &Record, kept: &Kept) -> Result<bool, Failure> {
    let at = ReleaseKeyPlace {
        org: to.custodian,
        slot: to.slot,
        serial: to.serial,
        epoch: kept.epoch,
        wrap: keccak256(&kept.wrap),
    };
    name_record(app, to.slot, record).await?;
    wraps::keep_at(app, &at, &kept.row()).await
}

/// What a custodian served here keeps of a grant: a wrap for each key the grantee had, in no order.
pub async fn held(app: &App, custodian: Address, slot: Slot, serial: u64) -> Result<Vec<Kept>, Failure> {
    let mut held = Vec::new();
    for at in rows::places(app, custodian, Kind::ReleaseKey, &format!("{}|{serial}|", slot.0)).await? {
        // Gone in between: it was revoked, or has expired.
        if let Some(row) = rows::get(app, custodian, Kind::ReleaseKey, &at.place).await? {
            held.extend(kept_at(&at, &row));
        }
    }
    Ok(held)
}

/// What a row of the vault keeps of a grant of one record; none if it is of a scope.
fn kept_at(at: &VaultKey, row: &[u8]) -> Option<Kept> {
    Kept::read(ReleaseKeyPlace::of(at)?.epoch, row)
}

/// The grantee of a live grant of one record, whose key is in a vault here. Nothing is open yet.
pub struct Grantee {
    account: Address,
    custodian: Account,
    grant: LiveGrant,
    identity: Identity,
    purpose: String,
}

/// The entry belongs in the custodian's journal, or if that is served elsewhere in `org`'s, and then the custodian makes one too
/// before it releases anything.
pub async fn admit(
    app: &App,
    (account, org): (Address, Address),
    row: &Record,
    grant: &LiveGrant,
    entry: Entry,
) -> Result<(Grantee, NewAudit), Problem> {
    let custodian = custodian_of(app, row.patient)?;
    let grantee = app.index.account(account).ok_or_else(own_key)?;
    let own = wraps::recipient(&grantee)?.key_hash();
    let Some(identity) = identity(app, account, own).await? else {
        return Err(own_key());
    };
    let grantee = Grantee {
        account,
        custodian,
        grant: grant.clone(),
        identity,
        purpose: entry.purpose.clone(),
    };
    Ok((
        grantee,
        audit::sealed(app, audit::journal(app, row.patient, org), entry)?,
    ))
}

impl Grantee {
    /// The key of the one record that the grant is of, once the entry is durable.
    pub async fn open(&self, app: &App, row: &Record, _written: &Written) -> Result<Alone, Problem> {
        let Self {
            custodian,
            grant,
            identity: newest,
            ..
        } = self;
        if app.config.organisation(custodian.id).is_none() {
            let kept = release::ask_record(app, custodian, self.account, grant, &self.purpose, newest).await?;
            return file_key(app, grant, &kept, newest, row);
        }
        for kept in held(app, custodian.id, grant.slot, grant.serial).await? {
            if let Some(identity) = identity(app, self.account, kept.recipient).await? {
                return file_key(app, grant, &kept, &identity, row);
            }
        }
        Err(no_release_key())
    }
}

/// Opens the wrap. What was kept must be of this record, and this record the one the patient's commitment is to.
fn file_key(app: &App, grant: &LiveGrant, kept: &Kept, identity: &Identity, row: &Record) -> Result<Alone, Problem> {
    let target = Target::record(row.digest, kept.salt);
    if kept.content != row.content_hash || Slot::of(grant.patient, grant.grantee, &target) != grant.slot {
        tracing::error!(cid = %row.content_hash, "what a custodian keeps of a grant of one record is of another record");
        return Err(read::corrupt(&row.content_hash.cid()));
    }
    Ok(Alone {
        file_key: wrapped_key(app, grant, kept, identity)?,
        salt: kept.salt,
    })
}

/// The file key in the wrap. That it is the granted record's shows when the record is open.
pub fn wrapped_key(app: &App, grant: &LiveGrant, kept: &Kept, identity: &Identity) -> Result<FileKey, Problem> {
    let place = wraps::at(app, grant.slot, grant.serial, kept.epoch);
    let opened = record_wrap::open(&place, kept.content, identity, &kept.key, &kept.wrap);
    opened.map_err(|_| {
        tracing::error!(cid = %kept.content, "the wrap of a grant of one record does not open");
        Problem::new(
            Code::NotLive,
            "the wrap of this grant does not open; ask the patient for another grant",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_and_another_length_is_no_such_row() {
        let kept = Kept {
            epoch: 7,
            key: ReleaseKey::from_bytes([1; 32]),
            salt: B256::repeat_byte(2),
            recipient: B256::repeat_byte(3),
            content: ContentHash(B256::repeat_byte(4)),
            wrap: Bytes::from(vec![5; RECORD_WRAP]),
        };
        let row = kept.row();
        let again = Kept::read(7, &row).unwrap();
        assert_eq!(*again.row(), *row);
        assert_eq!((again.epoch, again.salt, again.content), (7, kept.salt, kept.content));
        // A release key of a scope's wrap is 32 bytes.
        for length in [0, 32, row.len() - 1] {
            assert!(Kept::read(7, &row[..length]).is_none(), "{length}");
        }
    }
}
