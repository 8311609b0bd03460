//! A whole development system as separate processes under supervision: chain, gateway, submitter, sample people.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    anvil::{self, CHAIN_ID, ChainFolder},
    configuration::{self, Database, Files, url},
    deploy::{Deployment, deploy},
    folder::Folder,
    ports::Ports,
    seed::{self, Seeded},
    stack_json::{Addresses, Processes, StackJson},
    supervise::{Process, Service, Supervised},
    wallet,
};

/// How long a process may take from start to ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a whole copy of the chain's state is kept: as many seconds of blocks a torn state costs. As often as anvil
/// writes it, since anvil told to stop may leave half a file as well as anvil killed.
const KEEP: Duration = Duration::from_secs(2);

/// What system to bring up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is kept.
    pub data: PathBuf,
    /// The gateway's port; 0: any free one.
    pub port: u16,
    /// Begin with an empty folder.
    pub fresh: bool,
    /// Fill an empty system with sample people and documents.
    pub samples: bool,
    /// Another database than a SQLite file in the data folder.
    pub database: Database,
    /// The folder of a built portal, served at the gateway's `/`.
    pub portal: Option<PathBuf>,
}

impl Options {
    /// A system of one's own in `data`, on free ports, with samples: what a test wants.
    pub fn in_folder(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            port: 0,
            fresh: false,
            samples: true,
            database: Database::default(),
            portal: None,
        }
    }

    /// The same without sample people.
    pub fn empty_in(data: impl Into<PathBuf>) -> Self {
        Self {
            samples: false,
            ..Self::in_folder(data)
        }
    }
}

/// A running system. Call [`Stack::stop`] at the end; dropping it ends the processes too, in no order.
pub struct Stack {
    services: Vec<Supervised>,
    json: Arc<Mutex<StackJson>>,
    ports: Ports,
    keeper: tokio::task::JoinHandle<()>,
    // Last: the folder is given free when nothing writes to it any more.
    folder: Folder,
}

impl Stack {
    /// Brings a system up and waits until it is ready; `say` is told each step.
    pub async fn start(options: Options, say: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        ensure!(
            !options.fresh || options.database.url.is_none(),
            "--fresh empties the data folder, not a database server; make a new database and name it in --database"
        );
        let folder = Folder::open(&options.data)?;
        end_leftovers(folder.path(), say)?;
        if options.fresh {
            folder.empty()?;
        } else if folder.half_filled() {
            say("the first start was interrupted: beginning anew");
            folder.empty()?;
        }
        std::fs::create_dir_all(folder.join("logs")).context("the log folder cannot be made")?;
        let ports = Ports::choose(options.port)?;
        let json = Arc::new(Mutex::new(description(&folder, ports)));
        let chain = ChainFolder::new(folder.path())?;
        let kept = chain.clone();
        let mut stack = Self {
            services: Vec::new(),
            json,
            ports,
            keeper: tokio::spawn(async move {
                let mut took = Duration::ZERO;
                loop {
                    // A state that has grown large is copied less often: a fiftieth of the time at most.
                    tokio::time::sleep(KEEP.max(took * 50)).await;
                    let begun = std::time::Instant::now();
                    keep(&kept);
                    took = begun.elapsed();
                }
            }),
            folder,
        };
        match stack.bring_up(chain, &options, say).await {
            Ok(()) => Ok(stack),
            Err(error) => {
                stack.stop().await;
                Err(error)
            }
        }
    }

    async fn bring_up(&mut self, chain: ChainFolder, options: &Options, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
        say("starting the chain");
        self.run(
            Process::Anvil,
            anvil::program()?,
            chain.arguments(self.ports.rpc),
            move || chain.mend(),
        )?;
        self.ready(Process::Anvil).await?;
        let deployment = self.deploy(say).await?;
        let files = configuration::write(
            &self.folder,
            self.ports,
            deployment.registrar,
            &options.database,
            options.portal.as_deref(),
        )?;
        self.describe(|json| {
            let c = deployment.contracts;
            json.contracts = Addresses {
                directory: c.directory,
                consent: c.consent,
                anchors: c.anchors,
            };
            json.published = deployment.block;
        })?;
        say("starting gateway and submitter");
        self.start_ours(&files)?;
        self.ready(Process::Gateway).await?;
        self.ready(Process::Submitter).await?;
        if options.samples {
            let samples = self.samples(say).await?;
            self.describe(|json| json.samples = samples)?;
        }
        Ok(())
    }

