//! What a task and a run of six costs on each backend: the same ledger, the same handlers that do nothing, another way for
//! the work to get to them.
//!
//! Everything of ours is in this process, over the real RabbitMQ, Postgres and Redis; each backend is measured beside the fleet in
//! the same run, so that the ratios hold on any machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use async_trait::async_trait;
use backends::choice::{Choice, Split};
use backends::engines::Engine;
use backends::fleet::Fleet;
use backends::host::Intake;
use backends::roster::Roster;
use backends::stack::Stack;
use ledger::{Ledger, NewRun};
use protocol::workflow::queues;
use protocol::{Backend, Payload, RunId, RunState, Task, TenantId, Workflow};
use serde::Serialize;
use serde_json::Value;
use specs::{Berth, CeleryBerth};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use worker::hosts::{self, Hosts};
use worker::{Config, Context, Handle, Ports, Stop, Worker};

use crate::fleet::procfs;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Runs one after the other, for the latency.
    pub single: usize,
    /// Runs submitted at once, for the rate.
    pub crowd: usize,
}

/// What one backend took for workflows of that many tasks.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The backend.
    pub backend: Backend,
    /// Tasks of a run, one after the other.
    pub tasks: usize,
    /// From the submission of a run to its end, the middle one, in milliseconds; one run at a time.
    pub p50_ms: f64,
    /// The same, 95 of 100.
    pub p95_ms: f64,
    /// Tasks done in a second when all runs are submitted at once.
    pub tasks_per_second: f64,
    /// Processor time of this process (dispatcher and worker) for each of those, in microseconds. The servers' is not in it.
    pub own_us_per_task: f64,
}

macro_rules! steps {
    ($($step:ident $name:literal)+) => {
        $(struct $step;
        impl Task for $step {
            const NAME: &'static str = $name;
            type Input = Value;
            type Output = Value;
        }
        #[async_trait]
        impl Handle<$step> for Nothing {
            async fn run(&self, _: &Context, _: Value) -> Result<Value, Stop> {
                Ok(Value::Null)
            }
        })+
        fn served(builder: worker::Builder) -> worker::Builder {
            builder$(.register::<$step>(Nothing))+
        }
        const STEPS: &[&str] = &[$($name),+];
    };
}

struct Nothing;

steps!(One "one" Two "two" Three "three" Four "four" Five "five" Six "six");

/// So many of the steps, one after the other.
fn chain(tasks: usize) -> Workflow {
    let mut flow = Workflow::named(format!("chain-of-{tasks}"));
    for (nth, name) in STEPS.iter().take(tasks).enumerate() {
        let parents = nth.checked_sub(1).map(|before| STEPS[before].to_owned()).into_iter().collect();
        flow.tasks.push(protocol::TaskSpec { parents, ..protocol::TaskSpec::named(*name) });
    }
    flow
}

/// Measures the fleet and, beside it, each other backend that runs here.
///
/// # Errors
/// When a server is away or a run fails.
pub async fn measure(settings: Settings) -> anyhow::Result<Vec<Measured>> {
    let celery = CeleryBerth::take(queues::WORK);
    #[cfg(feature = "temporal")]
    let temporal = specs::temporal::Server::start();
    let others = vec![
        celery.engine(),
        #[cfg(feature = "temporal")]
        temporal.open(),
    ];
    let mut all = vec![one(None, settings).await?];
    for engine in others {
        all.push(one(Some(engine), settings).await?);
    }
    Ok(all.into_iter().flatten().collect())
}

async fn one(engine: Option<Engine>, settings: Settings) -> anyhow::Result<Vec<Measured>> {
    let berth = Berth::take();
    ledger::postgres::migrate(&berth.database().config()).await?;
    let ledger: Arc<dyn Ledger> = Arc::new(berth.database().connect().await?);
    let stack = berth.servers().connect().await?;
    let backend = engine.as_ref().map_or(Backend::Fleet, |engine| engine.backend.name());
    let roster = Roster::native(Backend::Fleet).with(engine.iter().map(|engine| Arc::clone(&engine.backend)));
    let choice = Choice { default: Some(Split::all(backend)), ..Choice::default() };
    let fleet = Fleet::new(Arc::clone(&ledger), Arc::clone(&stack.broker), Arc::clone(&stack.coordination));
    let fleet = fleet.with_roster(roster).with_choice(choice);
    let stop = CancellationToken::new();
    let running = serve(&fleet, &stack, engine, &stop)?;
    let mut measured = Vec::new();
    for tasks in [1, STEPS.len()] {
        measured.push(chains(&fleet, backend, tasks, settings).await?);
    }
    stop.cancel();
    let ended = running.join_all().await;
    stack.close().await;
    ended.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(measured)
}

