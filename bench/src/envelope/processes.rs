//! Whole programs on files, as a person would run them, and the memory they take.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use chartseal_envelope::{age, key::Identity};
use tempfile::TempDir;

use super::{Envelope, SMALL, large::Raw};
use crate::{
    measure::{Contestant, goal, race, ratio},
    process::{peak_mib, run as program},
};

/// Processes started for the small files; a process per file is what the programs offer.
const FEW: usize = 200;

struct Files {
    plain: String,
    sealed: String,
    small: String,
    small_sealed: String,
    /// Nothing but zeros and a hole, for the memory alone.
    huge: String,
    key: String,
    recipient: String,
    _dir: TempDir,
}

impl Files {
    /// In memory where the system offers it, so that no disk is measured.
    fn new(bench: &Envelope, identity: &Identity) -> Result<Self> {
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() {
            TempDir::new_in(shm)?
        } else {
            TempDir::new()?
        };
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let plain: Vec<u8> = (0..bench.mib << 20).map(|i| (i * 31 % 251) as u8).collect();
        fs::write(path("plain"), &plain)?;
        fs::write(path("sealed"), age::seal(identity.public_key(), &plain)?.bytes)?;
        fs::write(path("small"), &plain[..SMALL])?;
        fs::write(
            path("small.age"),
            age::seal(identity.public_key(), &plain[..SMALL])?.bytes,
        )?;
        fs::write(path("key"), identity.to_text().as_bytes())?;
        File::create(path("huge"))?.set_len(4 << 30)?;
        Ok(Self {
            plain: path("plain"),
            sealed: path("sealed"),
            small: path("small"),
            small_sealed: path("small.age"),
            huge: path("huge"),
            key: path("key"),
            recipient: identity.public_key().to_string(),
            _dir: dir,
        })
    }
}

pub fn run(bench: &Envelope, identity: &Identity, cores: usize, raw: Raw) -> Result<()> {
    let files = Files::new(bench, identity)?;
    let ours = env::current_exe().context("cannot find this program itself")?;
    let all = cores.to_string();
    let (plain, sealed) = (files.plain.as_str(), files.sealed.as_str());
    let (key, to) = (files.key.as_str(), files.recipient.as_str());
    let seal = Args {
        title: "sealing, whole processes, from memory to /dev/null",
        ours: [
            vec!["pipe", "seal", to, plain],
            vec!["pipe", "seal", to, plain, "--threads", &all],
        ],
        theirs: vec!["-r", to, plain],
    };
    let open = Args {
        title: "opening, whole processes, from memory to /dev/null",
        ours: [
            vec!["pipe", "open", key, sealed],
            vec!["pipe", "open", key, sealed, "--threads", &all],
        ],
        theirs: vec!["-d", "-i", key, sealed],
    };
    large(bench, &ours, &seal, cores, raw.seal)?;
    large(bench, &ours, &open, cores, raw.open)?;
    small(
        bench,
        &ours,
        "sealing",
        &["pipe", "seal", to, &files.small],
        &["-r", to, &files.small],
    )?;
    let opened = ["-d", "-i", key, &files.small_sealed];
    small(
        bench,
        &ours,
        "opening",
        &["pipe", "open", key, &files.small_sealed],
        &opened,
    )?;

    println!(
        "memory: peak of a process, 4 GiB sealed on {cores} threads and on 1, {} MiB opened",
        bench.mib
    );
    let peaks = [
        peak_mib(&ours, &["pipe", "seal", to, &files.huge, "--threads", &all])?,
        peak_mib(&ours, &["pipe", "seal", to, &files.huge])?,
        peak_mib(&ours, &["pipe", "open", key, sealed, "--threads", &all])?,
    ];
    println!(
        "  Chartseal   {:.1} MiB   {:.1} MiB   {:.1} MiB",
        peaks[0], peaks[1], peaks[2]
    );
    for (name, path) in peers(bench) {
        println!(
            "  {name:<10} {:.1} MiB opening {} MiB",
            peak_mib(path, &open.theirs)?,
            bench.mib
        );
    }
    let most = peaks.into_iter().fold(0.0, f64::max);
    goal("64 MiB / peak", 64.0 / most, 1.0);
    Ok(())
}

struct Args<'a> {
    title: &'a str,
    /// On one thread, on all.
    ours: [Vec<&'a str>; 2],
    theirs: Vec<&'a str>,
}

fn peers(bench: &Envelope) -> [(&'static str, &PathBuf); 2] {
    [("rage", &bench.rage), ("age (Go)", &bench.age)]
}

fn go<'a>(name: &str, path: &'a Path, args: &'a [&'a str], times: usize) -> Contestant<'a> {
    Contestant::elsewhere(name, move || {
        (0..times).for_each(|_| program(path, args).expect("the program runs"));
    })
}

fn large(bench: &Envelope, ours: &Path, args: &Args, cores: usize, raw: f64) -> Result<()> {
    let [one, all] = &args.ours;
    let mut contestants = vec![
        go("Chartseal, 1 thread", ours, one, 1),
        go(&format!("Chartseal, {cores} threads"), ours, all, 1),
    ];
    for (name, path) in peers(bench) {
        contestants.push(go(name, path, &args.theirs, 1));
    }
    let times = race(bench.rounds, &mut contestants);
    println!("{}", args.title);
    for (contestant, time) in contestants.iter().zip(&times) {
        let speed = bench.mib as f64 / time;
        println!(
            "  {:<24} {speed:>6.0} MiB/s   {:.2} of the raw line of one core",
            contestant.name,
            speed / raw
        );
    }
    goal("1 thread / rage", times[2] / times[0], 1.5);
    goal(&format!("{cores} threads / rage"), times[2] / times[1], 2.5);
    ratio("1 thread / age (Go)", times[3] / times[0]);
    ratio(&format!("{cores} threads / age (Go)"), times[3] / times[1]);
    println!();
    Ok(())
}

fn small(bench: &Envelope, ours: &Path, what: &str, args: &[&str], theirs: &[&str]) -> Result<()> {
    let mut contestants = vec![go("Chartseal", ours, args, FEW)];
    for (name, path) in peers(bench) {
        contestants.push(go(name, path, theirs, FEW));
    }
    let times = race(3, &mut contestants);
    println!(
        "{what} 4 KiB, a process for every file ({FEW} of them, of {} asked for)",
        bench.files
    );
    for (contestant, time) in contestants.iter().zip(&times) {
        println!("  {:<24} {:>6.2} ms a file", contestant.name, time * 1e3 / FEW as f64);
    }
    ratio("Chartseal / rage", times[1] / times[0]);
    ratio("Chartseal / age (Go)", times[2] / times[0]);
    println!();
    Ok(())
}
