//! Two gateways and two submitters on one PostgreSQL database and one Kubo node.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use chartseal_stack::{
    client::Gateway,
    samples::{CLAIM_SYSTEM, xray_claim},
    supervise::{Process, Service, Supervised},
};
use chartseal_tests::program;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::{
    figures::seed,
    ground::{Ground, NOT_ANCHORED},
    people::{People, enrolled},
    run::{Run, act},
    step::{Act, Scope, Step, Weather, draw},
};

/// Every so many steps the chain takes blocks back.
const REORGS: usize = 8;

/// The second of each, told the same as the first but for its ports.
struct Second {
    gateway: Supervised,
    submitter: Supervised,
    /// Where the gateway listens; its public URL is the first one's.
    base: String,
}

impl Second {
    async fn start(ground: &Ground) -> Result<Self> {
        let [listen, metrics, other] = [port()?, port()?, port()?];
        let gateway = told(
            ground,
            Process::Gateway,
            &[("listen", listen), ("metrics_listen", metrics)],
        )?;
        let submitter = told(ground, Process::Submitter, &[("metrics_listen", other)])?;
        let second = Self {
            gateway,
            submitter,
            base: format!("http://127.0.0.1:{listen}"),
        };
        let begun = Instant::now();
        let plain = Gateway::new(&second.base)?;
        while !plain.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "the second gateway is not ready"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(second)
    }
}

