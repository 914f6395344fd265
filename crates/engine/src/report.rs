//! What workers, timers and the sweeper report about single attempts.

use std::time::Duration;

use jiff::Timestamp;
use protocol::{ErrorClass, Outcome, TaskError, TaskRunId, TaskState};

use crate::apply::Verdict;
use crate::machine::Machine;
use crate::retry;
use crate::{Action, Ignored};

impl Machine<'_> {
    pub(crate) fn started(&mut self, id: TaskRunId, attempt: u32, worker: String, at: Timestamp) -> Verdict {
        let position = self.expect(id, attempt, |state| match state {
            TaskState::Queued => Ok(()),
            TaskState::Running => Err(Ignored::Duplicate),
            _ => Err(Ignored::NotExpected),
        })?;
        let task_run = self.change(position);
        task_run.state = TaskState::Running;
        task_run.worker = Some(worker);
        task_run.started_at = Some(at);
        Ok(())
    }

    pub(crate) fn finished(
        &mut self,
        id: TaskRunId,
        attempt: u32,
        outcome: Outcome,
        worker: String,
        started_at: Timestamp,
    ) -> Verdict {
        let position = self.expect(id, attempt, under_way)?;
        let task_run = self.change(position);
        task_run.worker = Some(worker);
        task_run.started_at = Some(started_at);
        match outcome {
            Outcome::Done { output, fan_out } => {
                task_run.output = Some(output);
                task_run.fan_out = fan_out;
                self.end(position, TaskState::Succeeded);
            }
            Outcome::Retry { error, after_ms } => self.retry(position, error, after_ms),
            Outcome::Fail { error } => self.fail(position, error),
            Outcome::Snooze { after_ms, state } => {
                task_run.snooze_state = state;
                self.wait(position, Duration::from_millis(after_ms));
            }
        }
        Ok(())
    }

    pub(crate) fn lost(&mut self, id: TaskRunId, attempt: u32, error: TaskError) -> Verdict {
        let position = self.expect(id, attempt, under_way)?;
        self.retry(position, error, None);
        Ok(())
    }

    pub(crate) fn timer_due(&mut self, id: TaskRunId, attempt: u32) -> Verdict {
        let position = self.expect(id, attempt, |state| match state {
            TaskState::Waiting => Ok(()),
            _ => Err(Ignored::NotExpected),
        })?;
        self.release(position);
        Ok(())
    }

    /// The position of the task run, if the event is about its current attempt and `allowed` accepts its state.
    fn expect(
        &self,
        id: TaskRunId,
        attempt: u32,
        allowed: impl FnOnce(TaskState) -> Result<(), Ignored>,
    ) -> Result<usize, (Option<TaskRunId>, Ignored)> {
        let ignore = |reason| (Some(id), reason);
        let position = self.position(id).ok_or(ignore(Ignored::UnknownTaskRun))?;
        let task_run = self.task_run(position);
        if task_run.state.is_final() {
            return Err(ignore(Ignored::AlreadyEnded));
        }
        if task_run.attempt != attempt {
            return Err(ignore(Ignored::StaleAttempt));
        }
        if self.is_mapped(position) {
            // Nobody works on it, its attempt is 0 for ever.
            return Err(ignore(Ignored::NotExpected));
        }
        allowed(task_run.state).map_err(ignore)?;
        Ok(position)
    }

    fn retry(&mut self, position: usize, error: TaskError, after_ms: Option<u64>) {
        let policy = &self.spec(position).retry;
        let task_run = self.task_run(position);
        let again = error.class != ErrorClass::Permanent && task_run.failures + 1 < policy.max_attempts;
        if !again {
            return self.fail(position, error);
        }
        let attempt = (task_run.id, task_run.attempt);
        let delay = retry::pause(policy, error.class, after_ms, task_run.failures, attempt);
        let task_run = self.change(position);
        task_run.failures += 1;
        task_run.error = Some(error);
        self.wait(position, delay);
    }

    fn fail(&mut self, position: usize, error: TaskError) {
        let task_run = self.change(position);
        task_run.failures += 1;
        task_run.error = Some(error);
        self.end(position, TaskState::Failed);
    }

    fn wait(&mut self, position: usize, delay: Duration) {
        let due_at = self.now.checked_add(delay).unwrap_or(Timestamp::MAX);
        let task_run = self.change(position);
        task_run.state = TaskState::Waiting;
        task_run.due_at = Some(due_at);
        let wake = Action::WakeAt { task_run: task_run.id, attempt: task_run.attempt, due_at };
        self.act(wake);
    }
}

/// The callback of an attempt may overtake the report that it started, so both states accept an end.
fn under_way(state: TaskState) -> Result<(), Ignored> {
    match state {
        TaskState::Queued | TaskState::Running => Ok(()),
        TaskState::Waiting => Err(Ignored::Duplicate),
        _ => Err(Ignored::NotExpected),
    }
}
