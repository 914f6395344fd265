//! The dispatcher as a process of its own: flags, connections, HTTP, and the clock if it leads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::engines::Engines;
use backends::fleet::Fleet;
use backends::stack::{Admission, Database, Servers, show_connections};
use clap::{Args, Parser, Subcommand};
use coordination::in_process::InProcess;
use coordination::presence::{Attendance, this_process};
use jiff::{SignedDuration, Timestamp};
use ledger::Ledger;
use ledger::postgres::PostgresLedger;
use outbound::flags::Outbound;
use protocol::{Backend, Presence, TenantId};
use service::monitoring::Metrics;
use service::tasks::OnFailure;
use service::telemetry::Logging;
use service::traces::Tracing;
use service::{Shutdown, Tasks};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Auth, Gate, NewKey, Scope, Scopes};
use crate::adapters::Adapters;
use crate::api::{Api, CompatFlags, Front};
use crate::prices::Prices;
use crate::submission::Desk;
use crate::triggers::Store;
use crate::webhooks::{Webhooks, telling};
use crate::{clock, measuring};

/// How long open requests may take after the order to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How often a dispatcher that does not lead asks for the lead: a dead leader is replaced within this and the time the
/// database needs to notice.
const STANDBY: Duration = Duration::from_secs(1);

/// How often old runs are deleted.
const MAINTAIN: Duration = Duration::from_secs(3600);

/// Takes documents in over HTTP, releases runs and keeps time for the fleet. Several may run; one of them leads.
#[derive(Debug, Parser)]
#[command(name = "dispatcher", version, max_term_width = 100)]
struct Flags {
    /// Where to listen. Plain HTTP, unless --tls-cert is given.
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
    /// Where documents lie while they come in: a folder on this machine with room for 64 of the largest at a time. Every
    /// dispatcher has a folder of its own in it, named after its address [default: flotilla-incoming in the system's
    /// folder for temporary files].
    #[arg(long, value_name = "DIR", env = "FLOTILLA_INCOMING_DIR")]
    incoming_dir: Option<PathBuf>,
    /// What models and pages cost, as JSON (docs/api.md, "Usage"). Without it no cost is known.
    #[arg(long, value_name = "FILE", env = "FLOTILLA_PRICES")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    gate: Gate,
    #[command(flatten)]
    front: Front,
    #[command(flatten)]
    outbound: Outbound,
    #[command(flatten)]
    compat: CompatFlags,
    /// Serve `/metrics`, `/livez` and `/readyz` here, too, for whoever reaches it. On the other port, `/metrics` needs a key
    /// with the scope "operate".
    #[arg(long, value_name = "ADDR:PORT", env = "FLOTILLA_DISPATCHER_METRICS_ADDR")]
    metrics_addr: Option<SocketAddr>,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    admission: Admission,
    #[command(flatten)]
    engines: Engines,
    #[command(flatten)]
    tracing: Tracing,
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
    /// Issue a key and print it, once. This is how the first administrator gets in.
    CreateKey(CreateKey),
}

