//! What the cases say in few words: workflows, submissions, callbacks, times.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::workflow::TaskSpec;
use protocol::{Callback, Job, Outcome, Payload, RunId, TaskError, TenantId, Workflow};
use serde_json::{Value, json};

use crate::{Ledger, NewRun, RunRecord};

/// The ledger under test.
pub(super) type Subject = Arc<dyn Ledger>;

/// Seconds after an arbitrary start.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).expect("a time of our days")
}

/// A workflow called `flow` of tasks with their parents.
pub(super) fn flow(tasks: &[(&str, &[&str])]) -> Workflow {
    let mut flow = Workflow::named("flow");
    for (name, parents) in tasks {
        let mut spec = TaskSpec::named(*name);
        spec.parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        // Delays to the second: the cases compare times.
        spec.retry.jitter = 0.0;
        flow.tasks.push(spec);
    }
    flow
}

/// The `flow` of one task.
pub(super) fn single() -> Workflow {
    flow(&[("only", &[])])
}

pub(super) fn inline(value: Value) -> Payload {
    Payload::Inline(value)
}

pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant's name")
}

/// A run of `flow` for the default tenant.
pub(super) fn new_run(input: Value) -> NewRun {
    NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: "flow".to_owned(),
        input: inline(input),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    }
}

/// Registers the workflow and starts runs of it at `at(0)`; the inputs are their numbers, the jobs are in order.
pub(super) async fn start_many(ledger: &Subject, flow: &Workflow, count: usize) -> (Vec<RunId>, Vec<Job>) {
    ledger.register(flow).await.expect("registered");
    let runs: Vec<NewRun> = (0..count).map(|number| new_run(json!(number))).collect();
    let ids = runs.iter().map(|run| run.id).collect();
    ledger.submit(runs, at(0)).await.expect("submitted");
    (ids, ledger.admit(count, at(0)).await.expect("admitted"))
}

/// The same for one run.
pub(super) async fn start(ledger: &Subject, flow: &Workflow) -> (RunId, Vec<Job>) {
    let (ids, jobs) = start_many(ledger, flow, 1).await;
    (ids[0], jobs)
}

/// The report that a job ended like this, a second after it was queued.
pub(super) fn ended(job: &Job, outcome: Outcome) -> Callback {
    Callback {
        v: WIRE_VERSION,
        run_id: job.run_id,
        task_run_id: job.task_run_id,
        attempt: job.attempt,
        worker: "worker-1".to_owned(),
        outcome,
        started_at: job.queued_at,
        ended_at: job.queued_at + jiff::SignedDuration::from_secs(1),
        usage: Usage::default(),
    }
}

pub(super) fn done(job: &Job, output: Value) -> Callback {
    ended(job, Outcome::Done { output: inline(output), fan_out: None })
}

/// Done with a list that a mapped task runs over.
pub(super) fn listed(job: &Job, items: u32) -> Callback {
    let output = inline(json!((0..items).collect::<Vec<_>>()));
    ended(job, Outcome::Done { output, fan_out: Some(items) })
}

pub(super) fn retry(job: &Job) -> Callback {
    ended(job, Outcome::Retry { error: TaskError::transient("flaky", "It may work next time."), after_ms: None })
}

pub(super) fn snoozed(job: &Job, seconds: u64, state: Value) -> Callback {
    ended(job, Outcome::Snooze { after_ms: seconds * 1_000, state })
}

/// Records callbacks and returns the jobs that became ready.
pub(super) async fn record(ledger: &Subject, callbacks: Vec<Callback>, now: Timestamp) -> Vec<Job> {
    let applied = ledger.record(callbacks, now).await.expect("recorded");
    applied.into_iter().flat_map(|applied| applied.jobs).collect()
}

/// Applies what is due, and returns the jobs that became ready.
pub(super) async fn wake(ledger: &Subject, now: Timestamp) -> Vec<Job> {
    let events = ledger.due(100, now).await.expect("due");
    let applied = ledger.apply(events, now).await.expect("applied");
    applied.into_iter().flat_map(|applied| applied.jobs).collect()
}

/// The default tenant's run.
pub(super) async fn look(ledger: &Subject, run: RunId) -> RunRecord {
    ledger.run(&TenantId::default_tenant(), run).await.expect("read").expect("the run is known")
}

/// The states of a run's task runs by name; children are told by their index.
pub(super) fn states(record: &RunRecord) -> BTreeMap<String, &'static str> {
    let name = |task_run: &engine::TaskRun| match task_run.index {
        Some(index) => format!("{}[{index}]", task_run.task),
        None => task_run.task.clone(),
    };
    record.run.tasks.iter().map(|task_run| (name(task_run), task_run.state.as_str())).collect()
}

/// Everything that is in the outbox now.
pub(super) async fn outbox(ledger: &Subject) -> Vec<Job> {
    ledger.unpublished(std::time::Duration::ZERO, &[], 10_000, at(1_000_000)).await.expect("read")
}

/// What marks a job as published.
pub(super) fn marks(jobs: &[Job]) -> Vec<(protocol::TaskRunId, u32)> {
    jobs.iter().map(|job| (job.task_run_id, job.attempt)).collect()
}
