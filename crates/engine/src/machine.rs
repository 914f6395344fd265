//! A run together with the indexes that make each event cost only what it touches.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use protocol::workflow::{OnFailure, TaskSpec};
use protocol::{RunState, TaskRunId, TaskState, Workflow};

use crate::readiness::Gate;
use crate::{Action, Ignored, Run, TaskRun, Transition};

/// A run in motion. Task runs are named by their position in `run.tasks`. The first ones, one per task of the
/// workflow, are *heads* and share their position with their task; a head with `map_over` has *children* behind them.
pub(crate) struct Machine<'run> {
    pub(crate) run: &'run mut Run,
    pub(crate) now: Timestamp,
    workflow: Arc<Workflow>,
    positions: HashMap<TaskRunId, usize>,
    /// Position of the head of each task run; of itself for a head.
    heads: Vec<usize>,
    /// Heads that wait for each head.
    pub(crate) dependents: Vec<Vec<usize>>,
    /// How many parents still keep each head from starting.
    pub(crate) missing: Vec<usize>,
    /// Children of each head.
    pub(crate) children: Vec<Vec<usize>>,
    /// How many children of each head have not ended.
    pub(crate) open_children: Vec<usize>,
    /// How many heads have not ended; the run ends with the last.
    open_heads: usize,
    /// Task runs that ended and whose consequences are still to be drawn.
    ended: VecDeque<usize>,
    transition: Transition,
}

impl<'run> Machine<'run> {
    pub(crate) fn new(run: &'run mut Run, now: Timestamp) -> Self {
        let workflow = Arc::clone(&run.workflow);
        let width = workflow.tasks.len();
        let by_name: HashMap<&str, usize> =
            workflow.tasks.iter().enumerate().map(|(head, spec)| (spec.name.as_str(), head)).collect();

        let mut dependents = vec![Vec::new(); width];
        let mut missing = vec![0; width];
        for (head, spec) in workflow.tasks.iter().enumerate() {
            // A parent named twice is missing twice and opens the gate twice.
            for &parent in spec.parents.iter().filter_map(|parent| by_name.get(parent.as_str())) {
                dependents[parent].push(head);
                let gate = Gate::behind(run.tasks[parent].state, workflow.tasks[parent].on_failure);
                missing[head] += usize::from(gate != Gate::Open);
            }
        }

        let mut heads: Vec<usize> = (0..width).collect();
        let mut children = vec![Vec::new(); width];
        let mut open_children = vec![0; width];
        for (child, task_run) in run.tasks.iter().enumerate().skip(width) {
            let head = by_name[task_run.task.as_str()];
            heads.push(head);
            children[head].push(child);
            open_children[head] += usize::from(!task_run.state.is_final());
        }

        Self {
            now,
            positions: run.tasks.iter().enumerate().map(|(at, task_run)| (task_run.id, at)).collect(),
            heads,
            dependents,
            missing,
            children,
            open_children,
            open_heads: run.tasks[..width].iter().filter(|task_run| !task_run.state.is_final()).count(),
            ended: VecDeque::new(),
            transition: Transition::default(),
            workflow,
            run,
        }
    }

    pub(crate) fn position(&self, id: TaskRunId) -> Option<usize> {
        self.positions.get(&id).copied()
    }

    pub(crate) fn head_of(&self, at: usize) -> usize {
        self.heads[at]
    }

    pub(crate) fn spec(&self, at: usize) -> &TaskSpec {
        &self.workflow.tasks[self.heads[at]]
    }

    pub(crate) fn task_run(&self, at: usize) -> &TaskRun {
        &self.run.tasks[at]
    }

    /// The task run, to be changed: it counts as touched.
    pub(crate) fn change(&mut self, at: usize) -> &mut TaskRun {
        self.transition.touched.insert(at);
        &mut self.run.tasks[at]
    }

    pub(crate) fn run_changed(&mut self) {
        self.transition.run_changed = true;
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.transition.actions.push(action);
    }

    /// Notes that the `nth` event changed nothing.
    pub(crate) fn ignore(&mut self, nth: usize, task_run: Option<TaskRunId>, reason: Ignored) {
        self.transition.ignored.push(nth);
        self.act(Action::Ignored { task_run, reason });
    }

