//! The real Celery: a worker, a client, its command line.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use celery::Client;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::place::Place;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn environment() -> PathBuf {
    let built = std::env::current_exe().unwrap();
    let target = built.ancestors().nth(3).unwrap();
    let folder = target.join("peers/celery");
    assert!(
        folder.join("requirements.txt").exists(),
        "Celery is not installed. Run: crates/celery/tests/peers/install.sh {}",
        folder.display()
    );
    folder
}

/// A program of the environment, at work in the folder of the application.
pub(crate) fn program(place: &Place, name: &str, backend: &str) -> Command {
    let mut command = Command::new(environment().join("bin").join(name));
    let backend = if backend == "redis" { format!("{}/0", place.redis) } else { "rpc://".to_owned() };
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SPEC_PREFIX", &place.prefix)
        .env("SPEC_AMQP", &place.amqp)
        .env("SPEC_BACKEND", backend);
    command
}

/// A process that ends with the spec, and its children with it.
pub(crate) struct Peer {
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

impl Peer {
    pub(crate) fn start(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let output = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
        Self { child: command.spawn().unwrap(), log, _folder: folder }
    }

    /// A Celery worker that consumes the queue of Python's tasks, once it answers.
    pub(crate) async fn worker(place: &Place, backend: &str, more: &[&str]) -> Self {
        let name = format!("python@{}", place.prefix);
        let mut command = program(place, "celery", backend);
        command.args(["-A", "app", "worker", "--concurrency", "2", "--loglevel", "INFO", "--without-gossip"]);
        command.args(["--without-mingle", "--queues", &place.python(), "--hostname", &name]).args(more);
        let worker = Self::start(command);
        let client = Client::connect(place.client()).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while client.control().ping(Duration::from_millis(500)).await.unwrap().iter().all(|node| *node != name) {
            assert!(Instant::now() < deadline, "the worker does not answer: {}", worker.log());
        }
        client.close().await;
        worker
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        let _ended = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("what the peer said:\n{}", self.log());
        }
        self.kill();
    }
}

/// Runs a program to its end and gives what it printed.
pub(crate) async fn output(command: Command) -> String {
    let mut command = tokio::process::Command::from(command);
    let output = tokio::time::timeout(PATIENCE * 2, command.kill_on_drop(true).output()).await.unwrap().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    said.into_owned()
}

/// What came of scenarios of a Python client.
pub(crate) struct Outcomes(Map<String, Value>);

impl std::ops::Index<&str> for Outcomes {
    type Output = Value;

    fn index(&self, scenario: &str) -> &Value {
        &self.0[scenario]
    }
}

/// Runs scenarios of `driver.py`.
pub(crate) async fn drive(place: &Place, backend: &str, scenarios: &[&str]) -> Outcomes {
    let mut command = program(place, "python", backend);
    command.arg("driver.py").args(scenarios);
    let said = output(command).await;
    let outcomes: Map<String, Value> = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    Outcomes(outcomes)
}
