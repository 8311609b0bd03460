//! Times, medians, ratios, and whether a goal is met.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What one go took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    pub wall: Duration,
    /// Of this thread alone: does not count what other programs take from the machine.
    pub cpu: Duration,
}

pub fn took(work: impl FnOnce()) -> Took {
    let (wall, cpu) = (Instant::now(), thread_time());
    work();
    Took {
        cpu: thread_time() - cpu,
        wall: wall.elapsed(),
    }
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// A contestant: its name, and one go.
pub struct Contestant<'a> {
    pub name: String,
    pub go: Box<dyn FnMut() + 'a>,
    /// Works on several threads, so that only the wall clock sees all of it.
    pub wall: bool,
}

impl<'a> Contestant<'a> {
    /// Works on the calling thread.
    pub fn new(name: impl Into<String>, go: impl FnMut() + 'a) -> Self {
        Self {
            name: name.into(),
            go: Box::new(go),
            wall: false,
        }
    }

    /// Works elsewhere: on several threads, or in another process.
    pub fn elsewhere(name: impl Into<String>, go: impl FnMut() + 'a) -> Self {
        Self {
            wall: true,
            ..Self::new(name, go)
        }
    }
}

/// Median seconds of each, in rounds A B C A B C, so that a slow minute strikes all alike.
pub fn race(rounds: usize, contestants: &mut [Contestant]) -> Vec<f64> {
    let mut times = vec![Vec::new(); contestants.len()];
    // One go each to warm caches and back-end detection.
    for contestant in contestants.iter_mut() {
        (contestant.go)();
    }
    for _ in 0..rounds {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            let took = took(&mut contestant.go);
            times.push(if contestant.wall { took.wall } else { took.cpu }.as_secs_f64());
        }
    }
    times.into_iter().map(median).collect()
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints a ratio and what was wanted of it.
pub fn goal(what: &str, ratio: f64, wanted: f64) {
    let verdict = if ratio >= wanted { "met" } else { "MISSED" };
    println!("  {what:<66} {ratio:>6.2}   wanted {wanted:.2}: {verdict}");
}

/// Prints a ratio of which nothing was wanted.
pub fn ratio(what: &str, ratio: f64) {
    println!("  {what:<66} {ratio:>6.2}");
}
