//! Decisions about an account itself: who it is, which keys it has, who controls it.

use alloy::primitives::{Address, B256, Bytes, U256};
use chartseal_record::{
    account::{Account, Custody, Role, Status},
    state::IntentState,
    typed,
};
use chartseal_store::IntentFilter;
use serde::Deserialize;
use utoipa::ToSchema;

use super::prepare::Laid;
use crate::{
    app::App,
    auth::caller::Caller,
    custody::open,
    intent::Decision,
    openapi::words::{AddressSchema, CustodySchema, HashSchema, HexSchema, RoleSchema},
    problem::{Code, Problem},
    queue, statement,
};

/// `until` of a window that stays open.
const OPEN: u64 = u64::MAX;
/// Bytes of an endpoint; the Directory takes no more.
const ENDPOINT: usize = 256;

/// Who keeps an encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyCustody {
    /// The gateway makes it and keeps it in its vault.
    Gateway,
    /// The account does.
    Own,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    role: Role,
    /// An X25519 public key of 32 bytes whose secret the account keeps.
    encryption_key: Option<Bytes>,
    /// `gateway`: a key is made and kept here instead.
    custody: Option<KeyCustody>,
    /// Patients: who keeps their release keys.
    custodian: Option<Address>,
    /// Patients: self or gateway.
    custody_mode: Option<Custody>,
    /// All but patients: a salted commitment to the credential.
    credential: Option<B256>,
    /// All but patients: unix seconds; 0 does not expire.
    credential_expiry: Option<u64>,
    /// Organisations: where their gateway is reached.
    #[schema(max_length = 256)]
    endpoint: Option<String>,
}

/// The address that signed in registers itself. Asked of the chain too, since our index may be a block behind.
pub async fn register(app: &App, caller: &Caller, who: Address, input: Register) -> Result<Laid, Problem> {
    let taken = app.index.account(who).is_some() || app.chain.authority(who).await?.role != 0;
    if taken || caller.role.is_some() {
        return Err(Problem::new(
            Code::AlreadyRegistered,
            "this address is an account already; an address registers once",
        ));
    }
    if input.endpoint.as_ref().is_some_and(|e| e.len() > ENDPOINT) {
        return Err(invalid("endpoint is at most 256 bytes"));
    }
    let patient = input.role == Role::Patient;
    if !patient && (input.credential.is_none() || input.credential_expiry.is_none()) {
        return Err(invalid(
            "credential (a salted commitment) and credentialExpiry are needed for all but patients",
        ));
    }
    if patient && (input.custodian.is_none() || input.custody_mode.is_none()) {
        return Err(invalid("a patient names a custodian and custodyMode self or gateway"));
    }
    let org = match input.custodian {
        Some(custodian) if app.config.organisation(custodian).is_some() => custodian,
        Some(_) => {
            return Err(invalid(
                "the custodian is another organisation; register through its gateway",
            ));
        }
        None => app.config.organisation(who).map_or(caller.org, |o| o.account),
    };
    let key = encryption_key(app, org, who, input.encryption_key, input.custody).await?;
    let register = typed::Register {
        who,
        role: input.role as u8,
        suite: if key.is_empty() {
            typed::SUITE_NONE
        } else {
            typed::SUITE_X25519
        },
        encryptionKey: key,
        custodian: input.custodian.unwrap_or_default(),
        custody: input.custody_mode.unwrap_or(Custody::None) as u8,
        credential: input.credential.unwrap_or_default(),
        credentialExpiry: input.credential_expiry.unwrap_or_default(),
        endpoint: input.endpoint.unwrap_or_default(),
        deadline: deadline(app),
    };
    Laid::of(app, org, Decision::Register { register }, None).await
}

