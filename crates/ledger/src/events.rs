//! What is kept of a batch of events, whatever the database.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use protocol::{Lifecycle, LifecycleEvent, RunEvent, RunId, TaskRunId};
use serde::Serialize;

use crate::Error;
use crate::values::{corrupt, json, parsed};

/// One event as it is stored, without its number.
pub(crate) struct Row {
    pub(crate) run_id: RunId,
    pub(crate) event: String,
}

/// As a [`RunEvent`] is written. The number is a column, run and tenant are known to every reader.
#[derive(Serialize)]
struct Stored<'a> {
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_run_id: Option<TaskRunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    worker: &'a str,
    #[serde(flatten)]
    what: &'a LifecycleEvent,
}

/// The rows for a batch: nothing twice, of each attempt's progress the last, ends of runs last.
pub(crate) fn rows(events: &[Lifecycle]) -> Result<Vec<Row>, Error> {
    let mut latest: HashMap<(Option<TaskRunId>, Option<u32>), usize> = HashMap::new();
    for (place, event) in events.iter().enumerate() {
        if matches!(event.event, LifecycleEvent::Progress { .. }) {
            latest.insert((event.task_run_id, event.attempt), place);
        }
    }
    let overtaken = |place: usize, event: &Lifecycle| {
        matches!(event.event, LifecycleEvent::Progress { .. })
            && latest.get(&(event.task_run_id, event.attempt)) != Some(&place)
    };
    let is_end = |event: &Lifecycle| matches!(event.event, LifecycleEvent::RunEnded { .. });
    let kept = events.iter().enumerate().filter(|(place, event)| !overtaken(*place, event)).map(|(_, event)| event);
    let (ends, others): (Vec<&Lifecycle>, Vec<&Lifecycle>) = kept.partition(|event| is_end(event));
    let mut rows = Vec::with_capacity(ends.len() + others.len());
    let mut seen = HashSet::with_capacity(rows.capacity());
    for event in others.into_iter().chain(ends) {
        let text = json("event", &stored(event))?;
        if seen.insert((event.run_id, text.clone())) {
            rows.push(Row { run_id: event.run_id, event: text });
        }
    }
    Ok(rows)
}

fn stored(event: &Lifecycle) -> Stored<'_> {
    Stored {
        at: event.at,
        task_run_id: event.task_run_id,
        task: event.task.as_deref(),
        attempt: event.attempt,
        worker: &event.worker,
        what: &event.event,
    }
}

/// A stored event, read again.
pub(crate) fn read(seq: i64, text: &str) -> Result<RunEvent, Error> {
    let seq = u64::try_from(seq).map_err(|error| corrupt("event number", error))?;
    Ok(RunEvent { seq, ..parsed("event", text)? })
}

/// A number that a reader named, for a column.
pub(crate) fn column(after: u64) -> i64 {
    i64::try_from(after).unwrap_or(i64::MAX)
}
