//! Durable commits, gathered. Waiting for the disk costs the same for one record as for a hundred, so one task takes
//! every commit that is waiting into one transaction and answers each after it is on disk. While a transaction waits
//! for the disk the next group gathers. On PostgreSQL, which has many writers, several tasks do so side by side.

use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256, Bytes};
use chartseal_record::{Compartment, ContentHash, Scope};
use tokio::{
    sync::{self, mpsc, oneshot},
    task::JoinHandle,
};

use crate::{
    AuditEntry, Condition, Error, KeptAnswer, NewAudit, Sealing, Standing, Store, audit,
    engine::{Locks, Pool, Tx, collided, lost},
    record,
};

/// Commits of one group. More would make the first wait for the last without saving the disk anything measurable.
const GROUP_COMMITS: usize = 256;
/// The same on PostgreSQL, whose shared table of locks has about 6,400 places: all tasks of a few gateways fit.
const GROUP_COMMITS_SHARED: usize = 64;
/// Groups under way at one time on PostgreSQL.
const GROUPS: usize = 4;
/// How often a group is tried again that PostgreSQL took back because it and another waited for each other.
const TRIES: u32 = 5;
/// Bytes of one group, so that a few large records do not build a log of hundreds of megabytes.
const GROUP_BYTES: usize = 16 << 20;

/// One version of one sealed resource, as the gateway hands it over.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// The organisation whose publisher will anchor it.
    pub org: Address,
    /// Account id of the patient.
    pub patient: Address,
    /// Scope.
    pub scope: Scope,
    /// Patient × scope.
    pub compartment: Compartment,
    /// Epoch the bytes are sealed to.
    pub epoch: u32,
    /// SHA-256 of the sealed bytes.
    pub content_hash: ContentHash,
    /// The record's id, the same for all its versions.
    pub record_id: B256,
    /// 1 for the first version.
    pub version: u32,
    /// Digest of the previous version's statement; zero for the first.
    pub previous: B256,
    /// Digest of this version's statement.
    pub digest: B256,
    /// Account id of the author.
    pub author: Address,
    /// Unix seconds.
    pub authored_at: u64,
    /// FHIR type.
    pub resource_type: String,
    /// Leaf over compartment, epoch and content hash (`record::merkle::leaf`).
    pub leaf: B256,
    /// Unix seconds.
    pub received_at: u64,
}

/// Where an attachment's bytes are when its record is committed.
#[derive(Debug, Clone)]
pub enum AttachmentPlace {
    /// One raw block (at most 1 MiB sealed): the bytes wait in the outbox.
    Outbox(Bytes),
    /// Durable and pinned in the content store already.
    Content,
}

/// A sealed document that hangs on a record.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    /// CID as text.
    pub cid: String,
    /// Bytes, sealed.
    pub sealed_size: u64,
    /// Where the bytes are.
    pub place: AttachmentPlace,
}

/// Everything that becomes true together when a record is stored.
#[derive(Debug, Clone)]
pub struct RecordCommit {
    /// The record's row.
    pub record: NewRecord,
    /// Its sealed bytes: the outbox row.
    pub sealed: Bytes,
    /// What hangs on it, in the header's order.
    pub attachments: Vec<NewAttachment>,
    /// Blind index: names and keyed hashes.
    pub index: Vec<(String, B256)>,
    /// The answer to keep under the caller's Idempotency-Key.
    pub answer: Option<KeptAnswer>,
    /// Staged uploads (id, account) that this record uses up.
    pub staged: Vec<(String, Address)>,
    /// Audit entries to make.
    pub audit: Vec<NewAudit>,
    /// Which audit entries this record holds.
    pub sealing: Option<Sealing>,
    /// What must still be true of the record's compartment.
    pub standing: Option<Standing>,
    /// What it is created under, if only where nothing like it is.
    pub condition: Option<Condition>,
}

impl RecordCommit {
    fn weight(&self) -> usize {
        let attached = |a: &NewAttachment| match &a.place {
            AttachmentPlace::Outbox(bytes) => bytes.len(),
            AttachmentPlace::Content => 0,
        };
        self.sealed.len() + self.attachments.iter().map(attached).sum::<usize>()
    }
}

enum Job {
    Records(Vec<RecordCommit>),
    Audit(Vec<NewAudit>),
}

enum Done {
    Records(Vec<i64>),
    Audit(Vec<AuditEntry>),
}

struct Waiting {
    job: Job,
    answer: oneshot::Sender<Result<Done, Error>>,
}

