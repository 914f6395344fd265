//! A worker that serves the tasks of `specs::chain`, for specs that do things to the processes of a fleet.

use std::sync::Arc;
use std::time::Duration;

use backends::stack::Servers;
use clap::Parser;
use protocol::workflow::queues;
use service::monitoring::{self, Metrics, Monitoring};
use service::telemetry::Logging;
use service::{Shutdown, telemetry};
use tokio::net::TcpListener;
use worker::{Config, Ports, Worker};

/// As that of the fleet's own workers.
const LEASE: Duration = Duration::from_millis(1500);

#[derive(Parser)]
struct Flags {
    /// How many jobs run at once.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// How many jobs of a queue may be in hand.
    #[arg(long, default_value_t = 16)]
    prefetch: usize,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    monitoring: Monitoring,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flags = Flags::parse();
    telemetry::init(&flags.logging, "info")?;
    let shutdown = Shutdown::signals()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(flags, shutdown))
}

async fn run(flags: Flags, shutdown: Shutdown) -> Result<(), Box<dyn std::error::Error>> {
    let metrics = Metrics::install()?;
    let stack = flags.servers.connect().await?;
    let config = Config {
        name: format!("spec-worker-{}-{}", std::process::id(), uuid::Uuid::now_v7().simple()),
        queues: queues::WORK.map(str::to_owned).to_vec(),
        concurrency: flags.concurrency,
        prefetch: flags.prefetch,
        lease_ttl: LEASE,
        grace: Duration::from_secs(10),
    };
    let ports = Ports {
        broker: Arc::clone(&stack.broker),
        objects: Arc::clone(&stack.objects),
        coordination: Arc::clone(&stack.coordination),
    };
    let worker = specs::chain::register(Worker::builder(ports, config)).build();
    let address = flags.monitoring.metrics_addr.ok_or("--metrics-addr is missing")?;
    let listener = TcpListener::bind(address).await?;
    let looked_at = stack.clone();
    let ready: monitoring::Ready = Arc::new(move || {
        let stack = looked_at.clone();
        Box::pin(async move { stack.ready() })
    });
    let serving = tokio::spawn(monitoring::serve(listener, metrics, ready, shutdown.token().clone()));
    worker.run(shutdown.token().clone()).await?;
    serving.await??;
    stack.close().await;
    Ok(())
}
