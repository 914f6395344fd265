//! A worker as a process of its own: flags, connections, the queues it serves, its end.
//!
//! [`Process`] is all that a program of somebody's own needs: `docs/adding-a-task.md` walks through one.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::desk::{Desk, NoDesk};
use backends::engines::Engines;
use backends::fleet::Fleet;
use backends::host::{Host, Intake, Serving};
use backends::stack::{Admission, Database, Servers, Stack, show_connections};
use clap::{CommandFactory, FromArgMatches, Parser};
use coordination::presence::{Attendance, this_process};
use ledger::Ledger;
use models::resolve;
use outbound::flags::Outbound;
use protocol::workflow::queues::{CALLBACKS, LOGGING};
use protocol::{Backend, Presence};
use service::monitoring::{self, Metrics, Monitoring, Ready};
use service::tasks::OnFailure;
use service::telemetry::Logging;
use service::traces::{Traces, Tracing};
use service::{Shutdown, Tasks};
use text::Extractor;
use tokio_util::sync::CancellationToken;

use crate::capacity::Capacity;
use crate::hosts::{self, Hosts};
use crate::stages::readers::Readers;
use crate::stages::{self, Tools};
use crate::{Builder, Config, InFlight, Ports, Worker, callbacks, flags, logging, webhooks};

mod own;

pub use own::Process;

/// How long an attempt is protected without a sign of life: what a killed worker's task waits before it restarts.
const LEASE: Duration = Duration::from_millis(1500);

/// Serves queues of the fleet until it is told to stop.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[command(after_help = "\
SIGTERM or Ctrl-C: takes no more jobs, finishes those in hand within --shutdown-grace, hands the rest back uncounted.
A second one ends it at once with exit code 130.

Exit codes: 0 stopped when told to · 1 failed · 2 bad usage · 130 interrupted twice")]
struct Flags {
    /// The queues to serve, separated by commas.
    #[arg(long, value_name = "QUEUES", env = "FLOTILLA_QUEUES", value_delimiter = ',')]
    queues: Vec<String>,
    #[command(flatten)]
    capacity: Capacity,
    #[command(flatten)]
    model: flags::Model,
    #[command(flatten)]
    ocr: flags::Ocr,
    #[command(flatten)]
    texts: flags::Texts,
    #[command(flatten)]
    resolving: flags::Resolving,
    #[command(flatten)]
    outbound: Outbound,
    #[command(flatten)]
    engines: Engines,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    admission: Admission,
    #[command(flatten)]
    monitoring: Monitoring,
    #[command(flatten)]
    tracing: Tracing,
    #[command(flatten)]
    logging: Logging,
}

/// The whole of a worker's `main`.
fn main(process: Process) -> ExitCode {
    let (role, queues) = (process.role, process.queues);
    // Child processes that read untrusted files are this same program in another role.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == text::CHILD_ARGUMENT) {
        return text::child_main();
    }
    let mut command = Flags::command().name(role).mut_arg("queues", |argument| {
        if queues.is_empty() { argument.required(true) } else { argument.default_values(queues) }
    });
    if let Some(version) = process.version {
        command = command.version(version);
    }
    if !process.stages {
        let models = ["model_url", "model", "model_key", "model_context", "model_timeout"];
        let tenants = ["dispatcher_url", "fleet_key", "outbound_allow", "outbound_http"];
        let children = ["max_memory_per_child", "max_tasks_per_child"];
        let scans = ["ocr", "ocr_languages", "ocr_dpi", "ocr_timeout", "tesseract"];
        for flag in models.into_iter().chain(tenants).chain(children).chain(scans).chain(["text_cache"]) {
            command = command.mut_arg(flag, |argument| argument.hide(true));
        }
    }
    let parsed = Flags::from_arg_matches(&command.clone().get_matches());
    let flags = match parsed.and_then(|flags| flags.capacity.check(command).map(|()| flags)) {
        Ok(flags) => flags,
        Err(error) => error.exit(),
    };
    if let Err(error) = service::telemetry::init(&flags.logging, "info") {
        return fail(role, &error.into());
    }
    let outcome = Shutdown::signals().map_err(anyhow::Error::from).and_then(|shutdown| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(process, flags, shutdown))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(role, &error),
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a process, whatever the log level")]
fn fail(role: &str, error: &anyhow::Error) -> ExitCode {
    eprintln!("{role}: {error:#}");
    ExitCode::FAILURE
}

