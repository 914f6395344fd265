//! One program of the fleet, as an operator starts and ends it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use specs::Berth;

/// How often a condition is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// How long a program may take to be ready, and to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program; dropping it kills it.
pub(crate) struct Process {
    child: Child,
    role: String,
    address: SocketAddr,
    log: PathBuf,
}

impl Process {
    /// Starts a program in that berth.
    pub(crate) fn start(berth: &Berth, role: &str, more: &[String]) -> Self {
        Self::start_with(berth, role, more, &[])
    }

    /// The same with more variables in its environment.
    pub(crate) fn start_with(berth: &Berth, role: &str, more: &[String], environment: &[(&str, &Path)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let address = free_address();
        let listen = if role == "dispatcher" { "--listen" } else { "--metrics-addr" };
        let log = berth.folder().join(format!("{role}-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut command = command(berth, role);
        command.args([listen, &address.to_string()]).args(more).envs(environment.iter().copied());
        command.stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), role: role.to_owned(), address, log }
    }

    /// Waits until it says that it can work.
    pub(crate) async fn ready(&mut self, client: &reqwest::Client) {
        let started = Instant::now();
        loop {
            if let Ok(answer) = client.get(self.url("/readyz")).send().await
                && answer.status().is_success()
            {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.role, self.log());
            }
            assert!(started.elapsed() < PATIENCE, "{} is not ready:\n{}", self.role, self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// An address at its HTTP server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The value of a metric without labels; 0 where it was never counted.
    pub(crate) async fn metric(&self, client: &reqwest::Client, name: &str) -> f64 {
        let text = client.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// What it calls itself at the beginning of its worker's name.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}-", self.role, self.child.id())
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to end.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits until it has ended by itself, and well.
    pub(crate) async fn ends_well(&mut self) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{} ended with {status}:\n{}", self.role, self.log());
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{} does not end:\n{}", self.role, self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell(&format!("the last words of {}:\n{}", self.role, self.log()));
        }
        // It has ended already where a spec ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the fleet that knows the berth and nothing else of the environment's `FLOTILLA_…` and `OTEL_…`.
pub(crate) fn command(berth: &Berth, name: &str) -> Command {
    let mut command = Command::new(program(name));
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let set_by_specs = |name: &String| name.starts_with("FLOTILLA_") || name.starts_with("OTEL_");
    for variable in ours.filter(|name| set_by_specs(name) && name != "FLOTILLA_PDFIUM") {
        command.env_remove(variable);
    }
    // Specs of keys say otherwise.
    command.env("FLOTILLA_AUTH", "off");
    command.envs(berth.environment()).stdin(Stdio::null());
    command
}

/// Beside this test's own executable.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.is_file(), "{} is missing; build it with `cargo build --workspace --bins`", path.display());
    path
}

/// An address where nobody listened a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Says something to whoever reads the test's output.
#[expect(clippy::print_stderr, reason = "measured times and last words belong into the test's output")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}
