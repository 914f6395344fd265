//! Ending a run before its time: by request or at its deadline.

use protocol::{RunState, TaskError};

use crate::Ignored;
use crate::apply::Verdict;
use crate::machine::Machine;

impl Machine<'_> {
    /// Ends the run in `state` with everything in it that has not ended. A failure that had doomed the run before is
    /// left to its task run; the run says why it ended now.
    pub(crate) fn stop(&mut self, state: RunState, error: TaskError) -> Verdict {
        if self.run.state.is_final() {
            return Err((None, Ignored::AlreadyEnded));
        }
        for at in 0..self.run.tasks.len() {
            self.abandon(at);
        }
        self.run.error = Some(error);
        self.end_run(state);
        Ok(())
    }
}
