//! Publication marks, set a moment after the publication.
//!
//! A mark keeps the sweeper from publishing a job again. Most jobs have ended before the sweeper would look at them, so
//! their marks are never written: a row less to change for each of them. Marks that are lost with a process cost a
//! second delivery of what was queued in its last moments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ledger::{Error, Ledger};
use protocol::TaskRunId;

/// How long a mark waits: well below the age at which the sweeper takes a job for stranded.
pub(super) const DELAY: Duration = Duration::from_millis(500);

/// Marks that wait; above this many they are written at once.
const MOST: usize = 20_000;

/// Jobs that were published and not marked yet. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Marks {
    waiting: Arc<Mutex<HashMap<TaskRunId, u32>>>,
}

impl Marks {
    /// Jobs that were published, to be marked soon.
    pub(super) async fn add(
        &self,
        ledger: &Arc<dyn Ledger>,
        published: impl Iterator<Item = (TaskRunId, u32)>,
    ) -> Result<(), Error> {
        let (was_empty, many) = {
            let mut waiting = self.lock();
            let was_empty = waiting.is_empty();
            waiting.extend(published);
            (was_empty, waiting.len() > MOST)
        };
        if many {
            return self.write(ledger.as_ref()).await;
        }
        if was_empty {
            let (marks, ledger) = (self.clone(), Arc::clone(ledger));
            tokio::spawn(async move {
                tokio::time::sleep(DELAY).await;
                if let Err(error) = marks.write(ledger.as_ref()).await {
                    tracing::warn!(error = %error, "published jobs could not be marked; some may be published again");
                }
            });
        }
        Ok(())
    }

    /// These attempts have ended and need no mark any more.
    pub(super) fn ended(&self, attempts: impl Iterator<Item = (TaskRunId, u32)>) {
        let mut waiting = self.lock();
        for (task_run, attempt) in attempts {
            if waiting.get(&task_run).is_some_and(|waiting| *waiting <= attempt) {
                waiting.remove(&task_run);
            }
        }
    }

    /// Writes all marks that wait.
    pub(super) async fn write(&self, ledger: &dyn Ledger) -> Result<(), Error> {
        let marks: Vec<(TaskRunId, u32)> = self.lock().drain().collect();
        if marks.is_empty() {
            return Ok(());
        }
        ledger.mark_published(&marks, Timestamp::now()).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskRunId, u32>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
