//! What the HTTP API answers, as far as the command line reads it. With `--json` answers are passed on as they came.

use protocol::result::StageSummary;
use protocol::{Backend, RunEvent, RunId, RunState, Timestamp};
use serde::Deserialize;

/// To a submission.
#[derive(Debug, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) run_id: RunId,
    /// False when the idempotency key had started this run before.
    pub(crate) created: bool,
}

/// Where a run stands.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) run_id: RunId,
    /// Older fleets do not tell.
    #[serde(default)]
    pub(crate) backend: Backend,
    pub(crate) status: RunState,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) stages: Vec<StageSummary>,
}

/// A page of runs.
#[derive(Debug, Deserialize)]
pub(crate) struct Runs {
    pub(crate) runs: Vec<Listed>,
    pub(crate) next: Option<RunId>,
}

/// One run of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    pub(crate) run_id: RunId,
    pub(crate) workflow: String,
    /// Older fleets do not tell.
    #[serde(default)]
    pub(crate) backend: Backend,
    #[serde(default)]
    pub(crate) shadow_of: Option<RunId>,
    pub(crate) status: RunState,
    pub(crate) created_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
}

/// A page of what was told about a run.
#[derive(Debug, Deserialize)]
pub(crate) struct Events {
    pub(crate) events: Vec<RunEvent>,
    pub(crate) next: u64,
    pub(crate) ended: bool,
}
