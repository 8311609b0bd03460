//! Chain and content store both away, for a while: small uploads go on, and everything catches up by itself.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chartseal_stack::{client::text, supervise::Process, supervise::signal};
use reqwest::Method;
use rustix::process::Signal;

use crate::{
    figures::outage,
    ground::Ground,
    model::{Patient, Record},
    people::{People, enrolled},
    run::Run,
    step::Scope,
};

/// Systems that upload, one document after the other each.
const SYSTEMS: usize = 4;

/// Between two documents of one system: a load, not a benchmark.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes of a document: below 1 MiB it waits in the outbox.
const SIZE: usize = 8_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_small_upload_is_refused_while_chain_and_kubo_are_away_and_all_are_anchored_afterwards() {
    let test = "no_small_upload_is_refused_while_chain_and_kubo_are_away_and_all_are_anchored_afterwards";
    let Some(mut ground) = Ground::of_servers(test).await.unwrap() else {
        return;
    };
    let away = Duration::from_secs(outage());
    let patients = enrolled(&ground, 1).await.unwrap();
    let people = People::gather(&ground, &patients).await.unwrap();
    let mut run = Run {
        ground: &mut ground,
        people,
        name: "outage".into(),
    };
    let (sent, slowest) = uploads(&mut run, away).await.unwrap();
    let back = Instant::now();
    let figures = run.prove().await.unwrap();
    println!(
        "chain and Kubo away for {} s: {sent} uploads, none refused, the slowest in {} ms; all anchored and read {:.1} s after: {figures:?}",
        away.as_secs(),
        slowest.as_millis(),
        back.elapsed().as_secs_f64()
    );
    ground.stack.stop().await;
}

/// Uploads before, during and after; gives how many, and how long the slowest took.
async fn uploads(run: &mut Run<'_>, away: Duration) -> Result<(usize, Duration)> {
    let pid = run.ground.stack.pid(Process::Anvil).expect("anvil runs");
    run.ground.kubo().crash();
    signal(pid, Signal::STOP)?;
    let until = Instant::now() + away;
    let systems = (0..SYSTEMS).map(|system| one(run, system, until));
    let loads = futures::future::join_all(systems).await;
    signal(pid, Signal::CONT)?;
    tokio::task::block_in_place(|| run.ground.kubo().start_again());
    let (mut sent, mut slowest) = (0, Duration::ZERO);
    for load in loads {
        for (record, took) in load? {
            sent += 1;
            slowest = slowest.max(took);
            run.people.patients[0].records.push(record);
        }
    }
    Ok((sent, slowest))
}

async fn one(run: &Run<'_>, system: usize, until: Instant) -> Result<Vec<(Record, Duration)>> {
    let owner: &Patient = &run.people.patients[0];
    let mut stored = Vec::new();
    while Instant::now() < until {
        let key = format!("system {system} document {}", stored.len());
        let bytes = key.bytes().cycle().take(SIZE).collect::<Vec<_>>();
        let headers = [("Idempotency-Key", key.as_str())];
        let resource = owner.resource(Scope::Clinical, &bytes);
        let begun = Instant::now();
        let path = "/fhir/R4/DocumentReference";
        let answer = run
            .people
            .hospital
            .json(Method::POST, path, &headers, &resource)
            .await?;
        let took = begun.elapsed();
        ensure!(
            answer.status == 201,
            "{key} was refused: {} {}",
            answer.status,
            answer.value()
        );
        let id = Some(text(&answer.value(), "id")?);
        stored.push((
            Record {
                key,
                scope: Scope::Clinical,
                id,
                versions: vec![bytes],
                lost: None,
            },
            took,
        ));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(stored)
}