    /// What `stack.json` says now.
    pub fn json(&self) -> StackJson {
        self.json.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// The id of a process now; none while it is down.
    pub fn pid(&self, process: Process) -> Option<u32> {
        self.services.iter().find(|service| service.process() == process)?.pid()
    }

    /// SIGKILL; returns when the process is gone. It is started again by itself: wait with [`Stack::ready`].
    pub async fn kill(&mut self, process: Process) -> Result<()> {
        self.service(process)?.kill().await
    }

    /// SIGKILL, and down until [`Stack::resume`].
    pub async fn hold(&mut self, process: Process) -> Result<()> {
        self.service(process)?.hold().await
    }

    /// Starts a process that was held down and waits until it is ready.
    pub async fn resume(&mut self, process: Process) -> Result<()> {
        self.service(process)?.resume().await?;
        self.ready(process).await
    }

    /// Waits until a process answers that it is ready, at most a minute.
    pub async fn ready(&self, process: Process) -> Result<()> {
        let json = self.json();
        let log = self.folder.join("logs").join(format!("{process}.log"));
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .build()
            .context("an HTTP client")?;
        let asked = async {
            loop {
                if self.is_ready(&http, process, &json).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(()) => Ok(()),
            Err(_) => bail!(
                "{process} was not ready in {} s; its log ends:\n{}",
                PATIENCE.as_secs(),
                tail(&log)
            ),
        }
    }

    async fn is_ready(&self, http: &reqwest::Client, process: Process, json: &StackJson) -> bool {
        let answer = match process {
            Process::Anvil => {
                let question = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
                http.post(&json.rpc).json(&question).send().await
            }
            Process::Gateway => http.get(format!("{}/readyz", json.gateway)).send().await,
            Process::Submitter => {
                http.get(format!("{}/livez", url(self.ports.submitter_metrics)))
                    .send()
                    .await
            }
        };
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Stops gateway, submitter and chain, in this order, each after it has drained.
    pub async fn stop(mut self) {
        self.keeper.abort();
        while let Some(service) = self.services.pop() {
            service.stop().await;
        }
    }

    fn service(&mut self, process: Process) -> Result<&mut Supervised> {
        let found = self.services.iter_mut().find(|service| service.process() == process);
        found.with_context(|| format!("{process} does not run"))
    }

    fn run(
        &mut self,
        process: Process,
        program: PathBuf,
        arguments: Vec<std::ffi::OsString>,
        prepare: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Result<()> {
        let log = self.folder.join("logs").join(format!("{process}.log"));
        let service = Service {
            process,
            program,
            arguments,
            log,
            chatty: process == Process::Anvil,
            prepare: Arc::new(prepare),
        };
        let json = Arc::clone(&self.json);
        let started = Supervised::start(service, move |process, pid| {
            let mut json = json.lock().unwrap_or_else(PoisonError::into_inner);
            json.processes.set(process, pid);
            if let Err(error) = json.write() {
                tracing::warn!("{error:#}");
            }
        })?;
        self.services.push(started);
        Ok(())
    }

    fn describe(&self, change: impl FnOnce(&mut StackJson)) -> Result<()> {
        let mut json = self.json.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut json);
        json.write()
    }

    async fn deploy(&self, say: &(dyn Fn(&str) + Sync)) -> Result<Deployment> {
        let file = self.folder.join("deployment.json");
        if !file.exists() {
            say("deploying the contracts");
        }
        let admin = wallet::signer(wallet::ADMIN);
        let deployed = deploy(&self.json().rpc, admin, None, Some(&file)).await;
        let (outcome, _) = deployed.context("to begin anew: chartseal up --fresh")?;
        Ok(outcome.deployment())
    }

    fn start_ours(&mut self, files: &Files) -> Result<()> {
        // The submitter first: the last started is stopped first, and the gateway is to stop taking work first.
        let both = [
            (Process::Submitter, &files.submitter),
            (Process::Gateway, &files.gateway),
        ];
        for (process, file) in both {
            let arguments = vec!["--config".into(), file.into()];
            self.run(process, program(&format!("chartseal-{process}"))?, arguments, || Ok(()))?;
        }
        Ok(())
    }

    async fn samples(&self, say: &(dyn Fn(&str) + Sync)) -> Result<Seeded> {
        if let Some(samples) = self.folder.samples()? {
            return Ok(samples);
        }
        self.folder.begin_filling()?;
        let samples = seed::seed(&self.json().gateway, say)
            .await
            .context("the samples could not be made")?;
        self.folder.filled(&samples)?;
        Ok(samples)
    }
}

fn description(folder: &Folder, ports: Ports) -> StackJson {
    let gateway = url(ports.gateway);
    StackJson {
        fhir: format!("{gateway}/fhir/R4"),
        token: format!("{gateway}/oauth2/token"),
        metrics: format!("{}/metrics", url(ports.gateway_metrics)),
        rpc: url(ports.rpc),
        ipfs: gateway.clone(),
        gateway,
        chain_id: CHAIN_ID,
        data: folder.path().to_owned(),
        published: 0,
        contracts: Addresses {
            directory: Default::default(),
            consent: Default::default(),
            anchors: Default::default(),
        },
        processes: Processes::default(),
        samples: Seeded::default(),
    }
}

/// Ends, in order, what a run on this folder left behind when it was killed or given up: it still holds the ports and
/// the database.
pub fn end_leftovers(data: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let Ok(last) = StackJson::read(data) else {
        return Ok(());
    };
    let data = &last.data;
    let running = [last.processes.gateway, last.processes.submitter, last.processes.anvil];
    for pid in running.into_iter().flatten().filter(|pid| belongs_to(*pid, data)) {
        say("stopping a process that was left behind");
        crate::supervise::end(pid)?;
    }
    Ok(())
}

/// Whether the process's command line names our data folder: ids are reused, and nobody else's process is touched.
fn belongs_to(pid: u32, data: &Path) -> bool {
    let named = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let data = data.join("").into_os_string().into_encoded_bytes();
    named.windows(data.len()).any(|part| part == data)
}

/// A program of this workspace, found beside the running one.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.with_context(|| {
        format!(
            "{name} is not beside {}; build it with `cargo build --workspace`",
            own.display()
        )
    })
}

fn keep(chain: &ChainFolder) {
    if let Err(error) = chain.keep() {
        tracing::warn!("{error:#}");
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
