//! The whole system in one process: dispatcher, workers, memory broker, SQLite ledger, files as object store.
//!
//! Everything that must last is in the state folder. The broker keeps nothing: after a restart, however the last
//! process ended, unfinished jobs are published again from the ledger.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use backends::engines::Engines;
use backends::fleet::{self, Fleet};
use backends::host::{Host, Intake};
use broker::Broker;
use broker::memory::MemoryBroker;
use coordination::Coordination;
use coordination::in_process::InProcess;
use coordination::presence::{Attendance, this_process};
use dispatcher::access::Vault;
use dispatcher::adapters::Adapters;
use dispatcher::submission::Desk;
use dispatcher::webhooks::{Webhooks, telling};
use ledger::Ledger;
use ledger::records::Records;
use ledger::sqlite::SqliteLedger;
use objects::Objects;
use objects::filesystem::Filesystem;
use protocol::workflow::queues;
use protocol::{Backend, Presence};
use service::tasks::OnFailure;
use service::traces::Traces;
use service::{Shutdown, Tasks};
use tokio_util::sync::CancellationToken;
use worker::hosts::{self, Hosts};
use worker::stages::Tools;
use worker::stages::readers::Readers;
use worker::{Config, Ports, Resolver, Worker};

use crate::args::Engine;
use crate::master_key;
use crate::resolver::InProcessResolver;

/// How often a job is delivered before it counts as poison.
const DELIVERY_LIMIT: u32 = 5;

/// How long an attempt is protected without a sign of life.
const LEASE: Duration = Duration::from_secs(5);

/// The running system.
pub(crate) struct Embedded {
    /// Starts, shows and cancels runs.
    pub(crate) fleet: Fleet,
    /// Takes documents in.
    pub(crate) desk: Desk,
    /// What its users reach models and databases by.
    pub(crate) adapters: Adapters,
    /// Where its users are told about their runs.
    pub(crate) webhooks: Webhooks,
    /// Documents and artifacts.
    pub(crate) objects: Arc<dyn Objects>,
    /// The record.
    pub(crate) ledger: Arc<dyn Ledger>,
    /// What is counted and announced.
    pub(crate) coordination: Arc<dyn Coordination>,
    /// Shows operators that this process is alive.
    _attendance: Attendance,
    /// Owns everything that runs.
    pub(crate) tasks: Tasks,
    /// Held for as long as the state folder is in use.
    _lock: File,
}

impl Embedded {
    /// Opens a state folder, starts the workers and takes up what an earlier process left unfinished.
    ///
    /// # Errors
    /// When the folder is not usable or in use by another process.
    pub(crate) async fn start(
        state: &Path,
        master_key: &Vault,
        engine: &Engine,
        shutdown: &Shutdown,
        grace: Duration,
        traces: Traces,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(state)
            .with_context(|| format!("state folder {} cannot be created", state.display()))?;
        let lock = lock(state)?;
        let path = state.join("ledger.sqlite");
        let ledger = SqliteLedger::open(&path).await;
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.with_context(|| format!("{} cannot be used", path.display()))?);
        let objects: Arc<dyn Objects> = Arc::new(Filesystem::new(state.join("objects")));
        let coordination: Arc<dyn Coordination> = Arc::new(InProcess::new());
        let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new(fleet::topology(DELIVERY_LIMIT)));
        let fleet = Fleet::new(Arc::clone(&ledger), Arc::clone(&broker), Arc::clone(&coordination));
        let vault = master_key::of(state, master_key)?;
        let webhooks = Webhooks::new(Arc::clone(&ledger) as Arc<dyn Records>, vault.clone(), engine.outbound.policy());
        let adapters = Adapters::new(Arc::clone(&ledger), vault);
        let engines = engine.engines.open()?;
        let fleet = fleet
            .with_traces(traces.clone())
            .with_audience(Arc::new(webhooks.clone()))
            .with_roster(Engines::roster(Backend::Embedded, &engines))
            .with_choice(engine.engines.choice());
        for workflow in protocol::stages::builtin() {
            fleet.register(&workflow).await?;
        }
        fleet.register(&protocol::webhooks::workflow()).await?;
        fleet.check_choice().await.context("runs cannot go where they are sent")?;

        let tasks = Tasks::new(shutdown.clone());
        let ports = Ports {
            broker: Arc::clone(&broker),
            objects: Arc::clone(&objects),
            coordination: Arc::clone(&coordination),
        };
        let served: Vec<Arc<dyn Host>> = engines.iter().filter_map(|engine| engine.host.clone()).collect();
        let intake = Intake::new(Arc::new(fleet.clone()));
        let intake = intake.with_servers(Arc::clone(&objects), Arc::clone(&coordination));
        let hosts = Hosts::new(served, intake);
        let (ports, config) = (hosts.ports(ports), worker_config(engine, grace));
        let serving = hosts::serving(&config);
        let resolver = InProcessResolver::new(webhooks.clone(), adapters.clone());
        let worker = stage_worker(engine, config, ports, traces, resolver)?;
        let attendance = attend(&worker, engine, Arc::clone(&coordination), shutdown.token().clone());
        // The books are kept until the workers have reported what they finished.
        let closing = CancellationToken::new();
        let token = || closing.clone();
        let (stop, close) = (shutdown.token().clone(), closing.clone().drop_guard());
        tasks.spawn("workers", OnFailure::Stop, async move {
            let worked = hosts.run(worker, &serving, stop).await;
            drop(close);
            Ok(worked?)
        });
        let callbacks = worker::callbacks::run(Arc::clone(&broker), fleet.clone(), token());
        tasks.spawn("callbacks", OnFailure::Stop, async move { Ok(callbacks.await?) });
        let logging = worker::logging::run(broker, Arc::clone(&ledger), Arc::clone(&coordination), token());
        tasks.spawn("logging", OnFailure::Stop, async move { Ok(logging.await?) });
        for collector in engines.into_iter().filter_map(|engine| engine.collector) {
            let (fleet, objects, stop) = (fleet.clone(), Arc::clone(&objects), token());
            tasks.spawn("results", OnFailure::Stop, async move {
                collector.collect(fleet, objects, stop).await;
                Ok(())
            });
        }
        let unfinished = fleet.recover().await?;
        if unfinished > 0 {
            tracing::info!(jobs = unfinished, "took up what an earlier process left unfinished");
        }
        let clock = dispatcher::clock::run(fleet.clone(), token());
        tasks.spawn("clock", OnFailure::Stop, async move {
            clock.await;
            Ok(())
        });
        let telling = telling::run(fleet.clone(), webhooks.clone(), token());
        tasks.spawn("webhooks", OnFailure::Stop, async move {
            telling.await;
            Ok(())
        });
        let desk = Desk::new(fleet.clone(), Arc::clone(&objects));
        Ok(Self {
            fleet,
            desk,
            adapters,
            webhooks,
            objects,
            ledger,
            coordination,
            tasks,
            _attendance: attendance,
            _lock: lock,
        })
    }
}

