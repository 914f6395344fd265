//! What the fleet tells about runs as traces: one trace per run, whoever tells.
//!
//! The trace id is the run's id, and the ids of spans follow from the ids of task runs and the numbers of attempts. So every
//! process tells what it saw without hearing from the others, and it fits together:
//!
//! ```text
//! run <workflow>          by whoever records the end of the run
//! ├─ admission wait       〃
//! ├─ queue <queue>        by the worker, for each attempt
//! └─ task <task>          〃
//! ```

use jiff::Timestamp;
use ledger::EndedRun;
use protocol::{Job, RunId, RunState, TenantId};
use service::traces::{Attribute, Span};
use sha2::{Digest, Sha256};

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What was to be done.
    pub job: &'a Job,
    /// Which worker did it.
    pub worker: &'a str,
    /// When the handler started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended: `succeeded`, `retry`, `failed`, `snoozed` or `cancelled`.
    pub outcome: &'static str,
    /// The code of its error, if it had one.
    pub error: Option<&'a str>,
}

/// The spans of a run that has ended: the root, and the time it stood in line.
#[must_use]
pub fn of_run(run: RunId, tenant: &TenantId, ended: &EndedRun, state: RunState) -> [Span; 2] {
    let common = || common(run, tenant, &ended.workflow);
    let trace = run.as_uuid().as_u128();
    let root = Span {
        trace,
        id: root_id(run),
        parent: None,
        name: format!("run {}", ended.workflow),
        start: ended.created_at,
        end: ended.ended_at,
        attributes: common().into_iter().chain([("run.state", state.as_str().into())]).collect(),
        error: (state == RunState::Failed).then(|| ended.error.clone().unwrap_or_else(|| "failed".to_owned())),
    };
    let admission = Span {
        trace,
        id: span_id(run.as_uuid().as_bytes(), 0, "admission"),
        parent: Some(root.id),
        name: "admission wait".to_owned(),
        start: ended.created_at,
        // A run that ended in line was never admitted.
        end: ended.started_at.unwrap_or(ended.ended_at),
        attributes: common(),
        error: None,
    };
    [root, admission]
}

/// The spans of an attempt: the time its job waited in the queue, and its work.
#[must_use]
pub fn of_attempt(attempt: Attempt<'_>) -> [Span; 2] {
    let Attempt { job, worker, started_at, ended_at, outcome, error } = attempt;
    let attributes = || {
        let mut attributes = common(job.run_id, &job.tenant, &job.workflow);
        attributes.extend([
            ("task.name", job.task.as_str().into()),
            ("task_run.id", job.task_run_id.to_string().into()),
            ("attempt", job.attempt.into()),
            ("queue", job.queue.as_str().into()),
            ("worker", worker.into()),
        ]);
        attributes.extend(job.index.map(|index| ("item", index.into())));
        attributes
    };
    let (trace, parent) = (job.run_id.as_uuid().as_u128(), Some(root_id(job.run_id)));
    let id = |what| span_id(job.task_run_id.as_uuid().as_bytes(), job.attempt, what);
    let queue = Span {
        trace,
        id: id("queue"),
        parent,
        name: format!("queue {}", job.queue),
        // Another machine's clock said when it was released.
        start: job.queued_at.min(started_at),
        end: started_at,
        attributes: attributes(),
        error: None,
    };
    let mut with_end = attributes();
    with_end.push(("outcome", outcome.into()));
    with_end.extend(error.map(|code| ("error.code", code.into())));
    let task = Span {
        trace,
        id: id("task"),
        parent,
        name: format!("task {}", job.task),
        start: started_at,
        end: ended_at,
        attributes: with_end,
        error: error.map(str::to_owned),
    };
    [queue, task]
}

/// Named as in the logs, so that the same query finds both.
fn common(run: RunId, tenant: &TenantId, workflow: &str) -> Vec<(&'static str, Attribute)> {
    vec![("run.id", run.to_string().into()), ("tenant", tenant.as_str().into()), ("workflow", workflow.into())]
}

fn root_id(run: RunId) -> u64 {
    span_id(run.as_uuid().as_bytes(), 0, "run")
}

/// The same in every process and release: spans of one trace come from all of them.
fn span_id(of: &[u8; 16], attempt: u32, what: &str) -> u64 {
    let digest = Sha256::new().chain_update(of).chain_update(attempt.to_be_bytes()).chain_update(what);
    let id = digest.finalize().iter().take(8).fold(0, |id: u64, byte| id << 8 | u64::from(*byte));
    id.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_spans_never_change() {
        let of = &7_u128.to_be_bytes();
        assert_ne!(span_id(of, 1, "task"), span_id(of, 2, "task"));
        assert_ne!(span_id(of, 1, "task"), span_id(of, 1, "queue"));
        assert_eq!(format!("{:016x}", span_id(of, 1, "task")), "d98c090616d8fb01");
    }
}
