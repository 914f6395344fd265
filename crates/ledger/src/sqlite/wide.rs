//! Wide runs kept in memory between batches: reading 10,000 task runs for each callback of one of them would make
//! a wide run cost the square of its width.

use std::collections::{HashMap, VecDeque};

use protocol::RunId;
use sqlx::SqliteConnection;

use crate::Error;
use crate::fold::Loaded;

/// Narrower runs are read faster than they are worth keeping.
const WIDE: usize = 100;

/// Task runs kept in all; what keeps memory in bounds.
const CAPACITY: usize = 50_000;

/// Runs as the writer last stored them. Whoever holds it is the only one to write.
#[derive(Debug, Default)]
pub(super) struct WideRuns {
    runs: HashMap<RunId, Loaded>,
    /// Oldest first; may name runs that are gone.
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
        self.task_runs -= loaded.run.tasks.len();
        Some(loaded)
    }

    /// Keeps a run if it is wide and goes on.
    pub(super) fn keep(&mut self, loaded: Loaded) {
        let width = loaded.run.tasks.len();
        if width < WIDE || loaded.run.state.is_final() {
            return;
        }
        self.order.retain(|run_id| *run_id != loaded.run.id);
        self.order.push_back(loaded.run.id);
        self.runs.insert(loaded.run.id, loaded);
        self.task_runs += width;
        while self.task_runs > CAPACITY {
            let Some(oldest) = self.order.pop_front() else { break };
            self.take(oldest);
        }
    }

    /// Forgets everything, after changes that did not go through [`Self::take`].
    pub(super) fn clear(&mut self) {
        *self = Self { data_version: self.data_version, ..Self::default() };
    }
}
