//! Turns, taken again and again until the process is told to stop.

use std::{collections::HashSet, sync::Mutex, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::Error;

/// How long a dead process keeps others from its work. A turn that takes longer loses its lease, which costs repeated
/// work and nothing else.
pub const LEASE_SECONDS: u64 = 15;

/// The longest pause after failures in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Something that takes turns under a lease.
pub trait Worker: Send {
    /// What it does, for people.
    const WHAT: &'static str;

    /// Does whatever can be done now. `true` if another turn should follow at once.
    fn turn(&mut self) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Lets the next process begin at once.
    fn release(&self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Takes turns until `stop`, then gives the lease back. A turn under way is finished first: each of its steps is short
/// and bounded.
pub async fn work<W: Worker>(mut worker: W, poll: Duration, stop: CancellationToken) -> Result<(), Error> {
    let mut ailment = Ailment::new(W::WHAT);
    while !stop.is_cancelled() {
        let result = worker.turn().await;
        let pause = match ailment.note(result) {
            Some(true) => Duration::ZERO,
            Some(false) => poll,
            None => ailment.pause(poll),
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    worker.release().await
}

/// Says once what is true of one thing for a while, so that a poll every second does not fill the log.
#[derive(Debug, Default)]
pub struct Told(Mutex<HashSet<String>>);

impl Told {
    /// Whether this is said for the first time. Forgets everything after some thousands.
    pub fn first(&self, what: impl ToString) -> bool {
        let mut told = self.0.lock().expect("no panic happens while it is held");
        if told.len() > 10_000 {
            told.clear();
        }
        told.insert(what.to_string())
    }
}

/// Says once that something fails, and once that it works again.
#[derive(Debug)]
pub struct Ailment {
    what: &'static str,
    failing: Option<&'static str>,
    failures: u32,
}

impl Ailment {
    /// Of some work.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            failing: None,
            failures: 0,
        }
    }

    /// Takes a result; `None` where it is an error, which is logged when it is of another kind than the one before.
    pub fn note<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        let what = self.what;
        match result {
            Ok(value) => {
                if self.failing.take().is_some() {
                    tracing::info!(failures = self.failures, "{what} works again");
                }
                self.failures = 0;
                Some(value)
            }
            Err(error) => {
                let kind = error.kind();
                metrics::counter!("chartseal_failures_total", "what" => what, "kind" => kind).increment(1);
                self.failures = self.failures.saturating_add(1);
                if self.failing.replace(kind) == Some(kind) {
                    tracing::debug!(kind, failures = self.failures, %error, "{what} still fails");
                } else {
                    tracing::warn!(kind, %error, "{what} fails; it is tried again");
                }
                None
            }
        }
    }

    /// How long to wait after so many failures in a row.
    pub(crate) fn pause(&self, poll: Duration) -> Duration {
        (poll * 2u32.saturating_pow(self.failures.min(10))).clamp(poll, LONGEST_PAUSE.max(poll))
    }
}
