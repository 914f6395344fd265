//! The state of a run: what the ledger stores and the engine changes.

use std::sync::Arc;

use jiff::Timestamp;
use protocol::workflow::TaskSpec;
use protocol::{Backend, Payload, RunId, RunState, TaskError, TaskRunId, TaskState, TenantId, Workflow};
use serde_json::Value;
use uuid::Builder;

use crate::retry::mix;

/// One execution of a workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its owner.
    pub tenant: TenantId,
    /// What is executed; fixed for the life of the run.
    pub workflow: Arc<Workflow>,
    /// Who executes it; fixed for the life of the run.
    pub backend: Backend,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed or was cancelled, for states that need a reason.
    pub error: Option<TaskError>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it was admitted.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it gives up.
    pub deadline_at: Option<Timestamp>,
    /// One per task in the workflow's order, then the children of mapped tasks in the order of their creation.
    pub tasks: Vec<TaskRun>,
}

/// One task within one run.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRun {
    /// Its id.
    pub id: TaskRunId,
    /// Name of its task.
    pub task: String,
    /// Position in the mapped list, for a child of a mapped task.
    pub index: Option<u32>,
    /// Where it stands.
    pub state: TaskState,
    /// Number of the latest attempt, the fencing token; 0 before the first.
    pub attempt: u32,
    /// Attempts that ended in failure; what the retry policy counts. Snoozes are not among them.
    pub failures: u32,
    /// When its timer fires, while it is waiting.
    pub due_at: Option<Timestamp>,
    /// When the latest attempt was released.
    pub queued_at: Option<Timestamp>,
    /// When the latest attempt was reported as started.
    pub started_at: Option<Timestamp>,
    /// When it ended for good.
    pub ended_at: Option<Timestamp>,
    /// What it left behind. Empty for a mapped task: its children hold the outputs.
    pub output: Option<Payload>,
    /// How many items its output holds for a mapped child task.
    pub fan_out: Option<u32>,
    /// Its latest error.
    pub error: Option<TaskError>,
    /// What the handler stored when it snoozed.
    pub snooze_state: Value,
    /// Which worker ran the latest attempt, where known.
    pub worker: Option<String>,
}

impl Run {
    /// A run that waits for admission, with one blocked task run per task.
    #[must_use]
    pub fn new(id: RunId, tenant: TenantId, workflow: Arc<Workflow>, now: Timestamp) -> Self {
        let deadline_at = workflow
            .timeout
            .and_then(|timeout| jiff::SignedDuration::try_from(timeout).ok())
            .and_then(|timeout| now.checked_add(timeout).ok());
        let tasks = Self::blocked_tasks(id, &workflow);
        Self {
            id,
            tenant,
            workflow,
            backend: Backend::default(),
            state: RunState::Queued,
            error: None,
            created_at: now,
            started_at: None,
            ended_at: None,
            deadline_at,
            tasks,
        }
    }

    /// The same on that backend.
    #[must_use]
    pub fn on(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// The task runs that a run begins with: one per task, blocked. Their ids follow from the run's, so a ledger need
    /// not store a task run before something happens to it.
    #[must_use]
    pub fn blocked_tasks(id: RunId, workflow: &Workflow) -> Vec<TaskRun> {
        let blocked =
            |(position, spec): (usize, &TaskSpec)| TaskRun::with_id(task_run_id(id, position), &spec.name, None);
        workflow.tasks.iter().enumerate().map(blocked).collect()
    }

    /// The task run with that id.
    #[must_use]
    pub fn task_run(&self, id: TaskRunId) -> Option<&TaskRun> {
        self.tasks.iter().find(|task_run| task_run.id == id)
    }
}

/// A task run's id: a UUIDv7 of its run's time like any other, but derived from the run's id and the task's position,
/// because the engine draws no random numbers.
fn task_run_id(run: RunId, position: usize) -> TaskRunId {
    let (high, low) = run.as_uuid().as_u64_pair();
    let first = mix(low ^ mix(position as u64));
    let second = mix(first ^ high);
    let mut random = [0; 10];
    random[..2].copy_from_slice(&second.to_be_bytes()[..2]);
    random[2..].copy_from_slice(&first.to_be_bytes());
    let millis = high >> 16;
    TaskRunId::from_uuid(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

impl TaskRun {
    /// A task run that waits for its parents.
    #[must_use]
    pub fn new(task: &str, index: Option<u32>) -> Self {
        Self::with_id(TaskRunId::new(), task, index)
    }

    /// The same under an id that was chosen elsewhere.
    #[must_use]
    pub fn with_id(id: TaskRunId, task: &str, index: Option<u32>) -> Self {
        Self {
            id,
            task: task.to_owned(),
            index,
            state: TaskState::Blocked,
            attempt: 0,
            failures: 0,
            due_at: None,
            queued_at: None,
            started_at: None,
            ended_at: None,
            output: None,
            fan_out: None,
            error: None,
            snooze_state: Value::Null,
            worker: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_task_runs_follow_from_their_run_and_differ_between_runs_and_positions() {
        let runs: Vec<RunId> = (0..1_000).map(|_| RunId::new()).collect();
        let ids: HashSet<TaskRunId> =
            runs.iter().flat_map(|run| (0..20).map(|position| task_run_id(*run, position))).collect();
        assert_eq!(ids.len(), 20_000);
        assert_eq!(task_run_id(runs[0], 3), task_run_id(runs[0], 3));
        let (run, task_run) = (runs[0].as_uuid(), task_run_id(runs[0], 3).as_uuid());
        assert_eq!(task_run.as_bytes()[..6], run.as_bytes()[..6], "they sort with their run's time");
        assert_eq!(task_run.get_version_num(), 7);
    }
}