/// The tasks that commit, and the way to them.
pub(crate) struct Group {
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Group {
    pub fn start(writers: &Pool) -> Self {
        let (queue, waiting) = mpsc::channel(4 * GROUP_COMMITS);
        let waiting = Arc::new(sync::Mutex::new(waiting));
        let (groups, commits) = match writers {
            Pool::Sqlite(_) => (1, GROUP_COMMITS),
            Pool::Postgres(_) => (GROUPS, GROUP_COMMITS_SHARED),
        };
        let worker = |_| tokio::spawn(work(writers.clone(), waiting.clone(), commits));
        Self {
            queue: Mutex::new(Some(queue)),
            workers: Mutex::new((0..groups).map(worker).collect()),
        }
    }

    /// Lets no one in any more and waits for those inside.
    pub async fn finish(&self) {
        self.queue.lock().expect("no panic happens while it is held").take();
        let workers = std::mem::take(&mut *self.workers.lock().expect("no panic happens while it is held"));
        for worker in workers {
            if let Err(error) = worker.await {
                tracing::error!(%error, "a commit task ended by a panic");
            }
        }
    }

    async fn commit(&self, job: Job) -> Result<Done, Error> {
        let queue = self
            .queue
            .lock()
            .expect("no panic happens while it is held")
            .clone()
            .ok_or(Error::Closed)?;
        let (answer, done) = oneshot::channel();
        queue.send(Waiting { job, answer }).await.map_err(|_| Error::Closed)?;
        drop(queue);
        done.await.map_err(|_| Error::Closed)?
    }
}

impl Store {
    /// Makes a record `stored`: its row, outbox bytes, attachments, blind index, kept answer and audit entries, all or
    /// nothing, durable when this returns. Returns the record's `seq`.
    ///
    /// A version above 1 must follow the newest one ([`Error::StaleVersion`]); the same Idempotency-Key answers once
    /// ([`Error::IdempotencyKeyUsed`]); a staged upload is used once ([`Error::Moved`]); a compartment whose
    /// [`Standing`] has changed takes nothing ([`Error::StandingChanged`]); of two under one [`Condition`] one is refused
    /// ([`Error::ConditionMet`]). If the caller stops waiting, the commit may still happen.
    pub async fn commit_record(&self, commit: RecordCommit) -> Result<i64, Error> {
        Ok(self.commit_records(vec![commit]).await?[0])
    }

    /// The same for several records that stand or fall together. Returns their `seq`s in order.
    pub async fn commit_records(&self, commits: Vec<RecordCommit>) -> Result<Vec<i64>, Error> {
        match self.inner.group.commit(Job::Records(commits)).await? {
            Done::Records(seqs) => Ok(seqs),
            Done::Audit(_) => unreachable!("a job of records is answered as records"),
        }
    }

    /// Appends audit entries, each to the chain of its organisation and patient, durable when this returns.
    pub async fn append_audit(&self, entries: Vec<NewAudit>) -> Result<Vec<AuditEntry>, Error> {
        match self.inner.group.commit(Job::Audit(entries)).await? {
            Done::Audit(entries) => Ok(entries),
            Done::Records(_) => unreachable!("an audit job is answered as audit"),
        }
    }
}

async fn work(writers: Pool, waiting: Arc<sync::Mutex<mpsc::Receiver<Waiting>>>, commits: usize) {
    while let Some(group) = gather(&mut *waiting.lock().await, commits).await {
        answer(&writers, group).await;
    }
}

/// The next group. `None` when nobody can come any more.
async fn gather(waiting: &mut mpsc::Receiver<Waiting>, commits: usize) -> Option<Vec<Waiting>> {
    let first = waiting.recv().await?;
    let mut weight = first.job.weight();
    let mut group = vec![first];
    while group.len() < commits && weight < GROUP_BYTES {
        let Ok(next) = waiting.try_recv() else { break };
        weight += next.job.weight();
        group.push(next);
    }
    Some(group)
}

impl Job {
    fn weight(&self) -> usize {
        match self {
            Self::Records(commits) => commits.iter().map(RecordCommit::weight).sum(),
            Self::Audit(_) => 0,
        }
    }

    fn records(&self) -> impl Iterator<Item = &RecordCommit> {
        match self {
            Self::Records(commits) => &commits[..],
            Self::Audit(_) => &[],
        }
        .iter()
    }

    /// Entries to append, in order.
    fn audit(&self) -> impl Iterator<Item = &NewAudit> {
        let alone = match self {
            Self::Records(_) => &[],
            Self::Audit(entries) => &entries[..],
        };
        self.records().flat_map(|commit| &commit.audit).chain(alone)
    }