    /// Hands the next attempt of a task run out for work.
    pub(crate) fn release(&mut self, at: usize) {
        let now = self.now;
        let task_run = self.change(at);
        task_run.attempt += 1;
        task_run.state = TaskState::Queued;
        task_run.queued_at = Some(now);
        task_run.started_at = None;
        task_run.due_at = None;
        task_run.worker = None;
        let publish = Action::Publish { task_run: task_run.id, attempt: task_run.attempt };
        self.act(publish);
    }

    /// Ends a task run for good; what follows from it is drawn by [`Self::settle`].
    pub(crate) fn end(&mut self, at: usize, state: TaskState) {
        let now = self.now;
        let task_run = self.change(at);
        task_run.state = state;
        task_run.due_at = None;
        task_run.ended_at = Some(now);
        let head = self.heads[at];
        if head == at {
            self.open_heads -= 1;
        } else {
            self.open_children[head] -= 1;
        }
        self.ended.push_back(at);
    }

    /// Ends a task run whose result nobody needs any more, unless it has ended, and stops whoever works on it.
    pub(crate) fn abandon(&mut self, at: usize) {
        let task_run = &self.run.tasks[at];
        if task_run.state.is_final() {
            return;
        }
        let handed_out = matches!(task_run.state, TaskState::Queued | TaskState::Running);
        if handed_out && !self.is_mapped(at) {
            let abort = Action::Abort { task_run: task_run.id, attempt: task_run.attempt };
            self.act(abort);
        }
        self.end(at, TaskState::Cancelled);
    }

    /// Whether the task run only stands for its children and is never worked on itself.
    pub(crate) fn is_mapped(&self, at: usize) -> bool {
        self.heads[at] == at && self.workflow.tasks[at].map_over.is_some()
    }

    /// Adds children of a head.
    pub(crate) fn add_child(&mut self, head: usize, child: TaskRun) {
        let at = self.run.tasks.len();
        self.positions.insert(child.id, at);
        self.heads.push(head);
        self.children[head].push(at);
        self.open_children[head] += 1;
        self.run.tasks.push(child);
        self.release(at);
    }

    /// Draws the consequences of everything that ended, in the order in which it ended; a work list, because a long
    /// chain of skips would overflow the stack. Ends the run with its last task.
    pub(crate) fn settle(&mut self) {
        while let Some(at) = self.ended.pop_front() {
            if self.heads[at] == at {
                self.open_gates_behind(at);
            } else {
                self.child_ended(at);
            }
        }
        if self.run.state == RunState::Running && self.open_heads == 0 {
            let failure = self.first_failure();
            let state = if failure.is_some() { RunState::Failed } else { RunState::Succeeded };
            self.run.error = failure.and_then(|at| self.run.tasks[at].error.clone());
            self.end_run(state);
        }
    }

    pub(crate) fn end_run(&mut self, state: RunState) {
        self.run.state = state;
        self.run.ended_at = Some(self.now);
        self.run_changed();
        self.act(Action::RunEnded { state });
    }

    /// The head whose failure fails the run: the earliest.
    fn first_failure(&self) -> Option<usize> {
        let decisive = |&head: &usize| {
            self.run.tasks[head].state == TaskState::Failed
                && self.workflow.tasks[head].on_failure == OnFailure::FailRun
        };
        (0..self.workflow.tasks.len()).filter(decisive).min_by_key(|&head| self.run.tasks[head].ended_at)
    }

    /// What was done, without the work that a later event of the same batch withdrew.
    pub(crate) fn into_transition(self) -> Transition {
        let Self { run, positions, mut transition, .. } = self;
        let stands = |id: &TaskRunId, attempt: u32, state: TaskState| {
            let task_run = &run.tasks[positions[id]];
            task_run.attempt == attempt && task_run.state == state
        };
        transition.actions.retain(|action| match action {
            Action::Publish { task_run, attempt } => stands(task_run, *attempt, TaskState::Queued),
            Action::WakeAt { task_run, attempt, .. } => stands(task_run, *attempt, TaskState::Waiting),
            Action::Abort { .. } | Action::RunEnded { .. } | Action::Ignored { .. } => true,
        });
        transition
    }
}
