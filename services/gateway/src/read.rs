//! From a stored record back to its resource: grant, audit entry, bytes, age, statement, author.
//!
//! Nothing is opened before `custody` has seen a live grant and made an audit entry durable. Nothing is served that
//! does not prove to be what its author signed; what fails names the CID and nothing else.

pub mod document;
pub mod many;
pub mod named;
pub mod stretch;

use alloy::primitives::{Address, B256};
use chartseal_envelope::{
    key::{EpochSecret, FileKey},
    record::{self, OpenedRecord, RecordHeader},
};
use chartseal_ipfs::{Bytes, Error as ContentError, raw_cid};
use chartseal_record::{Compartment, Scope, Slot, Target, account::Role, scope, state::RecordState, typed};
use chartseal_store::{Record, Refusals};
use cid::Cid;

use crate::{
    app::App,
    audit::{self, Action, Entry, Subject},
    auth::{caller::Caller, signature},
    custody::{
        live::{self, LiveGrant},
        open::epoch_secret,
        single::{self, Alone},
    },
    fhir::{json::Json, reference::RecordId},
    problem::{Code, Problem},
};

/// An opened record, verified.
#[derive(Debug)]
pub struct Opened {
    pub header: RecordHeader,
    pub json: Json,
}

/// An opened record, verified, with what proves it to others.
#[derive(Debug)]
pub struct Whole {
    pub file_key: FileKey,
    pub sealed: Bytes,
    pub opened: OpenedRecord,
}

/// What opens a record: its epoch's secret, or its own key, which a grant of it alone gives.
pub enum Key {
    Epoch(EpochSecret),
    Alone(Alone),
}

impl Key {
    /// Opens a sealed record, which then proves nothing yet of its author; and gives the key that opens it alone.
    pub fn open(&self, compartment: Compartment, sealed: &[u8]) -> chartseal_envelope::Result<(FileKey, OpenedRecord)> {
        match self {
            Self::Epoch(secret) => record::open_keyed(secret.identity(), compartment, sealed),
            Self::Alone(alone) => {
                let opened = record::open_with_file_key(&alone.file_key, compartment, sealed)?;
                Ok((alone.file_key.clone(), opened))
            }
        }
    }

    /// The salt of the grant's commitment, where the record is granted alone.
    pub fn salt(&self) -> Option<B256> {
        match self {
            Self::Epoch(_) => None,
            Self::Alone(alone) => Some(alone.salt),
        }
    }
}

/// The purpose of use a FHIR read is recorded under: v3-ActReason by the caller's role.
pub fn purpose(caller: &Caller) -> &'static str {
    match caller.role {
        Some(Role::Insurer) => "HPAYMT",
        Some(Role::Patient) => "PATRQT",
        Some(Role::Doctor | Role::Hospital) | None => "TREAT",
    }
}

/// Opens one record for a caller. The audit entry names it.
pub async fn open(app: &App, caller: &Caller, row: &Record, purpose: &str) -> Result<Opened, Problem> {
    let key = key(app, caller, row, purpose).await?;
    open_with(app, &key, row).await
}

/// What opens one record for a caller, after an audit entry that names it.
pub async fn key(app: &App, caller: &Caller, row: &Record, purpose: &str) -> Result<Key, Problem> {
    match alone(app, caller, row).await? {
        Some(grant) => key_alone(app, caller, row, &grant, purpose).await,
        None => secret(app, caller, row, purpose, RecordId(row.record_id).to_string()).await,
    }
}

/// The secret of a record's epoch, after an audit entry that names `records`.
pub async fn secret(app: &App, caller: &Caller, row: &Record, purpose: &str, records: String) -> Result<Key, Problem> {
    let subject = subject(row, records);
    let secret = epoch_secret(app, caller, row.patient, &row.scope, row.epoch, purpose, subject).await?;
    Ok(Key::Epoch(secret))
}

/// The grant of this record alone by which the caller reads it, where no grant of its scope lets it.
pub async fn alone(app: &App, caller: &Caller, row: &Record) -> Result<Option<LiveGrant>, Problem> {
    let by_scope = caller.account == row.patient
        || app.index.record_slots_of(caller.account, row.patient).is_empty()
        || may_scope(app, caller.account, row).await?;
    match by_scope {
        true => Ok(None),
        false => single::of(app, caller.account, row).await,
    }
}

