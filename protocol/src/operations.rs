//! What operators see of a running fleet, as the HTTP API tells it and the command line reads it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::presence::Presence;
use crate::{RunId, TaskError, TaskRunId, TaskState, TenantId};

/// `GET /api/v1/workers`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// Every living process of the fleet, by role and name.
    pub workers: Vec<Presence>,
}

/// `GET /api/v1/queues`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queues {
    /// Every queue of the fleet.
    pub queues: Vec<Queue>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name, without prefix.
    pub name: String,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages with consumers; null where the broker does not tell.
    pub unacked: Option<u64>,
    /// How many consumers it has.
    pub consumers: u64,
    /// Task runs of this queue that a worker has started.
    pub running: u64,
    /// For how long its longest waiting job has waited, in seconds; null when none waits.
    pub oldest_age_seconds: Option<f64>,
}

/// `GET /api/v1/tasks?state=active`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveTasks {
    /// The longest released first.
    pub tasks: Vec<ActiveTask>,
}

/// A task run whose job is on the broker or with a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveTask {
    /// Where it belongs.
    #[serde(flatten)]
    pub place: TaskPlace,
    /// `queued` or `running`.
    pub state: TaskState,
    /// When its job was released.
    pub queued_at: Timestamp,
    /// When a worker started it.
    pub started_at: Option<Timestamp>,
    /// That worker.
    pub worker: Option<String>,
}

/// `GET /api/v1/tasks?state=scheduled`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledTasks {
    /// The next due first.
    pub tasks: Vec<ScheduledTask>,
}

/// A task run that waits for its timer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledTask {
    /// Where it belongs.
    #[serde(flatten)]
    pub place: TaskPlace,
    /// When it goes on.
    pub due_at: Timestamp,
    /// `retry` or `snooze`.
    pub reason: Waiting,
    /// How many of its attempts failed.
    pub failures: u32,
    /// What is tried again.
    pub error: Option<TaskError>,
}

/// Why a task run waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// It failed and is tried again.
    Retry,
    /// It asked to be called again later.
    Snooze,
}

/// Where a task run belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// `GET /api/v1/dead-letters`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// In the order in which they would be delivered.
    pub dead_letters: Vec<DeadLetter>,
    /// Pass it as `skip` for the next page; null at the end.
    pub next: Option<usize>,
}

/// A message that nobody could handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Of the message; several letters may share it.
    pub id: String,
    /// The queue it died in; null for what did not die in a queue of this fleet.
    pub queue: Option<String>,
    /// Why: `delivery_limit`, or what the consumer said.
    pub reason: Option<String>,
    /// How often it was delivered.
    pub deliveries: Option<u32>,
    /// When it died, where known.
    pub died_at: Option<Timestamp>,
    /// What travelled beside its content.
    pub headers: BTreeMap<String, String>,
    /// Its content: JSON as it is, anything else as one string.
    pub body: Value,
}

/// Body of `POST /api/v1/dead-letters/replay` and `/drop`: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterSelection {
    /// Those with these ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Those that died in this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Every one, if true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
}

/// Answer to a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// How many are in their queues again.
    pub replayed: u64,
    /// How many of the selected stay, because they name no queue of this fleet.
    pub kept: u64,
}

/// Answer to a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many are gone.
    pub dropped: u64,
}
