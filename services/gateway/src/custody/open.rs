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
    grant::{GrantState, Wrapped},
    typed,
};
use chartseal_store::{NewAudit, Refusals};

use super::{
    Patient, epochs,
    live::{self, LiveGrant},
    root, wraps,
};
use crate::{
    app::App,
    audit::{self, Action, Entry, Subject, Written},
    auth::caller::Caller,
    elsewhere::release,
    index::Opened,
    problem::{Code, Failure, Problem},
    vault::{Kind, rows},
};

/// Who may open an epoch, and has what it takes here. Its secret comes out once the entry that was made with this is durable.
pub enum Admitted {
    Patient(EpochSecret),
    Grantee(Box<Grantee>),
}

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
    let (admitted, entry) = admit(app, caller, (patient, scope, epoch), entry, None).await?;
    let written = audit::write(app, vec![entry]).await?;
    admitted.open(app, &written).await
}

/// Admits a caller to an epoch of a patient's scope, and gives the entry to make durable before it is opened.
pub async fn admit(
    app: &App,
    caller: &Caller,
    (patient, scope, epoch): (Address, &Scope, u32),
    entry: Entry,
    refused: Option<&Refusals>,
) -> Result<(Admitted, NewAudit), Problem> {
    if caller.account == patient {
        let patient = Patient::of(app, patient)?;
        let secret = for_the_patient(app, &patient, scope, epoch).await?;
        return Ok((Admitted::Patient(secret), audit::sealed(app, patient.custodian, entry)?));
    }
    let who = (caller.account, caller.org);
    let (grantee, entry) = admit_by_grant(app, who, (patient, scope, epoch), entry, refused).await?;
    Ok((Admitted::Grantee(Box::new(grantee)), entry))
}

impl Admitted {
    /// The secret of the epoch.
    pub async fn open(self, app: &App, written: &Written) -> Result<EpochSecret, Problem> {
        match self {
            Self::Patient(secret) => Ok(secret),
            Self::Grantee(grantee) => {
                let compartment = Compartment::of(grantee.patient, &grantee.scope);
                let epoch = grantee.epoch;
                let Reached { opened, at, secret } = grantee.open(app, written).await?;
                walk_back(app, compartment, &opened, at, secret, epoch)
            }
        }
    }
}

/// An account with a live READ grant that reaches an epoch, whose key is in a vault here.
pub struct Grantee {
    account: Address,
    patient: Address,
    scope: Scope,
    epoch: u32,
    custodian: Account,
    grant: LiveGrant,
    /// The grant's slot with the wraps that are on their way.
    state: GrantState,
    identity: Identity,
    purpose: String,
}

/// An epoch that a grant opened.
pub struct Reached {
    /// The compartment's epochs, oldest first.
    pub opened: Vec<Opened>,
    /// Which of them.
    pub at: usize,
    pub secret: EpochSecret,
}

/// Opens a wrap of an account's live READ grant that reaches the epoch, after the entry is durable.
pub async fn by_grant(
    app: &App,
    who: (Address, Address),
    place: (Address, &Scope, u32),
    entry: Entry,
) -> Result<Reached, Problem> {
    let (grantee, entry) = admit_by_grant(app, who, place, entry, None).await?;
    let written = audit::write(app, vec![entry]).await?;
    grantee.open(app, &written).await
}

/// The entry belongs in the custodian's journal, or if that is served elsewhere in `org`'s, and then the custodian makes one too
/// before it releases the key. A grant that is not live leaves an entry of the refusal.
async fn admit_by_grant(
    app: &App,
    (account, org): (Address, Address),
    (patient, scope, epoch): (Address, &Scope, u32),
    entry: Entry,
    refused: Option<&Refusals>,
) -> Result<(Grantee, NewAudit), Problem> {
    let custodian = custodian_of(app, patient)?;
    let target = Target::Scope(scope.clone());
    let grant = match live::permission_by(app, patient, account, &target, typed::READ, refused).await {
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
    let grantee = Grantee {
        account,
        patient,
        scope: scope.clone(),
        epoch,
        custodian,
        grant,
        state,
        identity,
        purpose: entry.purpose.clone(),
    };
    Ok((grantee, audit::sealed(app, audit::journal(app, patient, org), entry)?))
}

impl Grantee {
    /// The newest granted epoch of those that reach the one asked for, opened by the release key.
    pub async fn open(self, app: &App, _written: &Written) -> Result<Reached, Problem> {
        let Self {
            custodian,
            grant,
            state,
            identity,
            ..
        } = &self;
        let mine = |w: &Wrapped| w.epoch >= self.epoch && w.recipient_key_hash == identity.public_key().key_hash();
        let held = match app.config.organisation(custodian.id) {
            Some(_) => wraps::held(app, custodian.id, grant.slot, state, mine).await?,
            None => match state.wraps.iter().find(|wrapped| mine(wrapped)).cloned() {
                Some(wrapped) => {
                    let key =
                        release::ask(app, custodian, self.account, grant, &wrapped, &self.purpose, identity).await?;
                    Some(wraps::Held { wrapped, key })
                }
                None => None,
            },
        };
        let held = held.ok_or_else(no_release_key)?;
        let opened = every(app, self.patient, &self.scope);
        let at = position(&opened, held.wrapped.epoch)?;
        let secret = wraps::open(app, grant.slot, grant.serial, &held, identity, opened[at].epoch.key)?;
        Ok(Reached { opened, at, secret })
    }
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

async fn for_the_patient(app: &App, patient: &Patient, scope: &Scope, epoch: u32) -> Result<EpochSecret, Problem> {
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
