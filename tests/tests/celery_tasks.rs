//! Handlers of our workers as tasks of a Celery application: the real Celery sends them, alone and in chains.

#![expect(clippy::unwrap_used, reason = "a spec that cannot go on should say where it stopped")]

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backends::celery::Settings;
use backends::desk::NoDesk;
use backends::host::Intake;
use broker::Broker;
use broker::memory::MemoryBroker;
use coordination::in_process::InProcess;
use objects::filesystem::Filesystem;
use protocol::workflow::queues::{CALLBACKS, DEFAULT, LOGGING};
use protocol::{Task, TaskError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use specs::CeleryBerth;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::hosts::{self, Hosts};
use worker::{Config, Context, Handle, Ports, Stop, Worker};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Larger than what travels in a message of ours.
const LARGE: usize = 100_000;

/// What an order may say.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    #[serde(default)]
    text: String,
    #[serde(default)]
    args: Vec<f64>,
}

/// What is made of it.
#[derive(Debug, Serialize)]
struct Made {
    text: String,
    attempt: u32,
}

/// A task with types of its own.
struct Make;

impl Task for Make {
    const NAME: &'static str = "make";
    type Input = Order;
    type Output = Value;
}

struct Maker {
    stopped: mpsc::UnboundedSender<&'static str>,
}

/// Says that a handler has ended, however.
struct Ended(mpsc::UnboundedSender<&'static str>);

impl Drop for Ended {
    fn drop(&mut self) {
        // A spec that is over does not listen.
        let _over = self.0.send("ended");
    }
}

#[async_trait]
impl Handle<Make> for Maker {
    async fn run(&self, ctx: &Context, order: Order) -> Result<Value, Stop> {
        let job = ctx.job();
        match order.text.as_str() {
            "refuse" => Err(TaskError::permanent("order_invalid", "nothing is made of this").into()),
            "retry" if job.attempt == 1 => {
                Err(Stop::RetryAfter(TaskError::transient("busy", "come again"), Duration::from_millis(100)))
            }
            "snooze" if job.state.is_null() => {
                Err(Stop::Snooze { after: Duration::from_millis(100), state: json!({ "seen": true }) })
            }
            "large" => Ok(json!("x".repeat(LARGE))),
            "hang" => {
                let _ended = Ended(self.stopped.clone());
                self.stopped.send("begun").unwrap();
                std::future::pending().await
            }
            _ if !order.args.is_empty() => Ok(json!(order.args.iter().sum::<f64>() * 10.0)),
            text => Ok(serde_json::to_value(Made { text: text.to_uppercase(), attempt: job.attempt }).unwrap()),
        }
    }
}

/// A worker of ours that serves the queue of an application.
struct Serving {
    place: CeleryBerth,
    broker: Arc<MemoryBroker>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), hosts::Error>>,
    stopped: mpsc::UnboundedReceiver<&'static str>,
    _folder: TempDir,
}

impl Serving {
    fn start() -> Self {
        let place = CeleryBerth::take([DEFAULT, "rust", "python"]);
        let settings = Settings {
            celery_task: vec![
                ("orders.make".to_owned(), "make".to_owned()),
                ("orders.lost".to_owned(), "lost".to_owned()),
            ],
            celery_serve: vec![place.queue("rust")],
            celery_default_queue: Some(place.queue("python")),
            celery_route: vec![("orders.make*".to_owned(), place.queue("rust"))],
            ..place.settings().clone()
        };
        let engine = settings.open().unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let broker = Arc::new(MemoryBroker::new(backends::fleet::topology(3)));
        let ports = Ports {
            broker: Arc::clone(&broker) as Arc<dyn Broker>,
            objects: Arc::new(Filesystem::new(folder.path().to_owned())),
            coordination: Arc::new(InProcess::new()),
        };
        let intake = Intake::new(Arc::new(NoDesk("there is none here".to_owned())))
            .with_servers(Arc::clone(&ports.objects), Arc::clone(&ports.coordination));
        let hosts = Hosts::new(engine.host.into_iter().collect(), intake);
        let config = Config {
            name: format!("worker-{}", uuid::Uuid::now_v7().simple()),
            queues: vec![DEFAULT.to_owned()],
            concurrency: 4,
            prefetch: 4,
            lease_ttl: Duration::from_secs(5),
            grace: Duration::from_secs(5),
        };
        let (serving, stop) = (hosts::serving(&config), CancellationToken::new());
        let (told, stopped) = mpsc::unbounded_channel();
        let worker = Worker::builder(hosts.ports(ports), config).register::<Make>(Maker { stopped: told }).build();
        let stopping = stop.clone();
        let running = tokio::spawn(async move { hosts.run(worker, &serving, stopping).await });
        Self { place, broker, stop, running, stopped, _folder: folder }
    }

