//! A fleet of one process, spoken to in the words of its users.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use backends::choice::{Choice, Split};
use backends::fleet::{Fleet, Window};
use backends::host::{Host, Intake};
use backends::roster::Roster;
use backends::stack::Stack;
use broker::{Broker, Depth, Message};
use dispatcher::access::{Access, Vault};
use dispatcher::adapters::Adapters;
use dispatcher::api::{Api, Compat, Front};
use dispatcher::imports::Imports;
use dispatcher::submission::Desk;
use dispatcher::triggers::Store;
use dispatcher::webhooks::{Webhooks, telling};
use ledger::records::Records;
use ledger::{Ledger, NewRun, RunRecord, Schedule};
use outbound::Policy;
use protocol::workflow::queues;
use protocol::{Backend, Payload, RunId, RunState, Task, TaskState, TenantId, Workflow};
use serde_json::Value;
use service::monitoring::Metrics;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::hosts::{self, Hosts};
use worker::{Builder, Config, Context, Handle, Ports, Stop, Worker};

use crate::world::{Connected, World};

/// Longest time anything here may take before the test calls it stuck.
const PATIENCE: Duration = Duration::from_secs(40);

/// Largest document that is taken in, in bytes.
pub(crate) const MAX_UPLOAD: usize = 1024 * 1024;

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

pub(crate) use task;

task!(First, "first");
task!(Second, "second");
task!(Third, "third");
task!(Side, "side");

/// What a handler in a test returns.
pub(crate) type Deed<'a> = Pin<Box<dyn Future<Output = Result<Value, Stop>> + Send + 'a>>;

/// A handler made of a closure.
pub(crate) struct Do<F>(F);

#[async_trait]
impl<T, F> Handle<T> for Do<F>
where
    T: Task<Input = Value, Output = Value>,
    F: for<'a> Fn(&'a Context, Value) -> Deed<'a> + Send + Sync + 'static,
{
    async fn run(&self, ctx: &Context, input: Value) -> Result<Value, Stop> {
        (self.0)(ctx, input).await
    }
}

/// Makes a handler of a closure, helping the compiler with its lifetimes.
pub(crate) fn deed<F>(handler: F) -> Do<F>
where
    F: for<'a> Fn(&'a Context, Value) -> Deed<'a> + Send + Sync + 'static,
{
    Do(handler)
}

/// A running fleet.
pub(crate) struct TestFleet {
    pub(crate) fleet: Fleet,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) webhooks: Webhooks,
    pub(crate) ports: Ports,
    workers: Vec<JoinHandle<()>>,
    shutdown: CancellationToken,
    closing: CancellationToken,
    parts: Vec<JoinHandle<()>>,
    stack: Option<Stack>,
    host: Option<Arc<dyn Host>>,
}

impl TestFleet {
    /// Starts a fleet; whatever an earlier one left in that world is taken up.
    pub(crate) async fn start(world: &World, serve: impl FnOnce(Builder) -> Builder) -> Self {
        Self::assemble(world, world.connect().await, false, |_, builder| serve(builder)).await
    }

    /// Starts a fleet that tells tenants about their runs, with little patience between the attempts.
    pub(crate) async fn start_telling(world: &World, serve: impl FnOnce(&Webhooks, Builder) -> Builder) -> Self {
        Self::assemble(world, world.connect().await, true, serve).await
    }

    /// Starts a fleet on ports of that world.
    pub(crate) async fn assemble(
        world: &World,
        connected: Connected,
        telling: bool,
        serve: impl FnOnce(&Webhooks, Builder) -> Builder,
    ) -> Self {
        let Connected { ledger, broker, objects, coordination, forgetful, stack, engine } = connected;
        let roster = Roster::native(if stack.is_some() { Backend::Fleet } else { Backend::Embedded });
        let roster = roster.with(engine.iter().map(|engine| Arc::clone(&engine.backend)));
        let choice = Choice { default: Some(Split::all(world.backend())), ..Choice::default() };
        let (host, collector) = engine.map_or((None, None), |engine| (engine.host, engine.collector));
        // Twice what a worker runs at once, as a dispatcher would find out.
        let fleet =
            Fleet::new(Arc::clone(&ledger), Arc::clone(&broker), Arc::clone(&coordination)).with_window(Window::of(64));
        let fleet = fleet.with_roster(roster).with_choice(choice);
        let here = Policy::allowing(["127.0.0.1".parse().unwrap()]);
        let vault = Vault::new(&"5a".repeat(32)).unwrap();
        let webhooks = Webhooks::new(Arc::clone(&ledger) as Arc<dyn Records>, vault, here);
        let fleet = if telling { fleet.with_audience(Arc::new(webhooks.clone())) } else { fleet };
        // The books are kept until the workers have reported what they finished.
        let (shutdown, closing) = (CancellationToken::new(), CancellationToken::new());
        let ports = Ports { broker: Arc::clone(&broker), objects, coordination: Arc::clone(&coordination) };
        let callbacks = worker::callbacks::run(Arc::clone(&broker), fleet.clone(), closing.clone());
        let logging = worker::logging::run(Arc::clone(&broker), Arc::clone(&ledger), coordination, closing.clone());
        if forgetful {
            fleet.recover().await.unwrap();
        }
        let clock = dispatcher::clock::run(fleet.clone(), closing.clone());
        let mut parts = vec![
            tokio::spawn(async move { callbacks.await.unwrap() }),
            tokio::spawn(async move { logging.await.unwrap() }),
            tokio::spawn(clock),
        ];
        if let Some(collector) = collector {
            let (fleet, objects, stop) = (fleet.clone(), Arc::clone(&ports.objects), closing.clone());
            parts.push(tokio::spawn(async move { collector.collect(fleet, objects, stop).await }));
        }
        if telling {
            fleet.register(&impatient_delivery()).await.unwrap();
            parts.push(tokio::spawn(telling::run(fleet.clone(), webhooks.clone(), closing.clone())));
        }
        let workers = Vec::new();
        let mut started =
            Self { fleet, broker, ledger, webhooks, ports, workers, shutdown, closing, parts, stack, host };
        let webhooks = started.webhooks.clone();
        started.add_worker(&queues::WORK, |builder| serve(&webhooks, builder));
        started
    }

