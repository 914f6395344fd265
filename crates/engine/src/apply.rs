//! The entrance: which rule answers which event.

use jiff::Timestamp;
use protocol::{RunState, TaskError, TaskRunId};

use crate::machine::Machine;
use crate::{Event, Ignored, Run, Transition};

/// What a rule says when an event has to change nothing: why, and about which task run.
pub(crate) type Verdict = Result<(), (Option<TaskRunId>, Ignored)>;

/// Changes `run` as `event` demands and says what to do about it.
///
/// An event that comes late, twice or out of order changes nothing and is answered with [`crate::Action::Ignored`].
///
/// # Panics
/// When the workflow is not valid ([`protocol::Workflow::validate`]) or `run.tasks` is not as [`Run::tasks`] says.
pub fn apply(run: &mut Run, event: Event, now: Timestamp) -> Transition {
    apply_all(run, [event], now)
}

/// Applies events one after the other, in one transition.
///
/// Costs O(task runs) once and then only what each event touches, so a batch of callbacks for a wide run should come
/// here together. Work that a later event of the batch made pointless is not among the actions.
pub fn apply_all(run: &mut Run, events: impl IntoIterator<Item = Event>, now: Timestamp) -> Transition {
    let mut machine = Machine::new(run, now);
    for (nth, event) in events.into_iter().enumerate() {
        if let Err((task_run, reason)) = machine.handle(event) {
            machine.ignore(nth, task_run, reason);
        }
        machine.settle();
    }
    machine.into_transition()
}

impl Machine<'_> {
    fn handle(&mut self, event: Event) -> Verdict {
        match event {
            Event::Admitted => self.admit(),
            Event::Started { task_run, attempt, worker, at } => self.started(task_run, attempt, worker, at),
            Event::Finished { task_run, attempt, outcome, worker, started_at } => {
                self.finished(task_run, attempt, outcome, worker, started_at)
            }
            Event::Lost { task_run, attempt, error } => self.lost(task_run, attempt, error),
            Event::TimerDue { task_run, attempt } => self.timer_due(task_run, attempt),
            Event::Cancel { reason } => self.stop(RunState::Cancelled, TaskError::permanent("cancelled", reason)),
            Event::DeadlinePassed => {
                let message = "The run did not end before its deadline.";
                self.stop(RunState::Failed, TaskError::permanent("deadline_exceeded", message))
            }
        }
    }

    fn admit(&mut self) -> Verdict {
        match self.run.state {
            RunState::Queued => {
                self.run.state = RunState::Running;
                self.run.started_at = Some(self.now);
                self.run_changed();
                self.start_roots();
                Ok(())
            }
            RunState::Running => Err((None, Ignored::Duplicate)),
            RunState::Succeeded | RunState::Failed | RunState::Cancelled => Err((None, Ignored::AlreadyEnded)),
        }
    }
}