/// The key of a record that is granted alone, after an audit entry that names it.
pub async fn key_alone(
    app: &App,
    caller: &Caller,
    row: &Record,
    grant: &LiveGrant,
    purpose: &str,
) -> Result<Key, Problem> {
    let who = (caller.account, caller.org);
    let entry = entry(caller, row, purpose, RecordId(row.record_id).to_string());
    let (grantee, entry) = single::admit(app, who, row, grant, entry).await?;
    let written = audit::write(app, vec![entry]).await?;
    grantee.open(app, row, &written).await.map(Key::Alone)
}

/// The entry of a read of `records`, of which `row` is one.
fn entry(caller: &Caller, row: &Record, purpose: &str, records: String) -> Entry {
    audit::by(caller, row.patient, Action::Read, purpose, subject(row, records))
}

fn subject(row: &Record, records: String) -> Subject {
    Subject {
        scope: row.scope.to_string(),
        record: Some(records),
        epoch: Some(row.epoch),
    }
}

/// Opens a record.
pub async fn open_with(app: &App, key: &Key, row: &Record) -> Result<Opened, Problem> {
    let Whole { opened, .. } = whole(app, key, row).await?;
    let json = Json::parse(&opened.resource).map_err(|_| corrupt(&row.content_hash.cid()))?;
    Ok(Opened {
        header: opened.header,
        json,
    })
}

/// The same with its sealed bytes and the key that opens them alone.
pub async fn whole(app: &App, key: &Key, row: &Record) -> Result<Whole, Problem> {
    let cid = row.content_hash.cid();
    let sealed = match row.state {
        RecordState::Anchored => pinned(app, &cid).await?,
        _ => block(app, &cid).await?,
    };
    let (file_key, opened) = key.open(row.compartment, &sealed).map_err(|_| corrupt(&cid))?;
    authentic(app, row, &opened.header).await?;
    Ok(Whole {
        file_key,
        sealed,
        opened,
    })
}

/// Whether the caller may open the record: the patient, or who holds a live READ grant of its scope, or of it alone.
pub async fn may(app: &App, caller: &Caller, row: &Record) -> Result<bool, Problem> {
    Ok(caller.account == row.patient
        || may_scope(app, caller.account, row).await?
        || single::of(app, caller.account, row).await?.is_some())
}

/// Whether an account holds a live READ grant of the record's scope.
pub async fn may_scope(app: &App, account: Address, row: &Record) -> Result<bool, Problem> {
    may_scope_by(app, account, row, None).await
}

/// The same, judged by what is known to be refused.
pub async fn may_scope_by(
    app: &App,
    account: Address,
    row: &Record,
    refused: Option<&Refusals>,
) -> Result<bool, Problem> {
    let target = Target::Scope(row.scope.clone());
    match live::permission_by(app, row.patient, account, &target, typed::READ, refused).await {
        Ok(_) => Ok(true),
        Err(why) => match Problem::from(why) {
            Problem {
                code: Code::NotLive, ..
            } => Ok(false),
            failed => Err(failed),
        },
    }
}

/// The versions of one record that the caller may open: all of them, or by grants of them alone some.
pub async fn readable(app: &App, caller: &Caller, versions: Vec<Record>) -> Result<Vec<Record>, Problem> {
    let mut readable = Vec::with_capacity(versions.len());
    for row in versions {
        if may(app, caller, &row).await? {
            readable.push(row);
        }
    }
    Ok(readable)
}

