//! What a worker is told: the job for a released task run, with what its ancestors left behind.

use std::collections::BTreeMap;

use protocol::message::WIRE_VERSION;
use protocol::workflow::{Arguments, OnFailure, TaskSpec};
use protocol::{Job, Payload, TaskError, TaskOutput, TaskRunId, TaskState};

use crate::{Run, TaskRun};

impl Run {
    /// The job for the current attempt of a task run, or `None` when there is nothing to be worked on: the task run
    /// is unknown, not `queued`, or only stands for its children.
    #[must_use]
    pub fn job(&self, task_run: TaskRunId, input: &Payload) -> Option<Job> {
        self.job_for(self.task_run(task_run)?, input)
    }

    /// [`Run::job`] for a task run at hand, without looking it up.
    #[must_use]
    pub fn job_for(&self, task_run: &TaskRun, input: &Payload) -> Option<Job> {
        if task_run.state != TaskState::Queued {
            return None;
        }
        let spec = self.workflow.spec(&task_run.task)?;
        let called_with_parents = spec.celery.as_ref().is_some_and(|call| call.arguments == Arguments::Parents);
        Some(Job {
            v: WIRE_VERSION,
            run_id: self.id,
            task_run_id: task_run.id,
            tenant: self.tenant.clone(),
            workflow: self.workflow.name.clone(),
            task: task_run.task.clone(),
            backend: self.backend,
            celery: spec.celery.clone(),
            parents: if called_with_parents { spec.parents.clone() } else { Vec::new() },
            queue: spec.queue.clone(),
            preferred: self.preferred_worker(task_run, spec),
            index: task_run.index,
            map_over: spec.map_over.clone(),
            attempt: task_run.attempt,
            retries_left: spec.retry.max_attempts.saturating_sub(task_run.failures.saturating_add(1)),
            input: input.clone(),
            outputs: self.ancestor_outputs(&task_run.task),
            errors: self.ancestor_errors(&task_run.task),
            state: task_run.snooze_state.clone(),
            timeouts: spec.timeouts.clone(),
            deadline_at: self.deadline_at,
            queued_at: task_run.queued_at?,
        })
    }

    /// The worker that ran the parent which ended last: it has the files that this task run needs next. Nobody for the
    /// children of a map, which would all go to one worker, and after a failure, which another worker may be spared.
    fn preferred_worker(&self, task_run: &TaskRun, spec: &TaskSpec) -> Option<String> {
        if !self.workflow.sticky || task_run.index.is_some() || task_run.failures > 0 {
            return None;
        }
        let parents = spec.parents.iter().filter_map(|parent| self.head(parent));
        parents.max_by_key(|parent| parent.ended_at)?.worker.clone()
    }

    /// The queue that jobs of a task go to.
    #[must_use]
    pub fn queue_of(&self, task: &str) -> Option<&str> {
        self.workflow.spec(task).map(|spec| spec.queue.as_str())
    }

    /// What the ancestors of a task left behind, by task name. Of a mapped ancestor those children that succeeded,
    /// in the order of the list they were mapped over.
    #[must_use]
    pub fn ancestor_outputs(&self, task: &str) -> BTreeMap<String, TaskOutput> {
        let output = |spec: &TaskSpec| {
            let head = self.head(&spec.name).filter(|head| head.state == TaskState::Succeeded)?;
            if spec.map_over.is_none() {
                return head.output.clone().map(TaskOutput::One);
            }
            let mut children: Vec<&TaskRun> =
                self.children(&spec.name).filter(|child| child.state == TaskState::Succeeded).collect();
            children.sort_unstable_by_key(|child| child.index);
            Some(TaskOutput::Many(children.into_iter().filter_map(|child| child.output.clone()).collect()))
        };
        let ancestors = self.workflow.ancestors(task).into_iter();
        ancestors.filter_map(|spec| Some((spec.name.clone(), output(spec)?))).collect()
    }

    /// The errors of ancestors whose failure the workflow tolerates, by task name. For a mapped ancestor of which
    /// only some children failed, the error of the first of them in the list's order.
    #[must_use]
    pub fn ancestor_errors(&self, task: &str) -> BTreeMap<String, TaskError> {
        let error = |spec: &TaskSpec| {
            let failed = |task_run: &&TaskRun| task_run.state == TaskState::Failed;
            let first_child = || self.children(&spec.name).filter(failed).min_by_key(|child| child.index);
            let task_run = self.head(&spec.name).filter(failed).or_else(first_child)?;
            task_run.error.clone()
        };
        let ancestors = self.workflow.ancestors(task).into_iter();
        let tolerated = ancestors.filter(|spec| spec.on_failure == OnFailure::Continue);
        tolerated.filter_map(|spec| Some((spec.name.clone(), error(spec)?))).collect()
    }

    fn head(&self, task: &str) -> Option<&TaskRun> {
        self.tasks.iter().find(|task_run| task_run.index.is_none() && task_run.task == task)
    }

    fn children(&self, task: &str) -> impl Iterator<Item = &TaskRun> {
        self.tasks[self.workflow.tasks.len()..].iter().filter(move |child| child.task == task)
    }
}
