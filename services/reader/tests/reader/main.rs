//! The program as a stranger runs it: real files, the real `age`, a real anvil.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

mod copy;
mod decrypt;
mod packets;
mod records;
mod recover;
mod story;

pub struct Run {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self {
            code: output.status.code().unwrap(),
            stdout: output.stdout,
            stderr,
        }
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chartseal-reader"));
    command.stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Run {
    program().args(args).output().unwrap().into()
}

/// The same off the runtime's thread, so that connections of the test itself go on.
async fn run_async(args: &[&str]) -> Run {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>()))
        .await
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn help_shows_an_example_of_each_command_and_the_exit_codes() {
    assert!(
        String::from_utf8(run(&["--help"]).stdout)
            .unwrap()
            .contains("12  age: no key matches")
    );
    for command in ["verify", "open", "decrypt", "recover", "verify-audit", "copy"] {
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains(&format!("chartseal-reader {command} ")), "{help}");
    }
    assert_eq!(run(&["forge"]).code, 2);
}