async fn encryption_key(
    app: &App,
    org: Address,
    who: Address,
    given: Option<Bytes>,
    custody: Option<KeyCustody>,
) -> Result<Bytes, Problem> {
    match (given, custody) {
        (Some(_), Some(KeyCustody::Gateway)) => Err(invalid(
            "give an encryptionKey of your own, or custody gateway, not both",
        )),
        (Some(key), _) if key.len() == 32 => Ok(key),
        (Some(_), _) => Err(invalid(
            "encryptionKey is an X25519 public key of 32 bytes as 0x and 64 hex digits",
        )),
        (None, Some(KeyCustody::Gateway)) => {
            let key = open::make_identity(app, org, who).await?;
            Ok(Bytes::copy_from_slice(key.as_bytes()))
        }
        (None, _) => Ok(Bytes::new()),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatementKey {
    /// Address of a secp256k1 key of one's own: this, or `generate`.
    key: Option<Address>,
    /// A key is made and kept here, for organisations this gateway serves.
    #[serde(default)]
    generate: bool,
    /// Block numbers; from now on and open, if not given.
    from: Option<u64>,
    /// The first block in which it no longer counts.
    until: Option<u64>,
}

pub async fn statement_key(app: &App, caller: &Caller, input: StatementKey) -> Result<Laid, Problem> {
    let account = own_account(app, caller)?;
    let key = match (input.key, input.generate) {
        (Some(key), false) => key,
        (None, true) if app.config.organisation(account.id).is_some() => statement::generate(app, account.id).await?,
        (None, true) => {
            return Err(invalid(
                "statement keys are made here only for the organisations this gateway serves",
            ));
        }
        _ => return Err(invalid("give a key of your own or generate true, exactly one of them")),
    };
    let listing = typed::StatementKey {
        who: account.id,
        key,
        from: input.from.unwrap_or(0),
        until: input.until.unwrap_or(OPEN),
        nonce: nonce(app, account.id).await?,
        deadline: deadline(app),
    };
    Laid::of(app, caller.org, Decision::StatementKey { listing }, None).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publisher {
    publisher: Address,
    /// The publisher's signature over `PublisherAccept`; not needed to take it off the list.
    #[serde(default)]
    acceptance: Bytes,
    /// false: it no longer anchors for the organisation.
    #[serde(default = "yes")]
    listed: bool,
}

fn yes() -> bool {
    true
}

pub async fn publisher(app: &App, caller: &Caller, input: Publisher) -> Result<Laid, Problem> {
    let account = own_account(app, caller)?;
    if input.acceptance.len() > crate::auth::signature::LONGEST {
        return Err(invalid("acceptance is the publisher's signature over PublisherAccept"));
    }
    let listing = typed::Publisher {
        org: account.id,
        publisher: input.publisher,
        listed: input.listed,
        nonce: nonce(app, account.id).await?,
        deadline: deadline(app),
    };
    let acceptance = input.acceptance;
    Laid::of(app, caller.org, Decision::Publisher { listing, acceptance }, None).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Custodian {
    custodian: Address,
    custody_mode: Custody,
}

pub async fn custodian(app: &App, caller: &Caller, input: Custodian) -> Result<Laid, Problem> {
    let account = own_account(app, caller)?;
    if account.role != Role::Patient {
        return Err(Problem::new(Code::Forbidden, "only patients have a custodian"));
    }
    let change = typed::Custodian {
        who: account.id,
        custodian: input.custodian,
        custody: input.custody_mode as u8,
        nonce: nonce(app, account.id).await?,
        deadline: deadline(app),
    };
    Laid::of(app, caller.org, Decision::Custodian { change }, None).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EncryptionKey {
    /// An X25519 public key of 32 bytes: this, or `custody` gateway.
    encryption_key: Option<Bytes>,
    custody: Option<KeyCustody>,
}

pub async fn encryption_key_change(app: &App, caller: &Caller, input: EncryptionKey) -> Result<Laid, Problem> {
    let account = own_account(app, caller)?;
    let key = encryption_key(app, caller.org, account.id, input.encryption_key, input.custody).await?;
    if key.is_empty() {
        return Err(invalid("give an encryptionKey, or custody gateway"));
    }
    let change = typed::EncryptionKey {
        who: account.id,
        suite: typed::SUITE_X25519,
        encryptionKey: key,
        nonce: nonce(app, account.id).await?,
        deadline: deadline(app),
    };
    Laid::of(app, caller.org, Decision::EncryptionKey { change }, None).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandOver {
    /// The address that signs from then on. It signs this decision, too.
    controller: Address,
}

pub async fn hand_over(app: &App, caller: &Caller, input: HandOver) -> Result<Laid, Problem> {
    let account = own_account(app, caller)?;
    let change = typed::HandOver {
        who: account.id,
        controller: input.controller,
        nonce: nonce(app, account.id).await?,
        deadline: deadline(app),
    };
    Laid::of(app, caller.org, Decision::HandOver { change }, None).await
}

/// By a registrar, whose nonce it is.
pub async fn set_status(
    app: &App,
    caller: &Caller,
    registrar: Address,
    who: Address,
    status: Status,
) -> Result<Laid, Problem> {
    if !app.chain.is_registrar(registrar).await? {
        return Err(Problem::new(
            Code::Forbidden,
            "only a registrar of the Directory suspends, reinstates or retires",
        ));
    }
    if app.index.account(who).is_none() {
        return Err(Problem::new(Code::NotRegistered, "there is no account of this address"));
    }
    let change = typed::SetStatus {
        who,
        status: status as u8,
        registrar,
        nonce: nonce(app, registrar).await?,
        deadline: deadline(app),
    };
    Laid::of(app, caller.org, Decision::SetStatus { change }, None).await
}

/// The caller's account.
pub fn own_account(app: &App, caller: &Caller) -> Result<Account, Problem> {
    caller.registered()?;
    app.index.account(caller.account).ok_or_else(Problem::not_found)
}

/// Decisions that carry a nonce of `Directory`.
const COUNTED: [&str; 8] = [
    "statementKey",
    "publisher",
    "custodian",
    "encryptionKey",
    "handOver",
    "suspend",
    "reinstate",
    "retire",
];

/// One such decision of an account can be outstanding at a time: the contract counts them.
pub async fn nonce(app: &App, who: Address) -> Result<U256, Problem> {
    for state in [IntentState::Signed, IntentState::Submitted] {
        let filter = IntentFilter {
            account: Some(who),
            state: Some(state),
            limit: 500,
            ..IntentFilter::default()
        };
        let open = app.store.find_intents(&filter).await?;
        if open
            .iter()
            .any(|intent| intent.mined.is_none() && COUNTED.contains(&intent.kind.as_str()))
        {
            let why = "another decision of this account about the Directory is on its way; wait until it is confirmed";
            return Err(Problem::new(Code::WrongState, why));
        }
    }
    Ok(U256::from(app.chain.nonce_of(who).await?))
}

pub fn deadline(app: &App) -> u64 {
    app.clock.seconds() + queue::PATIENCE
}

fn invalid(why: &str) -> Problem {
    Problem::new(Code::Invalid, why)
}
