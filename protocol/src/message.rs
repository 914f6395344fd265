//! The messages between dispatcher, workers and callbacks. Each carries its version in `v`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Usage;
use crate::backend::Backend;
use crate::error::TaskError;
use crate::ids::{RunId, TaskRunId, TenantId};
use crate::payload::{Payload, TaskOutput};
use crate::workflow::{CeleryTask, Timeouts};

/// The version written into every message; readers refuse versions they do not know.
pub const WIRE_VERSION: u32 = 1;

/// Dispatcher → worker: run this attempt of this task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// [`WIRE_VERSION`] of the writer.
    pub v: u32,
    /// The run.
    pub run_id: RunId,
    /// The task run; with `attempt` it names the lease and fences the record.
    pub task_run_id: TaskRunId,
    /// Owner of the run.
    pub tenant: TenantId,
    /// Name of the workflow.
    pub workflow: String,
    /// Name of the task.
    pub task: String,
    /// Who executes its run.
    #[serde(default, skip_serializing_if = "Backend::is_default")]
    pub backend: Backend,
    /// How a Celery worker is asked to do it, for a task that is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celery: Option<CeleryTask>,
    /// The task's parents in the order of the workflow, where a Celery worker is called with what they left. Empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// The queue that the job is published to.
    pub queue: String,
    /// The worker that has the run's files, in a sticky workflow: it should have the job if it has room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<String>,
    /// Position in the mapped list, for a child of a mapped task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The ancestor whose list output a child of a mapped task takes its item from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_over: Option<String>,
    /// Number of this try, from 1.
    pub attempt: u32,
    /// How many more attempts there may be after this one; on 0 a handler makes the best of what it has.
    #[serde(default)]
    pub retries_left: u32,
    /// The run's input.
    pub input: Payload,
    /// Outputs of every ancestor that succeeded, by task name.
    #[serde(default)]
    pub outputs: BTreeMap<String, TaskOutput>,
    /// Errors of ancestors whose failure the workflow tolerates, by task name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, TaskError>,
    /// What the handler stored when it snoozed.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub state: Value,
    /// Limits of this attempt.
    pub timeouts: Timeouts,
    /// When the run as a whole gives up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Timestamp>,
    /// When the attempt was released, for queue-wait metrics.
    pub queued_at: Timestamp,
}

impl Job {
    /// A job that belongs to no run: somebody who knows no runs waits for its outcome, and no ledger hears of it. First attempt,
    /// no retries, limits as usual; its ids are new.
    #[must_use]
    pub fn of_no_run(task: impl Into<String>, queue: impl Into<String>, input: Value, now: Timestamp) -> Self {
        Self {
            v: WIRE_VERSION,
            run_id: RunId::new(),
            task_run_id: TaskRunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: String::new(),
            task: task.into(),
            backend: Backend::default(),
            celery: None,
            queue: queue.into(),
            preferred: None,
            index: None,
            map_over: None,
            attempt: 1,
            retries_left: 0,
            input: Payload::Inline(input),
            outputs: BTreeMap::new(),
            parents: Vec::new(),
            errors: BTreeMap::new(),
            state: Value::Null,
            timeouts: Timeouts::default(),
            deadline_at: None,
            queued_at: now,
        }
    }

    /// Whether it belongs to a run: then it is one of a workflow, and workflows have names.
    #[must_use]
    pub fn is_of_a_run(&self) -> bool {
        !self.workflow.is_empty()
    }
}

/// How an attempt ended: what a handler returns, after the runner added what only it knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The task is done.
    Done {
        /// What it leaves for its descendants.
        output: Payload,
        /// Length of the list in `output` that a mapped child task runs over, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fan_out: Option<u32>,
    },
    /// Try again later; counts against the task's maximum number of attempts.
    Retry {
        /// Why; its class decides the delay.
        error: TaskError,
        /// A delay the provider asked for (`Retry-After`), in milliseconds; wins over the curve.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
    /// Give up.
    Fail {
        /// Why.
        error: TaskError,
    },
    /// Look again later, for instance while a remote service works; counts against nothing.
    Snooze {
        /// When, in milliseconds from now.
        after_ms: u64,
        /// Handed to the next attempt as [`Job::state`].
        #[serde(default)]
        state: Value,
    },
}

/// Worker → fleet: an attempt ended like this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    /// [`WIRE_VERSION`] of the writer.
    pub v: u32,
    /// The run.
    pub run_id: RunId,
    /// The task run.
    pub task_run_id: TaskRunId,
    /// Number of the try that ended.
    pub attempt: u32,
    /// Which worker instance ran it.
    pub worker: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When the handler started.
    pub started_at: Timestamp,
    /// When the handler ended.
    pub ended_at: Timestamp,
    /// What the attempt consumed at providers.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
}

/// Worker → `logging`: something worth telling a watcher. Losing one never affects a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// [`WIRE_VERSION`] of the writer.
    pub v: u32,
    /// The run.
    pub run_id: RunId,
    /// Owner of the run.
    pub tenant: TenantId,
    /// The task run, unless the event is about the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_run_id: Option<TaskRunId>,
    /// Name of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Number of the try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Which process says so.
    pub worker: String,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub event: LifecycleEvent,
}

/// What a [`Lifecycle`] message reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LifecycleEvent {
    /// The handler was started.
    Started,
    /// The handler got on.
    Progress {
        /// Units finished.
        done: u64,
        /// Units in all, 0 where unknown.
        total: u64,
        /// One phrase for a person: `page 3 of 12`.
        message: String,
    },
    /// A line for the run's log.
    Log {
        /// `debug`, `info`, `warn` or `error`.
        level: String,
        /// One sentence, without document content or secrets.
        message: String,
    },
    /// The attempt ended; `state` is the word for how (`succeeded`, `retry`, `failed`, `snoozed`).
    Ended {
        /// How.
        state: String,
        /// Wall time of the handler in milliseconds.
        ms: u64,
    },
    /// The run as a whole ended.
    RunEnded {
        /// How.
        state: crate::state::RunState,
    },
}
