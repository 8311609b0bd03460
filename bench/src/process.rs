//! Whole processes: ours, `rage`, `age`.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chartseal_envelope::{
    age,
    key::{Identity, PublicKey},
};
use clap::{Args, ValueEnum};

/// One file from disk to standard output.
#[derive(Args)]
pub struct Pipe {
    what: What,
    /// A recipient to seal to, or a file of identities to open with
    key: String,
    input: PathBuf,
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Seal,
    Open,
}

impl Pipe {
    pub fn run(self) -> Result<()> {
        let from = File::open(&self.input)?;
        // Standard output without the line buffer that Rust puts before it.
        let to = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        match self.what {
            What::Seal => {
                let recipient: PublicKey = self.key.parse()?;
                age::seal_through(&recipient, from, to, self.threads)?;
            }
            What::Open => {
                let identities = Identity::from_file(&fs::read_to_string(&self.key)?)?;
                age::open_through(&identities, from, to, self.threads)?;
            }
        }
        Ok(())
    }
}

/// A program and its arguments; its output is thrown away.
pub fn run(program: &Path, args: &[&str]) -> Result<()> {
    let status = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(status.success(), "{} {args:?} failed", program.display());
    Ok(())
}

/// The most memory a program held, in MiB, looked at every millisecond. An exited program shows none, so its last
/// moments are not seen; the peak grows and never falls, and is reached long before.
pub fn peak_mib(program: &Path, args: &[&str]) -> Result<f64> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0f64;
    while child.try_wait()?.is_none() {
        let kib = fs::read_to_string(&status).ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        });
        peak = peak.max(kib.unwrap_or(0.0) / 1024.0);
        thread::sleep(Duration::from_millis(1));
    }
    Ok(peak)
}
