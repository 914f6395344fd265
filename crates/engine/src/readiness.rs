//! When a task may start, and when it never will.

use protocol::TaskState;
use protocol::workflow::OnFailure;

use crate::machine::Machine;

/// What a parent means for the tasks behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It has not ended.
    Waiting,
    /// As far as this parent is concerned the task may start.
    Open,
    /// The task can never start.
    Closed,
}

impl Gate {
    /// The truth table. A task is skipped only behind a failure that nobody tolerates, so a skipped parent closes the
    /// gate whatever its own policy says: that policy speaks of the parent's failure, not of somebody's before it.
    pub(crate) const fn behind(parent: TaskState, on_failure: OnFailure) -> Self {
        match (parent, on_failure) {
            (TaskState::Blocked | TaskState::Queued | TaskState::Running | TaskState::Waiting, _) => Self::Waiting,
            (TaskState::Succeeded, _) | (TaskState::Failed, OnFailure::Continue) => Self::Open,
            (TaskState::Failed, OnFailure::FailRun) | (TaskState::Skipped | TaskState::Cancelled, _) => Self::Closed,
        }
    }
}

impl Machine<'_> {
    /// Starts everything that waits for nobody: tasks without parents, and those behind tasks that an earlier run did.
    pub(crate) fn start_roots(&mut self) {
        for head in 0..self.missing.len() {
            if self.missing[head] == 0 && self.task_run(head).state == TaskState::Blocked {
                self.start(head);
            }
        }
    }

    /// Starts or skips the tasks behind a head that ended.
    pub(crate) fn open_gates_behind(&mut self, parent: usize) {
        let gate = Gate::behind(self.task_run(parent).state, self.spec(parent).on_failure);
        for nth in 0..self.dependents[parent].len() {
            let head = self.dependents[parent][nth];
            if self.task_run(head).state != TaskState::Blocked {
                continue;
            }
            match gate {
                Gate::Waiting => {}
                Gate::Open => {
                    self.missing[head] -= 1;
                    if self.missing[head] == 0 {
                        self.start(head);
                    }
                }
                Gate::Closed => self.end(head, TaskState::Skipped),
            }
        }
    }

    fn start(&mut self, head: usize) {
        if self.is_mapped(head) {
            self.start_children(head);
        } else {
            self.release(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs_behind_a_failure_that_nobody_tolerates() {
        use Gate::{Closed, Open, Waiting};
        let table = [
            // parent               FailRun   Continue
            (TaskState::Blocked, Waiting, Waiting),
            (TaskState::Queued, Waiting, Waiting),
            (TaskState::Running, Waiting, Waiting),
            (TaskState::Waiting, Waiting, Waiting),
            (TaskState::Succeeded, Open, Open),
            (TaskState::Failed, Closed, Open),
            (TaskState::Skipped, Closed, Closed),
            (TaskState::Cancelled, Closed, Closed),
        ];
        for (parent, fail_run, go_on) in table {
            assert_eq!(Gate::behind(parent, OnFailure::FailRun), fail_run, "{parent}, FailRun");
            assert_eq!(Gate::behind(parent, OnFailure::Continue), go_on, "{parent}, Continue");
        }
    }
}
