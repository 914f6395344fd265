//! How values are written into columns and read back, whatever the database.

use engine::{Event, Run, TaskRun};
use jiff::{SignedDuration, Timestamp};
use protocol::{TaskError, TaskRunId, TaskState};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Window};

/// The time as it will be read back: whole microseconds.
pub(crate) fn truncated(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// A value for a JSON column.
pub(crate) fn json<T: Serialize>(what: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| corrupt(what, error))
}

/// The same for a value that may be missing.
pub(crate) fn optional_json<T: Serialize>(what: &'static str, value: Option<&T>) -> Result<Option<String>, Error> {
    value.map(|value| json(what, value)).transpose()
}

/// A value out of a JSON column.
pub(crate) fn parsed<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| corrupt(what, error))
}

/// The error for a stored value that makes no sense.
pub(crate) fn corrupt(what: &'static str, detail: impl std::fmt::Display) -> Error {
    Error::Corrupt { what, detail: detail.to_string() }
}

/// A limit as SQL understands it.
pub(crate) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// How many of the tasks that are handed out to count for a window: as many as fill it, and none for one without end.
pub(crate) fn counted(window: &Window) -> i64 {
    if window.tasks == usize::MAX { 0 } else { rows(window.tasks) }
}

/// When the latest attempt has waited in its queue for too long.
pub(crate) fn expires_at(run: &Run, task_run: &TaskRun) -> Option<Timestamp> {
    if task_run.state != TaskState::Queued {
        return None;
    }
    let limit = run.workflow.spec(&task_run.task)?.timeouts.queue_wait?;
    task_run.queued_at?.checked_add(SignedDuration::try_from(limit).ok()?).ok()
}

/// The event for an attempt whose [`expires_at`] has passed.
pub(crate) fn queue_wait_expired(task_run: TaskRunId, attempt: u32) -> Event {
    let error = TaskError::transient(
        "queue_wait_expired",
        "No worker started the task within the time it may wait in its queue.",
    );
    Event::Lost { task_run, attempt, error }
}
