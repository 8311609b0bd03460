//! Wraps and the release keys that are kept for them.
//!
//! A release key's place in the vault is slot|serial|epoch|keccak256(wrap): two grants prepared side by side for the
//! same serial never overwrite each other's key, and a revocation finds all of a slot by its beginning. What is refused
//! here keeps no key: the database looks for the refusal in the transaction that would keep it.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use chartseal_envelope::{
    key::{EpochSecret, Identity, PublicKey, ReleaseKey},
    wrap,
};
use chartseal_record::{
    Scope, Slot,
    account::Account,
    grant::{GrantState, Terms, Wrapped},
    typed,
};
use chartseal_store::ReleaseKeyPlace;

use super::epochs;
use crate::{
    app::App,
    problem::{Code, Failure, Problem},
    vault::{Kind, rows},
};

/// For whom, in which grant, of which epoch.
#[derive(Debug, Clone, Copy)]
pub struct For {
    pub custodian: Address,
    pub slot: Slot,
    pub serial: u64,
    pub epoch: u32,
    pub recipient: PublicKey,
}

/// The encryption key the Directory lists for an account.
pub fn recipient(account: &Account) -> Result<PublicKey, Problem> {
    let listed = (account.suite == typed::SUITE_X25519).then(|| PublicKey::try_from(&account.encryption_key[..]));
    match listed {
        Some(Ok(key)) => Ok(key),
        _ => Err(Problem::new(
            Code::Invalid,
            "the grantee has no encryption key in the Directory, so nothing can be wrapped for it; it sets one first",
        )),
    }
}

/// Whose READ in a scope has not ended and who has a key to wrap for: those an epoch of it is for.
pub async fn readers(app: &App, patient: Address, scope: &Scope) -> Result<Vec<(Slot, Terms, PublicKey)>, Problem> {
    let mut readers = Vec::new();
    for (slot, state) in app.index.grants_of_patient(patient) {
        if state.terms.as_ref().is_none_or(|terms| terms.scope != scope.as_str())
            || epochs::has_ended(app, slot, &state, None).await?
        {
            continue;
        }
        let Some(terms) = state.terms else { continue };
        if let Some(Ok(recipient)) = app.index.account(terms.grantee).as_ref().map(recipient) {
            readers.push((slot, terms, recipient));
        }
    }
    Ok(readers)
}

/// Makes a wrap with a fresh release key, which is in the vault when this returns. None if the grant is refused here.
pub async fn make(app: &App, to: For, secret: &EpochSecret) -> Result<Option<Bytes>, Failure> {
    let key = ReleaseKey::generate()?;
    let wrap = wrap::seal(&at(app, to.slot, to.serial, to.epoch), &to.recipient, &key, secret)?;
    let kept = keep(app, to.custodian, to.slot, to.serial, to.epoch, &wrap, &key).await?;
    Ok(kept.then(|| Bytes::from(wrap.to_vec())))
}

/// Keeps the release key of a wrap. `false` if the grant is refused here: then the key is nowhere.
pub async fn keep(
    app: &App,
    custodian: Address,
    slot: Slot,
    serial: u64,
    epoch: u32,
    wrap: &[u8],
    key: &ReleaseKey,
) -> Result<bool, Failure> {
    let at = place(custodian, slot, serial, epoch, keccak256(wrap));
    keep_at(app, &at, key.as_bytes()).await
}

/// The same for what a row holds, whose beginning is a release key.
pub async fn keep_at(app: &App, at: &ReleaseKeyPlace, secret: &[u8]) -> Result<bool, Failure> {
    let sealed = app.vault.seal(at.org, Kind::ReleaseKey, &at.key().place, secret)?;
    Ok(app.store.keep_release_key(at, &sealed, app.clock.seconds()).await?)
}

/// What to tell who lays a decision out while its grantee is being refused.
pub fn refused_meanwhile() -> Problem {
    Problem::new(
        Code::WrongState,
        "a revocation came while this was laid out; lay it out again",
    )
}

/// A wrap of the newest grant whose release key is here, serving `epoch` or a later one.
pub struct Held {
    pub wrapped: Wrapped,
    pub key: ReleaseKey,
}

/// The first wrap, oldest first, that reaches `epoch`, is for `recipient` (if named) and has its release key here.
pub async fn held(
    app: &App,
    custodian: Address,
    slot: Slot,
    state: &GrantState,
    fits: impl Fn(&Wrapped) -> bool,
) -> Result<Option<Held>, Failure> {
    let serial = state.terms.as_ref().map_or(0, |t| t.serial);
    for wrapped in state.wraps.iter().filter(|w| fits(w)) {
        let place = place(custodian, slot, serial, wrapped.epoch, keccak256(&wrapped.wrap));
        if let Some(secret) = rows::get(app, custodian, Kind::ReleaseKey, &place.key().place).await? {
            let key = ReleaseKey::try_from(&secret[..])?;
            return Ok(Some(Held {
                wrapped: wrapped.clone(),
                key,
            }));
        }
    }
    Ok(None)
}

/// Opens a wrap, against the key the chain has for its epoch.
pub fn open(
    app: &App,
    slot: Slot,
    serial: u64,
    held: &Held,
    identity: &Identity,
    expected: [u8; 32],
) -> Result<EpochSecret, Failure> {
    let place = at(app, slot, serial, held.wrapped.epoch);
    Ok(wrap::open(
        &place,
        identity,
        &held.key,
        &PublicKey::from_bytes(expected),
        &held.wrapped.wrap,
    )?)
}

/// Where a wrap or a release belongs.
pub fn at(app: &App, slot: Slot, serial: u64, epoch: u32) -> wrap::Place {
    wrap::Place {
        contracts: app.contracts,
        slot,
        serial,
        epoch,
    }
}

fn place(org: Address, slot: Slot, serial: u64, epoch: u32, wrap: B256) -> ReleaseKeyPlace {
    ReleaseKeyPlace {
        org,
        slot,
        serial,
        epoch,
        wrap,
    }
}
