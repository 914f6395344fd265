//! Processes of a spec, real Celery's among them: started, drained, killed, and weighed.

#![expect(clippy::unwrap_used, reason = "helpers of tests say where they stopped")]

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

/// How long a process may take to be ready, and to end. Seven of Python that start at once on two busy cores take their time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// A program of the environment that has the real Celery, at work in the folder of the applications of specs.
///
/// # Panics
/// When Celery is not installed, with advice.
#[must_use]
pub fn python(program: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let environment = test.ancestors().nth(3).unwrap().join("peers/celery");
    assert!(
        environment.join("requirements.txt").exists(),
        "Celery is not installed. Run: crates/celery/tests/peers/install.sh {}",
        environment.display()
    );
    let mut command = Command::new(environment.join("bin").join(program));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A Celery worker of an application in that folder, in the words of its own command line.
#[must_use]
pub fn celery_worker(app: &str, node: &str, queues: &str, concurrency: u8) -> Command {
    let mut command = python("celery");
    command.args(["-A", app, "worker", "--pool", "prefork", "--loglevel", "INFO", "--without-gossip"]);
    command.args(["--without-mingle", "--concurrency", &concurrency.to_string()]);
    command.args(["--hostname", node, "--queues", queues]);
    command
}

/// A process with its children; dropping it kills them all.
pub struct Peer {
    /// What specs call it.
    pub name: String,
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

impl Peer {
    /// Starts it as the leader of a group of its own; what it says goes to a log.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: impl Into<String>, mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let said = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).process_group(0);
        Self { name: name.into(), child: command.spawn().unwrap(), log, _folder: folder }
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log says so.
    ///
    /// # Panics
    /// When it ends before, or takes too long.
    pub async fn says(&mut self, what: &str) {
        let started = Instant::now();
        while !self.log().contains(what) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            assert!(started.elapsed() < PATIENCE, "{} does not say {what:?}:\n{}", self.name, self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells it to finish what it has in hand and to end: what a supervisor's SIGTERM is to a worker.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn drain(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{} does not end:\n{}", self.name, self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends it and its children as a lack of memory does: at once, with SIGKILL.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _gone = kill_process_group(self.pid(), Signal::KILL);
        let _ended = self.child.wait();
    }

    /// What it and its children take of the machine's memory, in bytes; pages that several share count once between them (PSS).
    ///
    /// # Panics
    /// When the system does not say it.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        processes.filter(|process| group_of(process) == Some(self.child.id())).filter_map(|process| pss(&process)).sum()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
            #[expect(clippy::print_stderr, reason = "a test that fails says why where its reader looks")]
            {
                eprintln!("the last that {} said:\n{}", self.name, &log[tail..]);
            }
        }
        self.kill();
    }
}

/// The process group of a folder of `/proc`; `None` if it is no process, or one that has just ended.
fn group_of(process: &Path) -> Option<u32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // The name in front may contain anything: state, parent and group follow its last bracket.
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

/// The proportional share of a process in memory, in bytes.
fn pss(process: &Path) -> Option<u64> {
    let rollup = std::fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}
