//! What a transition asks the outside world to do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use protocol::{RunState, TaskRunId};

/// Something to be done after the transition was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish a job for this attempt. The task run is `queued`; the ledger's outbox holds it until published.
    Publish {
        /// Which task run.
        task_run: TaskRunId,
        /// Which attempt.
        attempt: u32,
    },
    /// Send [`crate::Event::TimerDue`] at that time. The task run is `waiting`; the ledger's timers hold it.
    WakeAt {
        /// Which task run.
        task_run: TaskRunId,
        /// The attempt that put it to wait.
        attempt: u32,
        /// When.
        due_at: Timestamp,
    },
    /// Tell whoever works on this attempt to stop.
    Abort {
        /// Which task run.
        task_run: TaskRunId,
        /// Which attempt.
        attempt: u32,
    },
    /// The run reached a final state.
    RunEnded {
        /// Which.
        state: RunState,
    },
    /// The event changed nothing; counted, never an error.
    Ignored {
        /// Which task run, where the event named one.
        task_run: Option<TaskRunId>,
        /// Why.
        reason: Ignored,
    },
}

/// Why an event changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// The run has no such task run.
    UnknownTaskRun,
    /// The attempt is not the current one.
    StaleAttempt,
    /// The same was recorded before.
    Duplicate,
    /// The task run or the run had already ended.
    AlreadyEnded,
    /// The task run is not in a state in which the event means anything.
    NotExpected,
}

impl Ignored {
    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTaskRun => "unknown_task_run",
            Self::StaleAttempt => "stale_attempt",
            Self::Duplicate => "duplicate",
            Self::AlreadyEnded => "already_ended",
            Self::NotExpected => "not_expected",
        }
    }
}

/// What [`crate::apply`] or [`crate::apply_all`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transition {
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// Positions in `run.tasks` that changed or were added and have to be stored.
    pub touched: BTreeSet<usize>,
    /// Whether fields of the run itself changed.
    pub run_changed: bool,
    /// Which of the given events changed nothing, by their position; each has an [`Action::Ignored`] too.
    pub ignored: Vec<usize>,
}