    /// Runs scenarios of the Python client, and gives what came of each.
    async fn drive(&self, scenarios: &[&str]) -> Map<String, Value> {
        let mut command = tokio::process::Command::from(self.program("python"));
        command.arg("client.py").args(scenarios).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}\n{complained}");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}\n{complained}"))
    }

    /// A worker of Celery's own for the application's other tasks; it ends when it is dropped.
    fn python_worker(&self) -> Peer {
        let mut command = self.program("celery");
        command.args(["-A", "orders", "worker", "--pool", "solo", "--without-gossip", "--without-mingle"]);
        command.args(["--queues", &self.place.queue("python"), "--hostname", &self.place.queue("python@here")]);
        Peer(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn program(&self, name: &str) -> Command {
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().nth(3).unwrap().join("peers/celery");
        assert!(
            folder.join("requirements.txt").is_file(),
            "Celery is not installed. Run: crates/celery/tests/peers/install.sh {}",
            folder.display()
        );
        let mut command = Command::new(folder.join("bin").join(name));
        command
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/celery_tasks"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SPEC_AMQP", self.place.settings().celery_url.as_deref().unwrap_or_default())
            .env("SPEC_RUST", self.place.queue("rust"))
            .env("SPEC_PYTHON", self.place.queue("python"));
        command
    }

    /// Ends the worker; nothing of its tasks has reached the fleet.
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap().unwrap();
        for queue in [CALLBACKS, LOGGING] {
            assert_eq!(self.broker.depth(queue).await.unwrap().ready, 0, "no ledger hears of tasks of no run: {queue}");
        }
    }
}

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_a_task_that_python_sends_and_gets_the_value_of() {
    let serving = Serving::start();
    let came = serving.drive(&["keywords", "one_object", "positional", "large"]).await;
    assert_eq!(came["keywords"], json!({ "text": "HELLO", "attempt": 1 }));
    assert_eq!(came["one_object"], came["keywords"], "one object alone is the input itself");
    assert_eq!(came["positional"], json!(60.0));
    assert_eq!(came["large"], LARGE, "an output that our messages refer to is fetched");
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_from_python_to_a_handler_and_back() {
    let serving = Serving::start();
    let _python = serving.python_worker();
    assert_eq!(serving.drive(&["chained"]).await["chained"], json!([51.0, 301.0]), "(2 + 3) × 10 + 1");
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_exception_that_python_can_read() {
    let serving = Serving::start();
    let came = serving.drive(&["refused", "invalid", "not_served"]).await;
    let refused = &came["refused"];
    assert_eq!(refused["type"], "TaskError");
    assert_eq!(refused["args"], json!(["order_invalid", "nothing is made of this"]));
    assert_eq!(refused["state"], "FAILURE");
    assert!(refused["traceback"].as_str().unwrap().contains("order_invalid"), "{refused}");
    assert_eq!(came["invalid"]["args"][0], "input_invalid", "{came:?}");
    assert_eq!(came["not_served"]["type"], "NotRegistered", "{came:?}");
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_and_snoozes_come_again_by_way_of_celery() {
    let serving = Serving::start();
    let came = serving.drive(&["retried", "snoozed"]).await;
    assert_eq!(came["retried"], json!({ "text": "RETRY", "attempt": 2 }));
    assert_eq!(came["snoozed"], json!({ "text": "SNOOZE", "attempt": 1 }), "a snooze counts against nothing");
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_terminated_or_takes_too_long_stops_its_handler() {
    let mut serving = Serving::start();
    for (scenario, exception) in [("terminated", "TaskRevokedError"), ("too_long", "TimeLimitExceeded")] {
        let came = serving.drive(&[scenario]).await;
        assert_eq!(came[scenario]["type"], exception, "{came:?}");
        for told in ["begun", "ended"] {
            let heard = tokio::time::timeout(PATIENCE, serving.stopped.recv()).await.unwrap();
            assert_eq!(heard, Some(told), "{scenario}");
        }
    }
    serving.stop().await;
}