    /// Starts one more worker; returns the beginning of its name.
    pub(crate) fn add_worker(&mut self, queues: &[&str], serve: impl FnOnce(Builder) -> Builder) -> String {
        let config = worker_config(queues);
        let name = config.name.clone();
        let hosts = Hosts::new(self.host.iter().map(Arc::clone).collect(), Intake::new(Arc::new(self.fleet.clone())));
        let serving = hosts::serving(&config);
        let worker = serve(Worker::builder(hosts.ports(self.ports.clone()), config)).build();
        let stop = self.shutdown.clone();
        self.workers.push(tokio::spawn(async move { hosts.run(worker, &serving, stop).await.unwrap() }));
        name
    }

    /// Starts a run of a workflow.
    pub(crate) async fn run(&self, workflow: &Workflow, input: Value) -> RunId {
        self.run_once(workflow, input, None).await
    }

    /// Starts a run unless the key has started one before.
    pub(crate) async fn run_once(&self, workflow: &Workflow, input: Value, key: Option<&str>) -> RunId {
        workflow.validate().unwrap();
        self.fleet.register(workflow).await.unwrap();
        let run = NewRun {
            id: RunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: workflow.name.clone(),
            input: Payload::Inline(input),
            idempotency_key: key.map(str::to_owned),
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        self.fleet.start(vec![run]).await.unwrap()[0].id
    }

    /// What a dispatcher of this fleet would serve.
    pub(crate) fn api(&self) -> Api {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        let desk = Desk::new(self.fleet.clone(), Arc::clone(&self.ports.objects));
        Api {
            fleet: self.fleet.clone(),
            desk,
            objects: Arc::clone(&self.ports.objects),
            access: Access::new(Arc::clone(&self.ledger), Arc::clone(&self.ports.coordination), false),
            adapters: Adapters::new(Arc::clone(&self.ledger), Vault::new(&"5e".repeat(32)).unwrap()),
            prices: Arc::default(),
            imports: Imports::default(),
            subscriptions: Store::new(Arc::clone(&self.ledger)),
            max_upload: MAX_UPLOAD,
            retention: Some(Duration::from_secs(24 * 60 * 60)),
            front: Front::default(),
            compat: Compat::default(),
            metrics: METRICS.get_or_init(|| Metrics::install().unwrap()).clone(),
            webhooks: self.webhooks.clone(),
            way_out: outbound::Client::new(Policy::default()),
        }
    }

    /// Starts a delivery to an endpoint of the default tenant.
    pub(crate) async fn deliver(&self, message: Payload) -> RunId {
        self.deliver_as(&TenantId::default_tenant().deliveries(), message).await
    }

    /// Starts a delivery as a run of that tenant.
    pub(crate) async fn deliver_as(&self, tenant: &TenantId, message: Payload) -> RunId {
        let run = NewRun {
            id: RunId::new(),
            tenant: tenant.clone(),
            workflow: protocol::webhooks::DELIVERY.to_owned(),
            input: message,
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        self.fleet.start(vec![run]).await.unwrap()[0].id
    }

    /// The runs of a tenant, once there are so many; the latest first.
    pub(crate) async fn until_listed(&self, tenant: &TenantId, count: usize) -> Vec<RunId> {
        let started = tokio::time::Instant::now();
        loop {
            let runs = self.fleet.list(tenant, None, 100).await.unwrap();
            if runs.len() >= count {
                return runs.into_iter().map(|run| run.id).collect();
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain for {count} run(s) of {tenant}: {runs:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where documents and artifacts lie.
    pub(crate) fn objects(&self) -> Arc<dyn objects::Objects> {
        Arc::clone(&self.ports.objects)
    }

    /// The record of a run.
    pub(crate) async fn record(&self, run: RunId) -> RunRecord {
        self.fleet.status(&TenantId::default_tenant(), run).await.unwrap().unwrap()
    }

    /// Waits until the run's record is as described.
    pub(crate) async fn until(&self, run: RunId, what: &str, holds: impl Fn(&RunRecord) -> bool) -> RunRecord {
        self.until_of(&TenantId::default_tenant(), run, what, holds).await
    }

    /// The same for a run of that tenant.
    pub(crate) async fn until_of(
        &self,
        tenant: &TenantId,
        run: RunId,
        what: &str,
        holds: impl Fn(&RunRecord) -> bool,
    ) -> RunRecord {
        let started = tokio::time::Instant::now();
        loop {
            let record = self.fleet.status(tenant, run).await.unwrap().unwrap();
            if holds(&record) {
                return record;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain until {what}; the run is {:#?}", record.run);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a wide run has ended, asking for its summary alone.
    pub(crate) async fn has_ended(&self, run: RunId, patience: Duration) {
        let started = tokio::time::Instant::now();
        loop {
            let runs = self.fleet.list(&TenantId::default_tenant(), None, 100).await.unwrap();
            let summary = runs.into_iter().find(|summary| summary.id == run).unwrap();
            if summary.state.is_final() {
                return;
            }
            assert!(started.elapsed() < patience, "the run has not ended: {summary:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the run has ended, checks how, and that nothing is left in any queue of jobs or outcomes.
    pub(crate) async fn ends(&self, run: RunId, expected: RunState) -> RunRecord {
        let record = self.until(run, "it ends", |record| record.run.state.is_final()).await;
        assert_eq!(record.run.state, expected, "{:#?}", record.run);
        self.queues_empty().await;
        record
    }

    /// Waits until no queue of jobs or outcomes holds a message.
    pub(crate) async fn queues_empty(&self) {
        for queue in queues::WORK.into_iter().chain([queues::CALLBACKS]) {
            self.until_queue(queue, "it is empty", |depth| depth.ready + depth.unacked == 0).await;
        }
    }

    /// Waits until the clock has fired a schedule.
    pub(crate) async fn until_fired(&self, schedule: &Schedule) -> Schedule {
        let moved = self.until_moved(schedule).await;
        assert!(moved.last_run.is_some(), "it moved on without a run: {moved:?}");
        moved
    }

    /// Waits until the clock has taken a schedule to its next time.
    pub(crate) async fn until_moved(&self, schedule: &Schedule) -> Schedule {
        let started = tokio::time::Instant::now();
        loop {
            let now = self.fleet.schedule(&schedule.tenant, &schedule.name).await.unwrap().unwrap();
            if now.next_at != schedule.next_at {
                return now;
            }
            assert!(started.elapsed() < PATIENCE, "the clock does not fire: {now:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a queue is known.
    pub(crate) async fn until_queue_exists(&self, queue: &str) {
        let started = tokio::time::Instant::now();
        while !self.broker.queues().iter().any(|known| known == queue) {
            assert!(started.elapsed() < PATIENCE, "nobody offered queue {queue}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a queue is as described.
    pub(crate) async fn until_queue(&self, queue: &str, what: &str, holds: impl Fn(Depth) -> bool) {
        let started = tokio::time::Instant::now();
        loop {
            let depth = self.broker.depth(queue).await.unwrap();
            if holds(depth) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain for queue {queue} until {what}: {depth:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Puts raw bytes into a queue.
    pub(crate) async fn publish_raw(&self, queue: &str, body: &[u8]) {
        self.broker.publish(vec![Message::new(queue, "raw", body)]).await.unwrap();
    }

    /// Shuts down as an operator would and waits for the end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        for worker in self.workers {
            tokio::time::timeout(PATIENCE, worker).await.expect("a worker did not stop").unwrap();
        }
        // With the end of the workers the others may end.
        self.closing.cancel();
        for part in self.parts {
            tokio::time::timeout(PATIENCE, part).await.expect("a part of the fleet did not stop").unwrap();
        }
        if let Some(stack) = self.stack {
            stack.close().await;
        }
    }
}

/// How webhooks are delivered, with next to no time between the attempts.
fn impatient_delivery() -> Workflow {
    let mut flow = protocol::webhooks::workflow();
    flow.version += 1;
    flow.tasks[0].retry.base = Duration::from_millis(20);
    flow
}

/// State of the only task run of that task.
pub(crate) fn state_of(record: &RunRecord, task: &str) -> TaskState {
    record.run.tasks.iter().find(|one| one.task == task && one.index.is_none()).unwrap().state
}

pub(crate) fn worker_config(queues: &[&str]) -> Config {
    Config {
        name: format!("test-{}", uuid::Uuid::now_v7()),
        queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        // Over real servers every task waits for confirms: many have to wait side by side.
        concurrency: 32,
        prefetch: 32,
        lease_ttl: Duration::from_secs(5),
        grace: Duration::from_millis(300),
    }
}
