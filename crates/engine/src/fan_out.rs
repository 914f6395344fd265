//! Tasks that run once per item of a parent's list.

use jiff::Timestamp;
use protocol::workflow::OnFailure;
use protocol::{TaskError, TaskRunId, TaskState};
use uuid::Builder;

use crate::TaskRun;
use crate::machine::Machine;

/// A longer list fails the mapped task instead of flooding the fleet.
pub const MAX_FAN_OUT: u32 = 100_000;

impl Machine<'_> {
    /// Starts a mapped task: one child per item. The task itself runs until its children have ended.
    pub(crate) fn start_children(&mut self, head: usize) {
        let items = match self.items(head) {
            Ok(items) => items,
            Err(error) => {
                self.change(head).error = Some(error);
                return self.end(head, TaskState::Failed);
            }
        };
        let now = self.now;
        let task_run = self.change(head);
        task_run.state = TaskState::Running;
        task_run.queued_at = Some(now);
        task_run.started_at = Some(now);
        let (mapped, task) = (task_run.id, task_run.task.clone());
        for index in 0..items {
            self.add_child(head, TaskRun::with_id(child_id(mapped, index, now), &task, Some(index)));
        }
        if items == 0 {
            self.collect(head);
        }
    }

    /// How many items a mapped task has, or why that cannot be said.
    fn items(&self, head: usize) -> Result<u32, TaskError> {
        let source = self.spec(head).map_over.as_deref().unwrap_or_default();
        let list = self.run.tasks.iter().find(|task_run| task_run.task == source);
        match list.and_then(|list| list.fan_out) {
            Some(items) if items > MAX_FAN_OUT => Err(TaskError::permanent(
                "fan_out_too_large",
                format!("Task {source:?} left a list of {items} items; at most {MAX_FAN_OUT} can be mapped."),
            )),
            Some(items) => Ok(items),
            None => Err(TaskError::permanent(
                "not_a_list",
                format!("Task {source:?} left no list to map over; let it return one, or check why it failed."),
            )),
        }
    }

    /// Draws the consequence of a child's end for its mapped task.
    pub(crate) fn child_ended(&mut self, child: usize) {
        let head = self.head_of(child);
        if self.task_run(head).state != TaskState::Running {
            return;
        }
        let failed = self.task_run(child).state == TaskState::Failed;
        if failed && self.spec(head).on_failure == OnFailure::FailRun {
            self.change(head).error = self.task_run(child).error.clone();
            for nth in 0..self.children[head].len() {
                self.abandon(self.children[head][nth]);
            }
            self.end(head, TaskState::Failed);
        } else if self.open_children[head] == 0 {
            self.collect(head);
        }
    }

    /// Ends a mapped task whose children have all ended well enough. What they left is a list again, which another
    /// task may map over.
    fn collect(&mut self, head: usize) {
        let left = self.children[head].iter().filter(|&&child| self.task_run(child).state == TaskState::Succeeded);
        // `MAX_FAN_OUT` children fit.
        let left = u32::try_from(left.count()).ok();
        self.change(head).fan_out = left;
        self.end(head, TaskState::Succeeded);
    }
}

/// A child's id: a UUIDv7 like any other, but derived from its mapped task's id, its index and the time, because
/// the engine draws no random numbers. Children sort by index.
pub(crate) fn child_id(mapped: TaskRunId, index: u32, now: Timestamp) -> TaskRunId {
    const INDEX_BITS: u32 = 18;
    const { assert!(MAX_FAN_OUT <= 1 << INDEX_BITS) };
    let parent = mapped.as_uuid().into_bytes();
    let mut bytes = [0; 10];
    // UUIDv7 keeps 12 of the first 16 bits and 6 of the next 8; the parent's random bits fill the rest.
    let [_, upper, middle, lower] = (index << 2).to_be_bytes();
    bytes[0] = upper;
    bytes[1] = middle;
    bytes[2] = lower >> 2;
    bytes[3..].copy_from_slice(&parent[9..]);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    TaskRunId::from_uuid(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}
