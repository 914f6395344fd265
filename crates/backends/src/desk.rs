//! Where an engine that walks workflows itself comes for each task, and says how it ended.
//!
//! The ledger is the referee: it knows what has been done, which attempt is the current one and whether the run is still
//! wanted. So an engine that asks twice, too early, too late or for a run that was cancelled does no harm.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use protocol::{Callback, Job, RunId, RunState, TaskError, TaskState, TenantId, Workflow};
use serde::{Deserialize, Serialize};

/// The dispatcher as hosts of other engines ask it.
#[async_trait]
pub trait Desk: Send + Sync {
    /// An engine's turn for a task has come: what is there to do? Repeating the question is harmless: as long as the attempt
    /// has not ended, the same job comes again.
    ///
    /// # Errors
    /// [`Away`] when nobody can say; ask again.
    async fn begin(&self, turn: &Turn) -> Result<Begun, Away>;

    /// An attempt ended like this. Returns how the task stands once that is on record: an engine goes on only then.
    ///
    /// # Errors
    /// [`Away`] when it is not on record; tell again.
    async fn report(&self, callback: Callback) -> Result<Standing, Away>;

    /// The latest version of every workflow: what an engine may come for.
    ///
    /// # Errors
    /// [`Away`].
    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Away>;
}

/// One task of a run whose turn has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// The run.
    pub run_id: RunId,
    /// Its owner.
    pub tenant: TenantId,
    /// Name of the task.
    pub task: String,
    /// Position in the mapped list, for a child of a mapped task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
}

/// What there is to do for a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Begun {
    /// This attempt is to be made.
    Work {
        /// The job.
        job: Box<Job>,
    },
    /// Nothing now; it stands like this.
    Stands(Standing),
}

/// How a task stands on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Where the run stands.
    pub run: RunState,
    /// Where the task stands. A task that `waits` is to be asked for again after `again_in`; one that is final is done with.
    pub task: TaskState,
    /// When to ask again, in milliseconds, unless it is final: for its timer, or for whoever has to be recorded before.
    #[serde(
        default,
        rename = "again_in_ms",
        with = "protocol::time::optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub again_in: Option<Duration>,
    /// How many items its output holds for a mapped child task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<u32>,
    /// Its latest error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
}

/// Nobody could be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the dispatcher cannot be asked: {0}")]
pub struct Away(pub String);

/// Nobody: for workers that host no engine whose tasks are begun at a desk.
#[derive(Clone, Debug)]
pub struct NoDesk(
    /// Why there is none.
    pub String,
);

#[async_trait]
impl Desk for NoDesk {
    async fn begin(&self, _: &Turn) -> Result<Begun, Away> {
        Err(Away(self.0.clone()))
    }

    async fn report(&self, _: Callback) -> Result<Standing, Away> {
        Err(Away(self.0.clone()))
    }

    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Away> {
        Err(Away(self.0.clone()))
    }
}
