//! Child processes: started, started again when they die, and stopped in order.

use std::{
    ffi::OsString,
    fmt,
    fs::{File, OpenOptions},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// A child that lived this long had started well.
const SETTLED: Duration = Duration::from_secs(10);
/// The longest pause before a child that keeps dying is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a child may take to drain after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);

/// The processes of a development system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Process {
    /// The chain.
    Anvil,
    /// The gateway.
    Gateway,
    /// The submitter.
    Submitter,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anvil => "anvil",
            Self::Gateway => "gateway",
            Self::Submitter => "submitter",
        })
    }
}

/// What to run.
#[derive(Clone)]
pub struct Service {
    pub process: Process,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Its standard error is appended here, and its standard output unless it is `chatty`.
    pub log: PathBuf,
    /// Its standard output tells every call: a hundred megabytes a day that nobody reads.
    pub chatty: bool,
    /// Runs before each start.
    pub prepare: Arc<dyn Fn() -> Result<()> + Send + Sync>,
}

enum Order {
    /// SIGTERM, then no further start.
    Stop,
    /// SIGKILL, then no further start until `Resume`.
    Hold,
    Resume,
}

/// A service under supervision.
pub struct Supervised {
    process: Process,
    pid: watch::Receiver<Option<u32>>,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Supervised {
    /// Starts the service for the first time; if it cannot be started at all, that is the error.
    ///
    /// `changed` is called with each new process id, and with none when the process has died.
    pub fn start(service: Service, changed: impl Fn(Process, Option<u32>) + Send + Sync + 'static) -> Result<Self> {
        let process = service.process;
        let child = service.spawn()?;
        let (tell, pid) = watch::channel(child.id());
        changed(process, child.id());
        let (orders, taken) = mpsc::channel(4);
        let keeper = Keeper {
            service,
            tell,
            changed: Box::new(changed),
            orders: taken,
        };
        Ok(Self {
            process,
            pid,
            orders,
            task: tokio::spawn(keeper.keep(child)),
        })
    }

    /// Which one this is.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Its process id now; none while it is down.
    pub fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    /// SIGKILL, as a power cut would; returns when that process is gone. The supervisor starts the next one.
    pub async fn kill(&mut self) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        signal(pid, Signal::KILL)?;
        self.pid
            .wait_for(|now| *now != Some(pid))
            .await
            .context("the supervisor has ended")?;
        Ok(())
    }

    /// Kills the process and keeps it down until [`Supervised::resume`].
    pub async fn hold(&mut self) -> Result<()> {
        self.orders
            .send(Order::Hold)
            .await
            .context("the supervisor has ended")?;
        self.pid
            .wait_for(Option::is_none)
            .await
            .context("the supervisor has ended")?;
        Ok(())
    }

    /// Starts a process that was held down; returns when it has a process id (not when it is ready).
    pub async fn resume(&mut self) -> Result<()> {
        self.orders
            .send(Order::Resume)
            .await
            .context("the supervisor has ended")?;
        self.pid
            .wait_for(Option::is_some)
            .await
            .context("the supervisor has ended")?;
        Ok(())
    }

    /// SIGTERM, and SIGKILL if the child has not drained after 15 s; returns when it is gone.
    pub async fn stop(self) {
        // An error means that the task has ended, and the child with it.
        let _ = self.orders.send(Order::Stop).await;
        let _ = self.task.await;
    }
}

impl Service {
    fn spawn(&self) -> Result<Child> {
        (self.prepare)()?;
        let errors = self.log()?;
        let output = if self.chatty { Stdio::null() } else { self.log()?.into() };
        let mut command = Command::new(&self.program);
        // Its own process group: Ctrl-C reaches the supervisor alone, which then stops the children in order.
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true);
        // Everything the children are to know stands in their files; what the environment says is for this program.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHARTSEAL_")) {
            command.env_remove(name);
        }
        command
            .spawn()
            .with_context(|| format!("{} cannot be started from {}", self.process, self.program.display()))
    }

    fn log(&self) -> Result<File> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        opened.with_context(|| format!("{} cannot be written", self.log.display()))
    }
}

