//! Ends of runs that somebody wants to be told about.

use jiff::Timestamp;
use protocol::{RunId, RunState, TaskError, TenantId};

/// A run that ended and whose owner has to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The run.
    pub run: RunId,
    /// Its owner.
    pub tenant: TenantId,
    /// Name of its workflow.
    pub workflow: String,
    /// How it ended.
    pub state: RunState,
    /// The error that it ended in.
    pub error: Option<TaskError>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it was admitted, unless it ended in line.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
}
