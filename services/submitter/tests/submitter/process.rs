//! The program itself: its configuration, its listener, its end.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use alloy::primitives::hex;
use chartseal_record::state::RecordState;

use crate::{
    people::{hospital, publisher, relayer},
    stage::Stage,
};

fn submitter() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chartseal-submitter"));
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Writes what an operator would: keys, deployment, configuration.
fn configure(stage: &Stage, metrics: &str) -> std::path::PathBuf {
    let folder = stage.folder.path();
    std::fs::write(folder.join("relayer.key"), hex::encode(relayer().to_bytes())).unwrap();
    std::fs::write(folder.join("publisher.key"), hex::encode(publisher().to_bytes())).unwrap();
    std::fs::write(
        folder.join("deployment.json"),
        serde_json::to_vec(&stage.chain.contracts).unwrap(),
    )
    .unwrap();
    let text = format!(
        "metrics_listen = \"{metrics}\"\n[database]\nurl = \"sqlite:{f}/chartseal.db\"\n[content]\nlocation = \"{f}/content\"\n\
         [chain]\nrpc = \"{rpc}\"\ndeployment = \"{f}/deployment.json\"\nconfirmations = 1\npoll_milliseconds = 20\n\
         [batch]\ninterval_milliseconds = 20\n[relayer]\nkey_file = \"{f}/relayer.key\"\n\
         [[publishers]]\naccount = \"{org}\"\nkey_file = \"{f}/publisher.key\"\n",
        f = folder.display(),
        rpc = stage.chain.anvil.url,
        org = hospital().address(),
    );
    let file = folder.join("submitter.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn the_program_anchors_reports_itself_and_ends_when_asked() {
    let stage = Stage::open().await;
    stage.record(1).await;
    // Free a moment ago; nothing else in this test binary listens on chosen ports.
    let listen = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let config = configure(&stage, &listen);
    let checked = submitter()
        .arg("--config")
        .arg(&config)
        .arg("--check-config")
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains(&relayer().address().to_string()));

    let mut running = submitter()
        .arg("--config")
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while stage
        .store
        .batch(chartseal_store::BatchId(1))
        .await
        .unwrap()
        .is_none_or(|b| b.state != RecordState::Anchored)
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "not anchored");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(get(&listen, "/livez").contains("200 OK"));
    assert!(get(&listen, "/metrics").contains("chartseal_records_anchored_total 1"));

    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(running.wait().unwrap().success());
    let mut log = String::new();
    running.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("is anchored in block"), "{log}");
    for key in [hex::encode(relayer().to_bytes()), hex::encode(publisher().to_bytes())] {
        assert!(!log.contains(&key), "a private key in the log");
    }
    // The lease was given back: a new worker begins at once.
    assert!(stage.publisher().hold().await.unwrap());
}

#[tokio::test]
async fn another_chain_is_refused_by_name() {
    let stage = Stage::open().await;
    let config = configure(&stage, "127.0.0.1:0");
    stage.store.meta_pin("chain.genesis", "0xanother").await.unwrap();
    let refused = submitter().arg("--config").arg(&config).output().unwrap();
    assert!(!refused.status.success());
    assert!(
        said(&refused).contains("chain was reset; run chartseal up --fresh"),
        "{}",
        said(&refused)
    );
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("submitter.toml");
    std::fs::write(&file, "colour = \"red\"\n").unwrap();
    let refused = submitter()
        .arg("--config")
        .arg(&file)
        .arg("--check-config")
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert_eq!(
        said(&refused).matches("unknown field: found `colour`").count(),
        1,
        "{}",
        said(&refused)
    );
}

#[tokio::test]
async fn a_chain_that_is_away_is_waited_for_and_the_program_still_ends_when_asked() {
    let stage = Stage::open().await;
    let config = configure(&stage, "127.0.0.1:0");
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace(&stage.chain.anvil.url, "http://127.0.0.1:1");
    std::fs::write(&config, text).unwrap();
    let mut running = submitter()
        .arg("--config")
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(running.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("reaching the chain fails") {
        line.clear();
        assert!(
            std::io::BufRead::read_line(&mut log, &mut line).unwrap() > 0,
            "it ended"
        );
    }
    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(running.wait().unwrap().success());
}
