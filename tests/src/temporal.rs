//! Temporal's development server, one per spec. `deploy/setup/temporal.sh` installs it.

#![expect(clippy::unwrap_used, reason = "helpers of tests say where they stopped")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backends::engines::Engine;
use backends::temporal::Settings;
use clap::Parser;
use protocol::RunId;
use serde_json::Value;
use tempfile::TempDir;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long histories become unless a spec says something else.
const HISTORY: u32 = 10_000;

/// A server of a spec's own, killed when dropped.
pub struct Server {
    port: u16,
    child: Option<Child>,
    folder: TempDir,
    attributes: bool,
    history_events: u32,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

impl Server {
    /// A server that answers.
    ///
    /// # Panics
    /// When it does not, with what it says.
    #[must_use]
    pub fn start() -> Self {
        Self::with(false, HISTORY)
    }

    /// The same, with the search attributes that walks can be found by.
    ///
    /// # Panics
    /// As for [`Server::start`].
    #[must_use]
    pub fn searchable() -> Self {
        Self::with(true, HISTORY)
    }

    /// The same, with walks that go on in a fresh history after so many events.
    ///
    /// # Panics
    /// As for [`Server::start`].
    #[must_use]
    pub fn with_history(events: u32) -> Self {
        Self::with(false, events)
    }

    fn with(attributes: bool, history_events: u32) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { port, child: None, folder, attributes, history_events };
        server.rise();
        server
    }

    /// Starts it on what an earlier one left.
    ///
    /// # Panics
    /// As for [`Server::start`].
    #[expect(
        clippy::disallowed_methods,
        reason = "worlds are made outside of runtimes, and a server is started rarely"
    )]
    pub fn rise(&mut self) {
        let mut command = Command::new(program());
        command.args(["server", "start-dev", "--headless", "--log-level", "error", "--port", &self.port.to_string()]);
        command.args(["--ip", "127.0.0.1", "--db-filename"]).arg(self.folder.path().join("temporal.sqlite"));
        if self.attributes {
            for name in ["FlotillaTenant", "FlotillaWorkflow", "FlotillaRun"] {
                command.args(["--search-attribute", &format!("{name}=Keyword")]);
            }
        }
        let log = std::fs::File::create(self.folder.path().join("server.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let started = Instant::now();
        while let Err(missing) = self.call(&["operator", "namespace", "describe", "--namespace", "default"]) {
            assert!(started.elapsed() < PATIENCE, "{missing}; its log: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills it.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn fall(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Backend and host of a fleet at this server.
    ///
    /// # Panics
    /// When the settings make no sense.
    #[must_use]
    pub fn open(&self) -> Engine {
        self.open_with(&[])
    }

    /// The same with other settings.
    ///
    /// # Panics
    /// When the settings make no sense.
    #[must_use]
    pub fn open_with(&self, more: &[&str]) -> Engine {
        let events = self.history_events.to_string();
        let flags: Vec<&str> = ["--temporal-history-events", &events].iter().chain(more).copied().collect();
        Self::open_at(&self.url(), &flags)
    }

    /// Backend and host at that address.
    ///
    /// # Panics
    /// When the settings make no sense.
    #[must_use]
    pub fn open_at(url: &str, flags: &[&str]) -> Engine {
        let usual = ["spec", "--temporal-url", url];
        Flags::parse_from(usual.iter().chain(flags)).settings.open().unwrap().unwrap()
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The same without what is the same everywhere.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What its own client says to these arguments.
    ///
    /// # Panics
    /// When that is an error.
    pub fn ask(&self, arguments: &[&str]) -> String {
        self.call(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    fn call(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(program()).args(arguments).args(["--address", &self.address()]).output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The events of a kind in the latest leg of a run's walk.
    ///
    /// # Panics
    /// When the server does not say.
    #[must_use]
    pub fn events(&self, run: RunId, kind: &str) -> Vec<Value> {
        let id = format!("flotilla-{run}");
        let history = self.ask(&["workflow", "show", "--workflow-id", &id, "--output", "json"]);
        let mut history: Value = serde_json::from_str(&history).unwrap();
        let Value::Array(events) = history["events"].take() else { panic!("no events in {history}") };
        events.into_iter().filter(|event| event["eventType"] == kind).collect()
    }

    /// A run's walk as it stands.
    ///
    /// # Panics
    /// When the server does not say.
    #[must_use]
    pub fn describe(&self, run: RunId) -> Value {
        let id = format!("flotilla-{run}");
        let described = self.ask(&["workflow", "describe", "--workflow-id", &id, "--output", "json"]);
        serde_json::from_str(&described).unwrap()
    }

    /// How many legs a run's walk has had.
    ///
    /// # Panics
    /// When the server does not say.
    #[must_use]
    pub fn legs(&self, run: RunId) -> usize {
        let query = format!("WorkflowId = 'flotilla-{run}'");
        let listed = self.ask(&["workflow", "list", "--query", &query, "--output", "json"]);
        serde_json::from_str::<Vec<Value>>(&listed).unwrap().len()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.fall();
    }
}

/// Where `deploy/setup/temporal.sh` puts it.
fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = target.join("peers/temporal/temporal");
    assert!(program.exists(), "Temporal's server is not there; run deploy/setup/temporal.sh");
    program
}
