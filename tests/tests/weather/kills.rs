//! kill -9 at every point of a record's and a decision's life, and where each one fell.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use chartseal_chain::bindings::Anchors;
use chartseal_stack::supervise::Process;
use fastrand::Rng;

use crate::{
    figures::{kills, seed},
    ground::{Ground, NOT_ANCHORED},
    model::Standing,
    people::{People, enrolled},
    proof::make_sure,
    run::{Run, act},
    step::{Act, Grantee, PATIENTS, Scope, Slot, Step},
};

/// Kills between two looks at everything, on patients of their own. A system's token lives for five minutes.
const ROUND: usize = 15;

/// How long to wait for the moment to strike.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Sealing,
    Committing,
    Batching,
    Signing,
    Broadcasting,
    Confirming,
    Granting,
    Revoking,
}

const PHASES: [Phase; 8] = [
    Phase::Sealing,
    Phase::Committing,
    Phase::Batching,
    Phase::Signing,
    Phase::Broadcasting,
    Phase::Confirming,
    Phase::Granting,
    Phase::Revoking,
];

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Documents sent in one episode.
const SENT: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_point_loses_nothing_doubles_nothing_and_opens_nothing() {
    let (kills, seed) = (kills() as usize, seed());
    let mut ground = Ground::of_files().await.unwrap();
    let rounds = kills.div_ceil(ROUND);
    let patients = enrolled(&ground, rounds).await.unwrap();
    let mut rng = Rng::with_seed(seed);
    let mut fell: BTreeMap<(Phase, &str), usize> = BTreeMap::new();
    let begun = Instant::now();
    for (round, patients) in patients.chunks(PATIENTS).enumerate() {
        let people = People::gather(&ground, patients).await.unwrap();
        let mut run = Run {
            ground: &mut ground,
            people,
            name: format!("round {round}"),
        };
        for kill in (round * ROUND..kills).take(ROUND) {
            let phase = PHASES[kill % PHASES.len()];
            let told = format!("WEATHER_SEED={seed}, kill {kill} aimed at {phase}");
            let place = episode(&mut run, phase, &mut rng, kill).await.context(told).unwrap();
            *fell.entry((phase, place)).or_default() += 1;
        }
        let told = format!("WEATHER_SEED={seed}, after the kills of round {round}");
        let figures = run.prove().await.context(told).unwrap();
        println!("round {round}: {figures:?}");
    }
    ground.stack.stop().await;
    println!(
        "seed {seed}: {kills} kills in {:.0} s; aimed at: fell",
        begun.elapsed().as_secs_f64()
    );
    for ((phase, place), count) in &fell {
        println!("{count:5}  {phase}: {place}");
    }
}