async fn run(process: Process, flags: Flags, shutdown: Shutdown) -> anyhow::Result<()> {
    let role = process.role;
    let metrics = Metrics::install()?;
    let name = format!("{role}-{}-{}", std::process::id(), uuid::Uuid::now_v7().simple());
    let (traces, exporter) = flags.tracing.start(role, &name)?;
    let stack = flags.servers.connect().await?;
    let grace = flags.capacity.grace();
    let engines = flags.engines.open()?;
    let tasks = Tasks::new(shutdown.clone());
    let token = || shutdown.token().clone();
    let (bookkeeping, work): (Vec<String>, Vec<String>) =
        flags.queues.iter().cloned().partition(|queue| queue == CALLBACKS || queue == LOGGING);
    let mut ledger: Option<Arc<dyn Ledger>> = None;
    if !bookkeeping.is_empty() {
        let pool = Arc::new(flags.database.connect().await?);
        let connected: Arc<dyn Ledger> = Arc::clone(&pool) as Arc<dyn Ledger>;
        let stop = token();
        tasks.spawn("connections", OnFailure::Ignore, async move {
            stop.run_until_cancelled(show_connections(&pool)).await;
            Ok(())
        });
        let Stack { broker, coordination, .. } = stack.clone();
        if bookkeeping.iter().any(|queue| queue == CALLBACKS) {
            let fleet = Fleet::new(Arc::clone(&connected), Arc::clone(&broker), Arc::clone(&coordination));
            let roster = Engines::roster(Backend::Fleet, &engines);
            let fleet = fleet.with_traces(traces.clone()).with_roster(roster);
            let (keeper, tasks_at_once, stop) = (fleet.clone(), flags.admission.tasks(), token());
            tasks.spawn("window", OnFailure::Stop, async move {
                stop.run_until_cancelled(keeper.keep_window(tasks_at_once)).await;
                Ok(())
            });
            let serving = callbacks::run(Arc::clone(&broker), fleet, token());
            tasks.spawn("callbacks", OnFailure::Stop, async move { Ok(serving.await?) });
        }
        if bookkeeping.iter().any(|queue| queue == LOGGING) {
            let serving = logging::run(broker, Arc::clone(&connected), coordination, token());
            tasks.spawn("logging", OnFailure::Stop, async move { Ok(serving.await?) });
        }
        ledger = Some(connected);
    }
    let mut presence = Presence { queues: flags.queues.clone(), ..this_process(role, &name) };
    let mut in_flight = InFlight::default();
    if !work.is_empty() {
        let config = worker_config(name, &flags.capacity, work, grace);
        presence.concurrency = u32::try_from(config.concurrency).unwrap_or(u32::MAX);
        let serving = hosts::serving(&config);
        let served: Vec<Arc<dyn Host>> = engines.iter().filter_map(|engine| engine.host.clone()).collect();
        let hosts = match served.is_empty() {
            true => None,
            false => Some(hosts_of(served, &flags, &stack)?),
        };
        let worker = worker(process, config, &flags, &stack, (traces, hosts.as_ref())).await?;
        check_called(&flags, &worker)?;
        in_flight = worker.in_flight();
        let stop = token();
        tasks.spawn("jobs", OnFailure::Stop, async move { Ok(run_worker(worker, hosts, &serving, stop).await?) });
    }
    if let Some(address) = flags.monitoring.metrics_addr {
        let listener =
            tokio::net::TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let serving = monitoring::serve(listener, metrics, readiness(&stack, ledger), token());
        tasks.spawn("monitoring", OnFailure::Stop, async move { Ok(serving.await?) });
    } else {
        let stop = token();
        tasks.spawn("metrics", OnFailure::Ignore, async move {
            metrics.keep(stop).await;
            Ok(())
        });
    }
    tracing::info!(role, queues = flags.queues.join(","), "at work");
    let stopping = token();
    let describe =
        move || Presence { in_flight: in_flight.count(), draining: stopping.is_cancelled(), ..presence.clone() };
    let attendance = Attendance::begin(Arc::clone(&stack.coordination), describe);
    let ended = tasks.join(grace + Duration::from_secs(5)).await;
    attendance.end().await;
    exporter.close().await;
    stack.close().await;
    Ok(ended?)
}

