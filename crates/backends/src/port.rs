//! What every backend can be asked, and what it answers.
//!
//! Whatever backend a run is on, the ledger keeps it: run, attempts, results, usage. So status, results and lists are the
//! same calls everywhere, and a backend only carries and schedules. There are two kinds:
//!
//! - *Carriers* (`fleet`, `embedded`, `celery`): our engine says what is next, and the backend takes each job to a worker.
//! - *Walkers* (`temporal`, `hatchet`, `inngest`): an engine of its own walks the workflow, so that its dashboard shows the
//!   real graph. When its turn for a task comes, it asks the [`Desk`](crate::desk::Desk) for the job and tells it how the
//!   attempt ended; the ledger stays the referee.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::{Backend as Name, Job, RunId, RunState, TaskRunId, TenantId, Workflow};
use serde_json::Value;

pub use capabilities::{Ability, Capabilities, Lacking, Support};

mod capabilities;

/// Something besides our own broker that executes workflows. One file per implementation.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Which one it is.
    fn name(&self) -> Name;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes a workflow known to it. Again and again is harmless. [`Backend::start`] does the same for a workflow that the
    /// backend did not hear of, because it was away.
    ///
    /// # Errors
    /// [`Error`] when it is away or refuses the workflow.
    async fn register(&self, workflow: &Workflow) -> Result<(), Error>;

    /// Takes over runs that were admitted. A walker starts each in its engine, under the run's id, so that starting it again
    /// changes nothing; a carrier has nothing to do here. Returns when the backend has taken responsibility for all of them.
    ///
    /// # Errors
    /// [`Error`]: some may have been started. All are offered again later.
    async fn start(&self, runs: &[Launch]) -> Result<(), Error>;

    /// Takes jobs that became ready to workers. A walker has nothing to do: it comes for them itself.
    ///
    /// # Errors
    /// [`Error`]: some may have been handed out. All are offered again later.
    async fn hand_out(&self, jobs: &[Job]) -> Result<(), Error>;

    /// Tells workers that nobody waits for these attempts any more. A walker has nothing to do: its tasks ask the desk.
    ///
    /// # Errors
    /// [`Error`] when it is away.
    async fn abort(&self, _attempts: &[Attempt]) -> Result<(), Error> {
        Ok(())
    }

    /// Ends its part of a run that ended on record before the backend came to its end: cancelled, failed, past its deadline.
    /// Runs that it does not know, or that ended there, are left alone.
    ///
    /// # Errors
    /// [`Error`] when it is away.
    async fn stop(&self, run: RunId, reason: &str) -> Result<(), Error>;

    /// Sends a named signal to a run there.
    ///
    /// # Errors
    /// [`Error`] when it is away, does not know the run or knows no signals.
    async fn signal(&self, run: RunId, name: &str, payload: &Value) -> Result<(), Error>;

    /// What it says about a run itself; the ledger is the truth, this is for finding what was lost on the way.
    ///
    /// # Errors
    /// [`Error`] when it is away.
    async fn look(&self, run: RunId) -> Result<Sight, Error>;

    /// Whether it could work now.
    ///
    /// # Errors
    /// What is missing, one phrase.
    async fn health(&self) -> Result<(), String>;
}

/// A run that a backend takes over.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The run; names it in the backend too.
    pub run_id: RunId,
    /// Its owner.
    pub tenant: TenantId,
    /// What is executed.
    pub workflow: Arc<Workflow>,
}

/// An attempt at a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The run.
    pub run_id: RunId,
    /// The task run.
    pub task_run_id: TaskRunId,
    /// Its number.
    pub attempt: u32,
}

/// What a backend says about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It has it in hand.
    UnderWay,
    /// It came to an end there.
    Ended(RunState),
    /// It has never heard of it, or forgot it.
    Unknown,
}

/// A call to a backend that did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is away; trying again may help.
    #[error("{backend} is not available: {reason}")]
    Unavailable {
        /// Which.
        backend: Name,
        /// Its words.
        reason: String,
    },
    /// It does not want what it was asked for; trying again does not help.
    #[error("{backend} refuses: {reason}")]
    Refused {
        /// Which.
        backend: Name,
        /// Its words, and what to do.
        reason: String,
    },
}