/// The newest version of a record that the caller may open: an older one only by a grant of it alone.
pub async fn newest(app: &App, caller: &Caller, record: B256) -> Result<Option<Record>, Problem> {
    for row in app.store.record_history(record).await? {
        if may(app, caller, &row).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The compartments the caller may open now: its live READ grants, and all of its own. `patients` limits them (an
/// empty list is no limit), and so does `only`, a scope.
pub async fn compartments(
    app: &App,
    caller: &Caller,
    patients: &[Address],
    only: Option<&Scope>,
) -> Result<Vec<Compartment>, Problem> {
    let wanted = |patient: &Address| patients.is_empty() || patients.contains(patient);
    let granted = app.index.grants_to(caller.account).into_iter();
    let granted = granted.filter_map(|(slot, state)| {
        let terms = state.terms.filter(|terms| wanted(&terms.patient))?;
        let scope = Scope::new(terms.scope).ok()?;
        only.is_none_or(|only| *only == scope)
            .then_some((slot, terms.patient, scope))
    });
    let granted: Vec<(Slot, Address, Scope)> = granted.collect();
    let refused = app.store.refusals(granted.iter().map(|(slot, ..)| *slot)).await?;
    let mut open = Vec::new();
    for (slot, patient, scope) in granted {
        let live = live::slot_by(app, slot, patient, caller.account, typed::READ, Some(&refused)).await;
        match live.map_err(Problem::from) {
            Ok(_) => open.push(Compartment::of(patient, &scope)),
            Err(problem) if problem.code == Code::NotLive => {}
            Err(problem) => return Err(problem),
        }
    }
    if wanted(&caller.account) {
        let own = scopes(app).filter(|scope| only.is_none_or(|only| only == scope));
        open.extend(own.map(|scope| Compartment::of(caller.account, &scope)));
    }
    Ok(open)
}

/// Every scope this gateway may have put a record into.
fn scopes(app: &App) -> impl Iterator<Item = Scope> {
    let known = scope::KNOWN.iter().filter_map(|name| Scope::new(*name).ok());
    known.chain(app.config.scopes.iter().map(|rule| rule.scope.clone()))
}

/// Not found and not allowed look alike to who reads.
pub fn hide(problem: Problem) -> Problem {
    if problem.code == Code::NotLive {
        Problem::not_found()
    } else {
        problem
    }
}

/// A block's bytes, from the outbox or the content store, found equal to its CID.
pub async fn block(app: &App, cid: &Cid) -> Result<Bytes, Problem> {
    if let Some(waiting) = app.store.outbox(&cid.to_string()).await? {
        return if raw_cid(&waiting) == *cid {
            Ok(waiting.0)
        } else {
            Err(corrupt(cid))
        };
    }
    match app.content.get(cid).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(missing(cid)),
        Err(error) => Err(failed(cid, error)),
    }
}

/// The same for a block of an anchored batch, which is pinned: the outbox has it a moment longer at most, and is asked only where
/// the content store does not answer.
async fn pinned(app: &App, cid: &Cid) -> Result<Bytes, Problem> {
    match app.content.get(cid).await {
        Ok(Some(bytes)) => Ok(bytes),
        _ => block(app, cid).await,
    }
}

/// The statement is the row's, and its author's controller or statement key signed it.
///
/// That the author had WRITE was decided here before the record was committed; later readers decide it from the
/// chain at the anchor's block.
async fn authentic(app: &App, row: &Record, header: &RecordHeader) -> Result<(), Problem> {
    let statement = &header.statement;
    let digest = statement.digest(&app.contracts);
    let same = (statement.id, statement.version, statement.author, digest)
        == (row.record_id, row.version, row.author, row.digest);
    if same && signed(app, row.author, digest, &header.signature, row.anchored_in).await? {
        return Ok(());
    }
    Err(corrupt(&row.content_hash.cid()))
}

/// Whether the author's controller or statement key signed, in the block of the anchor or, before there is one, now.
pub async fn signed(
    app: &App,
    author: Address,
    digest: B256,
    signature: &[u8],
    anchored: Option<u64>,
) -> Result<bool, Problem> {
    let Some(account) = app.index.account(author) else {
        return Ok(false);
    };
    let head = app.index.head().map_or(0, |head| head.number);
    let signer = app.verified.recover(digest, signature);
    // Before its anchor a record has no block of its own: any listing of the key counts, since the gateway signs and
    // accepts only with keys that are listed at that moment.
    let listed = |key: Address| match anchored {
        Some(block) => account.is_statement_key(key, block),
        None => account.statement_keys.iter().any(|k| k.key == key && k.from < k.until),
    };
    if signer.is_some_and(listed) {
        return Ok(true);
    }
    let Some(controller) = app.index.controller_at(author, anchored.unwrap_or(head)) else {
        return Ok(false);
    };
    Ok(signer == Some(controller) || signature::is_by(app, controller, digest, signature).await?)
}

fn failed(cid: &Cid, error: ContentError) -> Problem {
    match error {
        ContentError::Corrupt { .. } | ContentError::NotAFile { .. } => corrupt(cid),
        ContentError::MissingBlock { .. } => missing(cid),
        other => other.into(),
    }
}

/// What is stored under the CID is not what was sealed, signed or anchored.
pub fn corrupt(cid: &Cid) -> Problem {
    tracing::error!(%cid, "the content of {cid} fails its proof; restore it from another node or a backup");
    Problem::new(
        Code::ContentCorrupt,
        format!("the stored content {cid} fails its proof and is not served"),
    )
}

fn missing(cid: &Cid) -> Problem {
    tracing::error!(%cid, "the content store does not have {cid}");
    Problem::new(
        Code::Unavailable,
        format!("the content store does not have {cid} at the moment; try again"),
    )
}