fn port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The first one's configuration with other ports.
fn told(ground: &Ground, process: Process, ports: &[(&str, u16)]) -> Result<Supervised> {
    let data = &ground.json.data;
    let first = std::fs::read_to_string(data.join(format!("{process}.toml")))?;
    let lines = first.lines().map(|line| {
        let named = line.split(" = ").next().unwrap_or_default();
        match ports.iter().find(|(name, _)| *name == named) {
            Some((name, port)) => format!("{name} = \"127.0.0.1:{port}\"\n"),
            None => format!("{line}\n"),
        }
    });
    let file: PathBuf = data.join(format!("second-{process}.toml"));
    std::fs::write(&file, lines.collect::<String>())?;
    let service = Service {
        process,
        program: program(&format!("chartseal-{process}")),
        arguments: vec!["--config".into(), file.into()],
        log: data.join("logs").join(format!("second-{process}.log")),
        chatty: false,
        prepare: Arc::new(|| Ok(())),
    };
    Supervised::start(service, |_, _| {})
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_and_two_submitters_are_one_system_and_one_of_each_is_enough() {
    let test = "two_gateways_and_two_submitters_are_one_system_and_one_of_each_is_enough";
    let Some(mut ground) = Ground::of_servers(test).await.unwrap() else {
        return;
    };
    let told = format!("WEATHER_SEED={}", seed());
    together(&mut ground).await.context(told).unwrap();
    ground.stack.stop().await;
}

async fn together(ground: &mut Ground) -> Result<()> {
    let patients = enrolled(ground, 1).await?;
    let mut second = Second::start(ground).await?;
    let people = People::gather(ground, &patients).await?;
    let before = [ground.stack.pid(Process::Gateway), second.gateway.pid()];
    let mut run = Run {
        ground,
        people,
        name: "replicas".into(),
    };
    let both = [Gateway::new(&run.ground.json.gateway)?, Gateway::new(&second.base)?];

    once_under_a_condition(&run, &both).await?;
    for (number, mut step) in draw(seed(), false).into_iter().enumerate() {
        // The hospital writes at one, the patients decide at the other, and all others read at the first.
        turn(&mut run.people, &both[number % 2], &both[(number + 1) % 2])?;
        let reorg = Weather::Reorg(2 + number as u64 / REORGS as u64);
        step.weather = (number % REORGS == REORGS - 1).then_some((Duration::ZERO, reorg));
        run.name = format!("replicas {number}");
        run.play(&[step]).await?;
    }
    one_chain(run.ground).await?;
    let after = [run.ground.stack.pid(Process::Gateway), second.gateway.pid()];
    ensure!(before == after, "a gateway ended by itself: {before:?}, then {after:?}");

    // One of each dies under load; whoever held the leases.
    let load = Step {
        patient: 0,
        act: Act::Upload {
            scope: Scope::Clinical,
            count: 8,
            size: 3_000,
        },
        weather: None,
    };
    turn(&mut run.people, &both[1], &both[0])?;
    let (acted, held, _) = tokio::join!(
        act(&mut run.people, &load, "first death".into()),
        run.ground.stack.hold(Process::Submitter),
        second.gateway.hold(),
    );
    acted?;
    held?;
    turn(&mut run.people, &both[0], &both[0])?;
    act(&mut run.people, &load, "one of each".into()).await?;
    run.ground
        .none("records are not anchored by the second submitter", NOT_ANCHORED)
        .await?;
    run.ground.stack.resume(Process::Submitter).await?;
    let (acted, held) = tokio::join!(
        act(&mut run.people, &load, "second death".into()),
        second.submitter.hold(),
    );
    acted?;
    held?;
    let figures = run.prove().await?;
    println!("seed {}: two of each, then one of each: {figures:?}", seed());
    second.gateway.stop().await;
    second.submitter.stop().await;
    Ok(())
}

/// Asked at both at once, again and again: under one condition one record comes into being.
async fn once_under_a_condition(run: &Run<'_>, both: &[Gateway; 2]) -> Result<()> {
    let token = run.people.hospital.bearer().context("no token")?;
    let both = both.each_ref().map(|gateway| gateway.with_token(token));
    let patient = &run.ground.json.samples.patients[0].fhir_id;
    for round in 0..20 {
        let claim = xray_claim(patient, &format!("R-{round}"), &[]);
        let condition = format!("identifier={CLAIM_SYSTEM}|R-{round}");
        let headers = [("If-None-Exist", condition.as_str())];
        let asked = both
            .iter()
            .map(|gateway| gateway.json(Method::POST, "/fhir/R4/Claim", &headers, &claim));
        let mut told = Vec::new();
        for answer in join_all(asked).await {
            told.push(answer?.status);
        }
        let created = told.iter().filter(|status| **status == 201).count();
        ensure!(
            created == 1 && told.iter().all(|status| [200, 201, 409].contains(status)),
            "round {round}: {told:?}"
        );
        let found = both[0].get(&format!("/fhir/R4/Claim?{condition}")).await?.expect(200)?;
        ensure!(found["total"] == 1, "round {round}: {} records", found["total"]);
    }
    Ok(())
}

/// From now on the hospital's system and the patients ask these gateways.
fn turn(people: &mut People, hospital: &Gateway, patients: &Gateway) -> Result<()> {
    let at = |gateway: &Gateway, who: &Gateway| who.bearer().map(|token| gateway.with_token(token));
    people.hospital = at(hospital, &people.hospital).context("no token")?;
    for patient in &mut people.patients {
        patient.session.gateway = at(patients, &patient.session.gateway).context("no token")?;
    }
    Ok(())
}

/// Both followed into one database: what stands there is what the node says, block by block.
async fn one_chain(ground: &Ground) -> Result<()> {
    ground.mined(2).await?;
    let rows = ground
        .texts(&format!(
            "SELECT CAST(number AS TEXT) || ' ' || {} FROM chain_block ORDER BY number DESC LIMIT 60",
            ground.hex("hash")
        ))
        .await?;
    ensure!(rows.len() > 20, "only {} blocks were followed", rows.len());
    let mut above: Option<u64> = None;
    for row in rows {
        let (number, hash) = row.split_once(' ').context("a row")?;
        let number: u64 = number.parse()?;
        if let Some(above) = above {
            ensure!(number + 1 == above, "block {} is not stored", above - 1);
        }
        above = Some(number);
        let block = ground
            .node
            .call("eth_getBlockByNumber", json!([format!("{number:#x}"), false]))
            .await?;
        ensure!(
            block["hash"] == format!("0x{hash}"),
            "block {number} is stored as 0x{hash}, the chain has {}",
            block["hash"]
        );
    }
    Ok(())
}
