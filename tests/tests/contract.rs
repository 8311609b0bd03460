//! Somebody else's fuzzer (schemathesis) reads `/openapi.json` of a running system and asks it, in each role, everything
//! that the contract allows and much that it forbids. Whatever comes back must be in the contract, and nothing is a 5xx.
//!
//! `CONTRACT_EXAMPLES` says how many drawn requests an operation gets in each role, on top of the systematic ones.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::{path::Path, process::Command};

use chartseal_tests::{root, system};

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,ignored_auth";

/// Ends the session of whoever asks, so that all that follows would be strangers' requests.
const NOT_ASKED: &str = "signOut";

#[tokio::test]
async fn every_answer_to_a_fuzzer_is_in_the_contract_whoever_asks() {
    let system = system();
    let fuzzer = root().join("tests/contract/.venv/bin/schemathesis");
    assert!(fuzzer.exists(), "run `make clients` once: it installs schemathesis");
    let examples = std::env::var("CONTRACT_EXAMPLES").map_or(3, |n| n.parse().expect("CONTRACT_EXAMPLES is a number"));
    let before = answered(&system.json.metrics).await;
    let mut tokens = vec![("nobody", None)];
    for name in ["alice", "doctor", "hospital", "admin"] {
        let session = system.person(name).await;
        tokens.push((name, session.gateway.bearer().map(str::to_owned)));
    }
    // A system's token lives for five minutes, so it comes first; and before the hospital, which may disable it.
    let machine = system.machine("hospital").await;
    tokens.insert(0, ("a hospital's system", machine.bearer().map(str::to_owned)));
    let mut failures = Vec::new();
    for (who, token) in tokens {
        failures.extend(fuzz(&fuzzer, who, token, examples).await);
    }
    println!("{} requests answered", answered(&system.json.metrics).await - before);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What the fuzzer found, if anything.
async fn fuzz(fuzzer: &Path, who: &str, token: Option<String>, examples: u32) -> Option<String> {
    let mut command = Command::new(fuzzer);
    command
        .args(["run", &format!("{}/openapi.json", system().json.gateway)])
        .args(["--checks", CHECKS, "--exclude-operation-id", NOT_ASKED])
        .args([
            "--max-examples",
            &examples.to_string(),
            "--seed",
            "20",
            // One thread: Python 3.11 counts its parser's depth over all threads (gh-106905), and hypothesis parses.
            "--workers",
            "1",
        ])
        .args([
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
            "--continue-on-failure",
            "--no-color",
        ])
        .current_dir(&system().json.data);
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(|| format!("as {who}: {told}{errors}"))
}

/// Requests that the gateway has answered.
async fn answered(metrics: &str) -> u64 {
    let text = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let counts = text
        .lines()
        .filter_map(|line| line.strip_prefix("http_server_request_duration_seconds_count"));
    counts
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}
