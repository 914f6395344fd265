//! Turns of tasks as Temporal hands them out to workers: the one activity that it knows of us.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use protocol::{TaskError, TaskState};
use temporalio_common::RetryPolicy;
use temporalio_common::error::{ApplicationErrorCategory, IncomingError};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::error::{ActivityExecutionError, ApplicationFailure};
use tokio::time::Instant;

use super::plan::Mark;
use crate::desk::{Begun, Turn};
use crate::host::{Ending, Intake};

/// After how long without a sign of life a worker counts as lost, and somebody else gets its turns.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(10);

/// How often a worker gives a sign of life for every turn that it has in hand; also how soon it hears of a cancellation.
pub(super) const BEAT: Duration = Duration::from_secs(2);

/// How soon a turn is handed out again after its worker was lost. Whatever else delays it, the ledger says so.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The shortest delay. None at all means to Temporal that there is no next time.
const SOONEST: Duration = Duration::from_millis(10);

/// Does turns by handing them in at the worker.
#[derive(Clone)]
pub(crate) struct Turns {
    intake: Intake,
}

impl Turns {
    pub(super) const fn new(intake: Intake) -> Self {
        Self { intake }
    }

    /// What to say when Temporal does not want the end of a turn any more: how it stands, if its run has ended on record,
    /// so that the walk ends as the run did. What is worked on is left to the worker, which hears from the ledger whether
    /// to stop.
    async fn called_off(&self, turn: &Turn) -> Option<Ending> {
        match self.intake.desk().begin(turn).await {
            Ok(Begun::Stands(standing)) if standing.run.is_final() => Some(Ending::Ended(standing)),
            Ok(_) | Err(_) => None,
        }
    }
}

#[activities]
impl Turns {
    /// Does one turn. An end on record completes it; a failure on record fails it for good; everything else fails it until
    /// the time at which it is to be tried again.
    #[activity(name = "task")]
    pub(crate) async fn turn(self: Arc<Self>, ctx: ActivityContext, turn: Turn) -> Result<Mark, ActivityError> {
        let mut serving = pin!(self.intake.serve(&turn));
        // Most turns end before the first one is due.
        let mut beats = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
        let ending = loop {
            tokio::select! {
                ending = &mut serving => break ending,
                () = ctx.cancelled() => break self.called_off(&turn).await.ok_or_else(ActivityError::cancelled)?,
                _ = beats.tick() => ctx.record_heartbeat(()).await?,
            }
        };
        match ending {
            Ending::Ended(standing) => {
                let mark = Mark::of(&standing);
                match standing.task {
                    TaskState::Failed => Err(failed(&turn, standing.error, mark).into()),
                    _ => Ok(mark),
                }
            }
            Ending::Again { after, error } => Err(again(&turn, after, error).into()),
        }
    }
}

/// How often and when Temporal tries again by itself: for ever. The ledger counts attempts and says when the next is due.
pub(super) fn retry_policy() -> RetryPolicy {
    RetryPolicy::builder().initial_interval(AT_ONCE).backoff_coefficient(1.0).maximum_attempts(0).build()
}

/// The mark of a task whose failure is on record.
pub(super) fn mark_of(error: &ActivityExecutionError) -> Option<Mark> {
    match error.reason()? {
        IncomingError::Application(failure) => failure.details::<Mark>().ok().flatten(),
        _ => None,
    }
}

fn failed(turn: &Turn, error: Option<TaskError>, mark: Mark) -> ApplicationFailure {
    let (code, words) = error.map_or_else(|| ("failed".to_owned(), String::new()), named);
    let words = if words.is_empty() { format!("task {:?} failed", turn.task) } else { words };
    ApplicationFailure::builder(words).type_name(code).non_retryable(true).details(mark).build()
}

/// Benign unless an attempt failed: a task that waits is no cause for alarm.
fn again(turn: &Turn, after: Duration, error: Option<TaskError>) -> ApplicationFailure {
    let category = match error {
        Some(_) => ApplicationErrorCategory::Unspecified,
        None => ApplicationErrorCategory::Benign,
    };
    let (code, words) = error.map_or_else(
        || ("again".to_owned(), format!("task {:?} is to be asked for again in {after:?}", turn.task)),
        named,
    );
    let delay = after.max(SOONEST);
    ApplicationFailure::builder(words).type_name(code).next_retry_delay(delay).category(category).build()
}

fn named(error: TaskError) -> (String, String) {
    (error.code, error.message)
}
