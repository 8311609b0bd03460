//! Opens an epoch's secret for a reader whose key is in this gateway's vault.
//!
//! The order is the promise: live, then a durable audit entry, then the release key. No log, no key.

use alloy::primitives::Address;
use chartseal_envelope::{
    key::{EpochSecret, Identity, PublicKey},
    link, tree,
};
use chartseal_record::{
    Compartment, Scope, Target,
    account::{Account, Role},
    grant::Wrapped,
    typed,
};

use super::{Patient, epochs, live, root, wraps};
use crate::{
    app::App,
    audit::{self, Action, Entry, Subject},
    auth::caller::Caller,
    elsewhere::release,
    index::Opened,
    problem::{Code, Failure, Problem},
    vault::{Kind, rows},
};

/// The secret of `epoch`, for this caller, after its audit entry is durable.
pub async fn epoch_secret(
    app: &App,
    caller: &Caller,
    patient: Address,
    scope: &Scope,
    epoch: u32,
    purpose: &str,
    subject: Subject,
) -> Result<EpochSecret, Problem> {
    let entry = audit::by(caller, patient, Action::Read, purpose, subject);
    if caller.account == patient {
        let patient = Patient::of(app, patient)?;
        return for_the_patient(app, &patient, scope, epoch, entry).await;
    }
    let Reached { opened, at, secret } =
        by_grant(app, (caller.account, caller.org), patient, scope, epoch, entry).await?;
    walk_back(app, Compartment::of(patient, scope), &opened, at, secret, epoch)
}

/// An epoch that a grant opened.
pub struct Reached {
    /// The compartment's epochs, oldest first.
    pub opened: Vec<Opened>,
    /// Which of them.
    pub at: usize,
    pub secret: EpochSecret,
}

/// Opens a wrap of an account's live READ grant that reaches `epoch`, after the entry is durable: in the custodian's journal,
/// or if that is served elsewhere in `org`'s, and then the custodian makes one too before it releases the key.
pub async fn by_grant(
    app: &App,
    (account, org): (Address, Address),
    patient: Address,
    scope: &Scope,
    epoch: u32,
    entry: Entry,
) -> Result<Reached, Problem> {
    let custodian = custodian_of(app, patient)?;
    let target = Target::Scope(scope.clone());
    let grant = match live::permission(app, patient, account, &target, typed::READ).await {
        Ok(grant) => grant,
        Err(why) => return Err(audit::refused(app, audit::journal(app, patient, org), entry, why.into()).await),
    };
    let state = epochs::with_queued(app, patient, scope, grant.state.clone());
    let reaching: Vec<&Wrapped> = state.wraps.iter().filter(|w| w.epoch >= epoch).collect();
    if reaching.is_empty() {
        return Err(Problem::new(
            Code::NotLive,
            "the grant does not reach this record's epoch yet; try again in a moment",
        ));
    }
    let Some(identity) = any_identity(app, account, &reaching).await? else {
        return Err(own_key());
    };
    let purpose = entry.purpose.clone();
    audit::append(app, audit::journal(app, patient, org), entry).await?;
    let mine = |w: &Wrapped| w.epoch >= epoch && w.recipient_key_hash == identity.public_key().key_hash();
    let held = match app.config.organisation(custodian.id) {
        Some(_) => wraps::held(app, custodian.id, grant.slot, &state, mine).await?,
        None => match state.wraps.iter().find(|wrapped| mine(wrapped)).cloned() {
            Some(wrapped) => {
                let key = release::ask(app, &custodian, account, &grant, &wrapped, &purpose, &identity).await?;
                Some(wraps::Held { wrapped, key })
            }
            None => None,
        },
    };
    let held = held.ok_or_else(no_release_key)?;
    let opened = every(app, patient, scope);
    let at = position(&opened, held.wrapped.epoch)?;
    let secret = wraps::open(app, grant.slot, grant.serial, &held, &identity, opened[at].epoch.key)?;
    Ok(Reached { opened, at, secret })
}

/// The account that keeps a patient's release keys, here or elsewhere.
pub fn custodian_of(app: &App, patient: Address) -> Result<Account, Problem> {
    let patient = app
        .index
        .account(patient)
        .filter(|account| account.role == Role::Patient);
    let custodian = patient.and_then(|account| app.index.account(account.custodian));
    custodian.ok_or_else(|| {
        Problem::new(
            Code::NotEnrolled,
            "no patient with a custodian is registered under this address",
        )
    })
}

