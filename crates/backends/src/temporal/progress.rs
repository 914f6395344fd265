//! How far a walk is: which tasks may begin, which children are next, whether it is over. Pure, so that it can be tested
//! without an engine, and the same in every replay.

use std::collections::BTreeSet;

use protocol::workflow::OnFailure;
use protocol::{RunState, TaskState};

use super::plan::{Mark, Plan, Progress};

/// How many children of mapped tasks have their turn at a time. Temporal refuses a workflow more than two thousand open
/// activities, and keeps all of them at hand for every step.
const OPEN_CHILDREN: usize = 400;

/// Even with many mapped tasks, each gets on.
const FEWEST_LANES: usize = 10;

/// The state of a walk.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) plan: Plan,
    steps: Vec<State>,
    /// The run ended on record.
    over: Option<RunState>,
    /// The history is long enough: nothing new begins in this leg.
    rolling: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    mark: Option<Mark>,
    next_child: u32,
    open_children: BTreeSet<u32>,
    /// Children of an earlier leg that have to be asked for again.
    again: Vec<u32>,
    /// A child failed and with it the task: the rest is off.
    broken: bool,
}

impl Walk {
    /// Takes up where the plan says that earlier legs ended.
    pub(super) fn new(plan: Plan) -> Self {
        let mut steps = vec![State::default(); plan.tasks.len()];
        for progress in &plan.progress {
            let Some(at) = plan.tasks.iter().position(|step| step.name == progress.task) else { continue };
            steps[at] = State {
                mark: progress.mark.clone(),
                next_child: progress.next_child,
                again: progress.open_children.iter().rev().copied().collect(),
                open_children: BTreeSet::new(),
                broken: progress.broken,
            };
        }
        Self { plan, steps, over: None, rolling: false }
    }

    /// Whether everything before a task has ended.
    pub(super) fn is_ready(&self, at: usize) -> bool {
        let parents = &self.plan.tasks[at].parents;
        parents.iter().all(|parent| self.mark_of(parent).is_some())
    }

    /// Whether a task needs no turn any more.
    pub(super) fn has_ended(&self, at: usize) -> bool {
        self.steps[at].mark.is_some()
    }

    /// Whether nothing new is to begin in this leg.
    pub(super) const fn is_closing(&self) -> bool {
        self.rolling || self.over.is_some()
    }

    /// Whether the run ended on record.
    pub(super) const fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Whether the walk is to go on in a fresh history.
    pub(super) const fn is_rolling(&self) -> bool {
        self.rolling && self.over.is_none()
    }

    /// Looks at how long the history has become.
    pub(super) fn measure(&mut self, history_events: u32) {
        self.rolling |= history_events >= self.plan.history_events;
    }

    /// How many children of a task have their turn at a time; none unless it is mapped.
    pub(super) fn lanes(&self, at: usize) -> usize {
        let mapped = self.plan.tasks.iter().filter(|step| step.map_over.is_some()).count().max(1);
        let state = &self.steps[at];
        let left = (self.children(at).saturating_sub(state.next_child) as usize) + state.again.len();
        left.min((OPEN_CHILDREN / mapped).max(FEWEST_LANES))
    }

    /// How many children a task has.
    fn children(&self, at: usize) -> u32 {
        let source = self.plan.tasks[at].map_over.as_deref().and_then(|source| self.mark_of(source));
        source.filter(|mark| mark.task == TaskState::Succeeded).and_then(|mark| mark.fan_out).unwrap_or(0)
    }

    /// The next child whose turn it is.
    pub(super) fn next_child(&mut self, at: usize) -> Option<u32> {
        let (closing, children) = (self.is_closing(), self.children(at));
        let state = &mut self.steps[at];
        if closing || state.broken {
            return None;
        }
        let child = state.again.pop().or_else(|| {
            let child = state.next_child;
            (child < children).then(|| {
                state.next_child += 1;
                child
            })
        })?;
        state.open_children.insert(child);
        Some(child)
    }

