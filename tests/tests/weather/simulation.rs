//! Drawn sequences against a model.

use std::time::Instant;

use chartseal_stack::enrol::EnrolledPatient;

use crate::{
    figures::{runs, seed},
    ground::Ground,
    people::{People, enrolled},
    proof::Figures,
    run::Run,
    step::{PATIENTS, draw},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_the_weather_in_files() {
    let ground = Ground::of_files().await.unwrap();
    simulate(ground, seed(), runs().div_ceil(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_the_weather_in_servers() {
    let test = "what_was_acknowledged_outlives_the_weather_in_servers";
    let Some(ground) = Ground::of_servers(test).await.unwrap() else {
        return;
    };
    let first = runs().div_ceil(2);
    simulate(ground, seed() + first, runs() - first).await;
}

async fn simulate(mut ground: Ground, first: u64, runs: u64) {
    let patients = enrolled(&ground, runs as usize).await.unwrap();
    for (seed, patients) in (first..first + runs).zip(patients.chunks(PATIENTS)) {
        one(&mut ground, seed, patients).await;
    }
    ground.stack.stop().await;
}

async fn one(ground: &mut Ground, seed: u64, patients: &[EnrolledPatient]) {
    let steps = draw(seed, ground.has_servers());
    let begun = Instant::now();
    let played: anyhow::Result<Figures> = async {
        let people = People::gather(ground, patients).await?;
        let name = format!("run {seed}");
        let mut run = Run { ground, people, name };
        run.play(&steps).await?;
        run.prove().await
    }
    .await;
    let seconds = begun.elapsed().as_secs_f64();
    match played {
        Ok(figures) => println!("seed {seed}: {} steps in {seconds:.1} s, {figures:?}", steps.len()),
        Err(error) => {
            let told: String = (0..)
                .zip(&steps)
                .map(|(i, step)| format!("  {i:2} {step:?}\n"))
                .collect();
            let kept = ground.keep().display();
            panic!("WEATHER_SEED={seed} fails after {seconds:.1} s, all of it is in {kept}: {error:#}\n{told}");
        }
    }
}
