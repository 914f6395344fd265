//! Submits runs of the benchmark's workflows, and says how long that took it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::fleet::{Fleet, Window};
use backends::stack::{Database, Servers};
use benches::fleet::produced::Produced;
use benches::fleet::tasks::{self, Kind, Parcel};
use benches::fleet::{probe, procfs};
use clap::Parser;
use ledger::NewRun;
use protocol::{Payload, RunId, TenantId};

/// Submits runs and prints, as one line of JSON, how long that took.
#[derive(Debug, Parser)]
struct Flags {
    /// What to submit.
    #[arg(long, value_enum, default_value = "task")]
    kind: Kind,
    /// How many runs.
    #[arg(long)]
    runs: u32,
    /// Calls a second; 0 is as fast as it goes.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// How many runs one call submits.
    #[arg(long, default_value_t = 1000)]
    per_call: u32,
    /// How many tasks may be handed out at a time, as a dispatcher finds out by itself.
    #[arg(long, default_value_t = 128)]
    window: usize,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    database: Database,
}

#[tokio::main]
async fn main() -> ExitCode {
    match submit(&Flags::parse()).await {
        Ok(produced) => print(&produced),
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stdout, reason = "its result")]
fn print(produced: &Produced) -> ExitCode {
    println!("{}", serde_json::json!(produced));
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "the last words of a program")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("bench-client: {error:#}");
    ExitCode::FAILURE
}

async fn submit(flags: &Flags) -> anyhow::Result<Produced> {
    let ledger = Arc::new(flags.database.connect().await?);
    let stack = flags.servers.connect().await?;
    let fleet = Fleet::new(ledger, Arc::clone(&stack.broker), Arc::clone(&stack.coordination));
    let fleet = fleet.with_window(Window::of(flags.window));
    for kind in [Kind::Task, Kind::Chain, Kind::Chord] {
        fleet.register(&tasks::workflow(kind)).await?;
    }
    let (first, processor, started) = (probe::now(), procfs::own_seconds(), Instant::now());
    let mut calls = Vec::new();
    let mut left = flags.runs;
    while left > 0 {
        if flags.rate > 0.0 {
            let due = started + Duration::from_secs_f64(calls.len() as f64 / flags.rate);
            tokio::time::sleep_until(due.into()).await;
        }
        let now = left.min(flags.per_call);
        let called = Instant::now();
        fleet.start((0..now).map(|_| run(flags.kind)).collect()).await?;
        calls.push(called.elapsed().as_secs_f64());
        left -= now;
    }
    // Otherwise the sweeper publishes again what waits for its start.
    fleet.settle().await?;
    let produced = Produced {
        first,
        count: flags.runs,
        seconds: started.elapsed().as_secs_f64(),
        processor_seconds: procfs::own_seconds() - processor,
        calls,
    };
    stack.close().await;
    Ok(produced)
}

fn run(kind: Kind) -> NewRun {
    NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: kind.as_str().to_owned(),
        input: Payload::Inline(serde_json::json!(Parcel::now())),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    }
}
