//! What a run's input at Hatchet says, and what its tasks leave: how they stand on record, no more.

use std::collections::BTreeMap;

use protocol::workflow::OnFailure;
use protocol::{RunId, RunState, TaskError, TaskState, TenantId};
use serde::{Deserialize, Serialize};

use crate::desk::Standing;
use crate::port::Launch;

/// The input of a run: which of ours it is, and what a worker has to know of its workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) run_id: RunId,
    pub(super) tenant: TenantId,
    pub(super) workflow: String,
    pub(super) version: u32,
    /// Tasks whose failure the workflow tolerates: Hatchet must not hear of it, or it cancels what comes behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tolerant: Vec<String>,
    /// Mapped tasks, with what they are mapped over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) mapped: BTreeMap<String, String>,
}

/// What Hatchet hands a worker with a task. Any of it may be missing.
#[derive(Debug, Deserialize)]
pub(super) struct Handed {
    pub(super) input: Order,
    #[serde(default)]
    parents: BTreeMap<String, Option<Left>>,
}

/// What a task leaves behind at Hatchet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) task: TaskState,
    pub(super) run: RunState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fan_out: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<TaskError>,
}

impl Order {
    pub(super) fn of(launch: &Launch) -> Self {
        let tasks = &launch.workflow.tasks;
        let tolerant = tasks.iter().filter(|task| task.on_failure == OnFailure::Continue);
        let mapped = tasks.iter().filter_map(|task| Some((task.name.clone(), task.map_over.clone()?)));
        Self {
            run_id: launch.run_id,
            tenant: launch.tenant.clone(),
            workflow: launch.workflow.name.clone(),
            version: launch.workflow.version,
            tolerant: tolerant.map(|task| task.name.clone()).collect(),
            mapped: mapped.collect(),
        }
    }
}

impl Handed {
    /// How many children a task has: as many as what it is mapped over left items.
    pub(super) fn children(&self, task: &str) -> u32 {
        let source = self.input.mapped.get(task).and_then(|source| self.parents.get(source));
        source.and_then(|left| left.as_ref()?.fan_out).unwrap_or(0)
    }
}

impl Left {
    pub(super) fn of(standing: &Standing) -> Self {
        let error = standing.error.clone().filter(|_| standing.task == TaskState::Failed);
        Self { task: standing.task, run: standing.run, fan_out: standing.fan_out, error }
    }
}