/// The grant is live, and what it takes beside it is gone.
pub fn no_release_key() -> Problem {
    Problem::new(
        Code::NotLive,
        "the patient's custodian keeps no release key for this grant",
    )
}

pub fn own_key() -> Problem {
    Problem::new(
        Code::OwnKey,
        "the key that opens this is on the reader's own device: fetch /ipfs/{cid} and POST /v1/releases, and open it there",
    )
}

async fn for_the_patient(
    app: &App,
    patient: &Patient,
    scope: &Scope,
    epoch: u32,
    entry: Entry,
) -> Result<EpochSecret, Problem> {
    let root = match patient.in_gateway_custody() {
        true => root::get(app, patient).await?,
        false => None,
    };
    let own = || {
        Problem::new(
            Code::OwnKey,
            "the patient's root is on the patient's own device, which opens this",
        )
    };
    let root = root.ok_or_else(own)?;
    let compartment = Compartment::of(patient.id(), scope);
    let secret = tree::epoch_secret(&root, &app.contracts, compartment, epoch);
    let opened = every(app, patient.id(), scope);
    // Where the device has taken over already, or had the root before.
    if opened[position(&opened, epoch)?].epoch.key != *secret.public_key().as_bytes() {
        return Err(own());
    }
    audit::append(app, patient.custodian, entry).await?;
    Ok(secret)
}

/// Steps along the links from the epoch at `at` down to `epoch`; each secret is checked against the chain's key.
fn walk_back(
    app: &App,
    compartment: Compartment,
    opened: &[Opened],
    mut at: usize,
    mut secret: EpochSecret,
    epoch: u32,
) -> Result<EpochSecret, Problem> {
    while opened[at].epoch.number > epoch {
        let (Some(previous), false) = (at.checked_sub(1), opened[at].link.is_empty()) else {
            return Err(Problem::new(
                Code::NotLive,
                "no link leads from the granted epoch back to this record's",
            ));
        };
        let step = link::Step {
            contracts: app.contracts,
            compartment,
            previous: opened[previous].epoch.number,
            epoch: opened[at].epoch.number,
        };
        let expected = PublicKey::from_bytes(opened[previous].epoch.key);
        secret = link::open(&step, &secret, &expected, &opened[at].link)?;
        at = previous;
    }
    if opened[at].epoch.number == epoch {
        Ok(secret)
    } else {
        Err(Failure::Broken("a record names an epoch the chain does not have").into())
    }
}

/// The chain's epochs and the queued ones, oldest first.
fn every(app: &App, patient: Address, scope: &Scope) -> Vec<Opened> {
    let (mut opened, queued) = epochs::all(app, Compartment::of(patient, scope));
    opened.extend(queued.into_iter().map(|q| q.opened));
    opened
}

fn position(opened: &[Opened], epoch: u32) -> Result<usize, Failure> {
    let found = opened.iter().position(|o| o.epoch.number == epoch);
    found.ok_or(Failure::Broken(
        "a wrap or a record names an epoch the chain does not have",
    ))
}

/// The first of the account's keys, of those the wraps were made for, that is in a vault here.
async fn any_identity(app: &App, account: Address, wraps: &[&Wrapped]) -> Result<Option<Identity>, Failure> {
    for wrapped in wraps {
        if let Some(found) = identity(app, account, wrapped.recipient_key_hash).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The account's X25519 secret, if it is in the vault of an organisation served here.
pub async fn identity(
    app: &App,
    account: Address,
    key_hash: alloy::primitives::B256,
) -> Result<Option<Identity>, Failure> {
    let place = format!("{account}|{key_hash}");
    for org in &app.config.organisations {
        if let Some(secret) = rows::get(app, org.account, Kind::EncryptionKey, &place).await? {
            let bytes = secret[..]
                .try_into()
                .map_err(|_| Failure::Vault(Kind::EncryptionKey.as_str()))?;
            return Ok(Some(Identity::from_bytes(bytes)));
        }
    }
    Ok(None)
}

/// Makes an encryption key for an account and keeps it. It counts once the Directory lists it.
pub async fn make_identity(app: &App, org: Address, account: Address) -> Result<PublicKey, Problem> {
    let identity = Identity::generate()?;
    let key = *identity.public_key();
    let place = format!("{account}|{}", key.key_hash());
    rows::put(app, org, Kind::EncryptionKey, &place, identity.as_bytes()).await?;
    Ok(key)
}
