//! A fleet at a Temporal server, whose workers come and go.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backends::engines::Engine;
use backends::fleet::{Fleet, Window};
use backends::host::{Host, Intake};
use backends::port::{Backend, Launch, Sight};
use backends::roster::Roster;
use broker::memory::MemoryBroker;
use coordination::in_process::InProcess;
use engine::{Run, TaskRun};
use ledger::sqlite::SqliteLedger;
use ledger::{Ledger, NewRun};
use objects::filesystem::Filesystem;
use protocol::workflow::queues;
use protocol::{Backend as Name, Payload, RunId, RunState, Task, TenantId, Workflow};
use serde_json::Value;
use specs::temporal::Server;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::hosts::Hosts;
use worker::{Builder, Config, Context, Handle, Ports, Stop, Worker};

use crate::PATIENCE;

/// Defines a task over plain JSON.
macro_rules! task {
    ($name:ident, $task:literal) => {
        pub(crate) struct $name;
        impl protocol::Task for $name {
            const NAME: &'static str = $task;
            type Input = serde_json::Value;
            type Output = serde_json::Value;
        }
    };
}

task!(Split, "split");
task!(Left, "left");
task!(Right, "right");
task!(Join, "join");
task!(Read, "read");

/// What a handler in a spec returns.
pub(crate) type Deed<'a> = Pin<Box<dyn Future<Output = Result<Value, Stop>> + Send + 'a>>;

/// A handler made of a closure.
pub(crate) struct Do<F>(F);

#[async_trait]
impl<T, F> Handle<T> for Do<F>
where
    T: Task<Input = Value, Output = Value>,
    F: for<'a> Fn(&'a Context) -> Deed<'a> + Send + Sync + 'static,
{
    async fn run(&self, ctx: &Context, _input: Value) -> Result<Value, Stop> {
        (self.0)(ctx).await
    }
}

/// Makes a handler of a closure, helping the compiler with its lifetimes.
pub(crate) fn deed<F>(handler: F) -> Do<F>
where
    F: for<'a> Fn(&'a Context) -> Deed<'a> + Send + Sync + 'static,
{
    Do(handler)
}

/// A handler that returns this.
pub(crate) fn gives(value: Value) -> Do<impl for<'a> Fn(&'a Context) -> Deed<'a> + Send + Sync + 'static> {
    deed(move |_| {
        let value = value.clone();
        Box::pin(async move { Ok(value) })
    })
}

/// The handlers of every task, each giving its name.
pub(crate) fn all(builder: Builder) -> Builder {
    let builder = builder.register::<Split>(gives("split".into())).register::<Left>(gives("left".into()));
    let builder = builder.register::<Right>(gives("right".into())).register::<Join>(gives("join".into()));
    builder.register::<Read>(gives("read".into()))
}

/// A fleet at a Temporal server: ledger, dispatcher's clock, backend, and as many workers as a spec starts.
pub(crate) struct Yard {
    pub(crate) backend: Arc<dyn Backend>,
    fleet: Fleet,
    ports: Ports,
    host: Arc<dyn Host>,
    parts: Vec<JoinHandle<()>>,
    _folder: TempDir,
}

/// A worker under way. Dropping it is the end of its machine: nobody hears from it again.
pub(crate) struct Crew {
    runtime: Option<tokio::runtime::Runtime>,
    stop: CancellationToken,
    part: Option<JoinHandle<()>>,
}

