//! What happens in a run: drawn from a seed before anything begins, so that a seed tells the same story twice.

use std::time::Duration;

use chartseal_stack::{samples::Kind, supervise::Process};
use fastrand::Rng;

/// Steps of one run.
const STEPS: usize = 40;

/// Patients of one run.
pub const PATIENTS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Clinical,
    Imaging,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Self::Clinical => "clinical",
            Self::Imaging => "imaging",
        }
    }

    /// A document that falls in it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Clinical => Kind::Scan,
            Self::Imaging => Kind::Picture,
        }
    }
}

/// Those a patient grants and revokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grantee {
    Doctor,
    Insurer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Owner,
    Hospital,
    Grantee(Grantee),
    /// Another patient.
    Stranger,
}

pub const READERS: [Reader; 5] = [
    Reader::Owner,
    Reader::Hospital,
    Reader::Grantee(Grantee::Doctor),
    Reader::Grantee(Grantee::Insurer),
    Reader::Stranger,
];

/// One side of what a patient decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    pub grantee: Grantee,
    pub scope: Scope,
}

/// What people do. `record` counts the patient's records of that moment, around and around.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Documents sent at once, of so many bytes each.
    Upload {
        scope: Scope,
        count: usize,
        size: usize,
    },
    Edit {
        record: usize,
        size: usize,
    },
    Request(Slot),
    Grant(Slot),
    Revoke(Slot),
    Read {
        record: usize,
        reader: Reader,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum Weather {
    /// kill -9, and started again.
    Kill(Process),
    /// The newest blocks are replaced by empty ones.
    Reorg(u64),
    /// The chain's clock, seconds.
    Jump(u64),
    /// SIGSTOP for a while.
    ChainAway(Duration),
    /// kill -9, and started again after a while.
    ContentAway(Duration),
    DatabaseAway(Duration),
}

/// One step: the weather strikes while the act is under way.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub patient: usize,
    pub act: Act,
    pub weather: Option<(Duration, Weather)>,
}

/// The steps of a seed. Where database and content store are servers, they go away too.
pub fn draw(seed: u64, servers: bool) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    (0..STEPS).map(|_| step(&mut rng, servers)).collect()
}

fn step(rng: &mut Rng, servers: bool) -> Step {
    Step {
        patient: rng.usize(..PATIENTS),
        act: act(rng),
        weather: (rng.u8(..100) < 30).then(|| (milliseconds(rng, 0, 60), weather(rng, servers))),
    }
}

fn act(rng: &mut Rng) -> Act {
    match rng.u8(..100) {
        0..30 => Act::Upload {
            scope: scope(rng),
            count: [1, 1, 1, 4, 8][rng.usize(..5)],
            size: size(rng),
        },
        30..45 => Act::Edit {
            record: rng.usize(..64),
            size: size(rng),
        },
        45..50 => Act::Request(slot(rng)),
        50..65 => Act::Grant(slot(rng)),
        65..76 => Act::Revoke(slot(rng)),
        _ => Act::Read {
            record: rng.usize(..64),
            reader: READERS[rng.usize(..READERS.len())],
        },
    }
}

fn weather(rng: &mut Rng, servers: bool) -> Weather {
    match rng.u8(..if servers { 100 } else { 75 }) {
        0..20 => Weather::Kill(Process::Gateway),
        20..40 => Weather::Kill(Process::Submitter),
        40..58 => Weather::Reorg(rng.u64(1..=8)),
        58..67 => Weather::Jump(rng.u64(1..=15)),
        67..75 => Weather::ChainAway(milliseconds(rng, 100, 1500)),
        75..88 => Weather::ContentAway(milliseconds(rng, 0, 500)),
        _ => Weather::DatabaseAway(milliseconds(rng, 0, 500)),
    }
}

fn scope(rng: &mut Rng) -> Scope {
    [Scope::Clinical, Scope::Clinical, Scope::Imaging][rng.usize(..3)]
}

fn slot(rng: &mut Rng) -> Slot {
    Slot {
        grantee: if rng.bool() { Grantee::Doctor } else { Grantee::Insurer },
        scope: scope(rng),
    }
}

/// Bytes of a document: mostly small ones, which wait in the outbox; sometimes more than 1 MiB, which does not.
fn size(rng: &mut Rng) -> usize {
    match rng.u8(..10) {
        0 => rng.usize(1_100_000..2_500_000),
        1..3 => rng.usize(1..100),
        _ => rng.usize(100..40_000),
    }
}

fn milliseconds(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from..to))
}
