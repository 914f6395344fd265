//! An event of a run as it is kept, and as whoever follows the run reads it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::TaskRunId;
use crate::message::{Lifecycle, LifecycleEvent};

/// Something that happened in a run, under the number by which readers go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Within a run, later events have higher numbers. Nothing else can be concluded from them.
    #[serde(default)]
    pub seq: u64,
    /// When it happened, by the clock of whoever said so.
    pub at: Timestamp,
    /// The task run, unless the event is about the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_run_id: Option<TaskRunId>,
    /// Name of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Number of the try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Which process said so.
    pub worker: String,
    /// What happened.
    #[serde(flatten)]
    pub what: LifecycleEvent,
}

impl RunEvent {
    /// The same event under a number.
    #[must_use]
    pub fn numbered(seq: u64, event: Lifecycle) -> Self {
        let Lifecycle { task_run_id, task, attempt, worker, at, event: what, .. } = event;
        Self { seq, at, task_run_id, task, attempt, worker, what }
    }

    /// Whether both tell the same, whatever their numbers: an event may be told twice.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.at, self.task_run_id, self.attempt) == (other.at, other.task_run_id, other.attempt)
            && self.what == other.what
    }
}