/// What serves other engines. Those that hand out whole jobs need no dispatcher.
fn hosts_of(served: Vec<Arc<dyn Host>>, flags: &Flags, stack: &Stack) -> anyhow::Result<Hosts> {
    let desk: Arc<dyn Desk> = match flags.resolving.desk() {
        Ok(desk) => desk,
        Err(reason) if served.iter().any(|host| host.needs_desk()) => return Err(anyhow::Error::msg(reason)),
        Err(reason) => Arc::new(NoDesk(reason)),
    };
    let intake = Intake::new(desk).with_servers(Arc::clone(&stack.objects), Arc::clone(&stack.coordination));
    Ok(Hosts::new(served, intake))
}

/// Finds out before a task arrives whether its handler is here.
fn check_called(flags: &Flags, worker: &Worker) -> anyhow::Result<()> {
    let tasks = worker.tasks();
    for (name, task) in &flags.engines.celery.celery_task {
        if !tasks.contains(&task.as_str()) {
            anyhow::bail!(
                "--celery-task {name}={task}: this worker has no handler for {task:?}; it serves {}",
                tasks.join(", ")
            );
        }
    }
    Ok(())
}

/// Works until `stop`, for other engines too where there are any.
async fn run_worker(
    worker: Worker,
    hosts: Option<Hosts>,
    serving: &Serving,
    stop: CancellationToken,
) -> Result<(), hosts::Error> {
    match hosts {
        Some(hosts) => hosts.run(worker, serving, stop).await,
        None => Ok(worker.run(stop).await?),
    }
}

fn worker_config(name: String, capacity: &Capacity, queues: Vec<String>, grace: Duration) -> Config {
    let (concurrency, prefetch) = (capacity.concurrency(), capacity.prefetch());
    Config { name, queues, concurrency, prefetch, lease_ttl: LEASE, grace }
}

async fn worker(
    process: Process,
    config: Config,
    flags: &Flags,
    stack: &Stack,
    (traces, hosts): (Traces, Option<&Hosts>),
) -> anyhow::Result<Worker> {
    let (capacity, concurrency) = (&flags.capacity, config.concurrency);
    let ports = Ports {
        broker: Arc::clone(&stack.broker),
        objects: capacity.cached(Arc::clone(&stack.objects)),
        coordination: Arc::clone(&stack.coordination),
    };
    let ports = hosts.map_or(ports.clone(), |hosts| hosts.ports(ports));
    let mut builder = capacity.apply(Worker::builder(ports.clone(), config)).traces(traces);
    if process.stages {
        builder = with_stages(builder, flags, concurrency)?;
    }
    for register in process.handlers {
        builder = register(builder, ports.clone()).await?;
    }
    Ok(builder.build())
}

/// Adds the six stages and the delivery of webhooks, and what they work with.
fn with_stages(builder: Builder, flags: &Flags, concurrency: usize) -> anyhow::Result<Builder> {
    let config = text::Config { ocr: flags.ocr.config(), ..text::Config::discover()? };
    let extractor = Extractor::new(flags.capacity.text(config));
    let resolver = flags.resolving.resolver().map_err(anyhow::Error::msg)?;
    let way_out = outbound::Client::new(flags.outbound.policy());
    let model = resolve(flags.model.config())?;
    let readers = Arc::new(Readers::new(model, Arc::clone(&resolver), way_out.clone()));
    let extractors = flags.texts.extractors(extractor, Arc::clone(&resolver), way_out.clone());
    let builder = stages::register(builder, &Tools { extractors, readers, prompts_at_once: concurrency.max(4) });
    Ok(webhooks::register(builder, resolver, way_out))
}

/// Ready when the broker is there and, for those that keep the books, the ledger answers.
fn readiness(stack: &Stack, ledger: Option<Arc<dyn Ledger>>) -> Ready {
    let stack = stack.clone();
    Arc::new(move || {
        let (stack, ledger) = (stack.clone(), ledger.clone());
        Box::pin(async move {
            stack.ready()?;
            match ledger {
                Some(ledger) => ledger.next_due().await.map(drop).map_err(|error| error.to_string()),
                None => Ok(()),
            }
        })
    })
}
