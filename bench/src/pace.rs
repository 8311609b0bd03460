//! Many clients at once: how many answers a second, and how long one takes.

use std::time::{Duration, Instant};

use anyhow::Result;

/// How many in a second, and how long one took.
pub struct Pace {
    pub per_second: f64,
    pub median: Duration,
    pub p99: Duration,
}

impl Pace {
    pub fn of(mut times: Vec<Duration>, all: Duration) -> Self {
        times.sort_unstable();
        let at = |part: f64| {
            times
                .get((times.len() as f64 * part) as usize)
                .copied()
                .unwrap_or_default()
        };
        Self {
            per_second: times.len() as f64 / all.as_secs_f64(),
            median: at(0.5),
            p99: at(0.99),
        }
    }
}

/// The same again and again by so many clients at once.
pub async fn together<F>(clients: usize, seconds: u64, go: impl Fn() -> F + Clone + Send + 'static) -> Result<Pace>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (begun, end) = (Instant::now(), Duration::from_secs(seconds));
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let go = go.clone();
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < end {
                let sent = Instant::now();
                go().await?;
                times.push(sent.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(Pace::of(times, begun.elapsed()))
}

/// Prints a pace; `bytes` of one, if its speed matters too.
pub fn line(what: &str, clients: usize, pace: &Pace, bytes: Option<usize>) {
    let Pace {
        per_second,
        median,
        p99,
    } = pace;
    let speed = bytes.map_or(String::new(), |bytes| {
        format!(", {:.0} MB/s", per_second * bytes as f64 / 1e6)
    });
    println!(
        "  {what:<32} {clients:>3} clients {per_second:>9.1} /s   p50 {:>8.2} ms  p99 {:>8.2} ms{speed}",
        median.as_secs_f64() * 1e3,
        p99.as_secs_f64() * 1e3
    );
}