/// A key for somebody.
#[derive(Debug, Args)]
struct CreateKey {
    /// Whose it is.
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantId,
    /// What people call it.
    #[arg(long, value_name = "TEXT", default_value = "created on the command line")]
    name: String,
    /// What it is good for: read, write, operate, admin, fleet; several separated by commas.
    #[arg(long, value_name = "SCOPES", default_value = "admin", value_delimiter = ',')]
    scope: Vec<Scope>,
    /// In how many days it ends by itself.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
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
                    Some(Command::CreateKey(wanted)) => create_key(&flags.database, wanted).await,
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

#[expect(clippy::print_stdout, reason = "the only place where the token is ever shown")]
async fn create_key(database: &Database, wanted: CreateKey) -> anyhow::Result<()> {
    let ledger: Arc<dyn Ledger> = Arc::new(database.connect().await?);
    let access = Access::new(ledger, Arc::new(InProcess::new()), true);
    let new = NewKey {
        tenant: wanted.tenant,
        name: wanted.name,
        scopes: Scopes::of(wanted.scope),
        expires_at: wanted.days.map(|days| Timestamp::now() + SignedDuration::from_hours(24 * i64::from(days))),
        issued_by: None,
    };
    println!("{}", access.keys.issue(new).await?.token);
    Ok(())
}

async fn run(flags: Flags, shutdown: Shutdown) -> anyhow::Result<()> {
    let compat = flags.compat.settings();
    let metrics = Metrics::install()?;
    let name = format!("dispatcher-{}-{}", std::process::id(), uuid::Uuid::now_v7().simple());
    let (traces, exporter) = flags.tracing.start("dispatcher", &name)?;
    let ledger = Arc::new(flags.database.connect().await?);
    let stack = flags.servers.connect().await?;
    let shared: Arc<dyn Ledger> = Arc::<PostgresLedger>::clone(&ledger);
    let access = flags.gate.open(Arc::clone(&shared), Arc::clone(&stack.coordination), Auth::Keys).await?;
    let fleet = Fleet::new(shared, Arc::clone(&stack.broker), Arc::clone(&stack.coordination));
    let (kept, vault) = (Arc::<PostgresLedger>::clone(&ledger), flags.gate.master_key.clone());
    let webhooks = Webhooks::new(kept, vault, flags.outbound.policy());
    let fleet = fleet.with_traces(traces).with_audience(Arc::new(webhooks.clone()));
    let engines = flags.engines.open()?;
    let fleet = fleet.with_roster(Engines::roster(Backend::Fleet, &engines)).with_choice(flags.engines.choice());
    for workflow in protocol::stages::builtin() {
        fleet.register(&workflow).await?;
    }
    fleet.register(&protocol::webhooks::workflow()).await?;
    fleet.check_choice().await.context("runs cannot go where they are sent")?;
    let listener =
        TcpListener::bind(flags.listen).await.with_context(|| format!("cannot listen on {}", flags.listen))?;
    let incoming = incoming(flags.incoming_dir, listener.local_addr()?);
    let retention = Duration::from_secs(24 * 60 * 60 * u64::from(flags.retention_days));
    let desk = Desk::new(fleet.clone(), Arc::clone(&stack.objects)).with_incoming(incoming.clone());
    let prices = flags.prices.as_deref().map(Prices::load).transpose()?.unwrap_or_default();
    let api = Api {
        prices: Arc::new(prices),
        fleet: fleet.clone(),
        desk: desk.with_context(|| {
            format!("documents cannot be taken in at {}; name another folder in --incoming-dir", incoming.display())
        })?,
        objects: Arc::clone(&stack.objects),
        access,
        adapters: Adapters::new(Arc::<PostgresLedger>::clone(&ledger), flags.gate.master_key.clone()),
        imports: flags.compat.imports()?.in_bucket(flags.servers.bucket()),
        subscriptions: Store::new(Arc::<PostgresLedger>::clone(&ledger)),
        max_upload: flags.max_upload as usize * 1024 * 1024,
        retention: Some(retention),
        front: flags.front,
        compat,
        metrics: metrics.clone(),
        webhooks: webhooks.clone(),
        way_out: outbound::Client::new(flags.outbound.policy()),
    };
    let tasks = Tasks::new(shutdown.clone());
    let token = || shutdown.token().clone();
    let (keeper, tasks_at_once, stop) = (fleet.clone(), flags.admission.tasks(), token());
    tasks.spawn("window", OnFailure::Stop, async move {
        stop.run_until_cancelled(keeper.keep_window(tasks_at_once)).await;
        Ok(())
    });
    let (pool, stop) = (Arc::clone(&ledger), token());
    tasks.spawn("connections", OnFailure::Ignore, async move {
        stop.run_until_cancelled(show_connections(&pool)).await;
        Ok(())
    });
    for collector in engines.into_iter().filter_map(|engine| engine.collector) {
        let (fleet, objects, stop) = (fleet.clone(), Arc::clone(&stack.objects), token());
        tasks.spawn("results", OnFailure::Stop, async move {
            collector.collect(fleet, objects, stop).await;
            Ok(())
        });
    }
    let lead = lead(Arc::clone(&ledger), fleet, webhooks, retention, token());
    tasks.spawn("clock", OnFailure::Stop, async move {
        lead.await;
        Ok(())
    });
    let stop = token();
    tasks.spawn("metrics", OnFailure::Ignore, async move {
        metrics.keep(stop).await;
        Ok(())
    });
    if let Some(address) = flags.metrics_addr {
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let (api, stop) = (api.clone(), token());
        tasks.spawn("monitoring", OnFailure::Stop, async move { Ok(api.serve_monitoring(listener, stop).await?) });
    }
    tracing::info!(address = %listener.local_addr()?, "the dispatcher listens");
    let stop = token();
    tasks.spawn("http", OnFailure::Stop, async move { Ok(api.serve(listener, stop).await?) });
    let (presence, stopping) = (this_process("dispatcher", &name), token());
    let describe = move || Presence { draining: stopping.is_cancelled(), ..presence.clone() };
    let attendance = Attendance::begin(Arc::clone(&stack.coordination), describe);
    let ended = tasks.join(GRACE).await;
    attendance.end().await;
    exporter.close().await;
    stack.close().await;
    Ok(ended?)
}

/// A folder that no other dispatcher of this machine uses: only one can have the address.
fn incoming(folder: Option<PathBuf>, address: SocketAddr) -> PathBuf {
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("flotilla-incoming"));
    folder.join(address.to_string().replace([':', '[', ']', '%'], "-"))
}

/// Leads whenever nobody else does, until `shutdown`.
async fn lead(
    ledger: Arc<PostgresLedger>,
    fleet: Fleet,
    webhooks: Webhooks,
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
                    () = telling::run(fleet.clone(), webhooks.clone(), term.clone()) => {}
                    () = measuring::run(&fleet) => {}
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