struct Keeper {
    service: Service,
    tell: watch::Sender<Option<u32>>,
    changed: Box<dyn Fn(Process, Option<u32>) + Send + Sync>,
    orders: mpsc::Receiver<Order>,
}

enum Next {
    Start,
    End,
}

impl Keeper {
    async fn keep(mut self, first: Child) {
        let mut child = Some(first);
        let mut deaths = 0u32;
        loop {
            let Some(mut running) = child.take() else {
                match self.wait_to_start(deaths).await {
                    Next::End => return,
                    Next::Start => {}
                }
                match self.service.spawn() {
                    Ok(started) => {
                        self.say(started.id());
                        child = Some(started);
                    }
                    Err(error) => {
                        deaths += 1;
                        tracing::error!(process = %self.service.process, "{} cannot be started again: {error:#}", self.service.process);
                    }
                }
                continue;
            };
            let started = Instant::now();
            tokio::select! {
                status = running.wait() => {
                    deaths = if started.elapsed() > SETTLED { 1 } else { deaths + 1 };
                    self.died(status.ok());
                }
                order = self.orders.recv() => match order {
                    Some(Order::Resume) => child = Some(running),
                    Some(Order::Hold) => {
                        let _ = running.kill().await;
                        self.say(None);
                        if matches!(self.held().await, Next::End) {
                            return;
                        }
                        deaths = 0;
                    }
                    Some(Order::Stop) | None => {
                        self.end(running).await;
                        return;
                    }
                },
            }
        }
    }

    /// Pauses before another start: nothing the first time, then longer each time.
    async fn wait_to_start(&mut self, deaths: u32) -> Next {
        let pause = Duration::from_millis(100) * 2u32.saturating_pow(deaths.saturating_sub(1).min(8));
        let pause = if deaths == 0 {
            Duration::ZERO
        } else {
            pause.min(LONGEST_PAUSE)
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => Next::Start,
            order = self.orders.recv() => match order {
                Some(Order::Resume) => Next::Start,
                Some(Order::Hold) => self.held().await,
                Some(Order::Stop) | None => Next::End,
            },
        }
    }

    async fn held(&mut self) -> Next {
        loop {
            match self.orders.recv().await {
                Some(Order::Resume) => return Next::Start,
                Some(Order::Hold) => {}
                Some(Order::Stop) | None => return Next::End,
            }
        }
    }

    async fn end(&self, mut running: Child) {
        if let Some(pid) = running.id()
            && let Err(error) = signal(pid, Signal::TERM)
        {
            tracing::warn!(process = %self.service.process, "{} cannot be told to stop: {error:#}", self.service.process);
        }
        if tokio::time::timeout(GRACE, running.wait()).await.is_err() {
            tracing::warn!(process = %self.service.process, "{} did not drain in {} s and is killed", self.service.process, GRACE.as_secs());
            let _ = running.kill().await;
        }
        self.say(None);
    }

    fn died(&self, status: Option<ExitStatus>) {
        let how = status.map_or_else(|| "unknown".to_owned(), |status| status.to_string());
        let log = self.service.log.display();
        tracing::warn!(process = %self.service.process, "{} died ({how}) and is started again; its log: {log}", self.service.process);
        self.say(None);
    }

    fn say(&self, pid: Option<u32>) {
        self.tell.send_replace(pid);
        (self.changed)(self.service.process, pid);
    }
}

/// Ends a process that is not our child: SIGTERM, and SIGKILL when it has not gone within the grace.
pub fn end(pid: u32) -> Result<()> {
    signal(pid, Signal::TERM)?;
    let deadline = Instant::now() + GRACE;
    while std::path::Path::new(&format!("/proc/{pid}")).exists() {
        if Instant::now() > deadline {
            return signal(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("not a process id")?;
    kill_process(pid, signal).with_context(|| format!("process {} cannot be signalled", pid.as_raw_nonzero()))
}
