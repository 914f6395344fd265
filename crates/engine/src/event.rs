//! What can happen to a run.

use jiff::Timestamp;
use protocol::{Outcome, TaskError, TaskRunId};

/// Something that happened to a run. Any event may arrive late, twice or out of order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The dispatcher admitted the run: its root tasks may start.
    Admitted,
    /// A worker started an attempt.
    Started {
        /// Which task run.
        task_run: TaskRunId,
        /// Which attempt.
        attempt: u32,
        /// Which worker.
        worker: String,
        /// When the handler started, by the worker's clock.
        at: Timestamp,
    },
    /// An attempt ended.
    Finished {
        /// Which task run.
        task_run: TaskRunId,
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// Which worker.
        worker: String,
        /// When the handler started, by the worker's clock.
        started_at: Timestamp,
    },
    /// An attempt was lost: its worker died, its message was poison, or it expired in its queue.
    /// Counts as a failure with that error.
    Lost {
        /// Which task run.
        task_run: TaskRunId,
        /// Which attempt.
        attempt: u32,
        /// Why.
        error: TaskError,
    },
    /// The timer of a waiting task run fired.
    TimerDue {
        /// Which task run.
        task_run: TaskRunId,
        /// The attempt that put it to wait.
        attempt: u32,
    },
    /// Somebody asked to cancel the run.
    Cancel {
        /// Why, one sentence.
        reason: String,
    },
    /// The run's deadline passed.
    DeadlinePassed,
}
