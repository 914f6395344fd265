//! A workflow, and workers that do its work.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use jiff::Timestamp;
use ledger::{Ledger, NewRun, RunFilter, RunRecord};
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::workflow::TaskSpec;
use protocol::{Callback, Job, Outcome, Payload, RunId, TenantId, Workflow};
use serde_json::json;

/// `list`, `each` per item, `sum` over the results.
pub(crate) fn map_and_sum() -> Workflow {
    let mut flow = Workflow::named("map-and-sum");
    flow.tasks = ["list", "each", "sum"].map(TaskSpec::named).into();
    flow.tasks[1].parents = vec!["list".to_owned()];
    flow.tasks[1].map_over = Some("list".to_owned());
    flow.tasks[2].parents = vec!["each".to_owned()];
    flow
}

/// A run of it.
pub(crate) fn new_run(tenant: &str) -> NewRun {
    NewRun {
        id: RunId::new(),
        tenant: tenant.parse().unwrap(),
        workflow: "map-and-sum".to_owned(),
        input: Payload::Inline(json!("input")),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    }
}

/// Submits and admits runs of the default tenant.
pub(crate) async fn submit(ledger: &dyn Ledger, runs: usize, now: Timestamp) -> Vec<Job> {
    ledger.register(&map_and_sum()).await.unwrap();
    ledger.submit((0..runs).map(|_| new_run("default")).collect(), now).await.unwrap();
    ledger.admit(runs, now).await.unwrap()
}

/// The report that a job is done; a list has that many items.
pub(crate) fn done(job: &Job, items: u32) -> Callback {
    let now = Timestamp::now();
    Callback {
        v: WIRE_VERSION,
        run_id: job.run_id,
        task_run_id: job.task_run_id,
        attempt: job.attempt,
        worker: "worker-1".to_owned(),
        outcome: Outcome::Done {
            output: Payload::Inline(json!(job.index)),
            fan_out: (job.task == "list").then_some(items),
        },
        started_at: now,
        ended_at: now,
        usage: Usage { calls: 1, ..Usage::default() },
    }
}

/// All runs of the default tenant.
pub(crate) async fn records(ledger: &dyn Ledger) -> Vec<RunRecord> {
    let tenant = TenantId::default_tenant();
    let mut records = Vec::new();
    for run in ledger.runs(&tenant, &RunFilter::all(), None, usize::MAX).await.unwrap() {
        records.push(ledger.run(&tenant, run.id).await.unwrap().unwrap());
    }
    records
}