    fn lock(&self, locks: &mut Locks) {
        for commit in self.records() {
            record::lock(commit, locks);
        }
        for entry in self.audit() {
            locks.audit_chain(entry.org, entry.patient);
        }
    }
}

/// Almost always nothing in a group is refused, so it is first tried whole. If anything is, the transaction is gone
/// with all of it, and a second one takes each commit behind a savepoint: the refused ones leave nothing, the others
/// are kept. There is no second if the database is away, or was lost while it committed the first: nobody is told more
/// than is known.
async fn answer(writers: &Pool, group: Vec<Waiting>) {
    let results = match whole(writers, &group).await {
        Ok(done) => done.into_iter().map(Ok).collect(),
        Err(error) if group.len() == 1 => vec![Err(error)],
        Err(error) if lost(&error) => refuse(&group, error),
        Err(_) => match each(writers, &group).await {
            Ok(results) => results,
            Err(error) => refuse(&group, error),
        },
    };
    for (waiting, result) in group.into_iter().zip(results) {
        // The caller may have gone away; what was committed stays committed.
        let _ = waiting.answer.send(result);
    }
}

/// One answer for all.
fn refuse(group: &[Waiting], why: Error) -> Vec<Result<Done, Error>> {
    let why = || match &why {
        Error::Doubtful(reason) => Error::Doubtful(reason.clone()),
        other => Error::NotCommitted(other.to_string()),
    };
    group.iter().map(|_| Err(why())).collect()
}

async fn whole(writers: &Pool, group: &[Waiting]) -> Result<Vec<Done>, Error> {
    let mut tries = 1;
    loop {
        match together(writers, group).await {
            Err(error) if tries < TRIES && collided(&error) => tries += 1,
            result => return result,
        }
    }
}

async fn begin(writers: &Pool, group: &[Waiting]) -> Result<Tx<'static>, Error> {
    let mut tx = writers.begin().await?;
    let mut locks = Locks::default();
    for waiting in group {
        waiting.job.lock(&mut locks);
    }
    tx.lock(&locks).await?;
    Ok(tx)
}

async fn together(writers: &Pool, group: &[Waiting]) -> Result<Vec<Done>, Error> {
    let mut tx = begin(writers, group).await?;
    let jobs: Vec<&Job> = group.iter().map(|waiting| &waiting.job).collect();
    let done = apply(&mut tx, &jobs).await?;
    tx.commit().await?;
    Ok(done)
}

async fn each(writers: &Pool, group: &[Waiting]) -> Result<Vec<Result<Done, Error>>, Error> {
    let mut tx = begin(writers, group).await?;
    let mut results = Vec::with_capacity(group.len());
    for waiting in group {
        let mut savepoint = tx.savepoint().await?;
        let result = apply(&mut savepoint, &[&waiting.job]).await;
        match &result {
            Ok(_) => savepoint.commit().await?,
            Err(_) => savepoint.rollback().await?,
        }
        results.push(result.map(|mut done| done.remove(0)));
    }
    tx.commit().await?;
    Ok(results)
}

/// Several jobs at once; one by itself record by record, so that what is refused is named.
async fn apply(tx: &mut Tx<'_>, jobs: &[&Job]) -> Result<Vec<Done>, Error> {
    let commits: Vec<&RecordCommit> = jobs.iter().flat_map(|job| job.records()).collect();
    let at_once = if jobs.len() > 1 { commits.len() } else { 1 };
    let mut seqs = Vec::with_capacity(commits.len());
    for some in commits.chunks(at_once.max(1)) {
        seqs.extend(record::insert(tx, some).await?);
    }
    let entries: Vec<&NewAudit> = jobs.iter().flat_map(|job| job.audit()).collect();
    let appended = audit::append(tx, &entries).await?;
    for sealing in commits.iter().filter_map(|commit| commit.sealing.as_ref()) {
        audit::seal(tx, sealing).await?;
    }
    let (mut seqs, mut appended) = (seqs.into_iter(), appended.into_iter());
    let done = jobs.iter().map(|job| {
        let entries = appended.by_ref().take(job.audit().count());
        match job {
            Job::Records(commits) => {
                entries.for_each(drop);
                Done::Records(seqs.by_ref().take(commits.len()).collect())
            }
            Job::Audit(_) => Done::Audit(entries.collect()),
        }
    });
    Ok(done.collect())
}