    /// Notes the end of a child's turn.
    pub(super) fn child_ended(&mut self, at: usize, child: u32, mark: &Mark) {
        let on_failure = self.plan.tasks[at].on_failure;
        let state = &mut self.steps[at];
        state.open_children.remove(&child);
        state.broken |= mark.task == TaskState::Failed && on_failure == OnFailure::FailRun;
        self.note(mark);
    }

    /// Notes the end of a task.
    pub(super) fn ended(&mut self, at: usize, mark: Mark) {
        self.note(&mark);
        self.steps[at].mark = Some(mark);
    }

    fn note(&mut self, mark: &Mark) {
        if mark.run.is_final() {
            self.over = Some(mark.run);
        }
    }

    /// How the run ended. Somebody else's report may have ended it on record, so what the tasks say decides in doubt.
    pub(super) fn outcome(&self) -> RunState {
        let failed = |(at, state): (usize, &State)| {
            let failed = state.mark.as_ref().is_some_and(|mark| mark.task == TaskState::Failed);
            failed && self.plan.tasks[at].on_failure == OnFailure::FailRun
        };
        let told = || if self.steps.iter().enumerate().any(failed) { RunState::Failed } else { RunState::Succeeded };
        self.over.unwrap_or_else(told)
    }

    /// The tasks that failed, by name.
    pub(super) fn failed(&self) -> Vec<&str> {
        let failed = |at: &usize| self.steps[*at].mark.as_ref().is_some_and(|mark| mark.task == TaskState::Failed);
        (0..self.steps.len()).filter(failed).map(|at| self.plan.tasks[at].name.as_str()).collect()
    }

    /// How every task stands that has ended.
    pub(super) fn standings(&self) -> impl Iterator<Item = (&str, TaskState)> {
        let names = self.plan.tasks.iter().map(|step| step.name.as_str());
        names.zip(&self.steps).filter_map(|(name, state)| Some((name, state.mark.as_ref()?.task)))
    }

    /// The plan of the next leg.
    pub(super) fn next_leg(&self) -> Plan {
        let progress = |(step, state): (&super::plan::Step, &State)| {
            let open: BTreeSet<u32> = state.open_children.iter().chain(&state.again).copied().collect();
            let begun = state.mark.is_some() || state.next_child > 0;
            begun.then(|| Progress {
                task: step.name.clone(),
                mark: state.mark.clone(),
                next_child: state.next_child,
                open_children: open.into_iter().collect(),
                broken: state.broken,
            })
        };
        let progress = self.plan.tasks.iter().zip(&self.steps).filter_map(progress).collect();
        Plan { progress, ..self.plan.clone() }
    }

