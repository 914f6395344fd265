//! What has to hold after every event and at the end, said without the engine's own words for it.

use engine::{Action, Run, TaskRun, Transition};
use protocol::workflow::{OnFailure, TaskSpec};
use protocol::{RunState, TaskState};

use super::fleet::Story;

pub(super) fn assert_step(before: &Run, after: &Run, transition: &Transition) {
    assert_only_touched_changed(before, after, transition);
    for (old, new) in before.tasks.iter().zip(&after.tasks) {
        assert_eq!(old.id, new.id, "task runs keep their places");
        assert!(!old.state.is_final() || old == new, "recorded once: {old:?} became {new:?}");
        assert!(new.attempt == old.attempt || new.attempt == old.attempt + 1, "{old:?} became {new:?}");
    }
    for task_run in &after.tasks {
        assert_well_formed(after, task_run);
    }
    let ignored = transition.actions.iter().any(|action| matches!(action, Action::Ignored { .. }));
    if ignored || before.state.is_final() {
        assert_eq!(before, after, "{:?}", transition.actions);
        assert_eq!((transition.ignored.as_slice(), transition.actions.len()), ([0].as_slice(), 1));
    }
    let ended = transition.actions.iter().filter(|action| matches!(action, Action::RunEnded { .. })).count();
    assert_eq!(ended, usize::from(!before.state.is_final() && after.state.is_final()));
    assert_published_in_order(before, after, transition);
}

/// What the ledger does not store did not change.
pub(super) fn assert_only_touched_changed(before: &Run, after: &Run, transition: &Transition) {
    for (at, new) in after.tasks.iter().enumerate() {
        assert!(before.tasks.get(at) == Some(new) || transition.touched.contains(&at), "{new:?} is not stored");
    }
    let without_tasks = |run: &Run| Run { tasks: Vec::new(), ..run.clone() };
    assert!(without_tasks(before) == without_tasks(after) || transition.run_changed, "the run is not stored");
}

/// Whatever is handed out is ready for it; whatever is not handed out was not released.
fn assert_published_in_order(before: &Run, after: &Run, transition: &Transition) {
    let mut published = Vec::new();
    for action in &transition.actions {
        let Action::Publish { task_run, attempt } = action else { continue };
        let now = after.task_run(*task_run).unwrap();
        let earlier = before.task_run(*task_run).map_or(0, |task_run| task_run.attempt);
        assert_eq!(after.state, RunState::Running, "nothing is published after the end");
        assert_eq!((now.state, now.attempt), (TaskState::Queued, *attempt));
        assert_eq!(*attempt, earlier + 1, "attempts are counted one by one");
        published.push(now.id);
    }
    for task_run in &after.tasks {
        let earlier = before.task_run(task_run.id).map_or(0, |task_run| task_run.attempt);
        assert_eq!(published.contains(&task_run.id), task_run.attempt != earlier, "{task_run:?}");
    }
}

fn assert_well_formed(run: &Run, task_run: &TaskRun) {
    let spec = run.workflow.spec(&task_run.task).unwrap();
    let (state, mapped) = (task_run.state, spec.map_over.is_some() && task_run.index.is_none());
    assert_eq!(task_run.due_at.is_some(), state == TaskState::Waiting, "{task_run:?}");
    assert_eq!(task_run.ended_at.is_some(), state.is_final(), "{task_run:?}");
    assert_eq!(task_run.output.is_some(), state == TaskState::Succeeded && !mapped, "{task_run:?}");
    assert!(task_run.failures <= spec.retry.max_attempts, "{task_run:?}");
    if state == TaskState::Failed {
        assert!(task_run.error.is_some(), "{task_run:?}");
    }
    if task_run.attempt > 0 || state == TaskState::Running || state == TaskState::Succeeded {
        let parents_let_it = spec.parents.iter().all(|parent| lets_run(run, run.workflow.spec(parent).unwrap()));
        assert!(parents_let_it, "{task_run:?} started before its parents");
    }
    if state == TaskState::Skipped {
        assert_eq!(task_run.attempt, 0, "{task_run:?}");
        let stopped = |parent: &&String| {
            let spec = run.workflow.spec(parent).unwrap();
            head(run, spec).state.is_final() && !lets_run(run, spec)
        };
        assert!(spec.parents.iter().any(|parent| stopped(&parent)), "{task_run:?} was skipped for nothing");
    }
}

fn lets_run(run: &Run, parent: &TaskSpec) -> bool {
    let state = head(run, parent).state;
    state == TaskState::Succeeded || (state == TaskState::Failed && parent.on_failure == OnFailure::Continue)
}

fn head<'a>(run: &'a Run, spec: &TaskSpec) -> &'a TaskRun {
    run.tasks.iter().find(|task_run| task_run.task == spec.name && task_run.index.is_none()).unwrap()
}

pub(super) fn assert_ended_well(story: &Story) {
    let run = &story.end.run;
    assert!(run.state.is_final(), "stuck: {}", story.end.states());
    assert_eq!(story.run_ended, 1);
    assert!(run.tasks.iter().all(|task_run| task_run.state.is_final()), "{}", story.end.states());
    assert_eq!(run.error.is_some(), run.state != RunState::Succeeded);
    if story.stopped {
        assert!(run.error.as_ref().is_some_and(|error| ["cancelled", "deadline_exceeded"].contains(&&*error.code)));
        return;
    }
    let fatal = |spec: &&TaskSpec| spec.on_failure == OnFailure::FailRun && head(run, spec).state == TaskState::Failed;
    let failed = run.workflow.tasks.iter().any(|spec| fatal(&spec));
    assert_eq!(run.state, if failed { RunState::Failed } else { RunState::Succeeded });
    for task_run in run.tasks.iter().filter(|task_run| task_run.state == TaskState::Cancelled) {
        let spec = run.workflow.spec(&task_run.task).unwrap();
        let sibling_failed = task_run.index.is_some() && head(run, spec).state == TaskState::Failed;
        assert!(sibling_failed, "{task_run:?} was cancelled for nothing");
    }
}

/// Exactly those tasks that succeeded after nothing but successes are taken over, with what they left.
pub(super) fn assert_taken_over(old: &Run, again: &Run, from: Option<&str>) {
    assert_eq!((again.state, again.workflow.as_ref()), (RunState::Queued, old.workflow.as_ref()));
    let succeeded = |spec: &TaskSpec| head(old, spec).state == TaskState::Succeeded && Some(spec.name.as_str()) != from;
    for spec in &old.workflow.tasks {
        let (was, is) = (head(old, spec), head(again, spec));
        let family = |run: &Run| -> Vec<_> {
            let children = run.tasks.iter().filter(|child| child.task == spec.name && child.index.is_some());
            children.map(|child| (child.index, child.state, child.output.clone(), child.error.clone())).collect()
        };
        assert!(is.attempt == 0 && old.task_run(is.id).is_none(), "{is:?}");
        if succeeded(spec) && old.workflow.ancestors(&spec.name).into_iter().all(succeeded) {
            assert_eq!((is.state, &is.output, is.fan_out), (was.state, &was.output, was.fan_out), "{is:?}");
            assert_eq!(family(again), family(old));
        } else {
            assert_eq!((is.state, family(again).len()), (TaskState::Blocked, 0), "{is:?}");
        }
        assert_well_formed(again, is);
    }
}