impl Yard {
    pub(crate) async fn at(server: &Server) -> Self {
        let Engine { backend, host, .. } = server.open();
        let (host, folder) = (host.unwrap(), tempfile::tempdir().unwrap());
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&folder.path().join("ledger.sqlite")).await.unwrap());
        let ports = Ports {
            broker: Arc::new(MemoryBroker::new(backends::fleet::topology(5))),
            objects: Arc::new(Filesystem::new(folder.path().join("objects"))),
            coordination: Arc::new(InProcess::new()),
        };
        let fleet = Fleet::new(Arc::clone(&ledger), Arc::clone(&ports.broker), Arc::clone(&ports.coordination))
            .with_window(Window::of(10_000))
            .with_roster(Roster::native(Name::Embedded).with([Arc::clone(&backend)]));
        let (broker, end) = (Arc::clone(&ports.broker), CancellationToken::new());
        let callbacks = worker::callbacks::run(Arc::clone(&broker), fleet.clone(), end.clone());
        let logging = worker::logging::run(broker, ledger, Arc::clone(&ports.coordination), end.clone());
        let parts = vec![
            tokio::spawn(async move { callbacks.await.unwrap() }),
            tokio::spawn(async move { logging.await.unwrap() }),
            tokio::spawn(dispatcher::clock::run(fleet.clone(), end)),
        ];
        Self { backend, fleet, ports, host, parts, _folder: folder }
    }

    /// Where a host hands in what the server hands out.
    pub(crate) fn intake(&self) -> Intake {
        Intake::new(Arc::new(self.fleet.clone()))
    }

    /// Starts a worker that serves every queue.
    pub(crate) fn worker(&self, serve: impl FnOnce(Builder) -> Builder) -> Crew {
        let hosts = Hosts::new(vec![Arc::clone(&self.host)], self.intake());
        let config = Config {
            name: format!("spec-{}", uuid::Uuid::now_v7()),
            queues: queues::WORK.iter().map(|queue| (*queue).to_owned()).collect(),
            concurrency: 32,
            prefetch: 32,
            lease_ttl: Duration::from_millis(1500),
            grace: Duration::from_millis(300),
        };
        let (serving, stop) = (worker::hosts::serving(&config), CancellationToken::new());
        let worker = serve(Worker::builder(hosts.ports(self.ports.clone()), config)).build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let until = stop.clone();
        let part = runtime.spawn(async move { hosts.run(worker, &serving, until).await.unwrap() });
        Crew { runtime: Some(runtime), stop, part: Some(part) }
    }

    /// Starts a run.
    pub(crate) async fn start(&self, workflow: &Workflow) -> RunId {
        workflow.validate().unwrap();
        self.fleet.register(workflow).await.unwrap();
        let run = NewRun {
            id: RunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: workflow.name.clone(),
            input: Payload::Inline(serde_json::json!({})),
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: Some(Name::Temporal),
            shadow_of: None,
        };
        self.fleet.start(vec![run]).await.unwrap()[0].id
    }

    /// Cancels a run.
    pub(crate) async fn cancel(&self, run: RunId) {
        self.fleet.cancel(&TenantId::default_tenant(), run, "somebody said so").await.unwrap();
    }

    /// A run as it stands.
    pub(crate) async fn run(&self, run: RunId) -> Run {
        self.fleet.status(&TenantId::default_tenant(), run).await.unwrap().unwrap().run
    }

    /// The only task run of a task.
    pub(crate) async fn task(&self, run: RunId, task: &str) -> TaskRun {
        let run = self.run(run).await;
        run.tasks.into_iter().find(|one| one.task == task && one.index.is_none()).unwrap()
    }

    /// What a dispatcher would have Temporal take over.
    pub(crate) async fn launch(&self, run: RunId) -> Launch {
        let Run { id: run_id, tenant, workflow, .. } = self.run(run).await;
        Launch { run_id, tenant, workflow }
    }

    /// Waits until a run has ended on record and there, both in the same way.
    pub(crate) async fn ends(&self, run: RunId, state: RunState) {
        until(&format!("the run ends as {state}"), async || {
            let now = self.run(run).await;
            assert!(!now.state.is_final() || now.state == state, "{now:#?}");
            now.state == state
        })
        .await;
        until(&format!("its walk ends as {state}"), async || {
            let sight = self.backend.look(run).await.unwrap();
            assert!(sight == Sight::UnderWay || sight == Sight::Ended(state), "{sight:?} instead of {state}");
            sight == Sight::Ended(state)
        })
        .await;
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        for part in &self.parts {
            part.abort();
        }
    }
}

impl Crew {
    /// Stops as an operator would and waits for the end.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(part) = self.part.take() {
            tokio::time::timeout(PATIENCE, part).await.expect("a worker did not stop").unwrap();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