/// One act, one kill at a point of its life; where the database says that it fell.
async fn episode(run: &mut Run<'_>, phase: Phase, rng: &mut Rng, number: usize) -> Result<&'static str> {
    let step = Step {
        patient: rng.usize(..PATIENTS),
        act: what(run, phase, rng).await?,
        weather: None,
    };
    let moment = Moment {
        victim: match phase {
            Phase::Sealing | Phase::Committing => Process::Gateway,
            Phase::Granting | Phase::Revoking if rng.bool() => Process::Gateway,
            _ => Process::Submitter,
        },
        phase,
        short: Duration::from_micros(rng.u64(..60_000)),
        long: Duration::from_millis(rng.u64(..1_500)),
        records: run.ground.count(RECORDS).await?,
        intents: run.ground.count(INTENTS).await?,
        anchors: anchors(run.ground).await?,
        files: files(run.ground)?,
    };
    let name = format!("{} kill {number}", run.name);
    let (acted, fell) = tokio::join!(act(&mut run.people, &step, name), moment.strike(run.ground));
    acted?;
    fell
}

/// What is under way when the kill comes. Granting and revoking need a slot that can be, so the other is done first.
async fn what(run: &mut Run<'_>, phase: Phase, rng: &mut Rng) -> Result<Act> {
    let slot = Slot {
        grantee: if rng.bool() { Grantee::Doctor } else { Grantee::Insurer },
        scope: Scope::Clinical,
    };
    for patient in 0..PATIENTS {
        // A decision that died before the gateway heard of it leaves nothing to revoke, and so nothing to strike at.
        make_sure(&mut run.people, patient, slot).await?;
        let granted = matches!(
            run.people.patients[patient].standing(slot),
            Standing::Asked(_) | Standing::Granted
        );
        let first = match phase {
            Phase::Granting if granted => Act::Revoke(slot),
            Phase::Revoking if !granted => Act::Grant(slot),
            _ => continue,
        };
        let step = Step {
            patient,
            act: first,
            weather: None,
        };
        act(&mut run.people, &step, String::new()).await?;
    }
    Ok(match phase {
        Phase::Granting => Act::Grant(slot),
        Phase::Revoking => Act::Revoke(slot),
        _ => Act::Upload {
            scope: Scope::Clinical,
            count: SENT,
            size: rng.usize(1..20_000),
        },
    })
}

/// When to strike, and how the world looked before.
struct Moment {
    victim: Process,
    phase: Phase,
    short: Duration,
    long: Duration,
    records: u64,
    intents: u64,
    anchors: u64,
    files: usize,
}

const RECORDS: &str = "SELECT count(*) FROM record WHERE scope <> 'audit'";
const INTENTS: &str = "SELECT coalesce(max(seq), 0) FROM intent WHERE kind IN ('grant', 'revoke')";
const BATCHED: &str = "SELECT count(*) FROM batch WHERE state = 'batched'";
const SUBMITTED: &str = "SELECT count(*) FROM batch WHERE state = 'submitted'";
const STORED: &str = "SELECT count(*) FROM record WHERE batch IS NULL AND scope <> 'audit'";
const SIGNED: &str = "SELECT count(*) FROM intent WHERE state IN ('signed', 'submitted')";

impl Moment {
    async fn strike(&self, ground: &mut Ground) -> Result<&'static str> {
        self.come(ground).await?;
        ground.stack.hold(self.victim).await?;
        let fell = self.fell(ground).await?;
        if self.victim == Process::Submitter {
            ground.expire_leases().await?;
        }
        ground.stack.resume(self.victim).await?;
        Ok(fell)
    }

    /// Waits for the moment.
    async fn come(&self, ground: &Ground) -> Result<()> {
        match (self.phase, self.victim) {
            (Phase::Sealing | Phase::Committing, _) | (_, Process::Gateway) => {
                tokio::time::sleep(self.short).await;
                Ok(())
            }
            // The file that is being written, before the row that names it.
            (Phase::Batching, _) => until(async || Ok(files(ground)? > self.files)).await,
            // On a busy machine the moment can come and go between two looks: then the kill falls where it falls.
            (Phase::Signing, _) => {
                until(async || Ok(ground.count(BATCHED).await? > 0 || self.over(ground).await?)).await
            }
            (Phase::Broadcasting, _) => {
                until(async || Ok(ground.count(SUBMITTED).await? > 0 || self.over(ground).await?)).await
            }
            (Phase::Confirming, _) => {
                until(async || Ok(anchors(ground).await? > self.anchors)).await?;
                tokio::time::sleep(self.long).await;
                Ok(())
            }
            (Phase::Granting | Phase::Revoking, _) => {
                until(async || Ok(ground.count(SIGNED).await? > 0)).await?;
                tokio::time::sleep(self.long).await;
                Ok(())
            }
        }
    }

    /// What was sent has come to its end.
    async fn over(&self, ground: &Ground) -> Result<bool> {
        Ok(ground.count(RECORDS).await? > self.records && ground.count(NOT_ANCHORED).await? == 0)
    }

    /// What the rows say after the death.
    async fn fell(&self, ground: &Ground) -> Result<&'static str> {
        match self.phase {
            Phase::Sealing | Phase::Committing => {
                let stored = ground.count(RECORDS).await? - self.records;
                Ok(match stored as usize {
                    0 => "before the commit",
                    SENT => "after the commit",
                    _ => "between two commits",
                })
            }
            Phase::Granting | Phase::Revoking => {
                let intent = format!(
                    "SELECT state || CASE WHEN block IS NULL THEN '' ELSE ' and mined' END FROM intent
                     WHERE seq > {} AND kind IN ('grant', 'revoke') ORDER BY seq DESC LIMIT 1",
                    self.intents
                );
                let state = ground.texts(&intent).await?.pop().unwrap_or_default();
                Ok(match state.as_str() {
                    "" => "before it was laid out",
                    "prepared" => "prepared",
                    "signed" => "signed",
                    "submitted" => "submitted",
                    "submitted and mined" => "mined",
                    _ => "confirmed",
                })
            }
            _ if ground.count(BATCHED).await? > 0 => Ok("batched, nothing signed"),
            _ if ground.count(SUBMITTED).await? > 0 => Ok(match anchors(ground).await? > self.anchors {
                true => "mined, not confirmed",
                false => "signed, in no block",
            }),
            _ if ground.count(STORED).await? > 0 => Ok("stored, in no batch"),
            _ => Ok("anchored"),
        }
    }
}

async fn until(holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !holds().await? {
        ensure!(begun.elapsed() < PATIENCE, "the moment to strike did not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn anchors(ground: &Ground) -> Result<u64> {
    let logs = ground.node.logs::<Anchors::Anchored>(ground.json.contracts.anchors);
    Ok(logs.await?.len() as u64)
}

/// Files of the content store, half-written ones included.
fn files(ground: &Ground) -> Result<usize> {
    let mut count = 0;
    let mut folders = vec![ground.json.data.join("content")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => count += 1,
            }
        }
    }
    Ok(count)
}
