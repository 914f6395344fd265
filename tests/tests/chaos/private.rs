//! Servers of a spec's own, which may be killed and started again with what they had on disk.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use objects::s3;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// How long a server may take to be there.
const PATIENCE: Duration = Duration::from_secs(150);

const LOOK: Duration = Duration::from_millis(50);

/// A program with its own group of processes, which die with this.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).stdin(Stdio::null()).spawn().unwrap())
    }

    fn kill(&mut self) {
        kill_process_group(Pid::from_child(&self.0), Signal::KILL).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It is dead already where a spec killed it.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// A RabbitMQ node.
pub(crate) struct RabbitMq {
    node: Program,
    folder: TempDir,
    ports: [u16; 2],
}

impl RabbitMq {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = free_ports();
        let config = format!("listeners.tcp.1 = 127.0.0.1:{}\nloopback_users = none\n", ports[0]);
        std::fs::write(folder.path().join("rabbitmq.conf"), config).unwrap();
        std::fs::write(folder.path().join("plugins"), "[].").unwrap();
        let node = spawn_rabbitmq(folder.path(), ports);
        let server = Self { node, folder, ports };
        server.comes_up().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports[0])
    }

    pub(crate) fn kill(&mut self) {
        self.node.kill();
    }

    pub(crate) async fn start_again(&mut self) {
        self.node = spawn_rabbitmq(self.folder.path(), self.ports);
        self.comes_up().await;
    }

    async fn comes_up(&self) {
        let url = self.url();
        until(self.folder.path(), async || {
            lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.is_ok()
        })
        .await;
    }
}

fn spawn_rabbitmq(folder: &Path, ports: [u16; 2]) -> Program {
    // Debian's own in `/usr/sbin` would change to a user who may not write here.
    let own = Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    let mut command = Command::new(if own.exists() { own } else { Path::new("rabbitmq-server") });
    command.env("HOME", folder).env("RABBITMQ_NODENAME", format!("spec-{}@localhost", ports[0]));
    command.env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"));
    command.env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"));
    command.env("RABBITMQ_MNESIA_BASE", folder.join("mnesia")).env("RABBITMQ_LOG_BASE", folder.join("log"));
    command.env("RABBITMQ_DIST_PORT", ports[1].to_string());
    let log = log(folder);
    command.stdout(log.try_clone().unwrap()).stderr(log);
    Program::start(&mut command)
}

/// A Redis that keeps nothing.
pub(crate) struct Redis {
    server: Program,
    folder: TempDir,
    port: u16,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let server = Self { server: spawn_redis(folder.path(), port), folder, port };
        server.comes_up().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    pub(crate) async fn start_again(&mut self) {
        self.server = spawn_redis(self.folder.path(), self.port);
        self.comes_up().await;
    }

    async fn comes_up(&self) {
        let address = ("127.0.0.1", self.port);
        until(self.folder.path(), async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
    }
}

fn spawn_redis(folder: &Path, port: u16) -> Program {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(folder).stdout(log(folder));
    Program::start(&mut command)
}

/// An S3 server, SeaweedFS, with a bucket `specs`.
pub(crate) struct S3 {
    server: Program,
    folder: TempDir,
    ports: [u16; SERVICES.len()],
}

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

const IDENTITIES: &str = r#"{"identities": [{"name": "specs", "credentials": [{"accessKey": "id", "secretKey": "secret"}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}"#;

impl S3 {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("identities.json"), IDENTITIES).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let ports = free_ports();
        let server = Self { server: spawn_s3(folder.path(), ports), folder, ports };
        let store = server.store();
        until(server.folder.path(), async || store.make_bucket().await.is_ok()).await;
        server
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Puts an object there as somebody else would, under a name of any kind.
    pub(crate) async fn put(&self, client: &reqwest::Client, path: &str, bytes: Vec<u8>) {
        let filer = self.ports[SERVICES.iter().position(|service| *service == "filer.port").unwrap()];
        let url = format!("http://127.0.0.1:{filer}/buckets/specs/{path}");
        let answer = client.put(url).body(bytes).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    pub(crate) async fn start_again(&mut self) {
        use objects::Objects;
        self.server = spawn_s3(self.folder.path(), self.ports);
        let store = self.store();
        let stored = async || store.put("back", b"again", "text/plain").await.is_ok();
        until(self.folder.path(), stored).await;
    }

    fn store(&self) -> s3::S3 {
        let key = s3::Credentials { key_id: "id".to_owned(), secret: "secret".to_owned(), session_token: None };
        let config = s3::Config {
            endpoint: Some(self.endpoint()),
            path_style: true,
            credentials: Some(key),
            ..s3::Config::new("specs")
        };
        s3::S3::open(config).unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // These it makes outside of its folder, not all of them for every service.
        for (service, port) in SERVICES.iter().zip(self.ports) {
            let name = service.replace(".port", "").replace('.', "-");
            let _ = std::fs::remove_file(format!("/tmp/seaweedfs-{name}-{port}.sock"));
        }
    }
}

fn spawn_s3(folder: &Path, ports: [u16; SERVICES.len()]) -> Program {
    let program: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/seaweedfs/weed");
    assert!(program.exists(), "the S3 server of the tests is missing; `make setup` obtains it");
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
    command.args(SERVICES.iter().zip(ports).map(|(service, port)| format!("-{service}={port}")));
    command.stdout(Stdio::null()).stderr(log(folder));
    Program::start(&mut command)
}

/// Ports that nobody uses at the moment.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn log(folder: &Path) -> File {
    File::options().create(true).append(true).open(folder.join("output")).unwrap()
}

/// Waits until a server is there.
async fn until(folder: &Path, mut there: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !there().await {
        if started.elapsed() > PATIENCE {
            panic!(
                "the server does not come up:\n{}",
                std::fs::read_to_string(folder.join("output")).unwrap_or_default()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}
