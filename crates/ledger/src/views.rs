//! What callers see of runs: one in full, one of a list, and what was told about one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use protocol::answer::Usage;
use protocol::{Backend, Payload, RunEvent, RunId, RunState, TaskError, TaskRunId, TaskState, TenantId};

/// A run as recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// State, tasks and times.
    pub run: engine::Run,
    /// What it was submitted with.
    pub input: Payload,
    /// Every attempt that ended, by task run, in order.
    pub attempts: BTreeMap<TaskRunId, Vec<AttemptRecord>>,
    /// What all attempts consumed.
    pub usage: Usage,
    /// The run that it does again.
    pub retry_of: Option<RunId>,
    /// The run that it repeats on another backend, to be compared.
    pub shadow_of: Option<RunId>,
}

/// One attempt that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRecord {
    /// Its number.
    pub attempt: u32,
    /// Which worker ran it; empty for a lost attempt of which no start was reported.
    pub worker: String,
    /// `done`, `retry`, `fail` or `snooze`, as its callback said; `lost` when the fleet gave it up.
    pub outcome: String,
    /// Its error, if it had one.
    pub error: Option<TaskError>,
    /// When the handler started; when the job was queued, for a lost attempt of which no start was reported.
    pub started_at: Timestamp,
    /// When it ended, or was given up.
    pub ended_at: Timestamp,
    /// What it consumed.
    pub usage: Usage,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// Name of its workflow.
    pub workflow: String,
    /// Who executes it.
    pub backend: Backend,
    /// Where it stands.
    pub state: RunState,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it was admitted.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The run that it does again.
    pub retry_of: Option<RunId>,
    /// The run that it repeats on another backend, to be compared.
    pub shadow_of: Option<RunId>,
    /// How many of its task runs are in which state.
    pub tasks: BTreeMap<&'static str, u64>,
}

/// A run under way on some backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Its id.
    pub run_id: RunId,
    /// Its owner.
    pub tenant: TenantId,
    /// Who executes it.
    pub backend: Backend,
}

/// What was told about a run, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvents {
    /// Where it stands.
    pub state: RunState,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What was told, in order.
    pub events: Vec<RunEvent>,
}

impl RunSummary {
    /// How many task runs are in that state.
    #[must_use]
    pub fn count(&self, state: TaskState) -> u64 {
        self.tasks.get(state.as_str()).copied().unwrap_or(0)
    }
}