    fn mark_of(&self, task: &str) -> Option<&Mark> {
        let at = self.plan.tasks.iter().position(|step| step.name == task)?;
        self.steps[at].mark.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::{RunId, TenantId};

    use super::super::plan::Step;
    use super::*;

    fn step(name: &str, parents: &[&str], map_over: Option<&str>) -> Step {
        Step {
            name: name.to_owned(),
            queue: "default".to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            map_over: map_over.map(str::to_owned),
            on_failure: OnFailure::FailRun,
            limit: Duration::from_secs(1),
        }
    }

    /// A list, a task for each of its items, one behind all of them.
    fn mapped() -> Walk {
        Walk::new(Plan {
            run_id: RunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: "mapped".to_owned(),
            version: 1,
            prefix: "flotilla".to_owned(),
            history_events: 100,
            tasks: vec![
                step("split", &[], None),
                step("read", &["split"], Some("split")),
                step("join", &["read"], None),
            ],
            progress: Vec::new(),
        })
    }

    const fn mark(task: TaskState) -> Mark {
        Mark { run: RunState::Running, task, fan_out: None }
    }

    const fn list(items: u32) -> Mark {
        Mark { run: RunState::Running, task: TaskState::Succeeded, fan_out: Some(items) }
    }

    #[test]
    fn a_task_is_ready_when_its_parents_have_ended_however_they_did() {
        for state in [TaskState::Succeeded, TaskState::Failed, TaskState::Skipped, TaskState::Cancelled] {
            let mut walk = mapped();
            assert!(walk.is_ready(0) && !walk.is_ready(1));
            walk.ended(0, mark(state));
            assert!(walk.is_ready(1) && !walk.is_ready(2), "{state}");
        }
    }

    #[test]
    fn children_have_their_turns_in_order_and_not_too_many_at_a_time() {
        let mut walk = mapped();
        walk.ended(0, list(5_000));
        assert_eq!(walk.lanes(1), OPEN_CHILDREN);
        let begun: Vec<u32> = (0..3).filter_map(|_| walk.next_child(1)).collect();
        assert_eq!(begun, [0, 1, 2]);
        assert_eq!(walk.lanes(0), 0, "it is not mapped");
    }

    #[test]
    fn there_are_no_children_of_what_is_no_list_or_did_not_succeed() {
        let mut walk = mapped();
        walk.ended(0, mark(TaskState::Succeeded));
        assert_eq!((walk.lanes(1), walk.next_child(1)), (0, None));
        let mut walk = mapped();
        walk.ended(0, Mark { task: TaskState::Failed, ..list(3) });
        assert_eq!((walk.lanes(1), walk.next_child(1)), (0, None));
    }

    #[test]
    fn a_child_that_fails_the_task_is_the_last_one_unless_failure_is_tolerated() {
        let mut walk = mapped();
        walk.ended(0, list(3));
        assert_eq!(walk.next_child(1), Some(0));
        walk.child_ended(1, 0, &mark(TaskState::Failed));
        assert_eq!(walk.next_child(1), None);

        let mut walk = mapped();
        walk.plan.tasks[1].on_failure = OnFailure::Continue;
        walk.ended(0, list(3));
        assert_eq!(walk.next_child(1), Some(0));
        walk.child_ended(1, 0, &mark(TaskState::Failed));
        assert_eq!(walk.next_child(1), Some(1));
    }

    #[test]
    fn the_next_leg_goes_on_where_this_one_ended_and_asks_again_for_what_was_open() {
        let mut walk = mapped();
        walk.ended(0, list(6));
        for child in 0..4 {
            assert_eq!(walk.next_child(1), Some(child));
        }
        walk.child_ended(1, 1, &mark(TaskState::Succeeded));
        walk.measure(99);
        assert!(!walk.is_rolling());
        walk.measure(100);
        assert!(walk.is_rolling());
        assert_eq!(walk.next_child(1), None, "nothing new begins in this leg");

        let told = serde_json::to_string(&walk.next_leg()).unwrap();
        let mut next = Walk::new(serde_json::from_str(&told).unwrap());
        assert!(next.has_ended(0) && !next.has_ended(1) && !next.is_closing());
        assert_eq!(next.lanes(1), 5, "three again and two new ones");
        let turns: Vec<u32> = std::iter::from_fn(|| next.next_child(1)).collect();
        assert_eq!(turns, [0, 2, 3, 4, 5]);
    }

    #[test]
    fn the_next_leg_knows_that_a_child_failed_the_task() {
        let mut walk = mapped();
        walk.ended(0, list(3));
        assert_eq!(walk.next_child(1), Some(0));
        walk.child_ended(1, 0, &mark(TaskState::Failed));
        let mut next = Walk::new(walk.next_leg());
        assert_eq!(next.next_child(1), None);
    }

    #[test]
    fn a_run_that_ended_on_record_ends_the_walk_whatever_is_open() {
        let mut walk = mapped();
        walk.ended(0, Mark { run: RunState::Cancelled, ..mark(TaskState::Cancelled) });
        assert!(walk.is_over() && walk.is_closing() && !walk.is_rolling());
        assert_eq!(walk.outcome(), RunState::Cancelled);
    }

    #[test]
    fn without_word_of_the_run_its_tasks_tell_how_it_ended() {
        let mut walk = mapped();
        (0..3).for_each(|at| walk.ended(at, mark(TaskState::Succeeded)));
        assert_eq!((walk.outcome(), walk.failed().len()), (RunState::Succeeded, 0));
        walk.ended(2, mark(TaskState::Failed));
        assert_eq!((walk.outcome(), walk.failed()), (RunState::Failed, vec!["join"]));
    }
}
