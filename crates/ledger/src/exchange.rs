//! What goes into a ledger and what comes out of it, besides what callers see of runs.

use std::num::NonZeroU32;

use engine::Action;
use jiff::Timestamp;
use protocol::{Backend, Job, Payload, RunId, TaskRunId, TenantId};

/// A run to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// Its id, chosen by the submitter.
    pub id: RunId,
    /// Its owner.
    pub tenant: TenantId,
    /// Name of a registered workflow; its highest version is used.
    pub workflow: String,
    /// What every task gets.
    pub input: Payload,
    /// Within a tenant, a key records at most one run.
    pub idempotency_key: Option<String>,
    /// Higher ones are admitted first, whoever owns them; 0 is usual.
    pub priority: i16,
    /// Whether its owner wants to be told when it ends.
    pub notify: bool,
    /// Who executes it; the default until somebody chooses.
    pub backend: Option<Backend>,
    /// The run that it repeats on another backend, to be compared. Lists leave it out unless asked.
    pub shadow_of: Option<RunId>,
}

/// What a tenant may use of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its part, in relation to the weights of the other tenants that have work.
    pub weight: NonZeroU32,
    /// How many of its runs may be under way at a time.
    pub max_concurrent: Option<u32>,
}

impl Default for Share {
    /// An equal part, without a limit.
    fn default() -> Self {
        Self { weight: NonZeroU32::MIN, max_concurrent: None }
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The run; an earlier one's id when the idempotency key was known.
    pub id: RunId,
    /// Whether it was recorded just now.
    pub created: bool,
}

/// What became of runs that were to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// What became of each, in order.
    pub submitted: Vec<Submitted>,
    /// Jobs that became ready.
    pub jobs: Vec<Job>,
}

/// How many tasks may be handed out at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// So many; `usize::MAX` for any number.
    pub tasks: usize,
    /// Workflows whose tasks do not count: some queue of theirs is served by nobody, and what waits there must not keep
    /// others from being released.
    pub unserved: Vec<String>,
}

impl Window {
    /// A window of that many tasks, of all workflows.
    #[must_use]
    pub const fn of(tasks: usize) -> Self {
        Self { tasks, unserved: Vec::new() }
    }

    /// How much room is left with so many tasks handed out.
    pub(crate) fn room(&self, handed_out: usize) -> usize {
        self.tasks.saturating_sub(handed_out)
    }
}

/// The line of runs that wait for admission, at its front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Whether a run could be admitted if there were room.
    pub waiting: bool,
    /// How many more tasks may be handed out.
    pub room: usize,
}

/// An attempt whose job was given to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandedOut {
    /// The run.
    pub run_id: RunId,
    /// The task run.
    pub task_run_id: TaskRunId,
    /// The attempt.
    pub attempt: u32,
    /// The queue that its job went to.
    pub queue: String,
}

/// What events did to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The run.
    pub run_id: RunId,
    /// Its owner; `None` when the run is unknown.
    pub tenant: Option<TenantId>,
    /// What the engine asked for, in order.
    pub actions: Vec<Action>,
    /// Jobs for the `Publish` actions, complete with input and outputs of ancestors.
    pub jobs: Vec<Job>,
    /// What ended, when the run did.
    pub ended: Option<EndedRun>,
}

/// A run at the moment of its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRun {
    /// Name of its workflow.
    pub workflow: String,
    /// Who executed it.
    pub backend: Backend,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it was admitted, unless it ended in line.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The code of the error that it ended in.
    pub error: Option<String>,
}

impl Applied {
    /// The report for a run that the ledger does not hold.
    pub(crate) fn unknown(run_id: RunId) -> Self {
        Self { run_id, tenant: None, actions: Vec::new(), jobs: Vec::new(), ended: None }
    }
}
