//! A Redis of our own that may be killed, frozen and started again.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use coordination::redis::{Config, Redis};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) struct Server {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { process: spawn(port, &folder), port, folder };
        server.store().await;
        server
    }

    pub(crate) async fn start_again(&mut self) {
        self.process = spawn(self.port, &self.folder);
        self.store().await;
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(format!("redis://127.0.0.1:{}", self.port))
    }

    /// A store that is available.
    pub(crate) async fn store(&self) -> Redis {
        let store = Redis::open(self.config()).unwrap();
        store.wait_until_available(super::PATIENCE).await.expect("the server comes up");
        store
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Keeps connections open and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// How many keys there are, and how many of them have an end.
    pub(crate) fn keys_and_those_that_end(&self) -> (usize, usize) {
        let client = redis::Client::open(self.config().url).unwrap();
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(10)).unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let ending = keys.iter().filter(|key| {
            let left: i64 = redis::cmd("PTTL").arg(key).query(&mut connection).unwrap();
            left > 0
        });
        (keys.len(), ending.count())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is dead already where a test killed it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(port: u16, folder: &tempfile::TempDir) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed; `make setup` does it")
}
