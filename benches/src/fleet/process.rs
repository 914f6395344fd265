//! Programs that are started, waited for and ended.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::procfs;
use super::produced::Produced;

/// How long a program may take to be ready, and to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(5);

/// A running program; dropping it kills it and its descendants.
#[derive(Debug)]
pub struct Running {
    /// What its processor time and memory are booked under.
    pub role: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; its log is a file of that folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(role: &'static str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{role}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("{} cannot be started", shown(&command)))?;
        Ok(Self { role, child, log })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/readyz` at that address says that it can work.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; with the end of its log.
    pub async fn ready(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let started = Instant::now();
        while !says_ready(address) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.role, self.words());
            }
            ensure!(started.elapsed() < PATIENCE, "{} is not ready:\n{}", self.role, self.words());
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Tells it to end and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        let started = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(started.elapsed() < PATIENCE, "{} does not end:\n{}", self.role, self.words());
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The end of its log.
    #[must_use]
    pub fn words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        for process in procfs::tree(self.child.id()) {
            // Whoever has ended meanwhile need not be killed.
            let _ = i32::try_from(process).ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

/// Runs a producer to its end and reads what it says about itself.
///
/// # Errors
/// When it fails; with its last words.
pub async fn produce(mut command: Command) -> anyhow::Result<Produced> {
    command.stdin(Stdio::null());
    let name = shown(&command);
    let output = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = output.await.with_context(|| format!("{name} cannot be started"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} ended with {}:\n{error}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().with_context(|| format!("{name} said nothing"))?;
    serde_json::from_str(line).with_context(|| format!("{name} said: {line}"))
}

/// An address where nobody listened a moment ago.
///
/// # Errors
/// When this machine has no free port.
pub fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn says_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
