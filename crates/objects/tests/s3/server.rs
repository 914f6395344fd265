//! A real S3 server, SeaweedFS, started by the first test that needs one and stopped with the last.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use objects::s3::{Config, Credentials, S3};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const IDENTITIES: &str = r#"{"identities": [{"name": "test", "credentials": [{"accessKey": "id", "secretKey": "secret"}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}"#;

/// What it listens for, each on a port of its own, named like its flags.
const SERVICES: [&str; 8] = [
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
];

pub(crate) struct Server {
    process: Child,
    ports: [u16; SERVICES.len()],
    folder: tempfile::TempDir,
}

impl Server {
    /// The server that other tests of this program use at the moment, or a new one.
    pub(crate) async fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
        let mut running = RUNNING.lock().await;
        if let Some(server) = running.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start().await);
        *running = Arc::downgrade(&server);
        server
    }

    async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/seaweedfs/weed");
        assert!(program.exists(), "the S3 server of the tests is missing; `make setup` obtains it");
        let mut log = String::new();
        // Somebody else may take a port that was free a moment ago.
        for _ in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let ports = free_ports();
            let mut server = Self { process: spawn(&program, folder.path(), ports), ports, folder };
            if timeout(PATIENCE, server.comes_up()).await == Ok(true) {
                return server;
            }
            log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        }
        panic!("the S3 server does not come up:\n{log}");
    }

    /// Whether it did, or else ended.
    async fn comes_up(&mut self) -> bool {
        let store = S3::open(self.config("readiness")).unwrap();
        while self.process.try_wait().unwrap().is_none() {
            if store.make_bucket().await.is_ok() {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// An empty bucket.
    pub(crate) async fn bucket(&self, name: &str) -> Config {
        let config = self.config(name);
        S3::open(config.clone()).unwrap().make_bucket().await.unwrap();
        config
    }

    fn config(&self, bucket: &str) -> Config {
        Config {
            endpoint: Some(format!("http://127.0.0.1:{}", self.ports[0])),
            path_style: true,
            credentials: Some(credentials("secret")),
            ..Config::new(bucket)
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, because it takes half a minute to end by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // These it makes outside of its folder, not all of them for every service.
        for (service, port) in SERVICES.iter().zip(self.ports) {
            let name = service.replace(".port", "").replace('.', "-");
            let _ = std::fs::remove_file(format!("/tmp/seaweedfs-{name}-{port}.sock"));
        }
    }
}

pub(crate) fn credentials(secret: &str) -> Credentials {
    Credentials { key_id: "id".to_owned(), secret: secret.to_owned(), session_token: None }
}

fn spawn(program: &Path, folder: &Path, ports: [u16; SERVICES.len()]) -> Child {
    std::fs::write(folder.join("identities.json"), IDENTITIES).unwrap();
    std::fs::create_dir(folder.join("data")).unwrap();
    let log = File::create(folder.join("log")).unwrap();
    let mut command = Command::new(program);
    command.current_dir(folder).args([
        "-logtostderr=true",
        "server",
        "-dir=data",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
    ]);
    // It tells its makers about itself by default.
    command.args(["-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=1000", "-filer", "-s3"]);
    command.args([
        "-s3.config=identities.json",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]);
    for (service, port) in SERVICES.iter().zip(ports) {
        command.arg(format!("-{service}={port}"));
    }
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// Ports that nobody uses at the moment.
fn free_ports() -> [u16; SERVICES.len()] {
    let listeners = [(); SERVICES.len()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
