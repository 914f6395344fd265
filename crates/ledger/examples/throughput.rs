//! Measures the SQLite ledger on this machine and prints a table:
//! `cargo run --release -p ledger --example throughput [folder]`.
//!
//! The folder decides which disk pays for the syncs; the default is the current one.

#![expect(clippy::print_stdout, reason = "a measurement is for reading")]

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use ledger::sqlite::SqliteLedger;
use ledger::{Error, Ledger, NewRun};
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::workflow::TaskSpec;
use protocol::{Callback, Job, Outcome, Payload, RunId, TenantId, Workflow};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::tempdir_in(parent)?;
    let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).await?;
    println!("{:<58} {:>8} {:>12} {:>12}", "what", "count", "total ms", "per second");
    ledger.register(&pipeline()).await?;
    ledger.register(&map_and_sum()).await?;
    pipelines(&ledger, 1_000, 512).await?;
    pipelines(&ledger, 100, 1).await?;
    for (items, batch) in [(10_000, 512), (10_000, 8), (1_000, 1)] {
        wide(&ledger, items, batch).await?;
    }
    Ok(())
}

fn print(what: &str, count: u32, since: Instant) {
    let elapsed = since.elapsed().as_secs_f64();
    println!("{what:<58} {count:>8} {:>12.1} {:>12.0}", elapsed * 1_000.0, f64::from(count) / elapsed);
}

/// Six tasks one after the other.
fn pipeline() -> Workflow {
    let mut flow = Workflow::named("pipeline");
    for task in 0..6_u32 {
        let mut spec = TaskSpec::named(format!("task-{task}"));
        spec.parents = task.checked_sub(1).map(|parent| format!("task-{parent}")).into_iter().collect();
        flow.tasks.push(spec);
    }
    flow
}

fn map_and_sum() -> Workflow {
    let mut flow = Workflow::named("map-and-sum");
    flow.tasks = ["list", "each", "sum"].map(TaskSpec::named).into();
    flow.tasks[1].parents = vec!["list".to_owned()];
    flow.tasks[1].map_over = Some("list".to_owned());
    flow.tasks[2].parents = vec!["each".to_owned()];
    flow
}

async fn submit(ledger: &dyn Ledger, workflow: &str, count: u32) -> Result<(), Error> {
    let runs = (0..count).map(|number| NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: workflow.to_owned(),
        input: Payload::Inline(json!({ "document": number, "questions": "x".repeat(500) })),
        idempotency_key: Some(RunId::new().to_string()),
        priority: 0,
    });
    ledger.submit(runs.collect(), Timestamp::now()).await.map(drop)
}

/// Takes runs of six tasks to their end, callbacks in batches.
async fn pipelines(ledger: &dyn Ledger, runs: u32, batch: usize) -> Result<(), Error> {
    let start = Instant::now();
    submit(ledger, "pipeline", runs).await?;
    print("submit in one call: runs of six tasks", runs, start);

    let start = Instant::now();
    let mut jobs = ledger.admit(usize::MAX, Timestamp::now()).await?;
    print("admit in one call: runs", runs, start);

    let start = Instant::now();
    while !jobs.is_empty() {
        jobs = record(ledger, &jobs, batch, 0).await?;
    }
    print(&format!("mark published + record, batches of {batch}: callbacks"), runs * 6, start);
    Ok(())
}

/// Maps over a list and takes every child to its end.
async fn wide(ledger: &dyn Ledger, items: u32, batch: usize) -> Result<(), Error> {
    submit(ledger, "map-and-sum", 1).await?;
    let start = Instant::now();
    let mut jobs = ledger.admit(1, Timestamp::now()).await?;
    while !jobs.is_empty() {
        jobs = record(ledger, &jobs, batch, items).await?;
    }
    print(&format!("map over {items} items, batches of {batch}: callbacks"), items + 2, start);
    Ok(())
}

/// Marks the jobs as published and reports them done, batch by batch; returns the jobs that became ready.
async fn record(ledger: &dyn Ledger, jobs: &[Job], batch: usize, items: u32) -> Result<Vec<Job>, Error> {
    let mut ready = Vec::new();
    for jobs in jobs.chunks(batch) {
        let marks: Vec<_> = jobs.iter().map(|job| (job.task_run_id, job.attempt)).collect();
        ledger.mark_published(&marks, Timestamp::now()).await?;
        let callbacks = jobs.iter().map(|job| done(job, items)).collect();
        let applied = ledger.record(callbacks, Timestamp::now()).await?;
        ready.extend(applied.into_iter().flat_map(|applied| applied.jobs));
    }
    Ok(ready)
}

fn done(job: &Job, items: u32) -> Callback {
    let now = Timestamp::now();
    Callback {
        v: WIRE_VERSION,
        run_id: job.run_id,
        task_run_id: job.task_run_id,
        attempt: job.attempt,
        worker: "worker-1".to_owned(),
        outcome: Outcome::Done {
            output: Payload::Inline(json!({ "text": "x".repeat(200) })),
            fan_out: (job.task == "list").then_some(items),
        },
        started_at: now,
        ended_at: now,
        usage: Usage { calls: 1, input_tokens: 1_000, ..Usage::default() },
    }
}
