//! A crate exists where linking less means being able to do less. These are the walls.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Who may link whom, by ARCHITECTURE.md's table of rooms.
const WALLS: [(&str, &[&str]); 9] = [
    ("record", &[]),
    ("envelope", &["record"]),
    ("store", &["record"]),
    ("ipfs", &["record"]),
    ("chain", &["record"]),
    ("gateway", &["record", "envelope", "store", "ipfs", "chain"]),
    ("submitter", &["record", "store", "ipfs", "chain"]),
    ("reader", &["record", "envelope", "ipfs", "chain"]),
    // Talks HTTP and JSON-RPC; opens with a reader's own key and decodes what the chain says.
    ("stack", &["record", "envelope", "chain"]),
];

/// Normal (not dev, not build) dependencies, by package name.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    // Packages of other platforms were never downloaded, so metadata without a filter would go online for them.
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--locked",
            "--filter-platform",
            host,
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let normal = |dep: &&Value| {
            dep["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"].is_null())
        };
        let deps = node["deps"].as_array().unwrap().iter().filter(normal);
        let deps = deps.map(|dep| names[dep["pkg"].as_str().unwrap()].to_owned());
        graph
            .entry(names[node["id"].as_str().unwrap()].to_owned())
            .or_default()
            .extend(deps);
    }
    graph
}

fn reach(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from.to_owned()];
    while let Some(name) = todo.pop() {
        for dep in graph.get(&name).into_iter().flatten() {
            if seen.insert(dep.clone()) {
                todo.push(dep.clone());
            }
        }
    }
    seen
}

#[test]
fn every_room_links_only_the_rooms_it_may() {
    let graph = graph();
    for (room, may) in WALLS {
        let room = format!("chartseal-{room}");
        let ours: BTreeSet<&str> = graph[&room]
            .iter()
            .filter_map(|dep| dep.strip_prefix("chartseal-"))
            .collect();
        let may: BTreeSet<&str> = may.iter().copied().collect();
        let beyond: Vec<_> = ours.difference(&may).collect();
        assert!(
            beyond.is_empty(),
            "{room} links {beyond:?}, which ARCHITECTURE.md does not allow"
        );
    }
    let known: BTreeSet<String> = WALLS.iter().map(|(room, _)| format!("chartseal-{room}")).collect();
    let tests = ["chartseal-tests", "chartseal-stage"];
    let rooms = graph
        .keys()
        .filter(|name| name.starts_with("chartseal-") && !tests.contains(&name.as_str()));
    let unknown: Vec<_> = rooms.filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not in the table of rooms");
}

#[test]
fn the_submitter_reaches_no_key_code_and_the_reader_no_database() {
    let graph = graph();
    for (room, never) in [
        (
            "chartseal-submitter",
            &["chartseal-envelope", "hpke", "x25519-dalek"][..],
        ),
        ("chartseal-reader", &["chartseal-store", "sqlx"][..]),
        (
            "chartseal-store",
            &["chartseal-envelope", "hpke", "x25519-dalek", "chacha20poly1305"][..],
        ),
    ] {
        let reached = reach(&graph, room);
        let touched: Vec<_> = never.iter().filter(|name| reached.contains(**name)).collect();
        assert!(touched.is_empty(), "{room} reaches {touched:?}");
    }
}

#[test]
fn the_pure_rooms_reach_no_network_no_runtime_and_no_disk() {
    let graph = graph();
    for room in ["chartseal-record", "chartseal-envelope"] {
        let reached = reach(&graph, room);
        for outside in ["tokio", "hyper", "reqwest", "sqlx", "alloy-provider", "mio", "socket2"] {
            assert!(!reached.contains(outside), "{room} reaches {outside}");
        }
    }
}
