//! Wide runs kept in memory between batches: reading 10,000 task runs for each callback of one of them would make
//! a wide run cost the square of its width.

use std::collections::{HashMap, VecDeque};

use protocol::RunId;
use sqlx::SqliteConnection;

use crate::Error;
use crate::fold::Loaded;

/// Narrower runs are read faster than they are worth keeping.
const WIDE: usize = 100;

/// Task runs kept in all, which keeps memory in bounds. One run that is wider still is kept alone.
const CAPACITY: usize = 50_000;

/// Runs as the writer last stored them. Whoever holds it is the only one to write.
#[derive(Debug, Default)]
pub(super) struct WideRuns {
    runs: HashMap<RunId, Loaded>,
    /// The same runs, least recently kept first.
    order: VecDeque<RunId>,
    task_runs: usize,
    data_version: i64,
}

impl WideRuns {
    /// Forgets everything when somebody else has written since the last transaction. To be called at the start of
    /// each, on the one connection that writes: SQLite counts the changes that other connections made.
    pub(super) async fn check(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let data_version = sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await?;
        if self.data_version != data_version {
            *self = Self { data_version, ..Self::default() };
        }
        Ok(())
    }

    /// Hands out a run. It has to be brought back by [`Self::keep`], after its changes were committed.
    pub(super) fn take(&mut self, run_id: RunId) -> Option<Loaded> {
        let loaded = self.runs.remove(&run_id)?;
        self.order.retain(|kept| *kept != run_id);
        self.task_runs -= loaded.run.tasks.len();
        Some(loaded)
    }

    /// Keeps a run if it is wide and goes on.
    pub(super) fn keep(&mut self, loaded: Loaded) {
        let width = loaded.run.tasks.len();
        if width < WIDE || loaded.run.state.is_final() {
            return;
        }
        self.order.push_back(loaded.run.id);
        self.runs.insert(loaded.run.id, loaded);
        self.task_runs += width;
        while self.task_runs > CAPACITY && self.order.len() > 1 {
            self.take(self.order[0]);
        }
    }

    /// Forgets everything, after changes that did not go through [`Self::take`].
    pub(super) fn clear(&mut self) {
        *self = Self { data_version: self.data_version, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{Run, TaskRun};
    use jiff::Timestamp;
    use protocol::{Payload, TenantId, Workflow};

    use super::*;

    fn run(width: usize) -> Loaded {
        let workflow = Arc::new(Workflow::named("flow"));
        let mut run = Run::new(RunId::new(), TenantId::default_tenant(), workflow, Timestamp::UNIX_EPOCH);
        run.tasks = (0..width).map(|_| TaskRun::new("task", None)).collect();
        Loaded { run, input: Payload::default() }
    }

    #[test]
    fn the_least_recently_kept_run_makes_room() {
        let mut wide = WideRuns::default();
        let [narrow, first, second, third] = [WIDE - 1, CAPACITY / 2, CAPACITY / 2, WIDE].map(run);
        let [narrow_id, first_id, second_id, third_id] = [&narrow, &first, &second, &third].map(|kept| kept.run.id);
        wide.keep(narrow);
        wide.keep(first);
        wide.keep(second);
        let first = wide.take(first_id).unwrap();
        wide.keep(first);
        wide.keep(third);
        let kept = [narrow_id, first_id, second_id, third_id].map(|run_id| wide.take(run_id).is_some());
        assert_eq!(kept, [false, true, false, true]);
        assert_eq!((wide.task_runs, wide.order.len()), (0, 0));
    }

    #[test]
    fn a_run_wider_than_everything_is_kept_alone() {
        let mut wide = WideRuns::default();
        let [other, widest] = [WIDE, CAPACITY + 1].map(run);
        let (other_id, widest_id) = (other.run.id, widest.run.id);
        wide.keep(other);
        wide.keep(widest);
        assert!(wide.take(other_id).is_none());
        assert!(wide.take(widest_id).is_some());
    }
}
