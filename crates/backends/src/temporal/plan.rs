//! What a walk is told when it begins, and what it hands on to its next leg: documents in Temporal's histories.
//!
//! Walks under way outlive a new version of ours, so fields are added here with a default and never renamed or removed.

use std::time::Duration;

use protocol::workflow::{OnFailure, TaskSpec};
use protocol::{RunId, RunState, TaskState, TenantId};
use serde::{Deserialize, Serialize};

use crate::desk::Standing;
use crate::port::Launch;

/// How much longer than its hard limit an attempt may take before Temporal has it asked for again: it waits for a free slot
/// in its worker first, and handlers may ask for extra time. Asking again is harmless, so this only has to be long enough.
const SLACK: Duration = Duration::from_secs(600);

/// The input of a walk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The run.
    pub run_id: RunId,
    /// Its owner.
    pub tenant: TenantId,
    /// Name of its workflow.
    pub workflow: String,
    /// Version of its workflow.
    pub version: u32,
    /// What the task queues begin with.
    pub prefix: String,
    /// After how many events the walk goes on in a fresh history.
    pub history_events: u32,
    /// The tasks.
    pub tasks: Vec<Step>,
    /// How far earlier legs came, one entry per task that began; nothing in the first leg.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub progress: Vec<Progress>,
}

/// One task as a walk sees it. How often and when it is tried again is the ledger's business alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Name of the task.
    pub name: String,
    /// The queue that it goes to.
    pub queue: String,
    /// Tasks that have to end before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// The parent whose items each get a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_over: Option<String>,
    /// What its failure means for the run.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How long a worker may have one turn in hand before it is asked for again.
    #[serde(rename = "limit_ms", with = "protocol::time::millis")]
    pub limit: Duration,
}

/// How far a walk came with a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the task.
    pub task: String,
    /// How it stands, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// The first child of a mapped task that has not had its turn.
    #[serde(default)]
    pub next_child: u32,
    /// Children before that one whose turn has not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_children: Vec<u32>,
    /// A child failed and with it the task: the others have no turn any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
}

/// How a task ended, as far as a walk has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Where the run stood then.
    pub run: RunState,
    /// How the task ended.
    pub task: TaskState,
    /// How many items it left for a task that is mapped over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<u32>,
}

impl Plan {
    /// The plan of a run that has not begun.
    pub(super) fn new(launch: &Launch, prefix: &str, history_events: u32) -> Self {
        Self {
            run_id: launch.run_id,
            tenant: launch.tenant.clone(),
            workflow: launch.workflow.name.clone(),
            version: launch.workflow.version,
            prefix: prefix.to_owned(),
            history_events,
            tasks: launch.workflow.tasks.iter().map(Step::new).collect(),
            progress: Vec::new(),
        }
    }
}

impl Step {
    fn new(spec: &TaskSpec) -> Self {
        Self {
            name: spec.name.clone(),
            queue: spec.queue.clone(),
            parents: spec.parents.clone(),
            map_over: spec.map_over.clone(),
            on_failure: spec.on_failure,
            limit: spec.timeouts.hard.saturating_add(SLACK),
        }
    }
}

impl Mark {
    /// The mark of a task that has ended.
    pub(super) const fn of(standing: &Standing) -> Self {
        Self { run: standing.run, task: standing.task, fan_out: standing.fan_out }
    }
}

/// The task queue on which walks themselves proceed. No queue of a fleet has its name: those have a dot after the prefix.
pub(super) fn walks_queue(prefix: &str) -> String {
    prefix.to_owned()
}

/// The task queue for the turns of a queue of the fleet.
pub(super) fn turns_queue(prefix: &str, queue: &str) -> String {
    format!("{prefix}.{queue}")
}

/// The id of a run's walk.
pub(super) fn walk_id(prefix: &str, run: RunId) -> String {
    format!("{prefix}-{run}")
}
