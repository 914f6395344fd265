//! A worker as a process of its own: flags, connections, the queues it serves, its end.
//!
//! [`Process`] is all that a program of somebody's own needs: `docs/adding-a-task.md` walks through one.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::fleet::Fleet;
use backends::stack::{Database, Servers, Stack};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use ledger::Ledger;
use models::resolve;
use protocol::workflow::queues::{CALLBACKS, LOGGING};
use service::monitoring::{self, Metrics, Monitoring, Ready};
use service::tasks::OnFailure;
use service::telemetry::Logging;
use service::{Shutdown, Tasks};
use text::Extractor;

use crate::stages::{self, Tools};
use crate::{Builder, Config, Ports, Worker, callbacks, flags, logging};

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
    servers: Servers,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    monitoring: Monitoring,
    #[command(flatten)]
    logging: Logging,
}

/// How much a worker takes on.
#[derive(Debug, Args)]
struct Capacity {
    /// How many jobs run at once [default: one per processor].
    #[arg(long, value_name = "N", env = "FLOTILLA_CONCURRENCY", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// How many jobs of a queue may be in hand, running or not [default: the same as --concurrency].
    #[arg(long, value_name = "N", env = "FLOTILLA_PREFETCH", value_parser = clap::value_parser!(u16).range(1..))]
    prefetch: Option<u16>,
    /// Most memory of a child process that reads a document, in MiB.
    #[arg(long, value_name = "MIB", env = "FLOTILLA_MAX_MEMORY_PER_CHILD", default_value_t = 1536,
          value_parser = clap::value_parser!(u32).range(64..))]
    max_memory_per_child: u32,
    /// How long jobs in hand may take to finish after the order to stop, in seconds.
    #[arg(long, value_name = "SECONDS", env = "FLOTILLA_SHUTDOWN_GRACE", default_value_t = 30)]
    shutdown_grace: u32,
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
        for flag in ["model_url", "model", "model_key", "model_context", "model_timeout", "max_memory_per_child"] {
            command = command.mut_arg(flag, |argument| argument.hide(true));
        }
    }
    let flags = match Flags::from_arg_matches(&command.get_matches()) {
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
    let stack = flags.servers.connect().await?;
    let grace = Duration::from_secs(flags.capacity.shutdown_grace.into());
    let tasks = Tasks::new(shutdown.clone());
    let token = || shutdown.token().clone();
    let (bookkeeping, work): (Vec<String>, Vec<String>) =
        flags.queues.iter().cloned().partition(|queue| queue == CALLBACKS || queue == LOGGING);
    let mut ledger: Option<Arc<dyn Ledger>> = None;
    if !bookkeeping.is_empty() {
        let connected: Arc<dyn Ledger> = Arc::new(flags.database.connect().await?);
        let Stack { broker, coordination, .. } = stack.clone();
        if bookkeeping.iter().any(|queue| queue == CALLBACKS) {
            let fleet = Fleet::new(Arc::clone(&connected), Arc::clone(&broker), Arc::clone(&coordination));
            let serving = callbacks::run(Arc::clone(&broker), fleet, token());
            tasks.spawn("callbacks", OnFailure::Stop, async move { Ok(serving.await?) });
        }
        if bookkeeping.iter().any(|queue| queue == LOGGING) {
            let serving = logging::run(broker, Arc::clone(&connected), coordination, token());
            tasks.spawn("logging", OnFailure::Stop, async move { Ok(serving.await?) });
        }
        ledger = Some(connected);
    }
    if !work.is_empty() {
        let worker = worker(process, &flags, work, &stack, grace).await?;
        let stop = token();
        tasks.spawn("jobs", OnFailure::Stop, async move { Ok(worker.run(stop).await?) });
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
    let ended = tasks.join(grace + Duration::from_secs(5)).await;
    stack.close().await;
    Ok(ended?)
}

async fn worker(
    process: Process,
    flags: &Flags,
    queues: Vec<String>,
    stack: &Stack,
    grace: Duration,
) -> anyhow::Result<Worker> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let concurrency = flags.capacity.concurrency.map_or(processors, usize::from);
    let config = Config {
        name: format!("{}-{}-{}", process.role, std::process::id(), uuid::Uuid::now_v7().simple()),
        queues,
        concurrency,
        prefetch: flags.capacity.prefetch.map_or(concurrency, usize::from),
        lease_ttl: LEASE,
        grace,
    };
    let ports = Ports {
        broker: Arc::clone(&stack.broker),
        objects: Arc::clone(&stack.objects),
        coordination: Arc::clone(&stack.coordination),
    };
    let mut builder = Worker::builder(ports.clone(), config);
    if process.stages {
        builder = with_stages(builder, flags, concurrency)?;
    }
    for register in process.handlers {
        builder = register(builder, ports.clone()).await?;
    }
    Ok(builder.build())
}

/// Adds the six stages and what they work with.
fn with_stages(builder: Builder, flags: &Flags, concurrency: usize) -> anyhow::Result<Builder> {
    let discovered = text::Config::discover()?;
    let limits = text::Limits {
        memory_bytes: u64::from(flags.capacity.max_memory_per_child) * 1024 * 1024,
        ..discovered.limits
    };
    let extractor = Extractor::new(text::Config { children: concurrency, limits, ..discovered });
    let model = resolve(flags.model.config())?;
    Ok(stages::register(builder, &Tools { extractor, model, prompts_at_once: concurrency.max(4) }))
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
