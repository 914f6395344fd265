//! A worker of a fleet whose tasks do nothing, in the place of the stage workers.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use backends::stack::Servers;
use benches::fleet::probe::{self, Probe};
use benches::fleet::tasks;
use clap::Parser;
use coordination::presence::{Attendance, this_process};
use protocol::Presence;
use protocol::workflow::queues::DEFAULT;
use service::Shutdown;
use service::telemetry::Logging;
use worker::{Config, Ports, Worker};

/// Serves the tasks of the benchmark until it is told to stop.
#[derive(Debug, Parser)]
struct Flags {
    /// How many jobs run at once.
    #[arg(long, default_value_t = 64)]
    concurrency: u16,
    /// How many jobs may be in hand, running or not.
    #[arg(long, default_value_t = 256)]
    prefetch: u16,
    /// The file that started tasks are counted in.
    #[arg(long, env = probe::VARIABLE)]
    probe: PathBuf,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    match serve(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a program")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("bench-worker: {error:#}");
    ExitCode::FAILURE
}

fn serve(flags: Flags) -> anyhow::Result<()> {
    service::telemetry::init(&flags.logging, "info")?;
    let shutdown = Shutdown::signals()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let probe = Arc::new(Probe::open(&flags.probe)?);
        let stack = flags.servers.connect().await?;
        let name = format!("bench-worker-{}", std::process::id());
        let presence = Presence {
            queues: vec![DEFAULT.to_owned()],
            concurrency: flags.concurrency.into(),
            ..this_process("bench-worker", &name)
        };
        let config = Config {
            name,
            queues: vec![DEFAULT.to_owned()],
            concurrency: flags.concurrency.into(),
            prefetch: flags.prefetch.into(),
            lease_ttl: Duration::from_millis(1500),
            grace: Duration::from_secs(10),
        };
        let ports = Ports {
            broker: Arc::clone(&stack.broker),
            objects: Arc::clone(&stack.objects),
            coordination: Arc::clone(&stack.coordination),
        };
        let worker = tasks::register(Worker::builder(ports, config), &probe).build();
        let attendance = Attendance::begin(Arc::clone(&stack.coordination), move || presence.clone());
        worker.run(shutdown.token().clone()).await?;
        attendance.end().await;
        stack.close().await;
        Ok(())
    })
}
