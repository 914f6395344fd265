//! Running again what an earlier run left undone.

use std::collections::HashSet;

use jiff::Timestamp;
use protocol::{RunId, RunState, TaskState};

use crate::fan_out::child_id;
use crate::{Run, TaskRun};

/// Why a run cannot be run again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAgain {
    /// It is still under way.
    #[error("the run is still {0}")]
    NotEnded(RunState),
    /// Everything in it succeeded, and no task was named to begin with.
    #[error("everything in the run succeeded")]
    NothingLeft,
    /// Its workflow has no task of that name.
    #[error("the run has no task {0:?}")]
    UnknownTask(String),
}

impl Run {
    /// A new run of the same workflow, on the same backend, that begins where this one went wrong: tasks that succeeded are succeeded in it
    /// from the start, with what they left, and are never handed out. Everything else is done again, and so is the
    /// task `from` and whatever comes after a task that is done again.
    ///
    /// A mapped task is carried over whole, with all its children, when it succeeded; otherwise all of it is done again.
    ///
    /// # Errors
    /// [`NotAgain`].
    ///
    /// # Panics
    /// When `tasks` is not as [`Run::tasks`] says.
    pub fn again(&self, id: RunId, from: Option<&str>, now: Timestamp) -> Result<Self, NotAgain> {
        if !self.state.is_final() {
            return Err(NotAgain::NotEnded(self.state));
        }
        if let Some(task) = from
            && self.workflow.spec(task).is_none()
        {
            return Err(NotAgain::UnknownTask(task.to_owned()));
        }
        let carried = self.carried(from);
        if carried.len() == self.workflow.tasks.len() {
            return Err(NotAgain::NothingLeft);
        }
        let mut again = Self::new(id, self.tenant.clone(), self.workflow.clone(), now).on(self.backend);
        let width = self.workflow.tasks.len();
        let (heads, children) = self.tasks.split_at(width);
        for (head, done) in again.tasks.iter_mut().zip(heads) {
            if carried.contains(done.task.as_str()) {
                *head = TaskRun { id: head.id, ..carry(done) };
            }
        }
        for done in children.iter().filter(|child| carried.contains(child.task.as_str())) {
            let head = again.tasks[..width].iter().find(|head| head.task == done.task);
            if let Some((head, index)) = head.zip(done.index) {
                let child = TaskRun { id: child_id(head.id, index, now), ..carry(done) };
                again.tasks.push(child);
            }
        }
        Ok(again)
    }

    /// The tasks that need not be done again: they succeeded, and so did everything before them.
    fn carried(&self, from: Option<&str>) -> HashSet<&str> {
        let tasks = &self.workflow.tasks;
        let succeeded =
            tasks.iter().zip(&self.tasks).filter(|(_, head)| head.state == TaskState::Succeeded).map(|(spec, _)| spec);
        let mut candidates: Vec<_> = succeeded.filter(|spec| Some(spec.name.as_str()) != from).collect();
        let mut carried = HashSet::with_capacity(candidates.len());
        // Tasks may be listed before their parents, so this goes on for as long as one more is found.
        loop {
            let known = carried.len();
            candidates.retain(|spec| {
                let ready = spec.parents.iter().all(|parent| carried.contains(parent.as_str()));
                if ready {
                    carried.insert(spec.name.as_str());
                }
                !ready
            });
            if carried.len() == known {
                return carried;
            }
        }
    }
}

/// A task run as another run takes it over: how it ended and what it left, and no attempt of its own. Who worked on it is
/// kept, because that worker may still have its files.
fn carry(done: &TaskRun) -> TaskRun {
    TaskRun {
        state: done.state,
        ended_at: done.ended_at,
        output: done.output.clone(),
        fan_out: done.fan_out,
        error: done.error.clone(),
        worker: done.worker.clone(),
        ..TaskRun::with_id(done.id, &done.task, done.index)
    }
}
