//! The dispatcher as a process of its own: flags, connections, HTTP, and the clock if it leads.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::fleet::Fleet;
use backends::stack::{Database, Servers};
use broker::{Broker, Depth};
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use ledger::Ledger;
use ledger::postgres::PostgresLedger;
use protocol::TenantId;
use service::monitoring::Metrics;
use service::tasks::OnFailure;
use service::telemetry::Logging;
use service::{Shutdown, Tasks};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::clock;
use crate::submission::Desk;

/// How long open requests may take after the order to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How often a dispatcher that does not lead asks for the lead: a dead leader is replaced within this and the time the
/// database needs to notice.
const STANDBY: Duration = Duration::from_secs(1);

/// How often queues are measured.
const MEASURE: Duration = Duration::from_secs(5);

/// How often old runs are deleted.
const MAINTAIN: Duration = Duration::from_secs(3600);

/// Takes documents in over HTTP, releases runs and keeps time for the fleet. Several may run; one of them leads.
#[derive(Debug, Parser)]
#[command(name = "dispatcher", version, max_term_width = 100)]
struct Flags {
    /// Where to listen. There is no authentication yet: keep it inside your network.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", env = "FLOTILLA_LISTEN")]
    listen: SocketAddr,
    /// Largest document that is taken in, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 100, env = "FLOTILLA_MAX_UPLOAD",
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_upload: u32,
    /// How long ended runs and their results are kept, in days.
    #[arg(long, value_name = "DAYS", default_value_t = 30, env = "FLOTILLA_RETENTION_DAYS",
          value_parser = clap::value_parser!(u32).range(1..=3650))]
    retention_days: u32,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the ledger's schema up to date and end.
    Migrate,
}

/// The whole of the dispatcher's `main`.
pub fn main() -> ExitCode {
    let flags = Flags::parse();
    let outcome = service::telemetry::init(&flags.logging, "info")
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(Shutdown::signals()?))
        .and_then(|shutdown| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async {
                match flags.command {
                    Some(Command::Migrate) => Ok(ledger::postgres::migrate(&flags.database.config()).await?),
                    None => run(flags, shutdown).await,
                }
            })
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a process, whatever the log level")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("dispatcher: {error:#}");
    ExitCode::FAILURE
}

async fn run(flags: Flags, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = Metrics::install()?;
    let ledger = Arc::new(flags.database.connect().await?);
    let stack = flags.servers.connect().await?;
    let shared: Arc<dyn Ledger> = Arc::<PostgresLedger>::clone(&ledger);
    let fleet = Fleet::new(shared, Arc::clone(&stack.broker), Arc::clone(&stack.coordination));
    fleet.register(&protocol::stages::pipeline()).await?;
    let listener =
        TcpListener::bind(flags.listen).await.with_context(|| format!("cannot listen on {}", flags.listen))?;
    let api = Api {
        fleet: fleet.clone(),
        desk: Desk::new(fleet.clone(), Arc::clone(&stack.objects)),
        objects: Arc::clone(&stack.objects),
        tenant: TenantId::default_tenant(),
        max_upload: flags.max_upload as usize * 1024 * 1024,
        metrics: metrics.clone(),
    };
    let tasks = Tasks::new(shutdown.clone());
    let token = || shutdown.token().clone();
    let retention = Duration::from_secs(24 * 60 * 60 * u64::from(flags.retention_days));
    let lead = lead(Arc::clone(&ledger), fleet, Arc::clone(&stack.broker), retention, token());
    tasks.spawn("clock", OnFailure::Stop, async move {
        lead.await;
        Ok(())
    });
    let stop = token();
    tasks.spawn("metrics", OnFailure::Ignore, async move {
        metrics.keep(stop).await;
        Ok(())
    });
    tracing::info!(address = %listener.local_addr()?, "the dispatcher listens");
    let stop = token();
    tasks.spawn("http", OnFailure::Stop, async move { Ok(api.serve(listener, stop).await?) });
    let ended = tasks.join(GRACE).await;
    stack.close().await;
    Ok(ended?)
}

/// Leads whenever nobody else does, until `shutdown`.
async fn lead(
    ledger: Arc<PostgresLedger>,
    fleet: Fleet,
    broker: Arc<dyn Broker>,
    retention: Duration,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        match ledger.try_lead("clock").await {
            Ok(Some(leadership)) => {
                tracing::info!("this dispatcher leads");
                ::metrics::gauge!("flotilla_dispatcher_leads").set(1.0);
                let term = shutdown.child_token();
                tokio::select! {
                    () = clock::run(fleet.clone(), term.clone()) => {}
                    () = measure(&fleet, broker.as_ref()) => {}
                    () = maintain(&ledger, retention) => {}
                    () = leadership.lost() => tracing::warn!("the lead was lost"),
                }
                ::metrics::gauge!("flotilla_dispatcher_leads").set(0.0);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error = %error, "cannot ask who leads"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(STANDBY) => {}
        }
    }
}

/// Shows how full the queues are, those that only some workflow names too.
async fn measure(fleet: &Fleet, broker: &dyn Broker) {
    let mut timer = tokio::time::interval(MEASURE);
    loop {
        timer.tick().await;
        let queues = match fleet.queues().await {
            Ok(queues) => queues,
            Err(error) => {
                tracing::debug!(error = %error, "the queues are not known");
                continue;
            }
        };
        for queue in queues {
            match depth(broker, &queue).await {
                Ok(depth) => {
                    #[expect(clippy::cast_precision_loss, reason = "a gauge; queues stay far below 2^53 messages")]
                    ::metrics::gauge!("flotilla_queue_depth", "queue" => queue).set(depth.ready as f64);
                }
                Err(error) => tracing::debug!(error = %error, queue, "a queue could not be measured"),
            }
        }
    }
}

async fn depth(broker: &dyn Broker, queue: &str) -> Result<Depth, broker::Error> {
    broker.offer(&[queue.to_owned()]).await?;
    broker.depth(queue).await
}

/// Deletes what is older than the retention.
async fn maintain(ledger: &PostgresLedger, retention: Duration) {
    let mut timer = tokio::time::interval(MAINTAIN);
    loop {
        timer.tick().await;
        match ledger.maintain(retention, Timestamp::now()).await {
            Ok(done) => tracing::info!(?done, "old runs were deleted"),
            Err(error) => tracing::warn!(error = %error, "old runs could not be deleted"),
        }
    }
}
