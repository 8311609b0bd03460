//! `chartseal` as a person meets it: lines, signals, exit codes.
//!
//! The programs must have been built: `cargo build --workspace`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::Path,
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use chartseal_stack::{
    anvil::{self, ChainFolder},
    ports::Ports,
    rpc::Node,
    stack_json::StackJson,
    supervise::{Process, Service, Supervised, signal},
    wallet,
};
use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

fn chartseal(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chartseal"));
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn ended(arguments: &[&str]) -> Output {
    chartseal(arguments).output().await.unwrap()
}

struct Up {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Up {
    fn on(data: &Path, more: &[&str]) -> Self {
        let data = ["up", "--port", "0", "--data", data.to_str().unwrap()];
        let mut child = chartseal(&[&data, more].concat()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads until a line holds `text`; all lines so far.
    async fn until(&mut self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let found = line.contains(text);
                seen.push(line);
                if found {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(Duration::from_secs(120), reading)
            .await
            .unwrap_or(false);
        assert!(found, "no line with '{text}' after {seen:?}");
        seen
    }

    async fn signalled(mut self, how: Signal) -> Option<i32> {
        signal(self.child.id().unwrap(), how).unwrap();
        self.child.wait().await.unwrap().code()
    }
}

fn children(data: &Path) -> Vec<u32> {
    let processes = StackJson::read(data).unwrap().processes;
    let pids = [processes.gateway, processes.submitter, processes.anvil];
    pids.into_iter()
        .flatten()
        .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
        .collect()
}

#[tokio::test]
async fn up_invites_and_ctrl_c_stops_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::on(folder.path(), &["--empty"]);
    up.until("Chartseal runs at http://127.0.0.1:").await;
    assert_eq!(children(folder.path()).len(), 3);
    assert_eq!(up.signalled(Signal::INT).await, Some(0));
    assert!(children(folder.path()).is_empty());
}

#[tokio::test]
async fn what_a_killed_up_left_behind_is_stopped_and_its_work_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::on(folder.path(), &["--empty"]);
    up.until("Chartseal runs at").await;
    let block = StackJson::read(folder.path()).unwrap().published;
    let orphans = children(folder.path());
    up.signalled(Signal::KILL).await;
    assert_eq!(children(folder.path()), orphans, "they live on by themselves");
    let mut again = Up::on(folder.path(), &["--empty"]);
    let lines = again.until("Chartseal runs at").await;
    assert!(lines.iter().any(|line| line.contains("left behind")), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("deploying")),
        "the chain was kept: {lines:?}"
    );
    assert_eq!(StackJson::read(folder.path()).unwrap().published, block);
    assert!(!orphans.iter().any(|pid| children(folder.path()).contains(pid)));
    assert_eq!(again.signalled(Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn an_interrupted_first_start_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::on(folder.path(), &[]);
    up.until("registering hospital").await;
    assert_eq!(up.signalled(Signal::INT).await, Some(0));
    assert!(children(folder.path()).is_empty());
    let mut again = Up::on(folder.path(), &[]);
    let lines = again.until("In another terminal").await;
    assert!(lines.iter().any(|line| line.contains("beginning anew")), "{lines:?}");
    let data = folder.path().to_str().unwrap();
    let token = ended(&["token", "--client", "insurer", "--data", data]).await;
    assert!(token.status.success() && token.stdout.len() > 20);
    let unknown = ended(&["token", "--client", "nobody", "--data", data]).await;
    let told = String::from_utf8(unknown.stderr).unwrap();
    assert!(
        !unknown.status.success() && told.contains("there are: hospital"),
        "{told}"
    );
    assert_eq!(again.signalled(Signal::HUP).await, Some(0));
}

#[tokio::test]
async fn deploy_says_where_the_contracts_are_and_that_they_are_there_already() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ChainFolder::new(folder.path()).unwrap();
    let port = Ports::choose(0).unwrap().rpc;
    let service = Service {
        process: Process::Anvil,
        program: anvil::program().unwrap(),
        arguments: chain.arguments(port),
        log: folder.path().join("anvil.log"),
        chatty: true,
        prepare: Arc::new(|| Ok(())),
    };
    let supervised = Supervised::start(service, |_, _| {}).unwrap();
    let rpc = format!("http://127.0.0.1:{port}");
    while Node::new(&rpc).head().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let key = folder.path().join("deployer.key");
    std::fs::write(&key, wallet::signer(wallet::ADMIN).to_bytes().to_string()).unwrap();
    let out = folder.path().join("deployment.json");
    let (key, out) = (key.to_str().unwrap(), out.to_str().unwrap());
    let arguments = ["deploy", "--rpc", &rpc, "--key-file", key, "--out", out];
    for told in [
        "deployed on chain 31337",
        "already deployed and unchanged on chain 31337",
    ] {
        let output = ended(&arguments).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.starts_with(told), "{text}");
    }
    std::fs::write(key, "not a key").unwrap();
    let output = ended(&arguments).await;
    assert!(!output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("expected 64 hex digits")
    );
    supervised.stop().await;
}
