//! What operators see of all runs at once: who works on what, what waits for when, and what has waited longest.

use jiff::Timestamp;
use protocol::{RunId, TaskError, TaskRunId, TaskState, TenantId};

/// A task run in the hands of the fleet: its job is on the broker or with a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveTask {
    /// Where it belongs.
    pub place: TaskPlace,
    /// `queued` or `running`.
    pub state: TaskState,
    /// When its job was released.
    pub queued_at: Timestamp,
    /// When a worker reported its start.
    pub started_at: Option<Timestamp>,
    /// That worker.
    pub worker: Option<String>,
}

/// A task run that waits for its timer.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledTask {
    /// Where it belongs; the attempt is the one that put it to wait.
    pub place: TaskPlace,
    /// When it is released again.
    pub due_at: Timestamp,
    /// Why it waits.
    pub reason: Wait,
    /// How many of its attempts failed.
    pub failures: u32,
}

/// Why a task run waits.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// Its last attempt failed in this way, and is tried again.
    Retry(TaskError),
    /// Its handler asked to be called again later.
    Snooze,
}

/// Where a task run belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPlace {
    /// The run.
    pub run_id: RunId,
    /// The task run.
    pub task_run_id: TaskRunId,
    /// Owner of the run.
    pub tenant: TenantId,
    /// Name of the workflow.
    pub workflow: String,
    /// Name of the task.
    pub task: String,
    /// Position in the mapped list, for a child of a mapped task.
    pub index: Option<u32>,
    /// The queue of its jobs.
    pub queue: String,
    /// Number of the latest attempt.
    pub attempt: u32,
}

/// What the fleet has to do in one queue, as recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Task runs whose job nobody has started.
    pub waiting: u64,
    /// When the oldest of them was released.
    pub oldest: Option<Timestamp>,
    /// Task runs that a worker has started.
    pub running: u64,
}

impl Backlog {
    /// Both together.
    pub(crate) fn add(&mut self, more: &Self) {
        self.waiting += more.waiting;
        self.running += more.running;
        self.oldest = self.oldest.into_iter().chain(more.oldest).min();
    }
}
