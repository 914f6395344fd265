//! A Postgres of the test's own, which may be stopped and crashed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use ledger::postgres::Config;
use tempfile::TempDir;

/// A Postgres server on a free port, stopped and deleted with this.
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Cluster {
    /// Sets a server up and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { folder, programs: programs(), port };
        if is_root() {
            // Postgres refuses to run as root.
            let owned = Command::new("chown").arg("postgres").arg(cluster.folder.path()).status().unwrap();
            assert!(owned.success());
        }
        assert!(cluster.run("initdb", &["--auth=trust", "--username=flotilla", "--no-sync"]), "no cluster");
        cluster.resume();
        cluster
    }

    /// Where its ledger is.
    pub(crate) fn config(&self) -> Config {
        Config::new(format!("postgres://flotilla@127.0.0.1:{}/postgres", self.port))
    }

    /// Ends it as a crash would: clients are cut off, and it recovers when it starts.
    pub(crate) fn crash(&self) {
        assert!(self.run("pg_ctl", &["stop", "--mode=immediate", "--wait"]), "it did not stop");
    }

    /// Starts it again.
    pub(crate) fn resume(&self) {
        let folder = self.folder.path().display();
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}", self.port);
        let log = format!("{folder}/log");
        let started = self.run("pg_ctl", &["start", "--wait", "--log", &log, "--options", &options]);
        assert!(started, "{}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// Whether the program succeeded.
    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("--pgdata").arg(self.folder.path().join("data")).args(arguments);
        command.current_dir(self.folder.path()).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["stop", "--mode=immediate", "--wait"]);
    }
}

/// Where `initdb` and `pg_ctl` are: the newest of Debian's folders, else beside the client programs.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.max_by_key(|version| version.file_name()).map(|version| version.path().join("bin"));
    let programs = newest.unwrap_or_else(|| {
        let found = Command::new("pg_config").arg("--bindir").output();
        let found = found.expect("Postgres is not installed: run `make setup`");
        PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
    });
    assert!(programs.join("initdb").exists(), "no initdb in {}: run `make setup`", programs.display());
    programs
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}