/// The one process of the embedded system, as if it were one of many.
fn attend(
    worker: &Worker,
    engine: &Engine,
    coordination: Arc<dyn Coordination>,
    stopping: CancellationToken,
) -> Attendance {
    let name = format!("embedded-{}", std::process::id());
    let presence = Presence {
        queues: queues::WORK.into_iter().chain([queues::CALLBACKS, queues::LOGGING]).map(str::to_owned).collect(),
        concurrency: u32::try_from(concurrency(engine)).unwrap_or(u32::MAX),
        ..this_process("embedded", &name)
    };
    let in_flight = worker.in_flight();
    Attendance::begin(coordination, move || Presence {
        in_flight: in_flight.count(),
        draining: stopping.is_cancelled(),
        ..presence.clone()
    })
}

fn concurrency(engine: &Engine) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    engine.workers.map_or(processors, usize::from)
}

fn lock(state: &Path) -> anyhow::Result<File> {
    let path = state.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be created", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "state folder {} is in use by another flotilla process; give this one another --state",
                state.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

fn worker_config(engine: &Engine, grace: Duration) -> Config {
    let concurrency = concurrency(engine);
    Config {
        name: format!("embedded-{}-{}", std::process::id(), uuid::Uuid::now_v7().simple()),
        queues: queues::WORK.map(str::to_owned).to_vec(),
        concurrency,
        prefetch: concurrency,
        lease_ttl: LEASE,
        grace,
    }
}

fn stage_worker(
    engine: &Engine,
    config: Config,
    ports: Ports,
    traces: Traces,
    resolver: InProcessResolver,
) -> anyhow::Result<Worker> {
    let concurrency = concurrency(engine);
    let model = models::resolve(engine.model.config())?;
    let reading = text::Config { children: concurrency, ocr: engine.ocr.config(), ..text::Config::discover()? };
    let extractor = text::Extractor::new(reading);
    let builder = Worker::builder(ports, config).traces(traces);
    let (resolver, way_out) = (Arc::new(resolver), outbound::Client::new(engine.outbound.policy()));
    let readers = Arc::new(Readers::new(model, Arc::clone(&resolver) as Arc<dyn Resolver>, way_out.clone()));
    let extractors = engine.texts.extractors(extractor, Arc::clone(&resolver) as Arc<dyn Resolver>, way_out.clone());
    let tools = Tools { extractors, readers, prompts_at_once: concurrency.max(4) };
    let builder = worker::stages::register(builder, &tools);
    Ok(worker::webhooks::register(builder, resolver, way_out).build())
}