/// A worker, and whoever keeps the books.
fn serve(
    fleet: &Fleet,
    stack: &Stack,
    engine: Option<Engine>,
    stop: &CancellationToken,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let config = Config {
        name: format!("bench-{}", uuid::Uuid::now_v7()),
        queues: queues::WORK.map(str::to_owned).to_vec(),
        concurrency: 64,
        prefetch: 128,
        lease_ttl: Duration::from_secs(5),
        grace: Duration::from_secs(10),
    };
    let ports = Ports {
        broker: Arc::clone(&stack.broker),
        objects: Arc::clone(&stack.objects),
        coordination: Arc::clone(&stack.coordination),
    };
    let (host, collector) = engine.map_or((None, None), |engine| (engine.host, engine.collector));
    let hosts = Hosts::new(host.into_iter().collect(), Intake::new(Arc::new(fleet.clone())));
    let serving = hosts::serving(&config);
    let worker = served(Worker::builder(hosts.ports(ports), config)).build();
    let mut running = JoinSet::new();
    let token = || stop.clone();
    let (ending, callbacks) = (token(), worker::callbacks::run(Arc::clone(&stack.broker), fleet.clone(), token()));
    running.spawn(async move { Ok(hosts.run(worker, &serving, ending).await?) });
    running.spawn(async move { Ok(callbacks.await?) });
    if let Some(collector) = collector {
        let (fleet, objects, stop) = (fleet.clone(), Arc::clone(&stack.objects), token());
        running.spawn(async move {
            collector.collect(fleet, objects, stop).await;
            Ok(())
        });
    }
    Ok(running)
}

async fn chains(fleet: &Fleet, backend: Backend, tasks: usize, settings: Settings) -> anyhow::Result<Measured> {
    let workflow = chain(tasks);
    fleet.register(&workflow).await?;
    // Connections and caches are made before anything counts.
    for _ in 0..3 {
        finish(fleet, &start(fleet, &workflow, 1).await?).await?;
    }
    let mut latencies = Vec::with_capacity(settings.single);
    for _ in 0..settings.single {
        let clock = Instant::now();
        finish(fleet, &start(fleet, &workflow, 1).await?).await?;
        latencies.push(clock.elapsed().as_secs_f64() * 1_000.0);
    }
    latencies.sort_by(f64::total_cmp);
    let (clock, used) = (Instant::now(), procfs::own_seconds());
    finish(fleet, &start(fleet, &workflow, settings.crowd).await?).await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    let done = (settings.crowd * tasks) as f64;
    let at = |hundredth: usize| latencies.get((latencies.len() * hundredth / 100).min(latencies.len() - 1)).copied();
    Ok(Measured {
        backend,
        tasks,
        p50_ms: at(50).unwrap_or_default(),
        p95_ms: at(95).unwrap_or_default(),
        tasks_per_second: done / clock.elapsed().as_secs_f64(),
        own_us_per_task: (procfs::own_seconds() - used) * 1e6 / done,
    })
}

async fn start(fleet: &Fleet, workflow: &Workflow, count: usize) -> anyhow::Result<Vec<RunId>> {
    let run = |_| NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: workflow.name.clone(),
        input: Payload::default(),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    };
    let submitted = fleet.start((0..count).map(run).collect()).await?;
    Ok(submitted.into_iter().map(|submitted| submitted.id).collect())
}

/// Waits until all of them have succeeded, as they are announced; one that was announced too early to be heard is looked up.
async fn finish(fleet: &Fleet, runs: &[RunId]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for run in runs {
        loop {
            let record = fleet.status(&TenantId::default_tenant(), *run).await?;
            match record.map(|record| record.run.state) {
                Some(RunState::Succeeded) => break,
                Some(RunState::Queued | RunState::Running) => {}
                ended => anyhow::bail!("run {run} is {ended:?}"),
            }
            ensure!(Instant::now() < deadline, "run {run} does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(())
}
