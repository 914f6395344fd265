//! Wide runs kept in memory between batches: reading 10,000 task runs for each callback of one of them would make
//! a wide run cost the square of its width.

use std::collections::{HashMap, VecDeque};

use engine::Run;
use protocol::RunId;

/// Narrower runs are read faster than they are worth keeping.
pub(crate) const WIDE: usize = 100;

/// Task runs kept in all, which keeps memory in bounds. One run that is wider still is kept alone.
const CAPACITY: usize = 50_000;

/// Something that holds a run.
pub(crate) trait HasRun {
    /// The run.
    fn run(&self) -> &Run;
}

/// Runs as this process last stored them. Whether they are still current is for the ledger to know.
#[derive(Debug)]
pub(crate) struct WideRuns<R> {
    runs: HashMap<RunId, R>,
    /// The same runs, least recently kept first.
    order: VecDeque<RunId>,
    task_runs: usize,
}

impl<R> Default for WideRuns<R> {
    fn default() -> Self {
        Self { runs: HashMap::new(), order: VecDeque::new(), task_runs: 0 }
    }
}

impl<R: HasRun> WideRuns<R> {
    /// Hands out a run. It has to be brought back by [`Self::keep`], after its changes were committed.
    pub(crate) fn take(&mut self, run_id: RunId) -> Option<R> {
        let kept = self.runs.remove(&run_id)?;
        self.order.retain(|kept| *kept != run_id);
        self.task_runs -= kept.run().tasks.len();
        Some(kept)
    }

    /// Keeps a run if it is wide and goes on.
    pub(crate) fn keep(&mut self, kept: R) {
        let (run_id, width) = (kept.run().id, kept.run().tasks.len());
        // Somebody else may have kept the same run meanwhile.
        self.take(run_id);
        if width < WIDE || kept.run().state.is_final() {
            return;
        }
        self.order.push_back(run_id);
        self.runs.insert(run_id, kept);
        self.task_runs += width;
        while self.task_runs > CAPACITY && self.order.len() > 1 {
            self.take(self.order[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{Run, TaskRun};
    use jiff::Timestamp;
    use protocol::{Payload, TenantId, Workflow};

    use super::*;
    use crate::fold::Loaded;

    fn run(width: usize) -> Loaded {
        let workflow = Arc::new(Workflow::named("flow"));
        let mut run = Run::new(RunId::new(), TenantId::default_tenant(), workflow, Timestamp::UNIX_EPOCH);
        run.tasks = (0..width).map(|_| TaskRun::new("task", None)).collect();
        Loaded { run, input: Payload::default() }
    }

    #[test]
    fn the_least_recently_kept_run_makes_room() {
        let mut wide = WideRuns::<Loaded>::default();
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
        let mut wide = WideRuns::<Loaded>::default();
        let [other, widest] = [WIDE, CAPACITY + 1].map(run);
        let (other_id, widest_id) = (other.run.id, widest.run.id);
        wide.keep(other);
        wide.keep(widest);
        assert!(wide.take(other_id).is_none());
        assert!(wide.take(widest_id).is_some());
    }
}
