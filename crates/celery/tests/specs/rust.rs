//! A worker of ours with a few tasks.

use std::time::Duration;

use celery::{Failure, Host, HostBuilder, HostConfig, Rate, Retry, Stop, Task, TaskOptions};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A worker at work; it ends with the spec.
pub(crate) struct Worker {
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), celery::Error>>,
}

impl Worker {
    pub(crate) async fn start(config: HostConfig) -> Self {
        Self::of(builder(config)).await
    }

    pub(crate) async fn of(builder: HostBuilder) -> Self {
        let host = builder.build().await.unwrap();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(host.run(shutdown.clone()));
        Self { shutdown, running }
    }

    /// Shuts it down and waits for its end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await;
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(self) {
        self.running.await.unwrap().unwrap();
    }
}

/// The tasks of the specs.
pub(crate) fn builder(config: HostConfig) -> HostBuilder {
    let quick = TaskOptions { retry_delay: Duration::from_secs(1), track_started: true, ..TaskOptions::default() };
    Host::builder(config)
        .task("rust.add", add, quick.clone())
        .task("rust.total", total, quick.clone())
        .task("rust.echo", echo, quick.clone())
        .task("rust.fail", fail, quick.clone())
        .task("rust.flaky", flaky, quick.clone())
        .task("rust.sleep", nap, quick.clone())
        .task("rust.patient", patient, quick.clone())
        .task("rust.progress", progress, quick.clone())
        .task("rust.panic", panic_at_once, quick.clone())
        .task("rust.slow", add, TaskOptions { rate_limit: "600/m".parse::<Rate>().ok(), ..quick })
}

fn number(value: Option<&Value>) -> Result<i64, Stop> {
    let number = value.and_then(Value::as_i64);
    number.ok_or_else(|| Failure::builtin("TypeError", format!("not a number: {value:?}")).into())
}

async fn add(task: Task) -> Result<Value, Stop> {
    Ok(json!(number(task.args.first())? + number(task.args.get(1))?))
}

async fn total(task: Task) -> Result<Value, Stop> {
    let numbers = task.args.first().and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(json!(numbers.iter().map(|one| number(Some(one))).sum::<Result<i64, _>>()?))
}

async fn echo(task: Task) -> Result<Value, Stop> {
    Ok(json!({ "args": task.args, "kwargs": task.kwargs, "priority": task.priority }))
}

async fn fail(task: Task) -> Result<Value, Stop> {
    let text = |index: usize| task.args.get(index).and_then(Value::as_str).unwrap_or_default();
    let (module, kind) = text(0).rsplit_once('.').unwrap_or(("builtins", text(0)));
    let traceback = Some("Traceback: somewhere in Rust".to_owned());
    Err(Failure { traceback, ..Failure::new(module, kind, text(1)) }.into())
}

async fn flaky(task: Task) -> Result<Value, Stop> {
    if i64::from(task.retries) < number(task.args.first())? {
        return Err(Retry { reason: Some(Failure::builtin("IOError", "not yet")), ..Retry::default() }.into());
    }
    Ok(json!(task.retries))
}

async fn nap(task: Task) -> Result<Value, Stop> {
    let seconds = task.args.first().and_then(Value::as_f64).unwrap_or_default();
    tokio::select! {
        () = sleep(Duration::from_secs_f64(seconds)) => Ok(json!("rested")),
        () = task.cancelled().cancelled() => Ok(json!("woken")),
    }
}

async fn patient(task: Task) -> Result<Value, Stop> {
    task.soft_limit().cancelled().await;
    Ok(json!("told"))
}

async fn progress(task: Task) -> Result<Value, Stop> {
    task.report("PROGRESS", json!({ "done": 50 })).await.map_err(|error| Failure::of(&error))?;
    Ok(json!("done"))
}

async fn panic_at_once(_task: Task) -> Result<Value, Stop> {
    panic!("no such luck")
}
