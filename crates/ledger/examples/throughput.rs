//! Measures a ledger on this machine and prints a table:
//!
//! ```text
//! cargo run --release -p ledger --example throughput [folder]
//! cargo run --release -p ledger --example throughput -- --postgres URL [queued runs]
//! ```
//!
//! The folder decides which disk pays for SQLite's syncs; the default is the current one. In Postgres the tables are
//! made in a schema of their own, which stays, so that it can be looked at; queued runs are a million unless said
//! otherwise.

#![expect(clippy::print_stdout, reason = "a measurement is for reading")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger::postgres::{Config, PostgresLedger, migrate};
use ledger::sqlite::SqliteLedger;
use ledger::{Error, Ledger, NewRun, Share};
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::workflow::TaskSpec;
use protocol::{Callback, Job, Lifecycle, LifecycleEvent, Outcome, Payload, RunId, TaskRunId, TenantId, Workflow};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("--postgres") {
        let url = arguments.next().ok_or("--postgres needs a URL")?;
        let queued = arguments.next().map_or(Ok(1_000_000), |queued| queued.parse())?;
        return postgres(&url, queued).await;
    }
    let folder = tempfile::tempdir_in(first.map_or_else(|| PathBuf::from("."), PathBuf::from))?;
    let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).await?;
    throughput(&ledger).await?;
    Ok(())
}

async fn postgres(url: &str, queued: u32) -> Result<(), Box<dyn std::error::Error>> {
    let schema = format!("throughput_{}", RunId::new().as_uuid().simple());
    println!("schema {schema}");
    let config = Config { schema, ..Config::new(url) };
    migrate(&config).await?;
    let ledger = PostgresLedger::connect(config).await?;
    throughput(&ledger).await?;
    concurrent(&ledger).await?;
    admission(&ledger, queued).await?;
    Ok(())
}

async fn throughput(ledger: &dyn Ledger) -> Result<(), Error> {
    println!("{:<58} {:>8} {:>12} {:>12}", "what", "count", "total ms", "per second");
    ledger.register(&pipeline()).await?;
    ledger.register(&map_and_sum()).await?;
    pipelines(ledger, 1_000, 512).await?;
    pipelines(ledger, 100, 1).await?;
    for (items, batch) in [(10_000, 512), (10_000, 8), (1_000, 1)] {
        wide(ledger, items, batch).await?;
    }
    for (count, batch) in [(50_000, 512), (50_000, 64), (1_000, 1)] {
        events(ledger, count, batch).await?;
    }
    Ok(())
}

/// Keeps log lines of one run, batch by batch.
async fn events(ledger: &dyn Ledger, count: u32, batch: usize) -> Result<(), Error> {
    let event = Lifecycle {
        v: WIRE_VERSION,
        run_id: RunId::new(),
        tenant: TenantId::default_tenant(),
        task_run_id: Some(TaskRunId::new()),
        task: Some("extract-text".to_owned()),
        attempt: Some(1),
        worker: format!("worker-file-processing-1-{}", RunId::new()),
        at: Timestamp::now(),
        event: LifecycleEvent::Ended { state: "succeeded".to_owned(), ms: 41 },
    };
    let millis = |number: u32| LifecycleEvent::Ended { state: "succeeded".to_owned(), ms: number.into() };
    let events: Vec<Lifecycle> =
        (0..count).map(|number| Lifecycle { event: millis(number), ..event.clone() }).collect();
    let start = Instant::now();
    for events in events.chunks(batch) {
        ledger.record_events(events, Timestamp::now()).await?;
    }
    print(&format!("keep, batches of {batch}: events"), count, start);
    Ok(())
}

/// Four callbacks workers at once, each with jobs of its own.
async fn concurrent(ledger: &dyn Ledger) -> Result<(), Error> {
    submit(ledger, "pipeline", 2_000).await?;
    let mut jobs = ledger.admit(usize::MAX, Timestamp::now()).await?;
    let start = Instant::now();
    while !jobs.is_empty() {
        let mut parts = jobs.chunks(500).map(|part| record(ledger, part, 500, 0));
        let [a, b, c, d] = [(); 4].map(|()| parts.next());
        let part = async |part: Option<_>| match part {
            Some(part) => part.await,
            None => Ok(Vec::new()),
        };
        let (a, b, c, d) = tokio::try_join!(part(a), part(b), part(c), part(d))?;
        jobs = [a, b, c, d].concat();
    }
    print("the same, 4 batches of 500 at a time: callbacks", 12_000, start);
    Ok(())
}

/// What admitting ten runs costs while more and more runs of twenty tenants wait, and while another tenant has as many
/// behind its limit.
async fn admission(ledger: &dyn Ledger, most: u32) -> Result<(), Error> {
    const ADMISSIONS: u32 = 50;
    let mut flow = pipeline();
    flow.name = "single".to_owned();
    flow.tasks.truncate(1);
    ledger.register(&flow).await?;
    println!("\n{:<58} {:>8} {:>12} {:>12}", "admitting ten runs", "queued", "median ms", "worst ms");
    let limited: TenantId = TenantId::try_from("limited".to_owned()).unwrap_or_else(|_| TenantId::default_tenant());
    ledger.set_share(&limited, Share { max_concurrent: Some(1), ..Share::default() }).await?;
    let mut waiting = 0;
    for queued in [100, 10_000, most] {
        while waiting < queued {
            let part = (queued - waiting).min(5_000);
            queue(ledger, part, |number| format!("tenant-{}", number % 20)).await?;
            waiting += part;
        }
        timed_admissions(ledger, "twenty tenants without limits", queued, ADMISSIONS).await?;
    }
    for _ in 0..most.div_ceil(50_000) {
        queue(ledger, 5_000, |_| "limited".to_owned()).await?;
    }
    timed_admissions(ledger, "and one with a tenth as many behind its limit", most, ADMISSIONS).await
}

async fn queue(ledger: &dyn Ledger, count: u32, tenant: impl Fn(u32) -> String) -> Result<(), Error> {
    let runs = (0..count).map(|number| NewRun {
        id: RunId::new(),
        tenant: TenantId::try_from(tenant(number)).unwrap_or_else(|_| TenantId::default_tenant()),
        workflow: "single".to_owned(),
        input: Payload::Inline(json!(number)),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    });
    ledger.submit(runs.collect(), Timestamp::now()).await.map(drop)
}

async fn timed_admissions(ledger: &dyn Ledger, what: &str, queued: u32, count: u32) -> Result<(), Error> {
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        ledger.admit(10, Timestamp::now()).await?;
        times.push(start.elapsed());
        queue(ledger, 10, |number| format!("tenant-{number}")).await?;
    }
    times.sort_unstable();
    let millis = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1_000.0);
    println!("{what:<58} {queued:>8} {:>12.2} {:>12.2}", millis(times.get(times.len() / 2)), millis(times.last()));
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
        notify: false,
        backend: None,
        shadow_of: None,
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
