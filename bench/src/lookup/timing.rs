//! Whether an answer's time tells two questions apart.

use std::time::Instant;

use anyhow::Result;

use super::{STRIDE, forbidden, number};

/// Welch's t above which two means are taken for different, as is usual where leaks are looked for in time.
const TOLD: f64 = 4.5;

/// Asks for a forbidden and an absent number in turn, in the one order and in the other, each number once, the forbidden ones
/// drawn from all `closed` of them: one after the other their rows would be warmer than the row that stands for an absent one.
/// Every answer counts: none is left out for having been slow.
pub async fn compare(what: &str, pairs: u64, closed: u64, ask: impl AsyncFn(String) -> Result<()>) -> Result<()> {
    let (mut of_forbidden, mut of_absent) = (Sample::default(), Sample::default());
    for pair in 0..pairs {
        let (forbidden, absent) = (number(forbidden(pair * STRIDE % closed)), format!("A-{pair:08}"));
        let one = async |value: String, sample: &mut Sample| {
            let begun = Instant::now();
            ask(value).await?;
            sample.add(begun.elapsed().as_secs_f64() * 1e3);
            anyhow::Ok(())
        };
        if pair % 2 == 0 {
            one(forbidden, &mut of_forbidden).await?;
            one(absent, &mut of_absent).await?;
        } else {
            one(absent, &mut of_absent).await?;
            one(forbidden, &mut of_forbidden).await?;
        }
    }
    let t = welch(&of_forbidden, &of_absent);
    let verdict = if t.abs() < TOLD { "not told apart" } else { "TOLD APART" };
    println!(
        "  {what:<32} {:.3} and {:.3} ms in the mean, Welch's t {t:+.2} of at most {TOLD}: {verdict}",
        of_forbidden.mean, of_absent.mean
    );
    Ok(())
}

/// Mean and spread, updated value by value (Welford).
#[derive(Default)]
struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sample {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    /// The variance of the mean.
    fn error(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

fn welch(one: &Sample, other: &Sample) -> f64 {
    (one.mean - other.mean) / (one.error() + other.error()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Sample {
        let mut sample = Sample::default();
        values.iter().for_each(|value| sample.add(*value));
        sample
    }

    #[test]
    fn welchs_t_is_that_of_a_worked_example() {
        // Means 3 and 6, variances 2.5 and 10, five of each: (3 - 6) / sqrt(0.5 + 2).
        let t = welch(&of(&[1.0, 2.0, 3.0, 4.0, 5.0]), &of(&[2.0, 4.0, 6.0, 8.0, 10.0]));
        assert!((t + 3.0 / 2.5f64.sqrt()).abs() < 1e-12);
    }
}
